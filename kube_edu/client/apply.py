"""What `kubectl apply` decides: from what is declared, what was declared last, and what is.

Client-side apply (kubectl, pkg/cmd/apply and apimachinery, pkg/util/strategicpatch,
CreateThreeWayMergePatch): whatever the declaration says is set, whatever the last declaration said
and this one does not is removed, and everything else is left to whoever owns it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kube_edu.api import meta, schema
from kube_edu.api.meta import Object
from kube_edu.api.schema import Schema

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Action = tuple[str, Object | None]
"""("create", the object), ("patch", a strategic merge patch), ("delete", None), ("keep", None)."""

Plan = Callable[[Object | None, Object | None, Object | None], Action]


def plan(declared: Object | None, last_applied: Object | None, live: Object | None) -> Action:
    """The one action that brings a live object to its declaration. None stands for: not declared
    (any more), never applied, not there."""
    if declared is None:
        pruned = live is not None and last_applied is not None
        return ("delete", None) if pruned else ("keep", None)
    if live is None:
        return "create", declared
    kind = schema.definition(declared["apiVersion"], declared["kind"])
    patch = three_way(declared, last_applied or {}, live, kind)
    return ("patch", patch) if patch else ("keep", None)


def three_way(declared: Object, last: Object, live: Object, kind: Schema | None = None) -> Object:
    """The strategic merge patch from `live` to `declared`; empty when there is nothing to do."""
    patch: Object = {}
    for name, wanted in declared.items():
        found, field = live.get(name), schema.field(kind, name)
        change: Any = wanted
        if isinstance(wanted, dict) and isinstance(found, dict):
            change = three_way(wanted, _dict(last.get(name)), found, field) or found
        elif isinstance(wanted, list) and isinstance(found, list):
            change = _list_change(wanted, last.get(name) or [], found, field)
        if change != found:
            patch[name] = change
    for name in last:
        if name not in declared and name in live:
            patch[name] = None
    return patch


def _list_change(wanted: list[Any], last: list[Any], found: list[Any], field: Schema | None) -> Any:
    """Lists with a merge key change item by item; all others are replaced whole. The list that is
    found stands for no change."""
    key = schema.merge_key(field)
    if key is None:
        return wanted
    item_schema = schema.items(field)
    found_by, last_by = {i.get(key): i for i in found}, {i.get(key): i for i in last}
    wanted_by = {item.get(key): item for item in wanted}
    if len(wanted_by) < len(wanted) or len(found_by) < len(found):
        return _ambiguous_change(wanted, found, item_schema)
    changes: list[Any] = []
    for name, item in wanted_by.items():
        if name not in found_by:
            changes.append(item)
        elif change := three_way(item, last_by.get(name, {}), found_by[name], item_schema):
            changes.append({key: name, **change})
    gone = [name for name in last_by if name not in wanted_by and name in found_by]
    return [*changes, *({key: name, "$patch": "delete"} for name in gone)] or found


def _ambiguous_change(wanted: list[Any], found: list[Any], item: Schema | None) -> Any:
    """Port 53 over UDP and over TCP have the same merge key: such a list is replaced whole, if any
    of it differs."""
    pairs = zip(wanted, found, strict=False)
    if len(wanted) == len(found) and not any(three_way(w, {}, f, item) for w, f in pairs):
        return found
    return [{"$patch": "replace"}, *wanted]


def _dict(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def last_applied(live: Object | None) -> Object | None:
    """The declaration that the live object was last applied from; None if it never was."""
    text = meta.annotations(live or {}).get(LAST_APPLIED)
    if text is None:
        return None
    decoded: Object = json.loads(text)
    return decoded


def noted(change: Object, declared: Object) -> Object:
    """An object to create, or a patch, with the declaration in its annotation for the next apply
    to compare with."""
    text = json.dumps(declared, separators=(",", ":"), sort_keys=True) + "\n"
    metadata = change.get("metadata") or {}
    notes = {**(metadata.get("annotations") or {}), LAST_APPLIED: text}
    return {**change, "metadata": {**metadata, "annotations": notes}}
