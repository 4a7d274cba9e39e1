"""Consensus as a state machine without I/O, in the way of etcd-io/raft.

`RaftNode` is a member; `rules` has the decisions that it makes, one function each. Nothing here
imports the rest of the package, reads a clock or sends a byte.
"""

from kube_edu.raft.configuration import ConfChangeError
from kube_edu.raft.log import Log, SafetyError
from kube_edu.raft.messages import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfState,
    Entry,
    HardState,
    Message,
    MessageType,
    Snapshot,
)
from kube_edu.raft.node import RaftNode
from kube_edu.raft.ready import Ready, Role
from kube_edu.raft.rules import Leader, Rules, Voter

__all__ = [
    "ConfChange",
    "ConfChangeError",
    "ConfChangeSingle",
    "ConfChangeTransition",
    "ConfChangeType",
    "ConfState",
    "Entry",
    "HardState",
    "Leader",
    "Log",
    "Message",
    "MessageType",
    "RaftNode",
    "Ready",
    "Role",
    "Rules",
    "SafetyError",
    "Snapshot",
    "Voter",
]
