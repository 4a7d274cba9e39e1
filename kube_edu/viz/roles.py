"""The role graph: from subjects by way of bindings and roles to rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kube_edu.viz.figure import Figure
from kube_edu.viz.graph import Card, Tie, graph
from kube_edu.viz.svg import BLUE, GREEN, ORANGE, PURPLE, SKY

Object = dict[str, Any]
COLUMNS = {"subject": SKY, "binding": ORANGE, "role": BLUE, "rule": GREEN}


def role_graph(
    objects: Sequence[Object], title: str = "Who may do what", said: Sequence[str] = ()
) -> Figure:
    """Roles and bindings, of which those in no namespace hold everywhere; `said` are lines that
    stand below the title."""
    cards: dict[str, Card] = {}
    pairs = dict.fromkeys(tie for obj in objects for tie in _ties(obj, cards))
    ties = [Tie(tail, head) for tail, head in pairs if tail in cards and head in cards]
    words = [f"{_words(cards[tie.tail])} → {_words(cards[tie.head])}" for tie in ties]
    legend = [(colour, name) for name, colour in COLUMNS.items()]
    return graph(title, cards, ties, legend, said).figure([*said, *words])


def _ties(obj: Object, cards: dict[str, Card]) -> Iterator[tuple[str, str]]:
    """Note what an object is drawn as; the arrows that it gives rise to."""
    kind, name = obj["kind"], obj["metadata"]["name"]
    namespace = obj["metadata"].get("namespace", "")
    me = f"{kind}/{namespace}/{name}"
    where = f"{name} in {namespace}" if namespace else name
    if kind in ("Role", "ClusterRole"):
        cards[me] = Card(kind, where, BLUE)
        for number, rule in enumerate(obj.get("rules") or ()):
            cards[f"{me}/{number}"] = Card(*rule_text(rule), GREEN, code=True)
            yield me, f"{me}/{number}"
        return
    cards[me] = Card(kind, where, ORANGE)
    for subject in obj.get("subjects") or ():
        of = f"{subject['name']} in {subject['namespace']}" if "namespace" in subject else ""
        who = f"{subject['kind']}/{of or subject['name']}"
        cards[who] = Card(subject["kind"], of or subject["name"], SKY)
        yield who, me
    role = obj["roleRef"]
    of = "" if role["kind"] == "ClusterRole" else namespace
    missing = f"{role['kind']}/{of}/{role['name']}"
    cards.setdefault(missing, Card(role["kind"], f"{role['name']} (not there)", PURPLE))
    yield me, missing


def rule_text(rule: Object) -> tuple[str, str]:
    """A rule in two lines: verbs, and what they are about."""
    groups = [group for group in rule.get("apiGroups") or () if group]
    about = ",".join([*(rule.get("resources") or ()), *(rule.get("nonResourceURLs") or ())])
    of = f" of {','.join(groups)}" if groups else ""
    core = '""' if groups and "" in rule["apiGroups"] else ""
    of += f",{core}" if core else ""
    named = f" named {','.join(rule['resourceNames'])}" if rule.get("resourceNames") else ""
    return ",".join(rule.get("verbs") or ()), f"{about}{of}{named}"


def _words(card: Card) -> str:
    return f"{'rule ' if card.code else ''}{card.kind} {card.name}"
