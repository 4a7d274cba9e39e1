"""Rules of the kinds that make pods.

Source: kubernetes, pkg/apis/apps/validation and pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube_edu.api import meta, rules
from kube_edu.api.meta import Object
from kube_edu.api.podvalidation import pod_spec
from kube_edu.api.rules import Errors
from kube_edu.api.selectors import LabelSelector, SelectorError
from kube_edu.api.status import forbidden_field, invalid_value, not_supported, required


def replicated(obj: Object, claims: Sequence[str] = ()) -> Errors:
    """A selector, and a template that it matches; `claims` are volumes that are made for it."""
    spec = obj.get("spec", {})
    template = spec.get("template", {})
    template_labels = meta.labels(template)
    yield from rules.labels("spec.template.labels", template_labels)
    yield from pod_spec(template.get("spec", {}), "spec.template.spec.", claims)
    try:
        selector = LabelSelector.from_dict(spec.get("selector"))
    except SelectorError:
        yield invalid_value("spec.selector", spec["selector"], "invalid label selector")
        return
    if selector.empty:
        why = f"empty selector is invalid for {obj['kind'].lower()}"
        yield invalid_value("spec.selector", spec["selector"], why)
    elif not selector.matches(template_labels):
        why = "`selector` does not match template `labels`"
        yield invalid_value("spec.template.metadata.labels", template_labels or None, why)


def deployment(obj: Object) -> Errors:
    yield from replicated(obj)
    spec = obj.get("spec", {})
    strategy = spec.get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    if rolling.get("maxSurge") in (0, "0%") and rolling.get("maxUnavailable") in (0, "0%"):
        path = "spec.strategy.rollingUpdate.maxUnavailable"
        yield invalid_value(path, rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        why = "must be greater than minReadySeconds"
        yield invalid_value("spec.progressDeadlineSeconds", deadline, why)


def replication_controller(obj: Object) -> Errors:
    """Its selector is a plain map of labels."""
    spec = obj.get("spec", {})
    selector, template = spec.get("selector") or {}, spec.get("template") or {}
    labels = meta.labels(template)
    if any(labels.get(key) != value for key, value in selector.items()):
        why = "`selector` does not match template `labels`"
        yield invalid_value("spec.template.metadata.labels", labels or None, why)
    yield from rules.labels("spec.template.labels", labels)
    yield from pod_spec(template.get("spec", {}), "spec.template.spec.")


def stateful_set(obj: Object) -> Errors:
    claims = obj["spec"].get("volumeClaimTemplates") or ()
    yield from replicated(obj, [meta.name(claim) for claim in claims])


def stateful_set_update(new: Object, old: Object) -> Errors:
    before, after = (
        {field: value for field, value in spec.items() if field not in _CHANGEABLE}
        for spec in (old["spec"], new["spec"])
    )
    if before != after:
        *most, last = (f"'{field}'" for field in _CHANGEABLE)
        but = f"{', '.join(most)} and {last}"
        why = f"updates to statefulset spec for fields other than {but} are forbidden"
        yield forbidden_field("spec", why)


_CHANGEABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def job(obj: Object) -> Errors:
    yield from replicated(obj)
    yield from _runs_to_completion(obj["spec"], "spec")


def _runs_to_completion(spec: Object, prefix: str) -> Errors:
    path = f"{prefix}.template.spec.restartPolicy"
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy == "Always":
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(path, policy, ("OnFailure", "Never"))


def job_update(new: Object, old: Object) -> Errors:
    """How many completions make the whole can change only along with an Indexed Job's width."""
    before, after = (job["spec"].get("completions") for job in (old, new))
    elastic = new["spec"].get("completionMode") == "Indexed"
    if before != after and not (elastic and after == new["spec"].get("parallelism")):
        yield invalid_value("spec.completions", after, "field is immutable")
    suspended = old["spec"].get("suspend") and "startTime" not in old.get("status", {})
    if new["spec"]["template"] != old["spec"]["template"] and not suspended:
        yield invalid_value("spec.template", new["spec"]["template"], "field is immutable")


def cron_job(obj: Object) -> Errors:
    spec = obj["spec"]
    if len(meta.name(obj)) > _LONGEST_CRON_JOB:
        why = f"must be no more than {_LONGEST_CRON_JOB} characters"
        yield invalid_value("metadata.name", meta.name(obj), why)
    job_spec, path = spec["jobTemplate"]["spec"], "spec.jobTemplate.spec"
    yield from pod_spec(job_spec["template"]["spec"], f"{path}.template.spec.")
    yield from _runs_to_completion(job_spec, path)


_LONGEST_CRON_JOB = 63 - 11  # room for the time in the names of its Jobs
