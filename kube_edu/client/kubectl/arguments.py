"""The command line: the words of a command, and the flags that all commands take."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn


class Usage(Exception):
    """A command line that this kubectl does not understand."""


Flag = tuple[str, dict[str, Any]]

SWITCH: dict[str, Any] = {"action": "store_true"}
TEXT: dict[str, Any] = {"default": ""}
FILE: Flag = ("-f", {"dest": "filename", "default": ""})
THINGS: Flag = ("things", {"nargs": "*"})
"""The words that say what a command is about: "pods", "pod web", "deploy/web"."""

COMMON: tuple[Flag, ...] = (
    ("-n --namespace", {"default": "default"}),
    ("-A --all-namespaces", SWITCH),
    ("-l --selector", TEXT),
    ("--field-selector", TEXT),
    ("-o --output", {"default": "", "choices": ["", "wide", "yaml", "json", "name"]}),
    ("--show-labels", SWITCH),
    ("--no-headers", SWITCH),
    ("--as", {"dest": "user", "default": ""}),
    ("--as-group", {"dest": "groups", "action": "append", "default": []}),
)
"""Flags of every command."""


def parse(command: str, flags: Mapping[str, Sequence[Flag]]) -> argparse.Namespace:
    """The options of a command line, by the flags of each command; for annotate, label and set,
    `pairs` are the words among its `things` that change something: "app=web", "tier-". Raises
    Usage."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Usage(f"error: {error}") from None
    options = _parser(flags).parse_args(words[1:] if words[:1] == ["kubectl"] else words)
    if options.command in ("annotate", "label", "set"):
        options.pairs = [w for w in options.things if "=" in w or w.endswith("-")]
        options.things = [w for w in options.things if w not in options.pairs]
    return options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Usage(f"error: {message}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Usage(message or "")


def _parser(flags: Mapping[str, Sequence[Flag]]) -> argparse.ArgumentParser:
    parser = _Parser(prog="kubectl", add_help=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name, of_its_own in flags.items():
        command = commands.add_parser(name, add_help=False)
        for words, settings in (*COMMON, *of_its_own):
            command.add_argument(*words.split(), **settings)
    return parser
