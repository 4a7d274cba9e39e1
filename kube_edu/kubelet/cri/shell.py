"""A shell, as far as labs need one: `sh -c "while true; do date; sleep 5; done"`.

It knows `;`, `&&`, `||`, `while`, `>` and `>>`, quotes, variables, `$(command)`, `$((sum))`, and
the commands in COMMANDS. There are no pipes, no `if` and no background jobs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from kube_edu.api.meta import timestamp
from kube_edu.kubelet.cri import programs
from kube_edu.kubelet.cri.context import ContainerContext
from kube_edu.kubelet.cri.programs.container import CommandError

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
        if name == "exit":
            raise ExitShell(int(words[1]) if words[1:] else 0)
        if name in RESULTS:
            return RESULTS[name]
        if name not in COMMANDS:
            write(f"sh: {words[0]}: not found")
            return 127
        try:
            output = await COMMANDS[name](self._context, words)
        except CommandError as error:  # there is no standard error here
            write(str(error))
            return 1
        for line in output.splitlines():
            write(line)
        return 0

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
            files = self._context.files
            before = files.read(target) if step.append and files.exists(target) else b""
            text = "".join(f"{line}\n" for line in lines)
            files.write(target, before + text.encode())
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

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


async def _sleep(context: ContainerContext, words: Sequence[str]) -> str:
    if words[1:] == ["infinity"]:
        await asyncio.Event().wait()
    try:
        seconds = sum(float(word.rstrip("smhd")) * SECONDS.get(word[-1], 1) for word in words[1:])
    except ValueError:
        raise CommandError(f"sleep: invalid number '{words[1]}'") from None
    await asyncio.sleep(seconds)
    return ""


async def _echo(context: ContainerContext, words: Sequence[str]) -> str:
    return " ".join(word for word in words[1:] if word not in ("-n", "-e")) + "\n"


async def _date(context: ContainerContext, words: Sequence[str]) -> str:
    return timestamp(context.now())


async def _hostname(context: ContainerContext, words: Sequence[str]) -> str:
    return context.address if words[1:] == ["-i"] else context.env["HOSTNAME"]


async def _env(context: ContainerContext, words: Sequence[str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in context.env.items())


async def _cat(context: ContainerContext, words: Sequence[str]) -> str:
    output = ""
    for path in words[1:]:
        if not context.files.exists(path):
            raise CommandError(f"{output}cat: can't open '{path}': No such file or directory")
        output += context.files.read(path).decode()
    return output


async def _ls(context: ContainerContext, words: Sequence[str]) -> str:
    return "\n".join(context.files.list(words[-1] if words[1:] else "/"))


async def _touch(context: ContainerContext, words: Sequence[str]) -> str:
    for path in words[1:]:
        if not context.files.exists(path):
            context.files.write(path, b"")
    return ""


async def _rm(context: ContainerContext, words: Sequence[str]) -> str:
    for path in words[1:]:
        if not path.startswith("-"):
            context.files.remove(path)
    return ""


Command = Callable[[ContainerContext, Sequence[str]], Awaitable[str]]

COMMANDS: Mapping[str, Command] = {
    **programs.COMMANDS,
    "cat": _cat,
    "date": _date,
    "echo": _echo,
    "env": _env,
    "hostname": _hostname,
    "ls": _ls,
    "rm": _rm,
    "sleep": _sleep,
    "touch": _touch,
}

RESULTS = {":": 0, "false": 1, "mkdir": 0, "trap": 0, "true": 0}
"""Commands that do nothing here, and their exit codes."""
