"""Runs of Raft worth a look: those that prose/plans.yaml tells of, and runs that chance makes, with
logs that differ as after many terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from kube_edu.classroom.exercise import prose
from kube_edu.classroom.raft.plan import ACTS, Act, Plan, names

Terms = tuple[int, ...]
"""A log, as the terms of its entries."""

LARGE = " " * 600_000
"""A value so large that it fills a message by itself (etcd sends a megabyte at most in one)."""


def scene(name: str) -> Plan:
    """A run that prose/plans.yaml tells of."""
    told = dict(prose("plans")[name])
    who = told.pop("members", 3)
    members = names(who) if isinstance(who, int) else tuple(who.split())
    logs = {name: tuple(map(int, log.split())) for name, log in told.pop("logs", {}).items()}
    terms = dict.fromkeys(members, int(told.pop("term"))) if "term" in told else {}
    acts = tuple(map(_act, told.pop("acts", ())))
    return Plan(members=members, acts=acts, logs=logs, terms=terms, **told)


def _act(line: str) -> Act:
    """When, what, who, a command, and for how long: `0.3 cut off etcd-1 etcd-2 for 1 s`."""
    line, _, seconds = line.partition(" for ")
    at, _, rest = line.partition(" ")
    what = next(what for what in ACTS if rest.startswith(what))
    who, data = rest.removeprefix(what).split(), ""
    if what == "propose":
        who, data = who[:1], " ".join(who[1:]).replace(" (large)", LARGE)
    return Act(float(at), what, tuple(who), float(seconds.removesuffix(" s") or 0), data=data)


FIGURE_7, FIGURE_8 = scene("figure 7"), scene("figure 8")


def random_plans(count: int) -> Iterator[Plan]:
    """Runs from logs that differ, with elections, writes and trouble."""
    for seed in range(1, count + 1):
        random = Random(seed)
        members = names(random.choice((3, 3, 4, 5)))
        logs, term = diverged(members, random)
        acts = [Act(0.1, "time out", (_able(members, logs, random),))]
        for number in range(random.randint(2, 5)):
            acts.append(_trouble(round(0.4 + 0.3 * number, 2), members, random))
            at = round(0.4 + 0.3 * number + random.random() * 0.25, 3)
            acts += [
                Act(round(at + 0.004 * n, 3), "propose", ("leader",), data=f"{seed}.{number}{n}")
                for n in range(random.randint(0, 3))
            ]
        plan = Plan(seed, members, tuple(sorted(acts, key=lambda act: act.at)), seconds=2.4)
        yield replace(plan, pre_vote=False, logs=logs, terms=dict.fromkeys(members, term))


def _trouble(at: float, members: tuple[str, ...], random: Random) -> Act:
    one, other = random.sample(members, 2)
    match random.choice(("time out", "crash", "cut off", "duplicate", "delay", "drop")):
        case "time out":
            return Act(at, "time out", (one,))
        case "crash":
            return Act(at, "crash", (random.choice((one, "leader")),), seconds=0.4)
        case "cut off":
            return Act(at, "cut off", (random.choice((one, "leader")),), seconds=0.6)
        case what:
            return Act(at, what, (one, other), seconds=0.5)


def diverged(members: tuple[str, ...], random: Random) -> tuple[dict[str, Terms], int]:
    """Logs as some terms with short reigns may leave them, and the last of these terms."""
    logs: dict[str, Terms] = dict.fromkeys(members, ())
    term = 0
    for _ in range(random.randint(1, 5)):
        term += random.randint(1, 2)
        leader = _able(members, logs, random)
        logs[leader] += (term,) * random.randint(1, 3)
        for member in members:
            if member != leader and random.random() < 0.4:
                # it hears of the leader once: takes its log up to somewhere
                took = logs[leader][: random.randint(1, len(logs[leader]))]
                if took != logs[member][: len(took)]:
                    logs[member] = took
    return logs, term


def _able(members: tuple[str, ...], logs: dict[str, Terms], random: Random) -> str:
    """A member for which a majority would vote."""

    def up_to_date(member: str) -> tuple[int, int]:
        return (logs[member] or (0,))[-1], len(logs[member])

    by_log = sorted(members, key=up_to_date)
    return random.choice(by_log[len(members) // 2 :])
