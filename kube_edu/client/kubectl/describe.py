"""`kubectl describe`: what an object is, and what happened to it.

Source: kubectl, pkg/describe/describe.go. Every kind is shown as upstream shows the kinds that it
does not know (printUnstructuredContent): field by field, in the order of their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.client.apply import LAST_APPLIED
from kube_edu.client.kubectl.printing import aligned

IN_THE_HEAD = ("apiVersion", "kind", "metadata")


def describe(obj: Object, events: Sequence[Object]) -> list[str]:
    """The lines that describe an object, with the events about it at the end."""
    notes = {name: text for name, text in meta.annotations(obj).items() if name != LAST_APPLIED}
    rows = [("Name:", meta.name(obj))]
    rows += [("Namespace:", meta.namespace(obj))] if meta.namespace(obj) else []
    rows += [("Labels:", _pairs(meta.labels(obj))), ("Annotations:", _pairs(notes))]
    owner = meta.controller_of(obj)
    rows += [("Controlled By:", f"{owner['kind']}/{owner['name']}")] if owner else []
    body = {name: value for name, value in obj.items() if name not in IN_THE_HEAD}
    lines = [*aligned(rows), *_fields(body)]
    if not events:
        return [*lines, "Events:  <none>"]
    table = [("Type", "Reason", "From", "Message")]
    for event in events:
        count = event.get("count", 1)
        times = f" (x{count})" if count > 1 else ""
        source = event.get("source", {}).get("component") or event.get("reportingComponent", "")
        table.append((event["type"], event["reason"] + times, source, event["message"]))
    return [*lines, "Events:", *(f"  {line}" for line in aligned(table, gap=2))]


def _fields(fields: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in sorted(fields.items()):
        if not isinstance(value, (dict, list)):
            yield f"{indent}{_label(name)}:  {value}"
            continue
        yield f"{indent}{_label(name)}:"
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from _fields(item, f"{indent}  ")
            else:
                yield f"{indent}  {item}"


def _label(field: str) -> str:
    """ "podIPs" is "Pod IPs" (smartLabelFor)."""
    words = re.findall(r"[A-Z]+s?(?![a-z])|[A-Z]?[^A-Z]+", field)
    return " ".join(word[0].upper() + word[1:] for word in words)


def _pairs(values: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in values.items()) or "<none>"
