"""Whether a pod makes sense, in itself and as the successor of another.

Source: kubernetes, pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_edu.api import meta, quantity, rules
from kube_edu.api.meta import Object
from kube_edu.api.podutil import qos_class
from kube_edu.api.rules import Errors
from kube_edu.api.status import duplicate, forbidden_field, invalid_value, not_found_value


def pod_spec(spec: Object, prefix: str, claims: Sequence[str] = ()) -> Errors:
    """What is wrong with a pod spec; `claims` are volumes besides those that it lists."""
    volumes = [*claims, *(volume.get("name") for volume in spec.get("volumes") or ())]
    seen = []
    for group in ("containers", "initContainers", "ephemeralContainers"):
        for where, container in rules.values_at(spec, f"{group}[]"):
            if container.get("name") in seen:
                yield duplicate(f"{prefix}{where}.name", container["name"])
            seen.append(container.get("name"))
            yield from _container(container, volumes, f"{prefix}{where}.")
            for field in _NOT_EPHEMERAL if group == "ephemeralContainers" else ():
                if container.get(field):
                    why = "cannot be set for an Ephemeral Container"
                    yield forbidden_field(f"{prefix}{where}.{field}", why)


_NOT_EPHEMERAL = ("lifecycle", "livenessProbe", "ports", "readinessProbe", "resizePolicy",
                  "resources", "startupProbe")  # fmt: skip


def _container(container: Object, volumes: list[Any], prefix: str) -> Errors:
    for where, name in rules.values_at(container, "volumeMounts[].name"):
        if name not in volumes:
            yield not_found_value(prefix + where, name)
    resources = container.get("resources") or {}
    for part in ("limits", "requests"):
        for name, stated in (resources.get(part) or {}).items():
            if quantity.parse(stated) < 0:
                why = "must be greater than or equal to 0"
                yield invalid_value(f"{prefix}resources.{part}[{name}]", stated, why)
    for name, request in (resources.get("requests") or {}).items():
        limit = (resources.get("limits") or {}).get(name)
        if limit is not None and quantity.parse(request) > quantity.parse(limit):
            why = f"must be less than or equal to {name} limit of {limit}"
            yield invalid_value(f"{prefix}resources.requests", request, why)


def pod_update(new: Object, old: Object) -> Errors:
    """A pod runs as it was made: its spec may change in a few fields only."""
    for group in ("containers", "initContainers"):
        if len(new["spec"].get(group) or ()) != len(old["spec"].get(group) or ()):
            yield forbidden_field(f"spec.{group}", "pod updates may not add or remove containers")
            return
    tolerations = new["spec"].get("tolerations") or []
    if not all(t in tolerations for t in old["spec"].get("tolerations") or ()):
        why = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden_field("spec.tolerations", why)
    if _fixed_part(new["spec"]) != _fixed_part(old["spec"]):
        why = (
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
            "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
            "(allow it to be set to 1 if it was previously negative)"
        )
        yield forbidden_field("spec", why)
    yield from _fixed_annotations(meta.annotations(new), meta.annotations(old))


def _fixed_annotations(new: dict[str, str], old: dict[str, str]) -> Errors:
    """What others rely on: that a pod mirrors one of its node's own, and how it is confined."""
    for key in dict.fromkeys([*new, *old]):
        is_mirror = key == "kubernetes.io/config.mirror"
        if new.get(key) == old.get(key) or not (is_mirror or key.startswith(_APP_ARMOR)):
            continue
        done = "remove or update" if key in old else "add"
        what = "mirror pod annotation" if is_mirror else "AppArmor annotations"
        yield forbidden_field(f"metadata.annotations[{key}]", f"may not {done} {what}")


_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


def _fixed_part(spec: Object) -> Object:
    fixed = {k: v for k, v in spec.items() if k not in ("activeDeadlineSeconds", "tolerations")}
    for group in ("containers", "initContainers"):
        fixed[group] = [{**c, "image": ""} for c in spec.get(group) or ()]
    return fixed


def ephemeral_update(new: Object, old: Object) -> Errors:
    """Ephemeral containers are added, and stay as they are."""
    path = "spec.ephemeralContainers"
    added = {c["name"]: c for c in new["spec"].get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if name not in added:
            why = f'existing ephemeral containers "{name}" may not be removed'
            yield forbidden_field(path, why)
        elif added[name] != container:
            why = f'existing ephemeral containers "{name}" may not be changed'
            yield forbidden_field(path, why)


def pod_resize(new: Object, old: Object) -> Errors:
    """A pod keeps its quality-of-service class when it is resized."""
    before, after = qos_class(old), qos_class(new)
    if before != after:
        why = "Pod QOS Class may not change as a result of resizing"
        yield invalid_value("spec", after, why)
