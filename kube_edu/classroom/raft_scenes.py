"""Lab 05: runs of Raft worth a look. Figures 7 and 8 of the paper as plans of a small world, and
runs that chance makes, with logs that differ as after many terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from kube_edu.classroom.raft_plan import Act, Plan, names

Terms = tuple[int, ...]
"""A log, as the terms of its entries."""

LARGE = " " * 600_000
"""A value so large that it fills a message by itself (etcd sends a megabyte at most in one)."""

FIGURE_7 = Plan(
    seed=7,
    members=("L", "a", "b", "c", "d", "e", "f"),
    logs={
        "L": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6),
        "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
        "b": (1, 1, 1, 4),
        "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
        "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
        "e": (1, 1, 1, 4, 4, 4, 4),
        "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
    },
    terms=dict.fromkeys(("L", "a", "b", "c", "d", "e", "f"), 7),
    acts=(Act(0.1, "time out", ("L",)),),
    seconds=0.6,
    pre_vote=False,
)
"""The leader of term 8 comes to power, and finds these logs (Figure 7; the paper's possible
followers (a) to (f))."""


def _silence(at: float, source: str, *targets: str, seconds: float) -> tuple[Act, ...]:
    return tuple(Act(at, "drop", (source, target), seconds=seconds) for target in targets)


FIGURE_8 = Plan(
    seed=8,
    members=names(5),
    acts=(
        Act(0.10, "time out", ("etcd-3",)),
        # (a) etcd-1 leads in term 2, and gets its entries to etcd-2 only
        Act(0.40, "time out", ("etcd-1",)),
        *_silence(0.402, "etcd-1", "etcd-3", "etcd-4", "etcd-5", seconds=0.5),
        Act(0.60, "propose", ("etcd-1",), data="x=1" + LARGE),
        Act(0.75, "crash", ("etcd-1",)),
        # (b) etcd-5 leads in term 3, and gets its entries to nobody
        Act(0.80, "time out", ("etcd-5",)),
        *_silence(0.802, "etcd-5", "etcd-2", "etcd-3", "etcd-4", seconds=0.3),
        Act(0.95, "propose", ("etcd-5",), data="x=2"),
        Act(1.00, "crash", ("etcd-5",)),
        # (c) etcd-1 leads again, in term 4, and gets its entry 2 to etcd-3
        Act(1.05, "restart", ("etcd-1",)),
        Act(1.10, "time out", ("etcd-1",)),
        Act(1.20, "time out", ("etcd-1",)),
        *_silence(1.202, "etcd-1", "etcd-4", seconds=0.6),
        *_silence(1.29, "etcd-1", "etcd-2", "etcd-3", seconds=0.6),
        Act(1.45, "crash", ("etcd-1",)),
        # (d) etcd-5 leads in term 5, and its entries take the place of those
        Act(1.50, "restart", ("etcd-5",)),
        Act(1.55, "time out", ("etcd-5",)),
        Act(1.65, "time out", ("etcd-5",)),
        Act(2.00, "restart", ("etcd-1",)),
    ),
    seconds=2.4,
    pre_vote=False,
    check_quorum=False,
)
"""Why an entry of an older term is not committed by counting (Figure 8)."""


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
