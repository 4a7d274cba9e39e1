"""Lab 03: its exercises and questions."""

from __future__ import annotations

from kube_edu.classroom.campaign import CAMPAIGN
from kube_edu.classroom.counter import INCREMENT
from kube_edu.classroom.etcd_client import compare, delete, get, put
from kube_edu.classroom.exercise import Lab, Question
from kube_edu.classroom.follow import FOLLOW
from kube_edu.classroom.locked import UNDER_LOCK, frozen_at_work

QUESTIONS = {
    "put anew": Question(
        "a",
        {
            "a": "A delete ends the key's life, and the next put begins another: a new create "
            "revision, and version 1. Only revisions never come back.",
            "b": "The version counts the writes of one life of the key, and that life has ended.",
            "c": "That is its mod revision. The version counts writes of this key alone, since it "
            "was created.",
        },
    ),
    "two counters": Question(
        "b",
        {
            "a": "For that bob would have to know that ann has counted meanwhile. He looked "
            "before.",
            "b": "Both read 0, both write 1. One of the two visits is lost, and nobody is told.",
            "c": "A put asks nothing, so nothing can be wrong with it. Only a Txn can be refused.",
        },
    ),
    "compacted": Question(
        "c",
        {
            "a": "Then a watcher could miss a change and never know. A watch tells everything, or "
            "says that it cannot.",
            "b": "Compaction forgets the past, and that cannot be told any more.",
            "c": "It is canceled, with the compact revision. Whoever wants to know how things are "
            "must look (list), and watch from there.",
        },
    ),
    "lease and leader": Question(
        "c",
        {
            "a": "Only the leader counts the time of leases, and how much was left is in no log. "
            "The new leader does not know.",
            "b": "It is replicated: the lease and what hangs on it are in the log of every member.",
            "c": "How much time was left only the old leader knew. The new one gives each lease "
            "its whole time again: too long is safe, too short is not.",
        },
    ),
    "frozen": Question(
        "b",
        {
            "a": "The lease is over, and with it the lock. But the put names no lease and no lock: "
            "to etcd it is a put like any other.",
            "b": "To etcd a put is a put, and a frozen process does not know that it was frozen.",
            "c": "Mostly. But there is a moment between the look and the write, and she may be "
            "frozen just then.",
        },
    ),
    "resourceVersion": Question(
        "b",
        {
            "a": "Then it would begin anew when an object is deleted and made again. It does not.",
            "b": "The mod revision of the object's key. An update with an old one meets a Txn that "
            "compares it, and gets 409 Conflict: your exercise 1.",
            "c": "No clock takes part: clocks of several machines never agree. Revisions do.",
        },
    ),
    "node lease": Question(
        "c",
        {
            "a": "They only share the name. It would be a good idea for a handful of nodes; but "
            "the kubelet speaks to the API server alone, and never to etcd.",
            "b": "The object stays. It is its renewTime that gets old, and somebody must look.",
            "c": "Its name is its only tie to etcd's leases. What does hang on an etcd lease are "
            "Events: they vanish after an hour (--event-ttl).",
        },
    ),
}

lab = Lab([INCREMENT, FOLLOW, UNDER_LOCK, CAMPAIGN], QUESTIONS)
check, hint, predict = lab.check, lab.hint, lab.predict
__all__ = ["check", "compare", "delete", "frozen_at_work", "get", "hint", "lab", "predict", "put"]
