"""A live cluster: how soon kubectl sees all nodes Ready, and how much memory that takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.live.cluster import Up, folder_of, kubectl_missing


def run() -> Iterator[tuple[str, str, str]]:
    if kubectl_missing():
        yield "kube-edu up", "no kubectl here", "-"
        return
    with folder_of("me") as folder:
        began = time.perf_counter()
        up = Up(folder, "--nodes", "3")
        try:
            while not _all_ready(up):
                time.sleep(0.1)
            ready = time.perf_counter() - began
            up.wait()
            memory = resident_mib(up.process.pid)
        finally:
            up.stop()
    yield "kube-edu up: kubectl get nodes, all 3 Ready", f"{ready:.1f} s", "15 s"
    yield "kube-edu up: resident memory of all its processes", f"{memory:.0f} MiB", "400 MiB"


def _all_ready(up: Up) -> bool:
    if not (up.folder / "admin.conf").exists():
        return False
    lines = up.try_kubectl("get", "nodes", "--no-headers").stdout.splitlines()
    return [line.split()[1] for line in lines] == ["Ready"] * 3


def resident_mib(pid: int) -> float:
    """The resident memory of a process and all its descendants."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(resident_mib(int(child)) for child in children)
