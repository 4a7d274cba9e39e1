"""The student's workbook: `work/`, where the labs are copied to and stay the student's own.

Behind `make lab` (`open_workbook`), `kube-edu lab list` and `kube-edu lab reset NN`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from time import sleep  # noqa: TID251 (no component)

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds labs/, solutions/ and work/."""

FIRST_PORT = 8888


class WorkbookError(Exception):
    """One clear line for the person at the terminal."""


def number_of(lab: Path) -> str:
    """ "02" of 02-declarative.ipynb."""
    return lab.name.partition("-")[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=["open", "list", "reset"], default="open")
    parser.add_argument("lab", nargs="?", metavar="NN", help="the number of the lab to reset")
    parser.add_argument("--port", default="", help="default: the first free one from 8888 on")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(arguments: argparse.Namespace) -> int:
    """`kube-edu lab [open | list | reset NN]`; returns the exit status."""
    try:
        if arguments.action == "open":
            return open_workbook(arguments.port, browser=not arguments.no_browser)
        print(list_labs() if arguments.action == "list" else reset(arguments.lab or ""))
    except (WorkbookError, OSError) as error:
        print(f"kube-edu lab: {error}", file=sys.stderr)
        return 1
    return 0


def list_labs(root: Path = ROOT) -> str:
    """A line a lab: its number, its name, and whether it is in the workbook."""
    lines = []
    for lab in _labs(root):
        mine = root / "work" / lab.name
        if not mine.exists():
            state = "not opened yet"
        elif mine.read_bytes() == lab.read_bytes():
            state = "untouched"
        else:
            state = "yours"
        lines.append(f"{number_of(lab)}  {lab.stem.partition('-')[2]:<24} {state}")
    return "\n".join(lines)


def copy_missing(root: Path = ROOT) -> list[str]:
    """Copy the labs that are not there yet into work/, and trust what was copied. What is there
    is the student's and is not touched."""
    work = root / "work"
    work.mkdir(exist_ok=True)
    missing = [lab for lab in _labs(root) if not (work / lab.name).exists()]
    for lab in missing:
        shutil.copyfile(lab, work / lab.name)
        trust(work / lab.name)
    return [lab.name for lab in missing]


def reset(number: str, root: Path = ROOT) -> str:
    """Set the student's copy of a lab aside and start it anew; says where the old one is."""
    lab = next((lab for lab in _labs(root) if number_of(lab) == number.zfill(2)), None)
    if lab is None:
        there = ", ".join(number_of(lab) for lab in _labs(root))
        raise WorkbookError(f"no lab has the number {number!r}: there are {there}")
    mine = root / "work" / lab.name
    aside = next(_names_aside(mine))
    if mine.exists():
        mine.rename(aside)
        copy_missing(root)
        return f"work/{mine.name} starts anew; what you had is in work/{aside.name}"
    copy_missing(root)
    return f"work/{mine.name} starts anew"


def trust(notebook: Path) -> None:
    """Sign a notebook, as `jupyter trust` does: JupyterLab shows the figures of no other."""
    import nbformat
    from nbformat.sign import NotebookNotary

    document = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    NotebookNotary().sign(document)  # type: ignore[no-untyped-call]


def open_workbook(port: str = "", browser: bool = True, root: Path = ROOT) -> int:
    """Copy missing labs, start JupyterLab on work/, print its address; returns when it ends."""
    for name in copy_missing(root):
        print(f"new in work/: {name}")
    chosen, token = _free_port(port), secrets.token_hex(16)
    address = f"http://127.0.0.1:{chosen}/lab?token={token}"
    command = [
        sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={chosen}", "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root / 'work'}", "--ServerApp.open_browser=" + str(browser),
        "--LabApp.news_url=None", "--log-level=ERROR",
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    # SIGTERM ends it as Ctrl-C does. A session of its own spares Jupyter's question whether to
    # stop; the token goes through the environment, which other users cannot read.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    env = os.environ | {"JUPYTER_TOKEN": token}
    with subprocess.Popen(command, env=env, start_new_session=True) as server:
        try:
            _wait_for(server, chosen)
            print(f"\nThe workbook is open:\n\n    {address}\n\nCtrl-C ends it.", flush=True)
            return server.wait()
        except KeyboardInterrupt:
            server.terminate()
            server.wait()
            return 0
        finally:
            if server.poll() is None:
                server.terminate()


def _labs(root: Path) -> list[Path]:
    return sorted((root / "labs").glob("*.ipynb"))


def _names_aside(mine: Path) -> Iterator[Path]:
    """Names that no file has yet: 02-declarative.1.ipynb, .2, …"""
    number = 1
    while True:
        aside = mine.with_name(f"{mine.stem}.{number}.ipynb")
        if not aside.exists():
            yield aside
        number += 1


def _free_port(wanted: str) -> int:
    """The port asked for, or the first free one from 8888 on."""
    if wanted and not (wanted.isdecimal() and 0 < int(wanted) < 65536):
        raise WorkbookError(f"PORT={wanted}: not a port number")
    candidates = [int(wanted)] if wanted else range(FIRST_PORT, FIRST_PORT + 50)
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise WorkbookError(f"port {candidates[0]} is in use: choose another with PORT=")


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    """Return when JupyterLab answers."""
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5).close()
            return
        except OSError:
            sleep(0.2)
    raise WorkbookError(f"JupyterLab ended with status {server.returncode}")
