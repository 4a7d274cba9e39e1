"""Lab 05: the log, from one write to membership. Its exercises are in append_rule, repair_rule and
commit_rule."""

from __future__ import annotations

from kube_edu.classroom.append_rule import APPEND
from kube_edu.classroom.commit_rule import COMMIT
from kube_edu.classroom.exercise import Lab, Question
from kube_edu.classroom.raft_lab import World
from kube_edu.classroom.repair_rule import REPAIR


def refusals(world: World) -> int:
    """How often followers have refused entries."""
    answers = world.trace.select("raft.send", type="MsgAppResp")
    return sum(bool(event.fields.get("reject")) for event in answers)


lab = Lab(
    [APPEND, REPAIR, COMMIT],
    {
        "when is it done": Question(
            "b",
            {
                "a": "If that one disk breaks now, the write is gone, and the client was told that "
                "it is done.",
                "b": "Any three of five have a member in common with any other three. So whoever "
                "is elected later was voted for by one that has it.",
                "c": "It would be safe, and the store would stand still whenever one member does.",
            },
        ),
        "two of term 7": Question(
            "b",
            {
                "a": "Newer is not the same as committed. They are on one disk of seven; nobody "
                "was ever told that they are done.",
                "b": "They were on one disk of seven, so they were never committed. The leader's "
                "log is right, and the others become like it.",
                "c": "L was elected: a majority found its log at least as up to date as their own. "
                "d did not vote for it, and was not needed.",
            },
        ),
        "three of five": Question(
            "b",
            {
                "a": "Look at etcd-5: its last entry is of term 3, and that is later than term 2. "
                "etcd-2, 3 and 4 may vote for it. The next cell lets them.",
                "b": "As soon as the entry of term 4 is on three disks, etcd-5 can no longer win: "
                "those three have a later last entry than it has.",
                "c": "It is in the log of a leader, and stays there as long as that one leads. Its "
                "next entry on a majority settles all before it.",
            },
        ),
        "waits for a heartbeat": Question(
            "b",
            {
                "a": "That is the claim. Measure it in the next cells.",
                "b": "A leader sends an entry as soon as it has it, and calls it committed as soon "
                "as a majority has answered. No clock takes part in that.",
                "c": "Heartbeats carry no entries at all, in etcd. Nothing is collected for them.",
            },
        ),
        "ask the old leader": Question(
            "c",
            {
                "a": "That is what it has, and it would be wrong: blue was written before you "
                "asked. So it does not say what it has before it has asked the others.",
                "b": "Nobody has told it of blue: it is cut off.",
                "c": "Before it answers, it asks whether it still leads, and nobody replies. No "
                "answer is better than a wrong one.",
            },
        ),
        "two leaders": Question(
            "b",
            {
                "a": "At most one is elected in a term. But the one of an older term may not know "
                "yet that it is over.",
                "b": "The older one can neither commit anything nor answer a linearizable read: "
                "for both it would need a majority, and that has moved on to a newer term.",
                "c": "Both would need a majority, and two majorities have a member in common. That "
                "one listens to the newer term alone.",
            },
        ),
        "four members": Question(
            "b",
            {
                "a": "Two of four are a half. The other two could think the same of themselves.",
                "b": "A majority of four is three: one may be lost, as with three members. "
                "That is why etcd is run with an odd number.",
                "c": "A single member could not know whether the others are lost, or go on without "
                "it.",
            },
        ),
    },
)
check, hint, predict = lab.check, lab.hint, lab.predict
