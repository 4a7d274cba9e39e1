"""Lab 07, third exercise: a validating plug-in."""

from __future__ import annotations

from typing import Any

from kube_edu import Cluster
from kube_edu.apiserver.admission import Attributes
from kube_edu.classroom.apiserver.admission import (
    ALIKE,
    ALSO,
    BAD,
    DEPLOYMENT,
    FIELDS,
    KEY,
    Admitted,
    Change,
    pods_after,
)
from kube_edu.classroom.trial import Failure, Reasons

Object = dict[str, Any]


async def trusted_images(attributes: Attributes, cluster: Any) -> None:
    """The reference: new images of pods come from where their namespace says."""
    a = attributes
    judged = a.subresource in ("", "ephemeralcontainers") and a.verb in ("create", "update")
    if a.resource.plural != "pods" or not judged:
        return
    namespace = await cluster.find("namespaces", "", a.namespace) or {"metadata": {}}
    listed = (namespace["metadata"].get("annotations") or {}).get(KEY)
    if listed is None:
        return
    known = images_of(a.old) if a.old else []
    for image in images_of(a.object):
        if not _trusted(image, listed) and image not in known:
            raise a.refused(f"image {image} is not from {listed}")


def _trusted(image: str, listed: str) -> bool:
    return any(image.startswith(f"{place.strip()}/") for place in listed.split(","))


def images_of(pod: Object) -> list[str]:
    return [container["image"] for field in FIELDS.values()
            for container in pod["spec"].get(field) or ()]  # fmt: skip


class Judged(Admitted):
    role = "admission.validate"
    because = Reasons("07-the-gate", "trusted_images")
    reference = staticmethod(trusted_images)

    def why(self) -> Failure:
        yours, change = self.yours, self.case
        if yours.object != self.right.object:
            return self.because("changes")
        if yours.returned is not None:
            return self.because("returns", returned=f"{yours.returned!r:.40}")
        kind = _let_in(change) if yours.refusal is None else _kept_out(change)
        return self.because(kind, change=change)

    @staticmethod
    def live(cluster: Cluster) -> str:
        if pods_after(cluster, "nginx"):
            return "admits"
        cluster.apply(DEPLOYMENT.format(image="reg.example/nginx"))
        cluster.run_for(30)
        return "" if cluster.ready("deployment/web", "shop") else "refuses"


def _let_in(change: Change) -> str:
    if change.subresource == "ephemeralcontainers":
        return "ephemeral"
    if change.verb == "update":
        return "update"
    if {kind for kind, image, _ in change.containers if image in (BAD, ALIKE)} == {"init"}:
        return "init container"
    if len(change.containers) > 1:
        return "one of several"
    return "begins alike" if change.containers[0][1] == ALIKE else "admits"


def _kept_out(change: Change) -> str:
    if change.verb == "delete":
        return "delete"
    if change.resource != "pods" or change.subresource == "binding":
        return "no pod"
    if change.registries is None:
        return "says nothing"
    if change.verb == "update" and change.subresource == "status":
        return "status"
    before = [image for _, image, _ in change.before]
    of_old = [image for image in before if not _trusted(image, change.registries)]
    images = [image for _, image, _ in change.containers]
    if change.verb == "update" and of_old and (ALSO in before or ALSO not in images):
        return "there before"
    if " " in change.registries:
        return "blanks"
    return "second place" if ALSO in images else "refuses"


TRUSTED_IMAGES = Judged.exercise("what is not trusted stays out, and everything else goes through")
