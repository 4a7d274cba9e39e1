"""What the API server fills into the spec of a pod, wherever it stands.

Source: kubernetes, pkg/apis/core/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from kube_edu.api.meta import Object, clone


def pod(spec: Object) -> None:
    """A pod of its own, as against a template for pods."""
    pod_spec(spec)
    for container in containers(spec):
        limits = (container.get("resources") or {}).get("limits") or {}
        if limits:
            requests = container["resources"].setdefault("requests", {})
            fill(requests, limits)
        if spec.get("hostNetwork"):
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port.get("containerPort"))


def pod_spec(spec: Object) -> None:
    fill(spec, POD_SPEC)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in containers(spec):
        _container(container)
    for volume in spec.get("volumes") or ():
        if len(volume) <= 1:
            volume["emptyDir"] = {}
        for source, defaults in VOLUME_SOURCES.items():
            if source in volume:
                fill(volume[source], defaults)
        if claim := (volume.get("ephemeral") or {}).get("volumeClaimTemplate"):
            fill(claim, {"spec": {"volumeMode": "Filesystem"}})
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                fill(source["serviceAccountToken"], {"expirationSeconds": 3600})
            _field_versions((source.get("downwardAPI") or {}).get("items") or [])
        _field_versions((volume.get("downwardAPI") or {}).get("items") or [])


def _container(container: Object) -> None:
    fill(container, CONTAINER)
    container.setdefault("imagePullPolicy", image_pull_policy(container.get("image", "")))
    for port in container.get("ports") or ():
        fill(port, {"protocol": "TCP"})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            fill(container[name], PROBE)
            _handler(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        _handler(hook)
    _field_versions([env.get("valueFrom") or {} for env in container.get("env") or ()])


def _handler(handler: Object) -> None:
    if "httpGet" in handler:
        fill(handler["httpGet"], {"path": "/", "scheme": "HTTP"})
    if "grpc" in handler:
        fill(handler["grpc"], {"service": ""})


def _field_versions(items: list[Object]) -> None:
    for item in items:
        if "fieldRef" in item:
            fill(item["fieldRef"], {"apiVersion": "v1"})


def image_pull_policy(image: str) -> str:
    """An image without a tag, or tagged "latest", may change: always pull it."""
    name, at, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if at or tag not in ("", "latest") else "Always"


def containers(spec: Object) -> Iterator[Object]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or ()


def fill(target: Object, defaults: Object) -> None:
    """Put in what is absent, at every depth."""
    for name, value in defaults.items():
        if target.get(name) is None:
            target[name] = clone(value)
        elif isinstance(value, dict):
            fill(target[name], value)


# The plain defaults. An empty dict stands for a struct that Go always writes out.

POD_SPEC: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}

CONTAINER: Object = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}

PROBE: Object = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}

VOLUME_SOURCES: dict[str, Object] = {
    "configMap": {"defaultMode": 0o644},
    "downwardAPI": {"defaultMode": 0o644},
    "hostPath": {"type": ""},
    "projected": {"defaultMode": 0o644},
    "secret": {"defaultMode": 0o644},
}
