"""What a kernel does with a packet: netfilter's hooks, NAT and connection tracking, in small.

`Netfilter` holds one node's tables, its connections, and the lists of `-m recent`. A packet that
starts a connection walks the nat tables; the connection keeps what came of that, and its later
packets and replies are rewritten likewise without asking the rules again.
Source: the kernel's net/netfilter (nf_conntrack_core.c, nf_nat_core.c), iptables(8).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from random import Random

from kube_edu.proxy.ruleset import Chain, Packet, Rule, Ruleset, parse

__all__ = ["Hop", "Netfilter", "Packet", "Walk", "parse", "walk"]

IDLE_SECONDS = 120.0
"""How long a connection is kept after its last packet (nf_conntrack_udp_timeout_stream)."""

MASK_32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Hop:
    """One rule that the packet came by."""

    table: str
    chain: str
    rule: Rule
    matched: bool
    outcome: str = ""
    """What the target did: "10.96.0.10:53 → 10.244.1.2:53" for a DNAT."""


@dataclass(slots=True)
class Walk:
    """The way of one packet through one kernel."""

    packet: Packet
    """As it leaves."""
    hops: list[Hop] = field(default_factory=list)
    verdict: str = "ACCEPT"
    """"ACCEPT", "DROP" or "REJECT"."""
    tracked: bool = False
    """The connection was known, and decided the way."""

    @property
    def matched(self) -> list[Hop]:
        return [hop for hop in self.hops if hop.matched]


def walk(ruleset: Ruleset, packet: Packet, random: Random, local: Collection[str] = ()) -> Walk:
    """The way of a connection's first packet through rules alone: a kernel that has just booted,
    on a node with these addresses of its own."""
    kernel = Netfilter(random, local=local)
    kernel.ruleset = ruleset
    return kernel.walk(packet)


class Netfilter:
    """One node's packet filter. `local` are the node's own addresses, the first of them the one
    that masqueraded packets get; `now` is any clock in seconds."""

    def __init__(
        self, random: Random, *, local: Collection[str] = (), now: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.ruleset: Ruleset = {}
        self._text = ""
        self.random = random
        self._local = list(local)
        self.now = now
        self._connections: dict[Packet, _Way] = {}
        self.recent: dict[str, dict[str, float]] = {}

    def restore(self, text: str) -> None:
        """Replace the tables that the text names, as iptables-restore does: all or nothing."""
        self.ruleset = {**self.ruleset, **parse(text)}
        self._text = text

    def save(self) -> str:
        """The rules as text (iptables-save)."""
        return self._text

    def walk(self, packet: Packet) -> Walk:
        """Take one packet through the hooks, from where it enters to where it leaves.

        A packet of the node's own starts at OUTPUT, one from a pod or another node at PREROUTING;
        from there to INPUT if the node itself is its destination by now, else to FORWARD and
        POSTROUTING.
        """
        way = self._connections.get(packet)
        passage = _Passage(self, packet, "NEW" if way is None else "ESTABLISHED")
        if way is not None:
            passage.result.tracked = True
            passage.packet = way.to
        own = self.is_local(packet.source)
        if way is None:
            passage.traverse("nat", "OUTPUT" if own else "PREROUTING")
        inbound = not own and self.is_local(passage.packet.destination)
        if passage.traverse("filter", "OUTPUT" if own else "INPUT" if inbound else "FORWARD"):
            if way is None and not inbound:
                passage.traverse("nat", "POSTROUTING")
            self._track(packet, passage)
        passage.result.packet = passage.packet
        return passage.result

    def is_local(self, address: str) -> bool:
        return address in self._local or address.startswith("127.")

    def masquerade(self, packet: Packet) -> Packet:
        """Put the node's own address in place of the source; a port that another connection
        uses already is changed as well."""
        packet = replace(packet, source=self._local[0] if self._local else packet.source)
        while packet.reversed() in self._connections:
            packet = replace(packet, source_port=self.random.randint(1024, 65535))
        return packet

    def _track(self, packet: Packet, passage: _Passage) -> None:
        """Remember the connection in both directions, and forget those long idle."""
        now = self.now()
        there = self._connections.pop(packet, None) or _Way(passage.packet)
        back_packet = there.to.reversed()
        back = self._connections.pop(back_packet, None) or _Way(packet.reversed())
        for key, way in ((packet, there), (back_packet, back)):
            way.last_used = now
            self._connections[key] = way  # at the end: the first is always the longest idle
        for oldest in list(self._connections):
            if now - self._connections[oldest].last_used <= IDLE_SECONDS:
                break
            del self._connections[oldest]


@dataclass(slots=True)
class _Way:
    """What becomes of the packets of a connection, in one direction."""

    to: Packet
    last_used: float = 0.0


class _Passage:
    """One packet on its way through one kernel: the `Context` that rules are matched in."""

    def __init__(self, kernel: Netfilter, packet: Packet, state: str) -> None:
        self.packet = packet
        self.mark = 0
        self.state = state
        self.result = Walk(packet)
        self._kernel = kernel
        self._table: dict[str, Chain] = {}
        self._table_name = ""

    def traverse(self, table: str, chain: str) -> bool:
        """One hook: a built-in chain and all it leads to. Whether the packet goes on."""
        if table in self._kernel.ruleset:
            self._table, self._table_name = self._kernel.ruleset[table], table
            verdict = self._chain(chain) or self._table[chain].policy
            if verdict in ("DROP", "REJECT"):
                self.result.verdict = verdict
        return self.result.verdict == "ACCEPT"

    def _chain(self, name: str) -> str:
        """The verdict that a rule of the chain gave; "" when the packet came to its end."""
        for rule in self._table[name].rules:
            if not all(match(self) for match in rule.matches):
                self._hop(name, rule, matched=False)
                continue
            if rule.target in self._table:
                self._hop(name, rule, matched=True)
                verdict = self._chain(rule.target)
            else:
                verdict, outcome = self._apply(rule)
                self._hop(name, rule, matched=True, outcome=outcome)
            if verdict == "RETURN":
                return ""
            if verdict:
                return verdict
        return ""

    def _apply(self, rule: Rule) -> tuple[str, str]:
        """Do what a target that is not a chain says: the verdict, and what to tell of it."""
        if rule.target == "DNAT":
            before = f"{self.packet.destination}:{self.packet.port}"
            after = rule.options["--to-destination"]
            address, _, port = after.partition(":")
            self.packet = replace(
                self.packet, destination=address, port=int(port or self.packet.port)
            )
            return "ACCEPT", f"{before} → {after}"
        if rule.target == "MASQUERADE":
            before = self.packet.source
            self.packet = self._kernel.masquerade(self.packet)
            return "ACCEPT", f"{before} → {self.packet.source}"
        if rule.target == "MARK":
            if "--or-mark" in rule.options:
                self.mark |= int(rule.options["--or-mark"], 0)
            else:
                self.mark = (self.mark ^ int(rule.options["--xor-mark"], 0)) & MASK_32
            return "", f"{self.mark:#x}"
        return rule.target, ""

    def _hop(self, chain: str, rule: Rule, *, matched: bool, outcome: str = "") -> None:
        self.result.hops.append(Hop(self._table_name, chain, rule, matched, outcome))

    # --- Context

    def is_local(self, address: str) -> bool:
        return self._kernel.is_local(address)

    def chance(self) -> float:
        return self._kernel.random.random()

    def seen(self, list_name: str, within: float) -> bool:
        last = self._kernel.recent.get(list_name, {}).get(self.packet.source)
        return last is not None and self._kernel.now() - last <= within

    def remember(self, list_name: str) -> bool:
        self._kernel.recent.setdefault(list_name, {})[self.packet.source] = self._kernel.now()
        return True
