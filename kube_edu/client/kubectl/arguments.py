"""The command line: which commands there are, and which flags each of them takes."""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

from kube_edu.client.kubectl import rollout


class Usage(Exception):
    """A command line that this kubectl does not understand."""


Flag = tuple[str, dict[str, Any]]

_FILE: Flag = ("-f", {"dest": "filename", "required": True})
_SWITCH: dict[str, Any] = {"action": "store_true"}
_TEXT: dict[str, Any] = {"default": ""}

COMMON: tuple[Flag, ...] = (
    ("-n --namespace", {"default": "default"}),
    ("-A --all-namespaces", _SWITCH),
    ("-l --selector", _TEXT),
    ("--field-selector", _TEXT),
    ("-o --output", {"default": "", "choices": ["", "wide", "yaml", "json", "name"]}),
    ("--show-labels", _SWITCH),
    ("--no-headers", _SWITCH),
    ("--as", {"dest": "user", "default": ""}),
    ("--as-group", {"dest": "groups", "action": "append", "default": []}),
)
"""Flags of every command."""

THINGS: Flag = ("things", {"nargs": "+"})
"""The words that say what a command is about: "pods", "pod web", "deploy/web"."""

COMMANDS: dict[str, tuple[Flag, ...]] = {
    "annotate": (("--overwrite", _SWITCH), THINGS),
    "apply": (_FILE, ("--prune", _SWITCH)),
    "auth": (
        ("action", {"choices": ["can-i", "whoami"]}),
        ("--list", _SWITCH),
        ("--subresource", _TEXT),
        ("things", {"nargs": "*"}),
    ),
    "cordon": (THINGS,),
    "create": (("-f", {"dest": "filename", "default": ""}), ("things", {"nargs": "*"})),
    "delete": (
        ("-f", {"dest": "filename", "default": ""}),
        ("--cascade", {"default": "background", "choices": ["background", "foreground", "orphan"]}),
        ("--grace-period", {"type": int, "default": None}),
        ("--all", _SWITCH),
        ("things", {"nargs": "*"}),
    ),
    "describe": (THINGS,),
    "get": (THINGS,),
    "label": (("--overwrite", _SWITCH), THINGS),
    "logs": (
        ("-c", {"dest": "container", "default": ""}),
        ("--tail", _TEXT),
        ("--previous", _SWITCH),
        ("--timestamps", _SWITCH),
        THINGS,
    ),
    "rollout": (("action", {"choices": list(rollout.ACTIONS)}), ("--to-revision", _TEXT), THINGS),
    "scale": (("--replicas", {"type": int, "required": True}), THINGS),
    "set": (("what", {"choices": ["image"]}), THINGS),
    "uncordon": (THINGS,),
}


def parse(command: str) -> argparse.Namespace:
    """The options of a command line; for annotate, label and set, `pairs` are the words among
    its `things` that change something: "app=web", "tier-". Raises Usage."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Usage(f"error: {error}") from None
    options = _parser().parse_args(words[1:] if words[:1] == ["kubectl"] else words)
    if options.command in ("annotate", "label", "set"):
        options.pairs = [w for w in options.things if "=" in w or w.endswith("-")]
        options.things = [w for w in options.things if w not in options.pairs]
    return options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Usage(f"error: {message}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Usage(message or "")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="kubectl", add_help=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name, flags in COMMANDS.items():
        command = commands.add_parser(name, add_help=False)
        for words, settings in (*COMMON, *flags):
            command.add_argument(*words.split(), **settings)
    return parser
