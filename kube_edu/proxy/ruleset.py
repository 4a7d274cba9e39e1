"""`iptables-restore` text as tables, chains and rules.

Only what kube-proxy's rules use is known; anything else is an error that names the rule, so that
nothing is passed over in silence. Source: iptables-extensions(8).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

BUILT_IN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}

FINAL_TARGETS = ("ACCEPT", "DROP", "REJECT", "RETURN", "DNAT", "MARK", "MASQUERADE")
"""Targets that are not chains."""

TARGET_OPTIONS = {"DNAT": ["--to-destination"], "MARK": ["--or-mark", "--xor-mark"]}
"""The options of a target, one of which it must have."""


@dataclass(frozen=True, slots=True)
class Packet:
    """What the rules can see of a packet."""

    protocol: str  # "TCP", "UDP", "SCTP"
    source: str
    source_port: int
    destination: str
    port: int

    def reversed(self) -> Packet:
        """What an answer to it looks like."""
        return Packet(self.protocol, self.destination, self.port, self.source, self.source_port)

    def __str__(self) -> str:
        return f"{self.protocol} {self.source}:{self.source_port} → {self.destination}:{self.port}"


class Context(Protocol):
    """What matches ask for besides the packet: the state of its walk, and of the kernel."""

    packet: Packet
    mark: int
    state: str  # "NEW" or "ESTABLISHED"

    def is_local(self, address: str) -> bool: ...
    def chance(self) -> float: ...
    def seen(self, list_name: str, within: float) -> bool: ...
    def remember(self, list_name: str) -> bool: ...


Match = Callable[[Context], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it applies where all matches hold. Without a target it only counts."""

    chain: str
    text: str
    matches: tuple[Match, ...] = ()
    target: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    """The target's own."""
    comment: str = ""


@dataclass(slots=True)
class Chain:
    policy: str  # "ACCEPT" or "DROP" for a built-in chain, "-" for one of ours
    rules: list[Rule] = field(default_factory=list)


Ruleset = dict[str, dict[str, Chain]]
"""Tables by name, each with its chains by name."""


def parse(text: str) -> Ruleset:
    """Read the text; raises ValueError with the line that is wrong."""
    ruleset: Ruleset = {}
    table: dict[str, Chain] = {}
    committed = True
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("*"):
            table = ruleset[line[1:]] = _new_table(line)
            committed = False
        elif line == "COMMIT":
            _check_targets(table)
            committed = True
        elif committed:
            raise ValueError(f"outside of a table: {line}")
        elif line.startswith(":"):
            chain, policy, *_ = line[1:].split()
            table[chain] = Chain(policy)
        else:
            rule = parse_rule(line)
            if rule.chain not in table:
                raise ValueError(f"no chain {rule.chain}: {line}")
            table[rule.chain].rules.append(rule)
    if not committed:
        raise ValueError("COMMIT expected at the end of the table")
    return ruleset


def _new_table(line: str) -> dict[str, Chain]:
    if line[1:] not in BUILT_IN:
        raise ValueError(f"unknown table: {line}")
    return {chain: Chain("ACCEPT") for chain in BUILT_IN[line[1:]]}


def _check_targets(table: dict[str, Chain]) -> None:
    for chain in table.values():
        for rule in chain.rules:
            if rule.target and rule.target not in table and rule.target not in FINAL_TARGETS:
                raise ValueError(f"no chain or target {rule.target}: {rule.text}")


@lru_cache(maxsize=1 << 16)  # every node loads nearly the same rules, again and again
def parse_rule(line: str) -> Rule:
    """One "-A CHAIN ..." line."""
    words = _Words(line)
    matches: list[Match] = []
    target, comment = "", ""
    options: dict[str, str] = {}
    try:
        words.expect("-A")
        chain = words.next()
        while words.left:
            if words.skip("-m", "comment", "--comment"):
                comment = words.next()
            elif words.skip("-j"):
                target = words.next()
                options = _target_options(target, words)
            else:
                negated = words.skip("!")
                match = _module(words) if words.skip("-m") else _option(words)
                matches += [_not(match) if negated else match]
    except ValueError as error:
        raise ValueError(f"{error}: {line}") from None
    return Rule(chain, line, tuple(matches), target, options, comment)


def _option(words: _Words) -> Match:
    """A match that needs no module, or only that of its protocol."""
    option, value = words.next(), words.next()
    if option == "-p":
        return lambda context: context.packet.protocol.lower() == value
    if option == "--dport":
        port = int(value)
        return lambda context: context.packet.port == port
    if option in ("-s", "-d"):
        network, mask = _network(value)
        if option == "-s":
            return lambda context: address_number(context.packet.source) & mask == network
        return lambda context: address_number(context.packet.destination) & mask == network
    raise ValueError(f"unknown option {option}")


def _module(words: _Words) -> Match:
    """The match of a module, with the options that belong to it."""
    module = words.next()
    if module in ("tcp", "udp", "sctp"):  # its options are among the general ones here
        return lambda context: context.packet.protocol.lower() == module
    if words.skip("!"):
        return _not(_module_match(module, words))
    return _module_match(module, words)


def _module_match(module: str, words: _Words) -> Match:
    if module == "addrtype":
        if words.skip("--src-type", "LOCAL"):
            return lambda context: context.is_local(context.packet.source)
        words.expect("--dst-type", "LOCAL")
        return lambda context: context.is_local(context.packet.destination)
    if module == "conntrack":
        words.expect("--ctstate")
        states = words.next().split(",")
        return lambda context: context.state in states
    if module == "mark":
        words.expect("--mark")
        value, mask = (int(number, 0) for number in words.next().split("/"))
        return lambda context: context.mark & mask == value
    if module == "statistic":
        words.expect("--mode", "random", "--probability")
        probability = float(words.next())
        return lambda context: context.chance() < probability
    if module == "recent":
        words.expect("--name")
        list_name = words.next()
        if words.skip("--set"):
            return lambda context: context.remember(list_name)
        words.expect("--rcheck", "--seconds")
        seconds = float(words.next())
        words.skip("--reap")
        return lambda context: context.seen(list_name, seconds)
    raise ValueError(f"unknown match {module}")


def _not(match: Match) -> Match:
    return lambda context: not match(context)


def _target_options(target: str, words: _Words) -> dict[str, str]:
    """What stands after "-j TARGET": {"--to-destination": "10.244.1.2:80"}."""
    options = {}
    for option in TARGET_OPTIONS.get(target, ()):
        if words.skip(option):
            options[option] = words.next()
    if target in TARGET_OPTIONS and not options:
        raise ValueError(f"{' or '.join(TARGET_OPTIONS[target])} expected")
    if target == "MASQUERADE":
        words.skip("--random-fully")
    if words.left:
        raise ValueError(f"{words.left[0]} after the target")
    return options


@lru_cache(maxsize=4096)
def address_number(address: str) -> int:
    """An IPv4 address as a number."""
    return int(IPv4Address(address))


def _network(text: str) -> tuple[int, int]:
    network = IPv4Network(text)
    return int(network.network_address), int(network.netmask)


class _Words:
    """The words of one rule, read from left to right."""

    def __init__(self, line: str) -> None:
        found = re.findall(r'"([^"]*)"|(\S+)', line)
        self.left: list[str] = [quoted or plain for quoted, plain in found]

    def next(self) -> str:
        if not self.left:
            raise ValueError("something is missing at the end")
        return self.left.pop(0)

    def skip(self, *words: str) -> bool:
        """Take the next words if they are these."""
        found = self.left[: len(words)] == [*words]
        if found:
            del self.left[: len(words)]
        return found

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.skip(word):
                raise ValueError(f"{word} expected")
