"""Small manifests, as users write them."""

from __future__ import annotations

from typing import Any

from kube_edu.api import defaults, schema
from kube_edu.api.meta import Object


def pod(**spec: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "nginx"}], **spec}
    metadata = {"name": "web", "namespace": "shop", "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def deployment(**spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod()["spec"]}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def service(**spec: Any) -> Object:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def config(**fields: Any) -> Object:
    metadata = {"name": "settings", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}


def admitted(manifest: Object) -> Object:
    """The object as it stands before validation: decoded, with its defaults."""
    return defaults.set_defaults(schema.decode(manifest)[0])
