"""Manifests: from the text of a file to the objects in it."""

from __future__ import annotations

from typing import Any

import yaml

from kube_edu.api import manifest
from kube_edu.api.meta import Object
from kube_edu.api.resources import resource_of
from kube_edu.api.status import bad_request


def objects_of(text: str, namespace: str = "") -> list[Object]:
    """The objects of a manifest, Lists taken apart, each with the namespace it will live in.
    Raises ApiError 400 with one line that says what is wrong, and where."""
    try:
        documents = manifest.load_all(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # go-yaml counts the parser's lines from 0, and the scanner's from 1
        line = mark.line + isinstance(error, yaml.scanner.ScannerError) if mark is not None else 0
        where = f"line {line}: " if line else ""
        problem = getattr(error, "problem", None) or str(error)
        raise bad_request(f"error converting YAML to JSON: yaml: {where}{problem}") from None
    objects: list[Any] = []
    for document in documents:
        is_list = isinstance(document, dict) and document.get("kind") == "List"
        items = (document.get("items") or []) if is_list else [document]
        if not isinstance(items, list):
            raise bad_request("the items of a List have to be a list")
        objects += items
    return [_placed(obj, namespace or "default") for obj in objects]


def _placed(obj: Any, namespace: str) -> Object:
    if not isinstance(obj, dict) or not obj.get("kind"):
        raise bad_request("Object 'Kind' is missing in the manifest")
    version, kind = obj.get("apiVersion", ""), obj["kind"]
    try:
        resource = resource_of(obj)
    except (KeyError, TypeError):
        raise bad_request(f'no matches for kind "{kind}" in version "{version}"') from None
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise bad_request(f"{kind}: resource name may not be empty (metadata.name)")
    if not resource.namespaced or metadata.get("namespace"):
        return obj
    return {**obj, "metadata": {**metadata, "namespace": namespace}}
