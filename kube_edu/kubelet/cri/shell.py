"""A shell, as far as labs need one: `sh -c "while true; do date; sleep 5; done"`.

It knows `;`, `&&`, `||`, `while`, `>` and `>>`, quotes, variables, `$(command)`, `$((sum))`, and
the commands in COMMANDS. There are no pipes, no `if` and no background jobs.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kube_edu.api.meta import timestamp
from kube_edu.kubelet.cri.context import ContainerContext
from kube_edu.kubelet.cri.kv import kv_command

Write = Callable[[str], None]
"""Takes lines of output."""

TOKEN = re.compile(
    r"""(?P<skip>[ \t]+ | \#[^\n]* | 2>&1 | 2>\s*/dev/null)
      | (?P<operator>&& | \|\| | >> | > | ; | \n)
      | (?P<word>(?:\$\(\([^)]*\)\) | \$\([^)]*\) | '[^']*' | "(?:\\.|[^"\\])*" | \\.
                  | [^\s;&|>'"\\])+)""",
    re.VERBOSE,
)
PIECE = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|([^'"\\]+)""", re.DOTALL)
EXPANSION = re.compile(r"\$\(\(([^)]*)\)\)|\$\(([^)]*)\)|\$\{(\w+)\}|\$(\w+|\?)")

SHELLS = ("sh", "ash", "bash")

SMALLEST_PAUSE = 0.001
"""Seconds that each turn of a loop takes, so that none stands still in virtual time."""


class ExitShell(Exception):
    """`exit N`."""


@dataclass(frozen=True, slots=True)
class Simple:
    words: list[str]
    target: str
    """The file for the output, "" for the shell's own."""
    append: bool


@dataclass(frozen=True, slots=True)
class While:
    condition: Block
    body: Block


Block = list[tuple[str, Simple | While]]
"""Commands, each with the operator before it: ";", "&&" or "||"."""


async def run(context: ContainerContext, command: Sequence[str], write: Write) -> int:
    """Run a command (["sh", "-c", "..."], ["sleep", "5"]); returns its exit code."""
    try:
        return await Shell(context).command(list(command), write)
    except ExitShell as end:
        return int(end.args[0])


class Shell:
    """The state of one shell: its variables and the last exit code."""

    def __init__(self, context: ContainerContext) -> None:
        self._context = context
        self._variables = dict(context.env)
        self._status = 0

    async def command(self, words: list[str], write: Write) -> int:
        """Run a command; 127 if there is none of that name, as in every shell."""
        name = words[0].rpartition("/")[2]
        if name in SHELLS:
            script = words[2] if len(words) > 2 else ""
            try:
                block = _parse(script)
            except ValueError as error:
                write(f"sh: {error}")
                return 2
            return await self._block(block, write)
        if name not in COMMANDS:
            write(f"sh: {words[0]}: not found")
            return 127
        result = COMMANDS[name](self._context, words[1:], write)
        return result if isinstance(result, int) else await result

    async def _block(self, block: Block, write: Write) -> int:
        for operator, step in block:
            if (operator == "&&" and self._status) or (operator == "||" and not self._status):
                continue
            if isinstance(step, While):
                while await self._block(step.condition, write) == 0:
                    await self._block(step.body, write)
                    await asyncio.sleep(SMALLEST_PAUSE)
            else:
                self._status = await self._simple(step, write)
        return self._status

    async def _simple(self, step: Simple, write: Write) -> int:
        words = [await self._expand(word) for word in step.words]
        while words and re.match(r"\w+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            self._variables[name] = value
        target = await self._expand(step.target)
        lines: list[str] = []
        status = await self.command(words, lines.append if target else write) if words else 0
        if target in ("/dev/stdout", "/proc/1/fd/1"):
            self._context.log("\n".join(lines))
        elif target and target != "/dev/null":
            before = b""
            if step.append:
                with suppress(FileNotFoundError):
                    before = self._context.files.read(target)
            text = "".join(f"{line}\n" for line in lines)
            self._context.files.write(target, before + text.encode())
        return status

    async def _expand(self, word: str) -> str:
        result = ""
        for single, double, escaped, bare in PIECE.findall(word):
            result += single + escaped
            position = 0
            text = double or bare
            for match in EXPANSION.finditer(text):
                result += text[position : match.start()] + await self._value(match)
                position = match.end()
            result += text[position:]
        return result

    async def _value(self, match: re.Match[str]) -> str:
        total, script, braced, plain = match.groups()
        if total is not None:
            return str(self._sum(total))
        if script is not None:
            lines: list[str] = []
            await self._block(_parse(script), lines.append)
            return "\n".join(lines)
        name = braced or plain
        return str(self._status) if name == "?" else self._variables.get(name, "")

    def _sum(self, text: str) -> int:
        total = 0
        for sign, term in re.findall(r"([+-]?)\s*\$?(\w+)", text):
            value = int(term if term.isdigit() else self._variables.get(term) or 0)
            total += -value if sign == "-" else value
        return total


def _parse(script: str) -> Block:
    """Raises ValueError for what this shell does not know."""
    tokens: list[str] = []
    position = 0
    while position < len(script):
        match = TOKEN.match(script, position)
        if match is None:
            raise ValueError(f"syntax error: unexpected {script[position]!r}")
        if match["skip"] is None:
            tokens.append(";" if match[0] == "\n" else match[0])
        position = match.end()
    tokens.reverse()
    return _block(tokens, "")


def _block(tokens: list[str], end: str) -> Block:
    """Take commands off the end of `tokens`, up to and with the word `end`."""
    block: Block = []
    operator = ";"
    while tokens:
        token = tokens.pop()
        if token == end:
            return block
        if token in (";", "&&", "||"):
            operator = token
            continue
        if token == "while":
            step: Simple | While = While(_block(tokens, "do"), _block(tokens, "done"))
        else:
            tokens.append(token)
            step = _simple(tokens)
        block.append((operator, step))
        operator = ";"
    if end:
        raise ValueError(f'syntax error: unexpected end of file (expecting "{end}")')
    return block


def _simple(tokens: list[str]) -> Simple:
    words: list[str] = []
    target, append = "", False
    while tokens and tokens[-1] not in (";", "&&", "||"):
        token = tokens.pop()
        if token in (">", ">>"):
            target, append = (tokens.pop() if tokens else ""), token == ">>"
        else:
            words.append(token)
    return Simple(words, target, append)


# The commands


async def _sleep(context: ContainerContext, args: list[str], write: Write) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    try:
        seconds = sum(float(arg.rstrip("smhd")) * units.get(arg[-1], 1) for arg in args)
    except ValueError:
        seconds = math.inf if args == ["infinity"] else -1
    if seconds < 0:
        write(f"sleep: invalid number '{args[0]}'")
        return 1
    if math.isinf(seconds):
        await asyncio.Event().wait()
    await asyncio.sleep(seconds)
    return 0


async def _wget(context: ContainerContext, args: list[str], write: Write) -> int:
    """wget -qO- URL, and curl -s URL."""
    url = next((arg for arg in reversed(args) if not arg.startswith("-")), "")
    try:
        response = await context.get(url)
    except LookupError as error:
        write(f"wget: {error.args[0]}")
        return 1
    except OSError as error:
        write(f"wget: can't connect to remote host: {error.strerror or error}")
        return 1
    for line in str(response.body or "").splitlines():
        write(line)
    return 0 if response.status < 400 else 1


async def _redis_cli(context: ContainerContext, args: list[str], write: Write) -> int:
    """redis-cli [-h HOST] COMMAND..."""
    host = context.address
    if args[:1] == ["-h"]:
        host, args = args[1], args[2:]
    try:
        reply = await kv_command(context, host, *args)
    except (LookupError, OSError, ValueError) as error:
        write(str(error))
        return 1
    write("(nil)" if reply is None else reply)
    return 0


def _exit(context: ContainerContext, args: list[str], write: Write) -> int:
    raise ExitShell(int(args[0]) if args else 0)


def _echo(context: ContainerContext, args: list[str], write: Write) -> int:
    write(" ".join(arg for arg in args if arg not in ("-n", "-e")))
    return 0


def _date(context: ContainerContext, args: list[str], write: Write) -> int:
    write(timestamp(context.now()))
    return 0


def _hostname(context: ContainerContext, args: list[str], write: Write) -> int:
    write(context.address if args == ["-i"] else context.env["HOSTNAME"])
    return 0


def _env(context: ContainerContext, args: list[str], write: Write) -> int:
    for name, value in context.env.items():
        write(f"{name}={value}")
    return 0


def _cat(context: ContainerContext, args: list[str], write: Write) -> int:
    for path in args:
        try:
            content = context.files.read(path).decode()
        except FileNotFoundError:
            write(f"cat: can't open '{path}': No such file or directory")
            return 1
        for line in content.splitlines():
            write(line)
    return 0


def _ls(context: ContainerContext, args: list[str], write: Write) -> int:
    for name in context.files.list(args[-1] if args else "/"):
        write(name)
    return 0


def _touch(context: ContainerContext, args: list[str], write: Write) -> int:
    for path in args:
        try:
            context.files.read(path)
        except FileNotFoundError:
            context.files.write(path, b"")
    return 0


def _rm(context: ContainerContext, args: list[str], write: Write) -> int:
    for path in args:
        if not path.startswith("-"):
            context.files.remove(path)
    return 0


Command = Callable[[ContainerContext, list[str], Write], int | Awaitable[int]]

COMMANDS: dict[str, Command] = {
    ":": lambda context, args, write: 0,
    "cat": _cat,
    "curl": _wget,
    "date": _date,
    "echo": _echo,
    "env": _env,
    "exit": _exit,
    "false": lambda context, args, write: 1,
    "hostname": _hostname,
    "ls": _ls,
    "mkdir": lambda context, args, write: 0,
    "redis-cli": _redis_cli,
    "rm": _rm,
    "sleep": _sleep,
    "touch": _touch,
    "trap": lambda context, args, write: 0,
    "true": lambda context, args, write: 0,
    "wget": _wget,
}

PROGRAMS = (*SHELLS, *COMMANDS)
"""What can be run by name in every container."""
