"""The programs of the built-in images, for the process runtime.

They are small scripts on the standard library alone, so that a container starts in a moment and
takes little memory. `install` writes a command for each into a folder that is first on the PATH of
every container.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kube_edu.kubelet.cri.images import repository, stand_in

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Program:
    """What an image's configuration says: its ENTRYPOINT, its CMD, and the ports it listens on
    of its own accord."""

    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] = ()
    ports: Sequence[int] = ()


PROGRAMS = {
    "nginx": Program(("nginx",), ("-g", "daemon off;"), (80,)),
    "httpd": Program((), ("httpd-foreground",), (80,)),
    "kv": Program(("redis-server",), (), (6379,)),
    "guestbook": Program((), ("guestbook",), (80,)),
    "shell": Program((), ("sh",)),
    "python": Program((), ("python3",)),
    "agnhost": Program(("agnhost",), ("pause",), (80, 8080, 9376)),
    "pause": Program(("pause",)),
    "crash": Program(("crash",)),
}
"""By image name, or else by stand-in."""

COMMANDS = {
    "nginx": "web.py nginx",
    "httpd": "web.py httpd",
    "httpd-foreground": "web.py httpd",
    "guestbook": "guestbook.py",
    "redis-server": "kv.py redis-server",
    "redis-cli": "kv.py redis-cli",
    "agnhost": "agnhost.py",
    "wget": "fetch.py wget",
    "curl": "fetch.py curl",
    "python": "",
    "python3": "",
}
"""Commands that are Python scripts of this folder, or Python itself."""

SHELL_COMMANDS = {
    "pause": "trap 'kill $!; exit 0' TERM INT\nwhile :; do sleep 3600 & wait; done\n",
    "crash": "echo 'this program crashes, as its image name says' >&2\nexit 1\n",
}


def program_of(image: str) -> Program:
    """Raises CriError for an image that no registry has."""
    behaviour = stand_in(image)
    name = repository(image).rpartition("/")[2]
    return PROGRAMS.get(name) or PROGRAMS[behaviour]


def install(folder: Path) -> None:
    """Write the commands. They run the interpreter that runs us, without its site-packages."""
    folder.mkdir(parents=True, exist_ok=True)
    python = shlex.quote(getattr(sys, "_base_executable", sys.executable))
    hook = shlex.quote(str(HERE / "hook"))
    for name, script in COMMANDS.items():
        path = shlex.quote(str(HERE)) + f"/{script} " if script else ""
        _write(
            folder / name,
            f'PYTHONPATH={hook}"${{PYTHONPATH:+:$PYTHONPATH}}" exec {python} {path}"$@"\n',
        )
    for name, text in SHELL_COMMANDS.items():
        _write(folder / name, text)


def _write(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}")
    file.chmod(0o755)
