"""`iptables-restore` text as tables, chains and rules.

Only what kube-proxy's rules use is known; anything else is an error that names the rule, so that
nothing is passed over in silence. Source: iptables-extensions(8).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

BUILT_IN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}

FINAL_TARGETS = ("ACCEPT", "DROP", "REJECT", "RETURN", "DNAT", "MARK", "MASQUERADE")
"""Targets that are not chains."""


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
    def remember(self, list_name: str) -> None: ...


Match = Callable[[Context], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it applies where all matches hold. Without a target it only counts."""

    chain: str
    text: str
    matches: tuple[Match, ...] = ()
    target: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    """The target's own: {"--to-destination": "10.244.1.2:80"}."""
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
    words.expect("-A")
    chain = words.next()
    matches: list[Match] = []
    target, comment = "", ""
    options: dict[str, str] = {}
    while words.left:
        negated = words.skip("!")
        option = words.next()
        match: Match | None = None
        if option == "-p":
            match = _is_protocol(words.next())
        elif option in ("-s", "-d"):
            match = _is_address(option, words.next())
        elif option == "--dport":
            match = _is_port(int(words.next()))
        elif option == "-j":
            target = words.next()
            options = words.target_options(target)
        elif option == "-m":
            module = words.next()
            if module == "comment":
                words.expect("--comment")
                comment = words.next()
            elif module not in ("tcp", "udp", "sctp"):
                negated = words.skip("!")
                match = _module(module, words)
        else:
            raise words.error(f"unknown option {option}")
        if match is not None:
            matches.append(_not(match) if negated else match)
        elif negated:
            raise words.error('unexpected "!"')
    return Rule(chain, line, tuple(matches), target, options, comment)


def _module(module: str, words: _Words) -> Match:
    """The match of one extension, with the options that belong to it."""
    if module == "addrtype":
        option = words.one_of("--src-type", "--dst-type")
        words.expect("LOCAL")
        return _is_type_local(option)
    if module == "conntrack":
        words.expect("--ctstate")
        return _is_state(words.next().split(","))
    if module == "mark":
        words.expect("--mark")
        value, _, mask = words.next().partition("/")
        return _is_marked(int(value, 0), int(mask or "0xffffffff", 0))
    if module == "statistic":
        words.expect("--mode", "random", "--probability")
        return _by_chance(float(words.next()))
    if module == "recent":
        words.expect("--name")
        return _recent(words.next(), words)
    raise words.error(f"unknown match {module}")


def _recent(list_name: str, words: _Words) -> Match:
    if words.one_of("--set", "--rcheck") == "--set":
        return _remember(list_name)
    words.expect("--seconds")
    seconds = float(words.next())
    words.skip("--reap")
    return lambda context: context.seen(list_name, seconds)


def _remember(list_name: str) -> Match:
    def match(context: Context) -> bool:
        context.remember(list_name)
        return True

    return match


def _not(match: Match) -> Match:
    return lambda context: not match(context)


def _is_protocol(protocol: str) -> Match:
    return lambda context: context.packet.protocol.lower() == protocol


def _is_port(port: int) -> Match:
    return lambda context: context.packet.port == port


def _is_address(option: str, text: str) -> Match:
    network, mask = _network(text)
    if option == "-s":
        return lambda context: address_number(context.packet.source) & mask == network
    return lambda context: address_number(context.packet.destination) & mask == network


def _is_type_local(option: str) -> Match:
    if option == "--src-type":
        return lambda context: context.is_local(context.packet.source)
    return lambda context: context.is_local(context.packet.destination)


def _is_state(states: Sequence[str]) -> Match:
    return lambda context: context.state in states


def _is_marked(value: int, mask: int) -> Match:
    return lambda context: context.mark & mask == value


def _by_chance(probability: float) -> Match:
    return lambda context: context.chance() < probability


@lru_cache(maxsize=4096)
def address_number(address: str) -> int:
    """An IPv4 address as a number; ValueError if it is none."""
    parts = [int(part) for part in address.split(".")]
    if len(parts) != 4 or not all(0 <= part <= 255 for part in parts):
        raise ValueError(f"not an IPv4 address: {address}")
    return int.from_bytes(bytes(parts), "big")


def _network(text: str) -> tuple[int, int]:
    address, _, length = text.partition("/")
    mask = (0xFFFFFFFF << (32 - int(length or 32))) & 0xFFFFFFFF
    return address_number(address) & mask, mask


class _Words:
    """The words of one rule, read from left to right."""

    def __init__(self, line: str) -> None:
        self._line = line
        self.left: list[str] = [
            quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)
        ]

    def next(self) -> str:
        if not self.left:
            raise self.error("something is missing at the end")
        return self.left.pop(0)

    def skip(self, word: str) -> bool:
        """Take the next word if it is this one."""
        found = bool(self.left) and self.left[0] == word
        if found:
            self.left.pop(0)
        return found

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.skip(word):
                raise self.error(f"{word} expected")

    def one_of(self, *words: str) -> str:
        word = self.next()
        if word not in words:
            raise self.error(f"{' or '.join(words)} expected")
        return word

    def target_options(self, target: str) -> dict[str, str]:
        """What stands after "-j TARGET"."""
        options: dict[str, str] = {}
        if target == "DNAT":
            self.expect("--to-destination")
            options["--to-destination"] = self.next()
        elif target == "MARK":
            option = self.one_of("--or-mark", "--xor-mark")
            options[option] = self.next()
        elif target == "MASQUERADE":
            self.skip("--random-fully")
        if self.left:
            raise self.error(f"{self.left[0]} after the target")
        return options

    def error(self, problem: str) -> ValueError:
        return ValueError(f"{problem}: {self._line}")
