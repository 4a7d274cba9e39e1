"""Lab 04, second exercise: how long a member waits before it stands for election."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from kube_edu.classroom.exercise import Exercise, Report, Verdict, failed, passed
from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft_lab import World
from kube_edu.classroom.raft_plan import Plan
from kube_edu.classroom.raft_plans import bereaved, healthy, mixed, slow_network
from kube_edu.classroom.raft_search import Failing, live, safe, search
from kube_edu.raft import Rules
from kube_edu.raft import rules as ours
from kube_edu.viz.patience import patience

SEEDS = 50
DRAWS = 200
TICKS = 10

Timeout = Callable[[Random, int], int]


def judge_timeout(answer: Callable[..., Any], report: Report) -> Verdict:
    """All members go by it: in health, after the loss of a leader, and in a slow network."""
    guard = Guard(answer)
    report("drawing …")
    drawn = [_draw(guard, Random(seed), TICKS) for seed in range(DRAWS)]
    if drawn != [_draw(guard, Random(seed), TICKS) for seed in range(DRAWS)]:
        return failed(
            "asked twice with the same random source, it answers differently: it draws from "
            "elsewhere, or remembers. Draw from the `random` that you are given, and keep nothing: "
            "else no run could be repeated."
        )
    trials = search(
        lambda plan: World(plan, Rules(election_timeout=_forwarded(guard))),
        lambda plan: World(plan, Rules(election_timeout=_forwarded(ours.election_timeout))),
        (safe, undisturbed, live),
    )
    found = trials.find(mixed(SEEDS, (slow_network, 3), (healthy, 3), (bereaved, 5)), report)
    reason, ticks, sample = _misconception(guard, drawn)
    figure = patience("The time-outs that it draws", sample, ticks)
    if found is not None:
        return trials.told(found, reason, figure)
    if reason:
        return failed(reason, figure=figure)
    return passed(
        f"{SEEDS} clusters: a leader that is well stays, one that is lost is soon replaced, and "
        "split votes are resolved even where messages are slow."
    )


def undisturbed(world: World) -> Failing | None:
    """Where nothing happens, nobody stands for election once there is a leader."""
    if world.plan.acts or world.plan.latency != Plan.latency:
        return None
    led = False
    for number, event in enumerate(world.trace):
        if event.kind == "raft.role":
            led = led or event.fields["role"] == "leader"
            if led and "candidate" in event.fields["role"]:
                reason = f"{event.host} stands for election, though the leader is well"
                return Failing("stability", reason, number, event.time)
    return None


def _forwarded(rule: Guard | Timeout) -> Timeout:
    """The rule, with a random source of its own at each call (a Guard hands out copies)."""

    def timeout(random: Random, ticks: int) -> int:
        source = Random(random.getrandbits(32))
        return _draw(rule, source, ticks) if isinstance(rule, Guard) else rule(source, ticks)

    return timeout


def _draw(guard: Guard, random: Random, ticks: int) -> int:
    value = guard.call(random, ticks)
    if isinstance(value, bool) or not isinstance(value, int):
        kind = type(value).__name__
        raise guard.slip(f"it should return a whole number of ticks, and returned {kind}")
    return value


def _misconception(guard: Guard, drawn: list[int]) -> tuple[str, int, list[int]]:
    """What is wrong with the time-outs, if anything is, and for how many ticks one sees it."""
    longer = [_draw(guard, Random(seed), 5 * TICKS) for seed in range(DRAWS)]
    if min(longer) < 5 * TICKS <= 5 * min(drawn) or len(set(longer)) < TICKS < 2 * len(set(drawn)):
        reason = (
            f"it does not follow `ticks`: asked for {5 * TICKS}, it draws from {min(longer)} to "
            f"{max(longer)}. In a slow network an operator chooses another number (etcd: "
            "--election-timeout)."
        )
        return reason, 5 * TICKS, longer
    return _too_alike_or_short_or_long(drawn), TICKS, drawn


def _too_alike_or_short_or_long(drawn: list[int]) -> str:
    if len(set(drawn)) == 1:
        return (
            f"it is always the same time-out ({drawn[0]} ticks): members that lost their leader "
            "together stand for election together, each votes for itself, and nobody has a "
            "majority; and so again, and again."
        )
    if min(drawn) < TICKS:
        shortest = "a single tick" if min(drawn) == 1 else f"{min(drawn)} ticks"
        return (
            f"it may be as short as {shortest}, when at least {TICKS} were asked for: one "
            "heartbeat that is a little late, and a member stands for election though its leader "
            "is well."
        )
    if len(set(drawn)) < TICKS // 2:
        return (
            f"it draws from {len(set(drawn))} values only: two members often draw the same, and "
            "the votes are split again. The choice should be as wide as `ticks`."
        )
    if max(drawn) > 4 * TICKS:
        return (
            f"it may be as long as {max(drawn)} ticks: for so long the cluster has no leader, and "
            f"no writes, when its leader is lost. Raft draws from {TICKS} up to {2 * TICKS}."
        )
    return ""


TIMEOUT = Exercise("election_timeout", judge_timeout)
