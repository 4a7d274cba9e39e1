"""YAML as JSON data, as Kubernetes reads it (sigs.k8s.io/yaml): keys are texts, and what looks
like a date is a text as well."""

from __future__ import annotations

import json
from typing import Any

import yaml


def load(text: str | bytes) -> Any:
    """The first document of a text, None if there is none. Raises yaml.YAMLError."""
    return next(iter(load_all(text)), None)


def load_all(text: str | bytes) -> list[Any]:
    """All documents of a text but the empty ones. Raises yaml.YAMLError."""
    try:
        documents = [part for part in yaml.load_all(text, _Loader) if part is not None]
        found: list[Any] = json.loads(json.dumps(documents))
    except (TypeError, ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from None
    return found


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; a key that stands twice is an error, as in Kubernetes' YAML library."""
        keys = [key.value for key, _ in node.value if key.tag == "tag:yaml.org,2002:str"]
        if len(keys) > len(set(keys)):
            key = next(key for key in keys if keys.count(key) > 1)
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f'line {line}: mapping key "{key}" already defined')
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
