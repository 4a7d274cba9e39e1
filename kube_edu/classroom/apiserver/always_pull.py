"""Lab 07, second exercise: a mutating plug-in."""

from __future__ import annotations

from typing import Any

from kube_edu import Cluster
from kube_edu.apiserver.admission import Attributes
from kube_edu.classroom.apiserver.admission import FIELDS, Admitted, pods_after
from kube_edu.classroom.trial import Failure, Reasons


async def always_pull(attributes: Attributes, cluster: Any) -> None:
    """Upstream's plug-in AlwaysPullImages (plugin/pkg/admission/alwayspullimages/admission.go)."""
    if attributes.is_about("pods", "create"):
        for field in FIELDS.values():
            for container in attributes.object["spec"].get(field) or ():
                container["imagePullPolicy"] = "Always"


class Pulled(Admitted):
    role = "admission.mutate"
    because = Reasons("07-the-gate", "always_pull")
    reference = staticmethod(always_pull)

    def why(self) -> Failure:
        change, yours = self.case, self.yours
        if yours.refusal is not None:
            return self.because("refuses")
        if yours.returned is not None and yours.object == change.attributes().object:
            return self.because("returns")
        if change.subresource:
            return self.because("subresource", change=change)
        if change.resource != "pods":
            return self.because("resource", change=change)
        if change.verb != "create":
            return self.because("verb", change=change)
        asked = change.attributes().object["spec"]
        for field in ("containers", "initContainers"):
            sides = (spec.get(field) or () for spec in (asked, yours.object["spec"],
                                                        self.right.object["spec"]))  # fmt: skip
            for number, (before, mine, right) in enumerate(zip(*sides, strict=False)):
                had = before.get("imagePullPolicy", "")
                if mine.get("imagePullPolicy") != "Always":
                    return self.because(_passed_over(field, number, had), had=had)
                if mine != right:
                    return self.because("more of the container")
        return self.because("more")

    @staticmethod
    def live(cluster: Cluster) -> str:
        pods = pods_after(cluster, "nginx")
        if not pods or not cluster.ready("deployment/web", "shop"):
            return "no pod"
        pulled = pods[0]["spec"]["containers"][0]["imagePullPolicy"] == "Always"
        return "" if pulled else "not always"


def _passed_over(field: str, number: int, had: str) -> str:
    """What is special about a container that is left as it is."""
    if had:
        return "advice"
    if number:
        return "the first alone"
    return "init containers" if field == "initContainers" else "not always"


ALWAYS_PULL = Pulled.exercise("every new pod pulls its images, and nothing else is touched")
