"""Plans that try what Raft's elections must withstand, each drawn from a seed.

They are the dramas of the paper: rivals in one term, a candidate that missed what was committed, an
old leader with a longer but older log, halves that cannot see one another, power cuts. Those
that force a candidate are of plain Raft, without PreVote and CheckQuorum, whose rules must hold by
themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from kube_edu.classroom.raft.plan import Act, Plan, names
from kube_edu.classroom.raft.scenes import diverged

CALM = 6.0
"""Seconds without a disturbance after which somebody must lead."""


def act(at: float, what: str, *who: str, **more: Any) -> Act:
    """An Act, its moment rounded to what a reader can read."""
    return Act(round(at, 3), what, who, **more)


def rivals(seed: int, members: int = 3) -> Plan:
    """Two stand for election before they hear of one another, and a voter blinks: its power fails
    for an instant."""
    random = Random(f"rivals {seed}")
    everyone = list(names(members))
    random.shuffle(everyone)
    acts, at = [], 0.3
    for _ in range(2):
        first, second, voter = everyone[:3]
        acts.append(act(at, "time out", first))
        acts.append(act(at + random.random() * 0.004, "time out", second))
        blink = at + 0.006 + random.random() * 0.022
        acts.append(act(blink, "crash", voter, seconds=0.002))
        at += 0.5
        random.shuffle(everyone)
    return Plan(seed, names(members), tuple(acts), at + CALM, pre_vote=False, check_quorum=False)


def stale_candidate(seed: int, members: int = 3) -> Plan:
    """One is cut off while commands are committed; when it is back, it stands for election."""
    random = Random(f"stale {seed}")
    leader, *others = random.sample(names(members), members)
    stale = others[0]
    acts = [act(0.3, "time out", leader), act(0.6, "cut off", stale)]
    for number in range(random.randint(1, 3)):
        acts.append(act(0.8 + number / 10, "propose", leader, data=f"x={number}"))
    acts += [
        act(1.3, "crash", leader),
        act(1.31, "heal"),
        act(1.32 + random.random() / 20, "time out", stale),
        act(2.5, "restart", leader),
    ]
    return Plan(seed, names(members), tuple(acts), 2.5 + CALM, pre_vote=False, check_quorum=False)


def old_leader(seed: int, members: int = 3) -> Plan:
    """A leader that is cut off goes on writing; meanwhile another leads and commits. Then that one
    fails, and the old one, whose log is longer, stands for election."""
    random = Random(f"old {seed}")
    old, new, *_ = random.sample(names(members), members)
    acts = [act(0.3, "time out", old), act(0.6, "cut off", old)]
    for number in range(random.randint(2, 4)):
        acts.append(act(0.7 + number / 50, "propose", old, data=f"lost={number}"))
    acts += [
        act(0.9, "time out", new),
        act(1.1, "propose", new, data="kept=1"),
        act(1.4, "crash", new),
        act(1.41, "heal"),
        act(1.42 + random.random() / 20, "time out", old),
        act(2.6, "restart", new),
    ]
    return Plan(seed, names(members), tuple(acts), 2.6 + CALM, pre_vote=False, check_quorum=False)


def blackout(seed: int, members: int = 3) -> Plan:
    """A command is committed; then the power fails everywhere, and comes back."""
    random = Random(f"blackout {seed}")
    first = random.choice(names(members))
    acts = [act(0.3, "time out", first), act(0.6, "propose", first, data="kept=1")]
    for name in names(members):
        acts.append(act(1.2 + random.random() / 10, "crash", name, seconds=0.3))
    return Plan(seed, names(members), tuple(acts), 1.6 + CALM)


def halves(seed: int, members: int = 4) -> Plan:
    """The network falls apart into two, at the very beginning, and becomes whole again."""
    random = Random(f"halves {seed}")
    part = random.sample(names(members), members // 2)
    acts = [act(0.1, "cut off", *sorted(part), seconds=random.choice([3.0, 5.0]))]
    acts.append(act(0.4, "time out", part[0]))
    other = next(name for name in names(members) if name not in part)
    acts.append(act(0.4 + random.random() / 100, "time out", other))
    return Plan(seed, names(members), tuple(acts), 6.0 + CALM, pre_vote=False, check_quorum=False)


def losses(seed: int, members: int = 5) -> Plan:
    """As many members fail as may fail, the leader first: the rest must go on (etcd's settings)."""
    random = Random(f"losses {seed}")
    acts: list[Act] = []
    for number in range((members - 1) // 2):
        acts.append(act(2.0 + 2 * number + random.random(), "crash", "leader"))
    return Plan(seed, names(members), tuple(acts), 4.0 + members + CALM)


def weather(seed: int, members: int = 3) -> Plan:
    """Links lose, delay and double messages for a while, members crash and come back; then it is
    calm (etcd's settings)."""
    random = Random(f"weather {seed}")
    acts: list[Act] = []
    for _ in range(random.randint(2, 6)):
        what = random.choice(["drop", "delay", "duplicate", "crash", "cut off", "propose"])
        who = random.sample(names(members), 2)[: 2 if what in ("drop", "delay", "duplicate") else 1]
        at, seconds = 1 + random.random() * 5, 0.3 + random.random() * 1.5
        if what == "propose":
            acts.append(act(at, what, "leader", data=f"x={seed}"))
        else:
            acts.append(act(at, what, *who, seconds=round(seconds, 2)))
    return Plan(seed, names(members), tuple(sorted(acts, key=lambda a: a.at)), 8.0 + CALM)


def slow_network(seed: int, members: int = 3) -> Plan:
    """Nothing happens, but messages take their time: longer than a tick or two."""
    return Plan(seed, names(members), (), 10.0, pre_vote=False, latency=(200_000, 240_000))


def healthy(seed: int, members: int = 3) -> Plan:
    """Nothing happens at all (plain Raft)."""
    return Plan(seed, names(members), (), 6.0, pre_vote=False, check_quorum=False)


def bereaved(seed: int, members: int = 3) -> Plan:
    """The leader is lost, and there is little time to find another (etcd's settings)."""
    return Plan(seed, names(members), (act(3.0, "crash", "leader"),), 8.0)


def survivors(seed: int, members: int = 3) -> Plan:
    """Logs that differ, as after terms with short reigns; and no more members are up than have to
    be: one of these must be found to lead (plain Raft)."""
    random = Random(f"survivors {seed}")
    logs, term = diverged(names(members), random)
    lost = random.sample(names(members), (members - 1) // 2)
    return Plan(
        seed,
        names(members),
        tuple(act(0.05, "crash", name) for name in sorted(lost)),
        CALM,
        pre_vote=False,
        check_quorum=False,
        logs=logs,
        terms=dict.fromkeys(names(members), term),
    )


Family = Callable[[int, int], Plan]


def mixed(seeds: int, *families: tuple[Family, int]) -> Iterator[Plan]:
    """Plans of all these families (with so many members) in turn."""
    for seed in range(seeds):
        family, members = families[seed % len(families)]
        yield family(seed + 1, members)
