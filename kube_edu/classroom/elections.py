"""Lab 04: its exercises and questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_edu.classroom.exercise import Lab, Question
from kube_edu.classroom.guard import untouched
from kube_edu.classroom.raft_disk import SURVIVES
from kube_edu.classroom.raft_majority import ENOUGH
from kube_edu.classroom.raft_timeout import TIMEOUT
from kube_edu.classroom.raft_vote import VOTE
from kube_edu.raft import Rules

lab = Lab(
    [ENOUGH, TIMEOUT, VOTE, SURVIVES],
    {
        "four members": Question(
            "a",
            {
                "a": "A majority of four is three, so one may be missing: no more than of three "
                "members. The fourth only adds somebody who can fail. That is why one takes 3, 5 "
                "or 7.",
                "b": "Then two would be left, and two of four are half. The other half could be "
                "alive, too, behind a broken link, and decide something else.",
                "c": "A majority of four is three: one of them may fail, and the other three go "
                "on.",
            },
        ),
        "split vote": Question(
            "c",
            {
                "a": "No name counts more than another. A fixed order would do it, too, until the "
                "first in that order is slow, or its log is behind.",
                "b": "A vote that is given is given: it may have been counted already.",
                "c": "This term stays without a leader. Each waits for a time of its own, drawn by "
                "chance; who is first asks in the next term, before the others wake up.",
            },
        ),
        "which log": Question(
            "b",
            {
                "a": "It is longer, but its end is of an old term: some leader of term 1 wrote "
                "that, and had no majority for it (else the leader of term 3 would have it).",
                "b": "The term of the last entry decides; the length only where these are equal.",
                "c": "What is committed only a leader knows for sure. The rule works without: of "
                "two logs one can always say which is more up to date.",
            },
        ),
        "old write": Question(
            "b",
            {
                "a": "It has no majority, so it cannot commit, and says so to no client.",
                "b": "It was never committed, and the client never got an answer. The new leader's "
                "entry takes its place.",
                "c": "A place in the log holds one entry, and it is the new leader's that counts.",
            },
        ),
        "lone member": Question(
            "c",
            {
                "a": "That is Raft without PreVote: its term is newer, and everybody must follow "
                "a newer term.",
                "b": "Nothing of the sort happens by itself. A member that was away comes back.",
                "c": "It asked and asked, and got no answer. So it kept its term; now it hears a "
                "heartbeat, and follows.",
            },
        ),
        "two leaders": Question(
            "b",
            {
                "a": "One leader a *term* is what Raft promises. One that was cut off may not know "
                "yet that its term is over.",
                "b": "In different terms, for a while. The older one has no majority behind it, so "
                "nothing that it writes is committed.",
                "c": "In one term there is one vote a member, and two majorities would have a "
                "member in common.",
            },
        ),
        "heartbeats late": Question(
            "a",
            {
                "a": "etcd's advice: heartbeats about a round trip apart (100 ms by default), "
                "time-outs of at least ten round trips. In a slow network both grow.",
                "b": "Shorter time-outs make it worse: members lose patience even sooner.",
                "c": "More members mean more heartbeats, and a larger majority to wait for.",
            },
        ),
        "on disk": Question(
            "c",
            {
                "a": "The answer may arrive, and the power fail before the disk has it. Then it "
                "votes again.",
                "b": "Followers vote, and so they must remember it, as every member.",
                "c": "First the disk (fsync), then the answer: that is why the disk's speed is so "
                "important for etcd.",
            },
        ),
    },
)
__all__ = ["check", "hint", "lab", "predict", "rules"]

check, hint, predict = lab.check, lab.hint, lab.predict


def rules(*answers: Callable[..., Any]) -> Rules:
    """The rules of Raft, with these answers in the place of ours (but for stubs)."""
    return Rules(**{answer.__name__: answer for answer in answers if not untouched(answer)})
