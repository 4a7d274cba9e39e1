"""What the API server fills in where a manifest says nothing.

Source: kubernetes, pkg/apis/core/v1/defaults.go and pkg/apis/apps/v1/defaults.go. Plain defaults
are the table at the end; those that depend on other fields are functions.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

from kube_edu.api import meta
from kube_edu.api.meta import Object, clone


def set_defaults(obj: Object) -> Object:
    """A copy of an object with every default in place."""
    full: Object = clone(obj)
    kind = full.get("kind", "")
    _fill(full, PLAIN.get(kind, {}))
    if kind in _COMPUTED:
        _COMPUTED[kind](full)
    return full


def _fill(target: Object, defaults: Object) -> None:
    """Put in what is absent, at every depth."""
    for name, value in defaults.items():
        if target.get(name) is None:
            target[name] = clone(value)
        elif isinstance(value, dict):
            _fill(target[name], value)


# Pods and what makes pods


def _pod(pod: Object) -> None:
    spec = pod["spec"]
    _pod_spec(spec)
    for container in _containers(spec):
        limits = (container.get("resources") or {}).get("limits") or {}
        if limits:
            requests = container["resources"].setdefault("requests", {})
            _fill(requests, limits)
        if spec.get("hostNetwork"):
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port.get("containerPort"))


def _pod_spec(spec: Object) -> None:
    _fill(spec, POD_SPEC)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in _containers(spec):
        _container(container)
    for volume in spec.get("volumes") or ():
        if len(volume) <= 1:
            volume["emptyDir"] = {}
        for source, defaults in VOLUME_SOURCES.items():
            if source in volume:
                _fill(volume[source], defaults)
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                _fill(source["serviceAccountToken"], {"expirationSeconds": 3600})
            _field_versions((source.get("downwardAPI") or {}).get("items") or [])
        _field_versions((volume.get("downwardAPI") or {}).get("items") or [])


def _container(container: Object) -> None:
    _fill(container, CONTAINER)
    container.setdefault("imagePullPolicy", image_pull_policy(container.get("image", "")))
    for port in container.get("ports") or ():
        _fill(port, {"protocol": "TCP"})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _fill(container[name], PROBE)
            _handler(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        _handler(hook)
    _field_versions([env.get("valueFrom") or {} for env in container.get("env") or ()])


def _handler(handler: Object) -> None:
    if "httpGet" in handler:
        _fill(handler["httpGet"], {"path": "/", "scheme": "HTTP"})
    if "grpc" in handler:
        _fill(handler["grpc"], {"service": ""})


def _field_versions(items: list[Object]) -> None:
    for item in items:
        if "fieldRef" in item:
            _fill(item["fieldRef"], {"apiVersion": "v1"})


def image_pull_policy(image: str) -> str:
    """An image without a tag, or tagged "latest", may change: always pull it."""
    name, at, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if at or tag not in ("", "latest") else "Always"


def _containers(spec: Object) -> Iterator[Object]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or ()


def _template(workload: Object) -> None:
    template = workload["spec"]["template"]
    _fill(template, {"metadata": {}, "spec": {}})
    _pod_spec(template["spec"])


def _deployment(deployment: Object) -> None:
    _template(deployment)
    strategy = deployment["spec"]["strategy"]
    if strategy["type"] == "RollingUpdate":
        _fill(strategy, {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})


# The rest of the kinds


def _service(service: Object) -> None:
    spec = service["spec"]
    for port in spec.get("ports") or ():
        _fill(port, {"protocol": "TCP"})
        if port.get("targetPort") in (None, 0, "") and "port" in port:
            port["targetPort"] = port["port"]
    if spec["sessionAffinity"] == "ClientIP":
        _fill(spec, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}})
    if spec["type"] != "ExternalName":
        _fill(spec, CLUSTER_SERVICE)
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _fill(spec, {"externalTrafficPolicy": "Cluster"})
    if spec["type"] == "LoadBalancer":
        _fill(spec, {"allocateLoadBalancerNodePorts": True})


def _endpoints(endpoints: Object) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            _fill(port, {"protocol": "TCP"})


def _endpoint_slice(slice: Object) -> None:
    for port in slice.get("ports") or ():
        _fill(port, {"name": "", "protocol": "TCP"})


def _namespace(namespace: Object) -> None:
    name = meta.name(namespace)
    if name:
        _fill(namespace, {"metadata": {"labels": {"kubernetes.io/metadata.name": name}}})


def _node(node: Object) -> None:
    if "capacity" in node["status"]:
        _fill(node["status"], {"allocatable": node["status"]["capacity"]})


def _secret(secret: Object) -> None:
    """`stringData` is for writing only: it goes into `data`, over what is there."""
    texts = secret.pop("stringData", None) or {}
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        secret["data"] = {**secret.get("data", {}), **encoded}


_COMPUTED: dict[str, Callable[[Object], None]] = {
    "Deployment": _deployment,
    "EndpointSlice": _endpoint_slice,
    "Endpoints": _endpoints,
    "Namespace": _namespace,
    "Node": _node,
    "Pod": _pod,
    "ReplicaSet": _template,
    "Secret": _secret,
    "Service": _service,
}

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

CLUSTER_SERVICE: Object = {
    "internalTrafficPolicy": "Cluster",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
}

PLAIN: dict[str, Object] = {
    "Deployment": {
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate"},
            "template": {},
        },
        "status": {},
    },
    "Namespace": {"spec": {}, "status": {"phase": "Active"}},
    "Node": {"spec": {}, "status": {}},
    "Pod": {"spec": {"enableServiceLinks": True}, "status": {}},
    "ReplicaSet": {"spec": {"replicas": 1, "template": {}}, "status": {"replicas": 0}},
    "Secret": {"type": "Opaque"},
    "Service": {
        "spec": {"type": "ClusterIP", "sessionAffinity": "None"},
        "status": {"loadBalancer": {}},
    },
}
