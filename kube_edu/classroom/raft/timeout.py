"""Lab 04, second exercise: how long a member waits before it stands for election."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from kube_edu.classroom.guard import Guard
from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.plan import Plan
from kube_edu.classroom.raft.plans import bereaved, healthy, slow_network
from kube_edu.classroom.raft.search import Played, exercise, live, safe
from kube_edu.classroom.trial import Failure, Reasons
from kube_edu.raft import Rules
from kube_edu.raft.rules import election_timeout
from kube_edu.viz.figure import Figure
from kube_edu.viz.patience import patience

because = Reasons("04-raft-elections", "election_timeout")

DRAWS = 200
TICKS = 10

Timeout = Callable[[Random, int], int]


def undisturbed(world: World) -> Failure | None:
    """Where nothing happens, nobody stands for election once there is a leader."""
    if world.plan.acts or world.plan.latency != Plan.latency:
        return None
    led = False
    for number, event in enumerate(world.trace):
        if event.kind == "raft.role":
            led = led or event.fields["role"] == "leader"
            if led and "candidate" in event.fields["role"]:
                reason = f"{event.host} stands for election, though the leader is well"
                return Failure("stability", reason, number)
    return None


class Waited(Played):
    """All members go by the answer: in health, after the loss of a leader, in a slow network."""

    checks = (safe, undisturbed, live)
    reference = staticmethod(election_timeout)

    def played_by(self, answer: Timeout) -> World:
        guard = Guard(answer)

        def timeout(random: Random, ticks: int) -> int:
            """With a random source of its own at each call, for a Guard hands out copies."""
            return _draw(guard, Random(random.getrandbits(32)), ticks)

        return World(self.plan, Rules(election_timeout=timeout))

    @staticmethod
    def exam(answer: Timeout) -> tuple[str, Figure]:
        guard = Guard(answer)
        drawn = [_draw(guard, Random(seed), TICKS) for seed in range(DRAWS)]
        if drawn != [_draw(guard, Random(seed), TICKS) for seed in range(DRAWS)]:
            raise guard.slip(because("not repeated").reason)
        reason, ticks, sample = _misconception(guard, drawn)
        return reason, patience("The time-outs that it draws", sample, ticks)


def _draw(guard: Guard, random: Random, ticks: int) -> int:
    return guard.ask(int, "a whole number of ticks", random, ticks)


def _misconception(guard: Guard, drawn: list[int]) -> tuple[str, int, list[int]]:
    """What is wrong with the time-outs, if anything is, and for how many ticks one sees it."""
    ticks = 5 * TICKS
    longer = [_draw(guard, Random(seed), ticks) for seed in range(DRAWS)]
    if min(longer) < ticks <= 5 * min(drawn) or len(set(longer)) < TICKS < 2 * len(set(drawn)):
        why = because("ticks", ticks=ticks, least=min(longer), most=max(longer))
        return why.reason, ticks, longer
    kind = _too_alike_or_short_or_long(drawn)
    if not kind:
        return "", TICKS, drawn
    shortest = "a single tick" if min(drawn) == 1 else f"{min(drawn)} ticks"
    why = because(kind, least=min(drawn), most=max(drawn), shortest=shortest,
                  values=len(set(drawn)), ticks=TICKS, twice=2 * TICKS)  # fmt: skip
    return why.reason, TICKS, drawn


def _too_alike_or_short_or_long(drawn: list[int]) -> str:
    if len(set(drawn)) == 1:
        return "always the same"
    if min(drawn) < TICKS:
        return "short"
    if len(set(drawn)) < TICKS // 2:
        return "few"
    return "long" if max(drawn) > 4 * TICKS else ""


TIMEOUT = exercise(
    Waited,
    "election_timeout",
    "in which a leader that is well stays, one that is lost is soon replaced, and split votes are "
    "resolved even where messages are slow.",
    (slow_network, 3), (healthy, 3), (bereaved, 5),
)  # fmt: skip
