"""Ending what a killed `up` has left running.

A process is ours if its environment says so: every container's holds the path of its root folder
(KUBE_EDU_ROOT), which lies inside the cluster's folder, and the folder's lock sees to it that no
other `up` uses that. Nothing else, a pid on record least of all, proves anything.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def end_leftovers(folder: Path) -> None:
    """Kill every process whose KUBE_EDU_ROOT lies below a folder."""
    if not folder.exists():
        return
    mark = f"KUBE_EDU_ROOT={folder}/"
    pids = _linux if sys.platform == "linux" else _elsewhere
    for pid in pids(mark):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _linux(mark: str) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is somebody else's
            variables = entry.read_bytes().split(b"\0")
            if any(variable.startswith(os.fsencode(mark)) for variable in variables):
                yield int(entry.parent.name)


def _elsewhere(mark: str) -> Iterator[int]:
    listing = subprocess.run(
        ["ps", "-axEww", "-o", "pid=,command="], capture_output=True, text=True, check=False
    )
    for line in listing.stdout.splitlines():
        if re.search(rf"\s{re.escape(mark)}", line):
            yield int(line.split()[0])
