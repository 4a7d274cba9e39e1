"""YAML as JSON data, as Kubernetes reads it (sigs.k8s.io/yaml): keys are texts, and what looks
like a date is a text as well."""

from __future__ import annotations

import json
from typing import Any

import yaml

from kube_edu.api import meta


def load(text: str | bytes) -> Any:
    """The first document of a text, None if there is none. Raises yaml.YAMLError."""
    return next(iter(load_all(text)), None)


def load_all(text: str | bytes) -> list[Any]:
    """All documents of a text but the empty ones. Raises yaml.YAMLError."""
    try:
        _check_size(text)
        documents = [part for part in yaml.load_all(text, _Loader) if part is not None]
        found: list[Any] = json.loads(json.dumps(documents, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from None
    return found


MAX_NODES = 100_000
"""Values in a text, what aliases repeat counted each time: ten aliases of ten, nine times over,
are a gigabyte ("billion laughs")."""


def _check_size(text: str | bytes) -> None:
    """Look at the text's outline before anything is made of it."""
    nodes = 0
    sizes: dict[str, int] = {}  # by anchor
    inside: list[tuple[str | None, int]] = []  # collections that are open: anchor, nodes before
    for event in yaml.parse(text, _PARSER):
        if isinstance(event, yaml.AliasEvent):
            nodes += sizes.get(event.anchor or "", 0)
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            if event.anchor:
                sizes[event.anchor] = MAX_NODES if isinstance(event, _START) else 1
            if isinstance(event, _START):
                inside.append((event.anchor, nodes - 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = inside.pop()
            if anchor:
                sizes[anchor] = nodes - before
        if nodes > MAX_NODES or len(inside) > meta.MAX_DEPTH:
            raise yaml.YAMLError("document contains excessive aliasing, or is too large or deep")


_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one written in C is ten times as fast; the other is where there is none."""
_START = yaml.CollectionStartEvent


class _Loader(_PARSER):  # type: ignore[misc]
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; a key that stands twice is an error, as in Kubernetes' YAML library."""
        keys = [key.value for key, _ in node.value if key.tag == "tag:yaml.org,2002:str"]
        if len(keys) > len(set(keys)):
            key = next(key for key in keys if keys.count(key) > 1)
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f'line {line}: mapping key "{key}" already defined')
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
