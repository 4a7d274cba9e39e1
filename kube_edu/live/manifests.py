"""The folder of static pods: what a kubelet runs whether or not there is an API server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import yaml

from kube_edu.api.meta import Object

LOOK_EVERY = 1.0
"""Seconds between looks at the folder; a real kubelet is told by inotify."""


async def static_pods(folder: Path) -> AsyncIterator[Sequence[Object]]:
    """All Pod manifests in the folder, again whenever a file changes (a kubelet.sources.Manifests).
    Files whose names begin with a dot are ignored, as kubelet does."""
    known: list[tuple[Path, int]] | None = None
    while True:
        now = _listing(folder)
        if now != known:
            known = now
            yield [pod for file, _ in now if (pod := _read(file)) is not None]
        await asyncio.sleep(LOOK_EVERY)


def _listing(folder: Path) -> list[tuple[Path, int]]:
    """The files, and when each was last written to."""
    files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    return [(file, file.stat().st_mtime_ns) for file in files if file.is_file()]


def _read(file: Path) -> Object | None:
    """A file that holds no pod is told of, and keeps no other from running."""
    try:
        pod = yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
    else:
        if isinstance(pod, dict) and pod.get("kind") == "Pod" and pod.get("metadata"):
            return pod
        problem = "it is no Pod"
    print(f"{file}: could not process manifest file: {problem}", file=sys.stderr)
    return None
