"""Drives a Raft member: its clock, its disk and its network (etcd: server/etcdserver/raft.go).

Messages travel as datagrams, which Raft does not mind losing; a snapshot goes as a request, whose
end tells whether it arrived. What must be durable first is written by one task, one frame at a
time: whatever comes in meanwhile goes into the next frame together (group commit).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

from kube_edu.etcd.membership import endpoint_of, node_at
from kube_edu.etcd.raft_trace import appended, described, written
from kube_edu.etcd.state import State
from kube_edu.etcd.wal import Saved, Wal, first_state
from kube_edu.host import Host, HttpClient, Request
from kube_edu.raft import ConfChange, Entry, Message, MessageType, RaftNode, Ready, Rules, Snapshot
from kube_edu.wire import protobuf

TICK = 0.1
"""Seconds; a heartbeat each, and ten to an election time-out (etcd's defaults)."""

ELECTION_TICKS = 10

READ_RETRY = 0.5
"""Seconds until a read that got no answer is asked again."""

SNAPSHOT_COUNT = 10_000
"""Applied entries between two snapshots (etcd: --snapshot-count)."""

KEEP_ENTRIES = 5_000
"""Entries behind a snapshot that stay, for members that are a little behind."""

SNAPSHOT_TIMEOUT = 5.0
"""Seconds until a snapshot that was not confirmed is sent again."""

SNAPSHOT_PATH = "/raft/snapshot"


class RaftDriver:
    """The member `host.name` of `members` (name → peer endpoint): those that the cluster begins
    with, or, with `join`, those that it has by now.

    `state` is what the log makes, saved and restored by snapshots. `apply` gets every committed
    entry with data, in order, and `apply_change` those that change the configuration: it says
    whether they shall. `ticked` is called on every tick.
    """

    def __init__(
        self,
        host: Host,
        members: Mapping[str, str],
        state: State,
        rules: Rules,
        *,
        join: bool,
        apply: Callable[[Entry], None],
        apply_change: Callable[[Entry], bool],
        ticked: Callable[[], None],
    ) -> None:
        self._host = host
        self._state = state
        self._apply = apply
        self._apply_change = apply_change
        self._ticked = ticked
        self._port = int(members[host.name].rpartition(":")[2])
        self._members = {name: endpoint_of(url) for name, url in members.items()}
        self._endpoints: dict[str, str] = {}
        self._peers: dict[str, HttpClient] = {}
        self._heard: dict[str, float] = {}  # when, of each member

        self._wal = Wal(host.disk, host.name)
        saved = self._wal.read()
        new = saved == Saved()
        self.joining = new and join
        self._first_snapshot: Snapshot | None = None
        if new and not join:
            saved = first_state(members, state.snapshot())
            self._first_snapshot = saved.snapshot
        elif saved.snapshot.index:
            state.restore(saved.snapshot.data)
        for kind, fields in appended(saved.entries):
            host.record(kind, **fields)
        self._hard = saved.hard_state
        self.node = RaftNode(
            saved.node or host.name,
            (),
            random=host.random,
            election_ticks=ELECTION_TICKS,
            hard_state=saved.hard_state,
            snapshot=saved.snapshot,
            entries=saved.entries,
            rules=rules,
        )
        self._wake = asyncio.Event()
        self._read_wanted = asyncio.Event()
        self._readers: list[asyncio.Future[None]] = []
        self._round: dict[bytes, asyncio.Future[int]] = {}  # the read under way, by its context
        self._applied = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        if join:  # whoever came later is called by its address
            self._members |= {node_at(endpoint): endpoint for endpoint in self._members.values()}
        self._connect()

    # -- for the server -----------------------------------------------------------------------

    async def run(self) -> None:
        """Take part. An OSError that ends it is the disk's: after a failed sync nothing may be
        assumed of what was written, so the member must not go on."""
        self._host.bind(self._port, self._receive)
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._tick())
            self._tasks.create_task(self._drive())
            self._tasks.create_task(self._confirm_reads())
            self._wake.set()

    @property
    def leader(self) -> str:
        """Who leads, as far as this member knows; "" if nobody does."""
        return self.node.leader

    @property
    def leads(self) -> bool:
        return self.node.leadership is not None

    def propose(self, data: bytes) -> bool:
        """Put a command into the log; False if this member does not lead."""
        accepted = self.node.propose(data)
        self._wake.set()
        return accepted

    def propose_change(self, change: ConfChange) -> bool:
        """Put a change of the configuration into the log; False if this member does not lead, or
        another change is under way. Raises ConfChangeError."""
        accepted = self.node.propose_conf_change(change)
        self._wake.set()
        return accepted

    def transfer_leadership(self, to: str) -> bool:
        """Ask that another member shall lead; False if nothing can come of it."""
        accepted = self.node.transfer_leadership(to)
        self._wake.set()
        return accepted

    def join(self, node: str) -> None:
        """A member that joins has learnt what Raft calls it."""
        self.node.name = self._wal.node = node
        self.joining = False

    def active(self, member: str) -> bool:
        """Whether a member was heard of within an election time-out."""
        now = asyncio.get_running_loop().time()
        heard = self._heard.get(member, -math.inf)
        return member == self.node.name or now - heard <= ELECTION_TICKS * TICK

    @property
    def others(self) -> list[str]:
        """The members that can be asked."""
        return list(self._endpoints)

    async def ask(self, member: str, request: Request) -> Any:
        """A request to another member; raises ConnectionError."""
        return await self._peers[member].request(request)

    async def read_barrier(self) -> None:
        """Return once all that was committed before the call is applied here (ReadIndex). All
        calls that come while one round is under way share the next."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.append(future)
        self._read_wanted.set()
        await future

    def take_snapshot(self, message: Message) -> None:
        """A snapshot arrived from the leader."""
        self._receive("", message)

    # -- time and messages --------------------------------------------------------------------

    async def _tick(self) -> None:
        await asyncio.sleep(self._host.random.random() * TICK)  # not in step with the others
        while True:
            await asyncio.sleep(TICK)
            self.node.tick()
            self._ticked()
            self._wake.set()

    def _connect(self) -> None:
        """The members may be others than before. Whom the state machine does not know yet is where
        it was said to be at the start."""
        for name, endpoint in {**self._members, **self._state.members.endpoints}.items():
            if name == self.node.name or self._endpoints.get(name, "") == endpoint:
                continue
            if name in self._peers and self._tasks is not None:
                self._tasks.create_task(self._peers.pop(name).close())
            self._endpoints[name] = endpoint
            self._peers[name] = self._host.connect(endpoint, identity="etcd")

    def _receive(self, source: str, message: Message | bytes) -> None:
        if isinstance(message, bytes):
            message = protobuf.decode(Message, message)
        if message.source in self._state.members.removed:
            return
        self._heard[message.source] = asyncio.get_running_loop().time()
        self._host.record(
            "raft.receive", source=message.source, type=message.type.name, term=message.term
        )
        self.node.step(message)
        self._wake.set()

    def _send(self, message: Message) -> None:
        self._host.record("raft.send", **described(message))
        endpoint = self._endpoints.get(message.to)
        if endpoint is None:
            return  # it was removed, or came while this member was away
        if message.type is not MessageType.MsgSnap:
            self._host.send(endpoint, message, port=self._port)
        elif self._tasks is not None:
            self._tasks.create_task(self._send_snapshot(message))

    async def _send_snapshot(self, message: Message) -> None:
        arrived = False
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(SNAPSHOT_TIMEOUT):
                request = Request("POST", SNAPSHOT_PATH, body=message)
                arrived = (await self.ask(message.to, request)).status == 200
        self.node.report_snapshot(message.to, arrived)
        self._wake.set()

    # -- what Raft wants done -----------------------------------------------------------------

    async def _drive(self) -> None:
        """All that came in during one turn of the loop, or while the disk was at work, is done
        together."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.node.has_ready():
                ready = self.node.ready()
                self._apply_committed(ready)
                if ready.must_sync:
                    await self._write(ready)
                self._finish(ready)
                await self._compact()

    async def _write(self, ready: Ready) -> None:
        hard = ready.hard_state or self._hard
        snapshot = ready.snapshot or self._first_snapshot
        if snapshot is None:
            await self._wal.write(ready.entries, hard)
        else:
            self._first_snapshot = None
            await self._wal.replace(snapshot, ready.entries, hard)

    def _apply_committed(self, ready: Ready) -> None:
        """This need not wait for the disk: what is committed is on those of a majority."""
        for entry in ready.committed:
            if entry.change is not None:
                if self._apply_change(entry):
                    self.node.apply_conf_change(entry)
                    self._connect()
            elif entry.data:
                self._apply(entry)
            self.node.log.applied_to(entry.index)
            self._applied.set()
        for state in ready.read_states:
            answer = self._round.get(state.context)
            if answer is not None and not answer.done():
                answer.set_result(state.index)

    def _finish(self, ready: Ready) -> None:
        """All that comes after the disk."""
        for kind, fields in written(ready, self._hard, self.node.log):
            self._host.record(kind, **fields)
        self._hard = ready.hard_state or self._hard  # a commit index alone goes with the next frame
        for message in ready.messages:
            self._send(message)
        if ready.snapshot is not None:
            self._state.restore(ready.snapshot.data)
            self._connect()
        self.node.advance(ready)
        self._applied.set()

    async def _compact(self) -> None:
        """Cut the log behind a snapshot, now and then."""
        log = self.node.log
        if log.applied - log.snapshot.index < SNAPSHOT_COUNT:
            return
        snapshot: Snapshot = self.node.compact(self._state.snapshot(), KEEP_ENTRIES)
        rest = log.entries(snapshot.index + 1, log.stable)
        await self._wal.replace(snapshot, rest, self._hard)

    # -- linearizable reads -------------------------------------------------------------------

    async def _confirm_reads(self) -> None:
        while True:
            await self._read_wanted.wait()
            self._read_wanted.clear()
            readers, self._readers = self._readers, []
            index = await self._confirmed_index(readers)
            while self.node.log.applied < index:
                self._applied.clear()
                await self._applied.wait()
            for reader in readers:
                if not reader.done():
                    reader.set_result(None)

    async def _confirmed_index(self, readers: list[asyncio.Future[None]]) -> int:
        """The commit index, once a majority has confirmed who leads; 0 if no reader waits for it
        any longer."""
        while not all(reader.done() for reader in readers):
            context = self._host.random.randbytes(8)
            answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._round = {context: answer}
            self.node.read_index(context)
            self._wake.set()
            try:
                async with asyncio.timeout(READ_RETRY):
                    return await answer
            except TimeoutError:
                pass  # the question or its answer is lost, or nobody leads
        return 0
