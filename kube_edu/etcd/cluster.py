"""The Cluster service: members are added, promoted, updated and removed, and the leader moved
(etcd: server/etcdserver/server.go, AddMember and after; api/v3rpc/member.go).

Whichever member is asked, the leader decides, for it knows who is well: a change that would leave
too few members to agree is refused before it is proposed (etcd: --strict-reconfig-check).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol, TypeVar

from kube_edu.etcd import errors
from kube_edu.etcd import service_messages as ops
from kube_edu.etcd.deadline import deadline
from kube_edu.etcd.driver import ELECTION_TICKS, TICK, RaftDriver
from kube_edu.etcd.errors import EtcdError
from kube_edu.etcd.membership import MemberChange, Membership, SavedMembership, numbered
from kube_edu.etcd.messages import ClusterMemberAttrSetRequest
from kube_edu.etcd.state import State
from kube_edu.host import Request
from kube_edu.raft import ConfChange, ConfChangeSingle, ConfChangeType, Entry
from kube_edu.wire import protobuf

PATH = "/etcdserverpb.Cluster/"
MEMBERS_PATH = f"{PATH}members"

READY = 0.9
"""Of the leader's log, a learner must have so much before it is promoted (etcd: readyPercent)."""


R = TypeVar("R")

Methods = dict[str, tuple[type, Callable[[Any], Awaitable[Any]]]]
"""By path: the kind of message, and what answers it: with a message, or an iterator of them."""


class AskLeader(Protocol):
    """Raises ConnectionError when the answer is lost."""

    async def __call__(self, path: str, body: Any, answer: type[R], /) -> R: ...


class MemberRemoved(Exception):
    """This member has been permanently removed from the cluster."""


class ClusterService:
    """What one member answers. `barrier` returns once all that was committed before is applied
    here; `submit` puts a request through the log; `ids` are for proposals; `ask_leader` has one of
    the `deciders` answer, at the leader."""

    def __init__(
        self,
        driver: RaftDriver,
        state: State,
        barrier: Callable[[], Awaitable[None]],
        submit: Callable[..., Awaitable[Any]],
        ids: Iterator[int],
        ask_leader: AskLeader,
    ) -> None:
        self._driver = driver
        self._state = state
        self._barrier = barrier
        self._submit = submit
        self._ids = ids
        self._ask_leader = ask_leader
        self._answers: dict[int, asyncio.Future[None]] = {}
        self.deciders: Methods = {
            f"{PATH}MemberAdd": (ops.MemberAddRequest, self._add),
            f"{PATH}MemberRemove": (ops.MemberRemoveRequest, self._remove),
            f"{PATH}MemberUpdate": (ops.MemberUpdateRequest, self._update),
            f"{PATH}MemberPromote": (ops.MemberPromoteRequest, self._promote),
        }

    # -- what clients ask ---------------------------------------------------------------------

    async def member_list(self, request: ops.MemberListRequest) -> ops.MemberListResponse:
        if request.linearizable:
            await self._barrier()
        return self._members()

    async def member_add(self, request: ops.MemberAddRequest) -> ops.MemberAddResponse:
        """Make a member known, before it is started with this cluster as its own."""
        return await self._decided("MemberAdd", request, ops.MemberAddResponse)

    async def member_remove(self, request: ops.MemberRemoveRequest) -> ops.MemberListResponse:
        return await self._decided("MemberRemove", request, ops.MemberListResponse)

    async def member_update(self, request: ops.MemberUpdateRequest) -> ops.MemberListResponse:
        """A member is found elsewhere from now on."""
        return await self._decided("MemberUpdate", request, ops.MemberListResponse)

    async def member_promote(self, request: ops.MemberPromoteRequest) -> ops.MemberListResponse:
        """A learner votes from now on."""
        return await self._decided("MemberPromote", request, ops.MemberListResponse)

    async def _decided(self, name: str, request: Any, answer: type[R]) -> R:
        """The leader decides, once: when its answer is lost, it may have happened."""
        try:
            async with deadline():
                return await self._ask_leader(PATH + name, request, answer)
        except ConnectionError:
            raise errors.leader_failed() from None

    async def move_leader(self, request: ops.MoveLeaderRequest) -> ops.HeaderOnly:
        """Let another member lead. Only the leader itself can be asked, as in etcd."""
        if not self._driver.leads:
            raise errors.not_leader()
        voters = self._membership.voters
        target = next((node for node, m in voters.items() if request.targetID == m.ID), "")
        if not target:
            raise errors.bad_transferee()
        self._driver.transfer_leadership(target)
        for _ in range(2 * ELECTION_TICKS):
            await asyncio.sleep(TICK)
            if self._driver.leader == target:
                return ops.HeaderOnly(self._state.header())
        raise errors.transfer_timed_out()

    # -- this member comes and goes -----------------------------------------------------------

    async def join(self, endpoint: str) -> None:
        """Learn from the others what Raft calls the member at this endpoint, once they know it
        (etcd: GetClusterFromRemotePeers)."""
        while self._driver.joining:
            known = await self._known_to_others()
            node = {at: node for node, at in known.endpoints.items()}.get(endpoint)
            if node is not None:
                self._membership.cluster_id = known.cluster_id
                self._driver.join(node)
            await asyncio.sleep(TICK)

    async def publish(self, name: str, client_urls: tuple[str, ...]) -> None:
        """Say what this member is called and where it serves clients, if that is news."""
        while True:
            me = self._membership.members.get(self._driver.node.name)
            if me is not None and (me.name, me.clientURLs) == (name, client_urls):
                return
            if me is not None:
                with contextlib.suppress(EtcdError):
                    request = ClusterMemberAttrSetRequest(me.ID, name, client_urls)
                    await self._submit(cluster_member_attr_set=request)
            await asyncio.sleep(ELECTION_TICKS * TICK)

    async def removed(self) -> None:
        """Raise MemberRemoved when this member has left the cluster, and its last answers had time
        to be sent."""
        removed = False
        while not removed:
            known = self._membership
            if not self._driver.leader:  # they may have decided it without this member
                known = await self._known_to_others()
            removed = self._driver.node.name in known.removed
            await asyncio.sleep(ELECTION_TICKS * TICK)
        raise MemberRemoved

    async def _known_to_others(self) -> Membership:
        """Who is a member, by the first one that answers."""
        for other in self._driver.others:
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(ELECTION_TICKS * TICK):
                    response = await self._driver.ask(other, Request("POST", MEMBERS_PATH))
                if response.status == 200:
                    return Membership.restore(protobuf.message(SavedMembership, response.body))
        return Membership()

    # -- the leader decides -------------------------------------------------------------------

    async def _add(self, request: ops.MemberAddRequest) -> ops.MemberAddResponse:
        node = self._membership.new_node(request.peerURLs)
        kind = ConfChangeType.AddLearnerNode if request.isLearner else ConfChangeType.AddNode
        member = ops.Member(numbered(node), "", request.peerURLs, isLearner=request.isLearner)
        single, change = ConfChangeSingle(kind, node), MemberChange(member=member)
        self._membership.check(single, change)
        voters = self._membership.voters
        if not request.isLearner:
            self._check_started(voters, more=1)
        if not all(map(self._driver.active, voters)):
            raise errors.unhealthy()
        await self._propose(single, change)
        return ops.MemberAddResponse(self._state.header(), member, self._members().members)

    async def _remove(self, request: ops.MemberRemoveRequest) -> ops.MemberListResponse:
        node = self._membership.node(request.ID)
        voters = self._membership.voters
        if node in voters:
            rest = {name: member for name, member in voters.items() if name != node}
            self._check_started(rest)
            active = sum(map(self._driver.active, rest))
            if self._driver.active(node) and active < 1 + (len(voters) - 1) // 2:
                raise errors.unhealthy()
        await self._propose(ConfChangeSingle(ConfChangeType.RemoveNode, node), MemberChange())
        return self._members()

    async def _update(self, request: ops.MemberUpdateRequest) -> ops.MemberListResponse:
        self._membership.new_node(request.peerURLs)  # are these URLs?
        single = ConfChangeSingle(ConfChangeType.UpdateNode, self._membership.node(request.ID))
        change = MemberChange(member=ops.Member(peerURLs=request.peerURLs))
        self._membership.check(single, change)
        await self._propose(single, change)
        return self._members()

    async def _promote(self, request: ops.MemberPromoteRequest) -> ops.MemberListResponse:
        node = self._membership.node(request.ID)
        single = ConfChangeSingle(ConfChangeType.AddNode, node)
        change = MemberChange(promote=True)
        self._membership.check(single, change)
        leadership = self._driver.node.leadership
        progress = leadership.progress if leadership is not None else {}
        if node not in progress or progress[node].match < READY * self._driver.node.log.last_index:
            raise errors.learner_not_ready()
        self._check_started({**self._membership.voters, node: self._membership.members[node]})
        await self._propose(single, change)
        return self._members()

    def _check_started(self, voters: dict[str, ops.Member], more: int = 0) -> None:
        """Would enough of these, and of so many more that are not started yet, be there to agree?
        From one member to two there is no other way (etcd: IsReadyToAddVotingMember)."""
        total, started = len(voters) + more, sum(bool(member.name) for member in voters.values())
        if not voters or (started <= total // 2 and (started, total) != (1, 2)):
            raise errors.not_enough_started()

    async def _propose(self, single: ConfChangeSingle, change: MemberChange) -> None:
        """Put a change through the log; raises its EtcdError. One that comes while another is
        under way waits for it."""
        change = MemberChange(next(self._ids), change.member, change.promote)
        proposal = ConfChange(changes=(single,), context=protobuf.encode(change))
        answer = self._answers[change.ID] = asyncio.get_running_loop().create_future()
        try:
            while not self._driver.propose_change(proposal):
                if not self._driver.leads:
                    raise errors.not_leader()
                await asyncio.sleep(TICK)
            await answer
        finally:
            del self._answers[change.ID]

    # -- every member applies -----------------------------------------------------------------

    def apply(self, entry: Entry) -> bool:
        """Make a change that was committed; False if it turned out to be impossible, and Raft
        shall not make it either."""
        assert entry.change is not None
        for single in entry.change.changes:
            change = protobuf.decode(MemberChange, entry.change.context)
            answer = self._answers.get(change.ID)
            try:
                self._membership.apply(single, change)
            except EtcdError as error:
                if answer is not None and not answer.done():
                    answer.set_exception(error)
                return False
            if answer is not None and not answer.done():
                answer.set_result(None)
        return True

    @property
    def _membership(self) -> Membership:
        return self._state.members

    def _members(self) -> ops.MemberListResponse:
        return ops.MemberListResponse(
            self._state.header(), tuple(self._membership.members.values())
        )
