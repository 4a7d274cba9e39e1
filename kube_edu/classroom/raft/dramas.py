"""Lab 04: the classic dramas of elections, as prose/plans.yaml tells them."""

from __future__ import annotations

from dataclasses import replace

from kube_edu.classroom.raft.scenes import scene

ELECTION, SPLIT_VOTE = scene("one election"), scene("split vote")
STALE_LEADER, UNEQUAL_LOGS = scene("stale leader"), scene("unequal logs")
FLAPPING_LINK, POWER_CUT = scene("flapping link"), scene("power cut")

DRAMAS = {
    "one election": ELECTION,
    "split vote": SPLIT_VOTE,
    "stale leader returns": STALE_LEADER,
    "flapping link": FLAPPING_LINK,
    "… with PreVote": replace(FLAPPING_LINK, pre_vote=True),
}
"""The last is the same, but members ask first whether they would be elected (PreVote): no term is
made up."""
