"""Conversations between members, each a file that can be read by itself.

A line that begins with ">" is done, and what the members then say and do is below it; a line that
begins with "#" is a remark. What is said is compared to the letter; `pytest tests/raft --rewrite`
writes it anew. (After the interaction tests of etcd-io/raft.)

    > members a b c, PreVote        who takes part; the rest after commas are options
    > log a 1 1 4                   the terms of the entries on a's disk
    > term a 5                      and its own
    > time out a                    a's patience is over: it stands for election
    > elect a                       and wins, all without a word (as in election.txt)
    > tick a b 10                   the clocks of these go on
    > propose a x=1 y=2             clients ask a for this
    > read a r1                     and to read
    > change a add d remove b       and that others are members: add, learn, remove
    > transfer a b                  and that b leads
    > deliver a->b MsgApp           messages like this arrive, and their answers if they are alike
    > lose ->c                      what is on its way to c does not
    > crash a, > start a            a loses its memory; is back with what is on its disk
    > cut c, > heal c               nothing gets to c or from it; now it does
    > join d                        d comes, and is no member yet
    > compact a 2                   a snapshot stands for a's log, but for the last 2 entries
    > arrived a c                   a is told that its snapshot has arrived at c
    > logs                          the terms of all entries; before the bar they are committed
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kube_edu.raft import (
    ConfChange,
    ConfChangeSingle,
    Entry,
    HardState,
    Message,
    Rules,
)
from tests.raft.talk import CHANGES, Talk, describe

FOLDER = Path(__file__).parent / "conversations"

OPTIONS: dict[str, dict[str, Any]] = {
    "PreVote": {"pre_vote": True},
    "CheckQuorum": {"check_quorum": True},
    "lease": {"check_quorum": True, "lease_reads": True},
    "one entry a message": {"max_size_per_msg": 1},
}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: str(path.stem))
def test_members_talk_as_it_is_written(path: Path, request: pytest.FixtureRequest) -> None:
    written = path.read_text()
    said = conversation(written)
    if request.config.getoption("--rewrite"):
        path.write_text(said)
    else:
        assert said == written


def conversation(script: str, rules: Rules | None = None) -> str:
    """The script, with all that is said in it."""
    lines: list[str] = []
    talk = Talk("")
    for line in script.splitlines():
        if line.startswith("> members "):
            talk = members(line.removeprefix("> members "), rules or Rules())
            lines.append(line)
        elif line.startswith("> "):
            talk.said.clear()
            do(talk, *line[2:].split())
            lines += [line, *(f"  {said}" for said in talk.said)]
        elif line.startswith("#") or not line:
            lines.append(line)
    return "\n".join(lines) + "\n"


def members(line: str, rules: Rules) -> Talk:
    """As in the paper, unless options say more; and nobody's patience is left to chance."""
    names, *options = line.split(", ")
    chosen: dict[str, Any] = {"pre_vote": False, "check_quorum": False}
    for option in options:
        chosen |= OPTIONS[option]
    return Talk(names.replace(" ", ""), rules=replace(rules, election_timeout=patience), **chosen)


def patience(random: Random, ticks: int) -> int:
    return 2 * ticks - 1


def do(talk: Talk, *command: str) -> None:
    match command:
        case "log", name, *terms:
            talk.disk[name] = [Entry(int(t), i) for i, t in enumerate(terms, 1)]
            talk.hard[name] = HardState(max(map(int, terms)))
            talk.start(name)
        case "term", name, term:
            talk.hard[name] = HardState(int(term))
            talk.start(name)
        case "time", "out", name:
            talk[name].campaign()
            talk.work(name)
        case "elect", name:
            talk.campaign(name)
            talk.said.clear()
        case "tick", *names, times:
            for _ in range(int(times)):
                for name in names:
                    talk[name].tick()
                    talk.work(name)
        case "propose", name, *commands:
            for word in commands:
                assert talk[name].propose(word.encode()), f"{name} does not take it"
            talk.work(name)
        case "read", name, context:
            talk[name].read_index(context.encode())
            talk.work(name)
        case "change", name, *words:
            kinds = {what: kind for kind, what in CHANGES.items()}
            pairs = zip(words[::2], words[1::2], strict=True)
            singles = tuple(ConfChangeSingle(kinds[what], who) for what, who in pairs)
            assert talk[name].propose_conf_change(ConfChange(changes=singles))
            talk.work(name)
        case "transfer", name, to:
            talk[name].transfer_leadership(to)
            talk.work(name)
        case "deliver", *marks:
            talk.settle_only(lambda message: like(message, marks))
        case "lose", *marks:
            talk.said += [f"{describe(m)} (lost)" for m in talk.wire if like(m, marks)]
            talk.wire = [m for m in talk.wire if not like(m, marks)]
        case "crash", name:
            talk.wire = [m for m in talk.wire if m.source != name]
            talk.cut[name] = None
        case "start", name:
            del talk.cut[name]
            talk.start(name)
        case "cut", name:
            talk.cut[name] = None
        case "heal", name:
            del talk.cut[name]
        case "join", name:
            talk.join(name)
        case "compact", name, keep:
            talk.snapshots[name] = talk[name].compact(b"state", int(keep))
        case "arrived", name, at:
            talk[name].report_snapshot(at, True)
            talk.work(name)
        case ["logs"]:
            talk.said += map(talk.log, talk.names)
        case _:
            raise ValueError(f"unknown: {' '.join(command)}")


def like(message: Message, marks: list[str]) -> bool:
    """Whether a message is of all these kinds: "a->", "->b", "a->b", or a type."""
    for mark in marks:
        source, arrow, to = mark.partition("->")
        if arrow and (source not in ("", message.source) or to not in ("", message.to)):
            return False
        if not arrow and mark != message.type.name:
            return False
    return True
