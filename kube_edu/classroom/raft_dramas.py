"""Lab 04: the classic dramas of elections, as plans of a small world."""

from __future__ import annotations

from dataclasses import replace

from kube_edu.classroom.raft_plan import Act, Plan, names

ELECTION = Plan(seed=4, seconds=3.0, pre_vote=False)
"""Nobody leads, and somebody's patience is over first."""

SPLIT_VOTE = Plan(
    seed=2,
    acts=tuple(
        Act(at, "time out", (name,)) for at, name in zip((0.5, 0.501, 0.502), names(3), strict=True)
    ),
    seconds=3.0,
    pre_vote=False,
)
"""All stand for election before they hear of one another: three candidates, a vote for each."""

STALE_LEADER = Plan(
    seed=3,
    acts=(
        Act(0.5, "time out", ("etcd-1",)),
        Act(1.0, "cut off", ("etcd-1",), seconds=3.5),
        Act(1.2, "propose", ("etcd-1",), data="x=old"),
        Act(3.5, "propose", ("leader",), data="x=new"),
    ),
    seconds=5.0,
    pre_vote=False,
    check_quorum=False,
)
"""A leader that is cut off does not know that there is another by now. It writes, commits nothing,
and gives way when it is back."""

FLAPPING_LINK = Plan(
    seed=1,
    acts=(
        Act(0.5, "time out", ("etcd-1",)),
        *(Act(at, "cut", ("etcd-1", "etcd-3"), seconds=2.0) for at in (1.0, 5.5)),
    ),
    seconds=9.0,
    pre_vote=False,
)
"""The link between the leader and one follower comes and goes. Each time the follower stands for
election, in terms of its own, and brings them along when it is back."""

PATIENT_LINK = replace(FLAPPING_LINK, pre_vote=True)
"""The same, but members ask first whether they would be elected (PreVote): no term is made up."""

UNEQUAL_LOGS = Plan(
    seed=1,
    acts=(
        Act(0.1, "time out", ("etcd-3",)),
        Act(0.4, "cut off", ("etcd-3",)),
        *(Act(0.5 + n / 100, "propose", ("etcd-3",), data=f"y={n}") for n in (1, 2, 3)),
        Act(0.7, "time out", ("etcd-1",)),
        Act(0.9, "propose", ("etcd-1",), data="x=paid"),
        Act(1.3, "crash", ("etcd-1",)),
        Act(1.4, "heal"),
        Act(1.7, "time out", ("etcd-3",)),
    ),
    seconds=5.0,
    pre_vote=False,
    check_quorum=False,
)
"""A longer log, which ends in an older term, against a shorter one that has what was committed."""

POWER_CUT = Plan(
    seed=6,
    acts=(
        Act(0.5, "time out", ("etcd-1",)),
        Act(0.502, "time out", ("etcd-3",)),
        Act(0.515, "crash", ("etcd-2",), seconds=0.003),
    ),
    seconds=1.0,
    pre_vote=False,
)
"""Two candidates, and the third member's power fails between their requests."""

DRAMAS = {
    "one election": ELECTION,
    "split vote": SPLIT_VOTE,
    "stale leader returns": STALE_LEADER,
    "flapping link": FLAPPING_LINK,
    "… with PreVote": PATIENT_LINK,
}
