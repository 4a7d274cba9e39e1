"""Who is a member and where it is found: part of the replicated state, for Raft itself knows its
members by name only (etcd: server/etcdserver/api/membership/cluster.go).

The members that a cluster begins with have the names that they were given. One that is added later
is made known by its URL alone, so Raft calls it by that. A name is never used twice: a member that
was removed, and whose votes may still be on their way, is not the one that takes its place.
"""

# ruff: noqa: RUF009

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from kube_edu.etcd import errors
from kube_edu.etcd.messages import ClusterMemberAttrSetRequest
from kube_edu.etcd.service_messages import HeaderOnly, Member
from kube_edu.raft import ConfChangeSingle, ConfChangeType
from kube_edu.wire.protobuf import pb

MAX_LEARNERS = 1
"""etcd: --max-learners."""

PEER_PORT = ":2380"


@dataclass(frozen=True, slots=True)
class SavedMember:
    node: str = pb(1, "")
    member: Member = pb(2, Member())


@dataclass(frozen=True, slots=True)
class SavedMembership:
    cluster_id: int = pb(1, 0, unsigned=True)
    members: tuple[SavedMember, ...] = pb(2, ())
    removed: tuple[str, ...] = pb(3, ())


@dataclass(frozen=True, slots=True)
class MemberChange:
    """What a change of the configuration is about, beside a name: the context of its entry (etcd:
    ConfigChangeContext). Whoever proposed it knows it again by the `ID`."""

    ID: int = pb(1, 0, unsigned=True)
    member: Member = pb(2, Member())
    promote: bool = pb(3, False)


class Membership:
    """`members` by what Raft calls them, and the names of those that were `removed`."""

    def __init__(self, cluster_id: int = 0) -> None:
        self.cluster_id = cluster_id
        self.members: dict[str, Member] = {}
        self.removed: dict[str, None] = {}

    @classmethod
    def initial(cls, endpoints: Mapping[str, str], cluster_id: int) -> Membership:
        """The members that a cluster begins with."""
        membership = cls(cluster_id)
        for name, endpoint in sorted(endpoints.items()):
            url = endpoint if "://" in endpoint else f"http://{endpoint}"
            membership.members[name] = Member(numbered(name), name, (url,))
        return membership

    @property
    def voters(self) -> dict[str, Member]:
        return {node: member for node, member in self.members.items() if not member.isLearner}

    @property
    def endpoints(self) -> dict[str, str]:
        return {node: endpoint_of(member.peerURLs[0]) for node, member in self.members.items()}

    def node(self, id: int) -> str:
        """What Raft calls the member with this ID. Raises EtcdError."""
        for node, member in self.members.items():
            if id == member.ID:
                return node
        raise errors.member_not_found()

    def new_node(self, peer_urls: Sequence[str]) -> str:
        """What Raft shall call a new member. Raises EtcdError."""
        if not peer_urls or not all(map(_is_peer_url, peer_urls)):
            raise errors.bad_member_urls()
        base = node = node_at(endpoint_of(peer_urls[0]))
        number = 1
        while node in self.members or node in self.removed:
            number += 1
            node = f"{base}-{number}"
        return node

    def check(self, single: ConfChangeSingle, change: MemberChange) -> None:
        """Raises EtcdError if the change is impossible."""
        known = self.members.get(single.node)
        if known is None and (change.promote or single.type in _OF_MEMBERS):
            raise errors.member_not_found()
        if change.promote:
            assert known is not None
            if not known.isLearner:
                raise errors.member_not_learner()
        elif single.type not in _OF_MEMBERS and (known or single.node in self.removed):
            raise errors.member_exists()
        for node, member in self.members.items():
            if node != single.node and set(member.peerURLs) & set(change.member.peerURLs):
                raise errors.peer_url_exists()
        learners = len(self.members) - len(self.voters)
        if single.type is ConfChangeType.AddLearnerNode and learners >= MAX_LEARNERS:
            raise errors.too_many_learners()

    def apply(self, single: ConfChangeSingle, change: MemberChange) -> None:
        """Make a change that was committed. Raises EtcdError, and then nothing has changed."""
        self.check(single, change)
        node = single.node
        if single.type is ConfChangeType.RemoveNode:
            del self.members[node]
            self.removed[node] = None
        elif single.type is ConfChangeType.UpdateNode:
            self.members[node] = replace(self.members[node], peerURLs=change.member.peerURLs)
        elif change.promote:
            self.members[node] = replace(self.members[node], isLearner=False)
        else:
            self.members[node] = change.member

    def publish(self, request: ClusterMemberAttrSetRequest) -> HeaderOnly:
        """A member says what it is called and where it serves clients. That it has a name shows
        that it was started."""
        for node, member in self.members.items():
            if request.member_ID == member.ID:
                self.members[node] = replace(
                    member, name=request.name, clientURLs=request.client_urls
                )
        return HeaderOnly()

    def save(self) -> SavedMembership:
        members = tuple(SavedMember(node, member) for node, member in self.members.items())
        return SavedMembership(self.cluster_id, members, tuple(self.removed))

    @classmethod
    def restore(cls, saved: SavedMembership) -> Membership:
        membership = cls(saved.cluster_id)
        membership.members = {each.node: each.member for each in saved.members}
        membership.removed = dict.fromkeys(saved.removed)
        return membership


_OF_MEMBERS = (ConfChangeType.RemoveNode, ConfChangeType.UpdateNode)


def numbered(name: str) -> int:
    """An id for a name, as etcd makes them from a member's addresses."""
    return int.from_bytes(hashlib.sha1(name.encode()).digest()[:8])


def endpoint_of(url: str) -> str:
    """ "host:port" of a peer URL, or of what is that already."""
    return url.partition("//")[2] or url


def node_at(endpoint: str) -> str:
    """A name for whoever is found there: "etcd-4" at "etcd-4:2380"."""
    return endpoint.removesuffix(PEER_PORT)


def _is_peer_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname and parts.port)
    except ValueError:
        return False
