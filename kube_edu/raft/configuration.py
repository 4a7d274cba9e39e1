"""Who is a member, and how that changes without a moment at which two majorities could decide
without one another (section 6; etcd raft: confchange/confchange.go).

A change of one member is safe by itself: any two majorities, of before and after, have a member in
common (thesis, section 4.1). A greater change goes by way of a joint configuration, in which a
majority of the old voters and one of the new have to agree.

As in etcd, and unlike in the paper, a configuration is in force once its entry is applied, not once
it is in the log. To be safe all the same, a leader has one change under way at a time, and nobody
stands for election with a committed change that it has not applied.
"""

from __future__ import annotations

from dataclasses import replace

from kube_edu.raft.messages import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfState,
)


class ConfChangeError(Exception):
    """A change that is impossible in this configuration."""


def changed(conf: ConfState, change: ConfChange) -> ConfState:
    """The configuration after a change; raises ConfChangeError."""
    automatic = change.transition is ConfChangeTransition.Auto
    if automatic and not change.changes:
        return _left(conf)
    if conf.voters_outgoing:
        raise ConfChangeError("the configuration is joint: it has to be left first")
    if not automatic or len(change.changes) > 1:
        explicit = change.transition is ConfChangeTransition.JointExplicit
        conf = replace(conf, voters_outgoing=conf.voters, auto_leave=not explicit)
    for single in change.changes:
        conf = _with(conf, single)
    if not conf.voters:
        raise ConfChangeError("there would be no voters left")
    return conf


def _with(conf: ConfState, single: ConfChangeSingle) -> ConfState:
    node = single.node
    rest = replace(
        conf,
        voters=_without(conf.voters, node),
        learners=_without(conf.learners, node),
        learners_next=_without(conf.learners_next, node),
    )
    if single.type is ConfChangeType.RemoveNode:
        return rest
    if single.type is ConfChangeType.AddNode:
        return conf if node in conf.voters else replace(rest, voters=(*rest.voters, node))
    if single.type is ConfChangeType.AddLearnerNode:
        if node in conf.voters_outgoing:  # its vote counts until the joint configuration is left
            return replace(rest, learners_next=(*rest.learners_next, node))
        return conf if node in conf.learners else replace(rest, learners=(*rest.learners, node))
    return conf


def _left(conf: ConfState) -> ConfState:
    if not conf.voters_outgoing:
        raise ConfChangeError("the configuration is not joint: there is nothing to leave")
    return ConfState(voters=conf.voters, learners=conf.learners + conf.learners_next)


def _without(names: tuple[str, ...], node: str) -> tuple[str, ...]:
    return tuple(name for name in names if name != node)
