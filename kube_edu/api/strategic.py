"""Strategic merge patch: a merge that knows how each list of Kubernetes is put together.

Source: apimachinery, pkg/util/strategicpatch/patch.go. A list whose field has the patch strategy
"merge" is merged element by element, told apart by its merge key (containers by name); all other
lists are replaced. Directives in the patch say the rest:

$patch: delete | replace | merge    in a map: what becomes of the map or list element
$retainKeys: [...]                  in a map: drop all other keys (unions such as volume sources)
$setElementOrder/<list>: [...]      the order of the merged list
$deleteFromPrimitiveList/<list>     values to take out of a list of plain values
"""

from __future__ import annotations

from typing import Any

from kube_edu.api import schema
from kube_edu.api.meta import Object, clone
from kube_edu.api.schema import Schema

_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"


class BadPatch(ValueError):
    """A patch that makes no sense for the object."""


def strategic_merge(obj: Object, patch: Object) -> Object:
    """A patched copy of an object of a built-in kind."""
    definition = schema.definition(obj["apiVersion"], obj["kind"])
    try:
        patched: Object = clone(merge_map(obj, patch, definition))
    except (TypeError, AttributeError):
        # A list where a map belongs, or the like: the patch has not the shape of the object.
        raise BadPatch("unable to convert the patch to the type of the object") from None
    return patched


def merge_map(original: Object, patch: Object, types: Schema | None) -> Object:
    """The map that a patch makes of another; neither is changed."""
    if "$patch" in patch:
        return _directed(patch)
    merged = _retained(original, patch)
    for name in dict.fromkeys(key.removeprefix(_ORDER).removeprefix(_DELETE) for key in patch):
        part = schema.field(types, name)
        if name in patch and patch[name] is None:
            merged.pop(name, None)
        elif name in patch and name != "$retainKeys":
            merged[name] = _merge(original.get(name), patch[name], part)
        if _ORDER + name in patch and name in merged:
            before = original.get(name) or []
            merged[name] = _ordered(
                merged[name], patch[_ORDER + name], before, schema.merge_key(part)
            )
        if _DELETE + name in patch and name in merged:
            merged[name] = [v for v in merged[name] if v not in patch[_DELETE + name]]
    return merged


def _directed(patch: Object) -> Object:
    if patch["$patch"] == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if patch["$patch"] == "delete":
        return {}
    shown = " ".join(f"{name}:{patch[name]}" for name in sorted(patch))
    raise BadPatch(f"unknown patch type: {patch['$patch']} in map: map[{shown}]")


def _retained(original: Object, patch: Object) -> Object:
    """The map without what `$retainKeys` does not list."""
    if "$retainKeys" not in patch:
        return dict(original)
    keys = patch["$retainKeys"]
    given = [n for n, value in patch.items() if value is not None and not n.startswith("$")]
    if not isinstance(keys, list) or any(n not in keys for n in given):
        raise BadPatch("invalid patch format of retainKeys")
    return {name: value for name, value in original.items() if name in keys}


def _merge(original: Any, patch: Any, part: Schema | None) -> Any:
    strategy = _strategy(part)
    if isinstance(original, dict) and isinstance(patch, dict) and "replace" not in strategy:
        return merge_map(original, patch, part)
    if isinstance(original, list) and isinstance(patch, list) and "merge" in strategy:
        return _merge_list(original, patch, part)
    return _without_directives(patch)


def _merge_list(original: list[Any], patch: list[Any], part: Schema | None) -> list[Any]:
    key = schema.merge_key(part)
    if key is None:
        return _ordered(list(dict.fromkeys([*original, *patch])), patch, original, None)
    for item in patch:
        if not isinstance(item, dict) or (key not in item and item.get("$patch") != "replace"):
            raise BadPatch(f"map: {item} does not contain declared merge key: {key}")
    if any(item.get("$patch") == "replace" for item in patch):
        return [_without_directives(item) for item in patch if "$patch" not in item]
    gone = [item[key] for item in patch if item.get("$patch") == "delete"]
    kept = {item.get(key): item for item in original if item.get(key) not in gone}
    changes = [item for item in patch if item.get("$patch") != "delete"]
    types = schema.items(part)
    for change in changes:
        old = kept.get(change[key])
        kept[change[key]] = (
            _without_directives(change) if old is None else merge_map(old, change, types)
        )
    return _ordered(list(kept.values()), changes, original, key)


def _ordered(merged: list[Any], order: list[Any], before: list[Any], key: str | None) -> list[Any]:
    """The elements named in `order`, in that order, among the others as they stood before. Where
    nothing says which goes first, those named do."""

    def identity(item: Any) -> Any:
        return item.get(key) if key is not None and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    old = [identity(item) for item in before]
    named = [item for item in merged if identity(item) in wanted]
    named.sort(key=lambda item: wanted.index(identity(item)))
    others = [item for item in merged if identity(item) not in wanted]
    result = []
    while named and others:
        first, other = identity(named[0]), identity(others[0])
        goes_first = first in old and other in old and old.index(other) < old.index(first)
        result.append((others if goes_first else named).pop(0))
    return result + named + others


def _without_directives(value: Any) -> Any:
    """A value that the patch adds, without its directives and nulls."""
    if isinstance(value, dict):
        return {
            name: _without_directives(item)
            for name, item in value.items()
            if item is not None
            and name not in ("$patch", "$retainKeys")
            and not name.startswith((_ORDER, _DELETE))
        }
    if isinstance(value, list):
        return [
            _without_directives(item)
            for item in value
            if not (isinstance(item, dict) and item.get("$patch") == "delete")
        ]
    return value


def _strategy(part: Schema | None) -> list[str]:
    return [] if part is None else part.get("x-kubernetes-patch-strategy", "").split(",")
