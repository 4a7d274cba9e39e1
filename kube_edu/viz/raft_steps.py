"""What a trace says of Raft: messages, from when to when; roles and terms along each member's line;
and each step in words. The space-time diagram is drawn from this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from kube_edu.trace import Event
from kube_edu.viz.svg import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, Drawing, Sign

ROLES = {"follower": SKY, "pre-candidate": PURPLE, "candidate": BLUE, "leader": ORANGE}
HEARTBEATS = ("MsgHeartbeat", "MsgHeartbeatResp", "MsgReadIndex", "MsgReadIndexResp")
"""And what else does not change a member."""
VOTES = ("MsgVoteResp", "MsgPreVoteResp")
ASKS = ("MsgVote", "MsgPreVote")
CHANGES = ("raft.role", "raft.vote", "raft.append", "raft.commit")
KINDS = {
    "question": (BLUE, "asks for a vote"),
    "yes": (GREEN, "yes"),
    "no": (RED, "no"),
    "leader": (ORANGE, "from the leader"),
    "answer": (GREY, "answer to it"),
}
"""Of arrows: colour and meaning. A "no" is dashed, too, and a lost one ends with a cross."""


def kind_signs(drawing: Drawing) -> list[tuple[Sign, str]]:
    """For a legend: what arrows mean."""
    return [
        (partial(drawing.dash, colour=colour, head=True, dash=kind == "no"), meaning)
        for kind, (colour, meaning) in KINDS.items()
    ]


def kind_of(type_: str, reject: bool) -> str:
    """Of KINDS, the one that a message belongs to."""
    if type_ in ASKS:
        return "question"
    if reject:
        return "no"
    if type_ in VOTES:
        return "yes"
    return "answer" if type_.endswith("Resp") else "leader"


@dataclass
class Arrow:
    """A message: from when to when, as positions in the trace."""

    source: str
    target: str
    sent: int
    event: Event
    arrived: int | None = None
    lost: int | None = None

    @property
    def kind(self) -> str:
        return kind_of(self.event.fields["type"], self.event.fields.get("reject", False))


@dataclass
class Line:
    """What is known of a member while its line is drawn."""

    role: str = "follower"
    term: int = 0
    up: bool = True
    since: float = 0.0
    notes: dict[int, list[str]] = field(default_factory=dict)
    spans: list[tuple[float, float, str]] = field(default_factory=list)


def members_in(events: Sequence[Event]) -> list[str]:
    """Whoever takes part in Raft, in the order of names."""
    return sorted({event.host: None for event in events if event.kind.startswith("raft.")})


def worth_a_row(event: Event, members: Sequence[str]) -> bool:
    kind = event.kind
    if kind in ("net.partition", "net.heal"):
        return True
    if event.host not in members:
        return kind == "net.drop" and event.fields.get("source") in members
    return kind.startswith("raft.") or (kind in ("host.crash", "host.start") and event.time > 0)


def messages_in(events: Sequence[Event], members: Sequence[str]) -> list[Arrow]:
    """Each message that left, with where it arrived or got lost. A trace that does not number its
    messages pairs those of one kind in the order of their leaving."""
    arrows: list[Arrow] = []
    open_: dict[tuple[object, ...], list[Arrow]] = {}
    for number, event in enumerate(events):
        fields = event.fields
        if event.kind == "raft.send" and event.host in members and fields["to"] in members:
            arrow = Arrow(event.host, fields["to"], number, event)
            arrows.append(arrow)
            open_.setdefault(_key(event, event.host, fields["to"]), []).append(arrow)
        elif event.kind == "raft.receive" and event.host in members:
            waiting = open_.get(_key(event, fields["source"], event.host), [])
            if waiting:
                waiting.pop(0).arrived = number
        elif event.kind == "net.drop" and "message" in fields:
            for arrow in arrows[::-1]:
                if arrow.event.fields.get("message") == fields["message"]:
                    arrow.lost = number
                    break
    return arrows


def _key(event: Event, source: str, target: str) -> tuple[object, ...]:
    number = event.fields.get("message")
    if number is not None:
        return (number,)
    return source, target, event.fields["type"], event.fields["term"]


def quiet(events: Sequence[Event], arrows: Sequence[Arrow]) -> set[int]:
    """The events of heartbeats (and appends without entries) that changed nothing."""
    unseen: set[int] = set()
    for arrow in arrows:
        fields = arrow.event.fields
        empty = fields["type"] in HEARTBEATS or (
            fields["type"] in ("MsgApp", "MsgAppResp")
            and not fields.get("entries")
            and not fields.get("reject")
        )
        told = arrow.arrived is not None and _changes(events, arrow.arrived)
        if empty and not told:
            unseen |= {arrow.sent, *(n for n in (arrow.arrived, arrow.lost) if n is not None)}
    return unseen


def _changes(events: Sequence[Event], arrived: int) -> bool:
    """Did a message change its receiver's role, term, vote or log?"""
    first = events[arrived]
    for event in events[arrived + 1 :]:
        if event.time != first.time:
            return False
        if event.host == first.host and event.kind in CHANGES:
            return True
    return False


def rows_of(events: Sequence[Event], shown: Sequence[int], limit: int) -> dict[int, int]:
    """Position in the trace → row. What happened at one moment in one place shares one."""
    places: dict[int, int] = {}
    row, before = -1, None
    for number in shown:
        here = events[number].time, events[number].host
        if here != before:
            row, before = row + 1, here
        places[number] = row
    first = max(row + 1 - limit, 0)
    return {number: at - first for number, at in places.items() if at >= first}


def take(line: Line, event: Event) -> None:
    """What an event says of its member."""
    fields = event.fields
    match event.kind:
        case "raft.role":
            line.role, line.term = fields["role"], fields["term"]
        case "raft.vote":
            line.term = fields["term"]
        case "raft.send" if fields["type"] not in ("MsgPreVote", "MsgPreVoteResp"):
            line.term = max(line.term, fields["term"])
        case "host.crash":
            line.up = False
        case "host.start":
            line.up, line.role = True, "follower"


def said_beside(event: Event, before: tuple[str, int]) -> str:
    """What is written beside a member's line."""
    fields = event.fields
    match event.kind:
        case "raft.role" if (fields["role"], fields["term"]) != before:
            role, term = fields["role"], fields["term"]
            return {
                "leader": f"LEADER of term {term}",
                "candidate": f"candidate, term {term}",
                "pre-candidate": "",
            }.get(role, f"follower, term {term}" if term != before[1] else "follower again")
        case "raft.vote" if fields["candidate"] != event.host:
            return f"term {fields['term']}: votes for {fields['candidate']}"
        case "raft.send" if fields["type"] in ASKS:
            return "would you vote for me?" if fields["type"] == "MsgPreVote" else ""
        case "raft.append":
            first, last, term = fields["first"], fields["last"], fields["term"]
            which = f"entry {last}" if first == last else f"entries {first}–{last}"
            return f"{which} (term {term})"
        case "raft.receive" if fields["type"] == "MsgSnap":
            return "a snapshot"
        case "raft.commit":
            return f"commits up to {fields['index']}"
        case "host.crash":
            return "crash"
        case "host.start" if event.time > 0:
            return "back, from its disk"
    return ""


def shortened(notes: Sequence[str]) -> list[str]:
    """What is said once need not be said again: who votes in a new term follows in it."""
    voted = any("votes for" in note for note in notes)
    return [note for note in dict.fromkeys(notes) if not (voted and note.startswith("follower"))]


def network_words(event: Event) -> str:
    if event.kind == "net.heal":
        return "network whole"
    if event.kind != "net.partition":
        return ""
    if links := event.fields.get("links"):
        return "cut: " + ", ".join(links) if len(links) < 3 else "cut: " + _groups(event)
    return "cut: " + _groups(event)


def _groups(event: Event) -> str:
    return " | ".join(", ".join(group) for group in event.fields["groups"])


def message_words(event: Event) -> str:
    fields = event.fields
    if event.kind == "raft.send":
        no = " no" if fields.get("reject") else ""
        return f"{fields['type']}{no} (term {fields['term']}) → {fields['to']}"
    if event.kind == "net.drop":
        return f"lost: {fields['source']} → {fields['target']}"
    return ""
