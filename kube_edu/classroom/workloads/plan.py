"""Lab 02, second exercise: what `kubectl apply` decides, object by object."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kube_edu import Cluster
from kube_edu.classroom.exercise import Exercise, Verdict, failed
from kube_edu.classroom.guard import Guard, Slip
from kube_edu.classroom.parting import parting
from kube_edu.classroom.search import smaller_documents
from kube_edu.classroom.trial import Failure, Judge, Reasons, Trial
from kube_edu.trace import Event
from kube_edu.viz import Figure, three_way

Object = dict[str, Any]

because = Reasons("02-declarative", "plan")

Action = tuple[str, Any]
Plan = Callable[[Object | None, Object | None, Object | None], Action]

VERBS = ("create", "patch", "delete", "keep")
CASES = 1500
MISSING = object()


@dataclass(frozen=True)
class Sides:
    """The three sides of one decision; None: not there."""

    declared: Object | None
    last_applied: Object | None
    live: Object | None

    def simpler(self) -> Iterator[Sides]:
        """One part less on all sides, or one field less on one side."""
        documents = vars(self)
        for part in ("metadata", "data", "status"):
            if any(part in (document or {}) for document in documents.values()):
                yield Sides(**{name: document and {k: v for k, v in document.items() if k != part}
                               for name, document in documents.items()})  # fmt: skip
        for name, document in documents.items():
            for less in smaller_documents(document):
                yield replace(self, **{name: less})


class OnPaper(Trial):
    """What is decided for three sides, without a cluster."""

    keeps_kind = True
    case: Sides
    action: Action

    def run(self) -> Failure | None:
        self.action = _action(self.guard.call(*vars(self.case).values()))
        return misjudged(self.case, self.action)

    def drawn(self) -> Figure:
        sides = {name.replace("_", " "): side for name, side in vars(self.case).items()}
        outcomes = {"yours": _shown(self.action), "right": _shown(_right(self.case))}
        return three_way("The smallest case in which your plan goes wrong", sides, outcomes)


def _live(answer: Plan) -> Verdict | None:
    """In the place of kubectl's own decision."""
    yours, reference = _story(Guard(answer).call), _story(plan)
    apart = parting(yours.trace, reference.trace, _telling)
    return failed(because("live").reason, apart) if apart else None


def _telling(event: Event) -> Any:
    """What became of the ConfigMaps."""
    mine = event.kind == "api.write" and event.fields["object"].startswith("configmaps/default/")
    return (event.fields["verb"], event.fields["object"]) if mine else None


def plan(declared: Object | None, last_applied: Object | None, live: Object | None) -> Action:
    """The reference."""
    if declared is None:
        return ("delete", None) if last_applied is not None and live is not None else ("keep", None)
    if live is None:
        return "create", declared
    patch = _difference(declared, last_applied or {}, live)
    return ("patch", patch) if patch else ("keep", None)


def _difference(declared: Object, last: Object, live: Object) -> Object:
    patch: Object = {name: None for name in last if name not in declared and name in live}
    for name, wanted in declared.items():
        found = live.get(name, MISSING)
        if isinstance(wanted, dict) and isinstance(found, dict):
            before = last.get(name)
            inner = _difference(wanted, before if isinstance(before, dict) else {}, found)
            if inner:
                patch[name] = inner
        elif wanted != found:
            patch[name] = wanted
    return patch


def _right(sides: Sides) -> Action:
    return plan(sides.declared, sides.last_applied, sides.live)


def misjudged(sides: Sides, action: Action) -> Failure | None:
    """Whatever an action gets wrong. Any patch that has the right effect will do."""
    verb, change = action
    declared, last, live = sides.declared, sides.last_applied, sides.live
    right = _right(sides)[0]
    if declared is not None and live is not None and verb in ("patch", "keep"):
        return _wrong_patch(declared, last or {}, live, action)
    if verb != right:
        return because(_wrong_verb(sides, verb, right), verb=verb)
    creates_another = verb == "create" and change != declared
    return because("creates another") if creates_another else None


def _wrong_verb(sides: Sides, verb: str, right: str) -> str:
    if sides.declared is not None and sides.live is not None:
        return "exists" if verb == "create" else "declared"
    if right == "delete":
        return "not pruned"
    if right == "create":
        unchanged = verb == "keep" and sides.last_applied == sides.declared
        return "gone" if unchanged else "not there"
    return "needs nothing" if sides.live is None else "somebody else's"


def _wrong_patch(declared: Object, last: Object, live: Object, action: Action) -> Failure | None:
    """What is wrong with the object that a patch (or none) makes of the live one."""
    verb, change = action
    if verb == "patch" and not isinstance(change, dict):
        raise Slip(f'("patch", …) needs a dict, and came with {type(change).__name__}')
    result = _merged(live, change) if verb == "patch" else live
    for path, wanted in _leaves(declared):
        if _at(result, path) != wanted:
            drifts = _at(last, path) == wanted
            return because("drift" if drifts else "not as declared", field=".".join(path))
    for path, _ in _leaves(last):
        if _at(declared, path) is MISSING and _at(result, path) is not MISSING:
            return because("no longer declared", field=".".join(path))
    for path, found in _leaves(live):
        if _at(declared, path) is MISSING is _at(last, path) and _at(result, path) != found:
            return because("somebody else's field", field=".".join(path))
    if verb == "patch" and result == live:
        return because("needless")
    right = _merged(live, _difference(declared, last, live))
    return because("more than declared") if dict(_leaves(result)) != dict(_leaves(right)) else None


def _merged(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _leaves(document: Object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(document, dict) or name not in document:
            return MISSING
        document = document[name]
    return document


def _action(result: Any) -> Action:
    if not (isinstance(result, tuple | list) and len(result) == 2 and result[0] in VERBS):
        raise Slip(f'it should return ("create", object), ("patch", patch), ("delete", None) or '
                   f'("keep", None), and returned {result!r:.60}')  # fmt: skip
    verb, change = result
    return ("keep", None) if verb == "patch" and change in ({}, None) else (verb, change)


def _shown(action: Action) -> Any:
    verb, change = action
    return {verb: change} if verb in ("patch", "create") else verb


def _cases() -> Iterator[Sides]:
    """First one of each kind, then objects with few fields, so that the sides often meet."""
    one, two = _document(a="1", b="2"), _document(a="1", b="3")
    less, more = _document(a="1"), _document(a="1", b="2", c="3")
    yield from (
        Sides(one, None, None), Sides(one, one, one), Sides(one, one, None), Sides(None, one, one),
        Sides(None, None, one), Sides(None, one, None), Sides(two, one, one), Sides(one, one, two),
        Sides(one, one, more), Sides(less, one, one), Sides(two, None, more),
    )  # fmt: skip
    random = Random("plan")
    for _ in range(CASES):
        declared, last = (_document(**_data(random)) for _ in range(2))
        live = _merged(last, _document(**_data(random)) | {"status": {"seen": "yes"}})
        last = declared if random.random() < 0.3 else last
        sides = [side if random.random() < 0.85 else None for side in (declared, last, live)]
        yield Sides(*sides)


def _document(**data: str) -> Object:
    """Maps within maps, none of them empty."""
    return {"metadata": {"labels": {"app": "web"} | data}, "data": {"a": "1"} | data}


def _data(random: Random) -> Object:
    return {key: str(random.randint(1, 3)) for key in "abcd" if random.random() < 0.5}


def _story(role: Plan) -> Cluster:
    """Apply, meddle, apply again, prune."""
    cluster = Cluster(nodes=1, etcd_members=1, seed=5, roles={"apply.plan": role})
    first = _map("colours", {"a": "red", "b": "green"}), _map("sizes", {"s": "1"})
    cluster.apply(_list(*first), prune="app=story")
    cluster.kubectl("label configmap colours owner=alice")
    cluster.kubectl("label configmap colours app=story tier=back --overwrite")
    cluster.apply(_list(_map("colours", {"a": "red", "c": "blue"})), prune="app=story")
    cluster.apply(_list(_map("colours", {"a": "red", "c": "blue"})), prune="app=story")
    cluster.run_for(1)
    return cluster


def _map(name: str, data: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": "default", "labels": {"app": "story", "tier": "front"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _list(*documents: Object) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})


PLAN = Exercise(
    "plan",
    Judge(
        OnPaper,
        plan,
        _cases,
        f"{CASES} cases on paper, and a story of applies in a running cluster.",
        tries=500,
        pace=100,
        then=_live,
    ),
)
