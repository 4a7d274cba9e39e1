"""The rules of single kinds: what is wrong with an object that is right but for one thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kube_edu.api import manifest
from kube_edu.api.meta import Object, clone
from kube_edu.api.validation import validate_create, validate_update
from tests.api.manifests import admitted

TEXT = (Path(__file__).parents[1] / "apiserver/kinds.yaml").read_text()
KINDS = {obj["kind"]: obj for obj in manifest.load_all(TEXT)}
GONE = object()


def example(kind: str, path: str = "", value: Any = None) -> Object:
    """A good object of a kind, but for one field."""
    obj: Object = admitted(KINDS[kind])
    if path:
        *way, last = path.split(".")
        part: Any = obj
        for step in way:
            part = part[int(step)] if step.isdecimal() else part.setdefault(step, {})
        if value is GONE:
            del part[last]
        else:
            part[last] = value
    return obj


CREATE = [
    ("CronJob", "spec.schedule", "often", "expected exactly 5 fields, found 1: [often]"),
    ("CronJob", "spec.schedule", "61 * * * *", "out of range"),
    ("CronJob", "spec.schedule", "a * * * *", "failed to parse"),
    ("CronJob", "metadata.name", "x" * 53, "must be no more than 52 characters"),
    (
        "CronJob",
        "spec.concurrencyPolicy",
        "Never",
        'supported values: "Allow", "Forbid", "Replace"',
    ),
    ("Job", "spec.template.spec.restartPolicy", "Always", 'valid values: "OnFailure", "Never"'),
    ("Job", "spec.parallelism", -1, "must be greater than or equal to 0"),
    ("DaemonSet", "spec.updateStrategy.type", "Recreate", '"OnDelete", "RollingUpdate"'),
    ("StatefulSet", "spec.podManagementPolicy", "Chaos", '"OrderedReady", "Parallel"'),
    ("StatefulSet", "spec.selector.matchLabels.a", "c", "does not match template `labels`"),
    ("ReplicationController", "spec.selector", {"a": "c"}, "does not match template `labels`"),
    ("HorizontalPodAutoscaler", "spec.minReplicas", 9, "greater than or equal to `minReplicas`"),
    ("PodDisruptionBudget", "spec.maxUnavailable", 1, "cannot be both set"),
    ("PersistentVolume", "spec.nfs", {"server": "a", "path": "/"}, "more than 1 volume type"),
    ("PersistentVolume", "spec.hostPath", GONE, "must specify a volume type"),
    ("PersistentVolumeClaim", "spec.accessModes", [], "at least 1 access mode is required"),
    ("PersistentVolumeClaim", "spec.resources.requests", {"storage": "0"}, "greater than zero"),
    ("PersistentVolumeClaim", "spec.accessModes", ["Any"], '"ReadWriteOncePod"'),
    ("PriorityClass", "value", 2_000_000_000, "maximum allowed value of a user defined priority"),
    ("PriorityClass", "metadata.name", "system-mine", "reserved for system use only"),
    ("RoleBinding", "roleRef.kind", "User", 'supported values: "ClusterRole", "Role"'),
    ("RoleBinding", "subjects.0.namespace", "", "subjects[0].namespace"),
    ("Ingress", "spec.rules", [], "either `defaultBackend` or `rules` must be specified"),
    ("Ingress", "spec.rules.0.http.paths.0.path", "x", "must be an absolute path"),
    ("Ingress", "spec.rules.0.host", "*", "must start with '*.'"),
    ("IPAddress", "metadata.name", "10.0.0.256", "not a valid ip address"),
    ("NetworkPolicy", "spec.policyTypes", ["Both"], 'supported values: "Egress", "Ingress"'),
    ("ResourceQuota", "spec.hard", {"pods": "-1"}, 'spec.hard[pods]: Invalid value: "-1": must be'),
    ("ResourceQuota", "spec.hard", {"count/jobs.batch": "1.5"}, "must be an integer"),
    ("ResourceQuota", "spec.scopes", ["Some"], 'spec.scopes[0]: Unsupported value: "Some"'),
    ("Pod", "spec.containers.0.resources", {"limits": {"cpu": "-1"}}, "resources.limits[cpu]: Inv"),
    ("StorageClass", "volumeBindingMode", "Later", '"Immediate", "WaitForFirstConsumer"'),
    ("ValidatingWebhookConfiguration", "webhooks.0.timeoutSeconds", 31, "between 1 and 30"),
    ("CertificateSigningRequest", "spec.signerName", GONE, "spec.signerName: Required value"),
]


@pytest.mark.parametrize(("kind", "path", "value", "why"), CREATE)
def test_one_thing_is_wrong_and_told(kind: str, path: str, value: Any, why: str) -> None:
    errors = [str(error) for error in validate_create(example(kind, path, value))]
    assert errors and any(why in error for error in errors), errors


UPDATE = [
    ("Job", "spec.completions", 7, "spec.completions: Invalid value: 7: field is immutable"),
    ("Job", "spec.template.spec.dnsPolicy", "Default", "spec.template"),
    ("StatefulSet", "spec.serviceName", "other", "updates to statefulset spec for fields other"),
    ("DaemonSet", "spec.selector.matchLabels", {"a": "b", "c": "d"}, "field is immutable"),
    ("PersistentVolume", "spec.hostPath.path", "/x", "is immutable after creation"),
    ("PersistentVolumeClaim", "spec.volumeMode", "Block", "spec is immutable after creation"),
    ("PriorityClass", "value", 7, "may not be changed in an update."),
    ("RoleBinding", "roleRef.name", "y", "cannot change roleRef"),
    ("StorageClass", "provisioner", "other", "Forbidden: updates to it are forbidden."),
    ("RuntimeClass", "handler", "other", "field is immutable"),
    ("ControllerRevision", "data", {"b": 1}, "field is immutable"),
    ("VolumeAttachment", "spec.nodeName", "y", "field is immutable"),
]


@pytest.mark.parametrize(("kind", "path", "value", "why"), UPDATE)
def test_what_may_not_change_stays(kind: str, path: str, value: Any, why: str) -> None:
    errors = [str(e) for e in validate_update(example(kind, path, value), example(kind))]
    assert any(why in error for error in errors), errors


FREE = [
    ("StatefulSet", "spec.replicas", 5),
    ("PersistentVolumeClaim", "spec.volumeName", "pv"),
    ("PersistentVolumeClaim", "spec.resources.requests", {"storage": "2Gi"}),
    ("CronJob", "spec.schedule", "0 9-17/2 * jan,jun mon-fri"),
    ("CronJob", "spec.schedule", "@hourly"),
]


@pytest.mark.parametrize(("kind", "path", "value"), FREE)
def test_what_may_change_does(kind: str, path: str, value: Any) -> None:
    assert validate_update(example(kind, path, value), example(kind)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_filled_in_once(kind: str) -> None:
    made = example(kind)
    assert admitted(clone(made)) == made
