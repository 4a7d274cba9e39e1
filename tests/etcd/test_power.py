"""Power cuts of live members under load: no acknowledged write is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.etcd.members import free_port
from tests.etcd.power_member import cut_power

REPOSITORY = Path(__file__).parents[2]


class Rack:
    """Live members, their power switch, and what they acknowledged."""

    def __init__(self, folder: Path, members: int) -> None:
        self.ports = {f"m{number + 1}": free_port() for number in range(members)}
        self.folders = {name: folder / name for name in self.ports}
        self._boots = dict.fromkeys(self.ports, 0)
        self._pids: dict[str, int] = {}
        self.disks_lie = False
        for each in self.folders.values():
            (each / "disk").mkdir(parents=True)
        command = [sys.executable, "-m", "tests.etcd.power_member"]
        self._nursery = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def switch_on(self, *names: str) -> None:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        for name in names:
            self._boots[name] += 1
            line = [name, str(self.folders[name]), self.ports, self._boots[name], self.disks_lie]
            self._nursery.stdin.write(json.dumps(line) + "\n")
            self._nursery.stdin.flush()
            self._pids[name] = int(self._nursery.stdout.readline())

    def cut_power(self, random: Random, *names: str) -> None:
        for name in names:
            os.kill(self._pids[name], signal.SIGKILL)
        for name in names:
            pid = self._pids.pop(name)
            eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]
            cut_power(self.folders[name], random)

    def found(self, name: str) -> dict[str, str]:
        """What this member serves since it was switched on last: waits until it does."""
        file = self.folders[name] / f"found-{self._boots[name]}"
        pid = self._pids[name]
        eventually(lambda: file.exists() or not Path(f"/proc/{pid}").exists())
        assert file.exists(), f"{name} does not start"
        return json.loads(file.read_text())

    def acknowledged(self) -> dict[str, int]:
        """The last number that was acknowledged of each key."""
        lines = [
            line.split()
            for folder in self.folders.values()
            if (folder / "acknowledged").exists()
            for line in (folder / "acknowledged").read_text().splitlines()
        ]
        return {key: int(number) for key, number in lines}

    def close(self) -> None:
        for pid in self._pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        self._nursery.wait()


def eventually(condition: object, timeout: float = 20) -> None:
    end = time.monotonic() + timeout
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "not reached in time"
        time.sleep(0.005)


def lost(acknowledged: dict[str, int], found: dict[str, str]) -> list[str]:
    """Keys whose value is older than the last one that was acknowledged."""
    return [
        f"{key}: {number} was acknowledged, {found.get(key, '')[:20]!r} was found"
        for key, number in acknowledged.items()
        if key not in found or not is_at_least(found[key], number)
    ]


def is_at_least(value: str, number: int) -> bool:
    return int(value[: len(value) // 200]) >= number


@pytest.fixture
def rack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rack]:
    rack = Rack(tmp_path, request.param)
    yield rack
    rack.close()


def cuts_of_one_member(rack: Rack, seed: int, cuts: int) -> None:
    random = Random(seed)
    rack.switch_on("m1")
    for cut in range(cuts):
        rack.found("m1")
        time.sleep(random.uniform(0.01, 0.15))
        rack.cut_power(random, "m1")
        acknowledged = rack.acknowledged()
        rack.switch_on("m1")
        assert not lost(acknowledged, rack.found("m1")), f"seed {seed}, cut {cut}"
    assert len(rack.acknowledged()) > cuts


def cuts_in_a_cluster(rack: Rack, seed: int, cuts: int) -> None:
    """Of one member at a time, then of all at once."""
    random = Random(seed)
    names = list(rack.ports)
    rack.switch_on(*names)
    for cut in range(cuts):
        rack.found(random.choice(names))
        time.sleep(random.uniform(0.05, 0.3))
        victims = names if cut % 5 == 4 or cut == cuts - 1 else [random.choice(names)]
        rack.cut_power(random, *victims)
        acknowledged = rack.acknowledged()
        rack.switch_on(*victims)
        for victim in victims:
            assert not lost(acknowledged, rack.found(victim)), f"seed {seed}, cut {cut}"
    assert len(rack.acknowledged()) > cuts


@pytest.mark.parametrize("rack", [1], indirect=True)
def test_a_member_whose_power_is_cut_loses_nothing(rack: Rack) -> None:
    cuts_of_one_member(rack, 1, 10)


@pytest.mark.parametrize("rack", [3], indirect=True)
def test_a_cluster_whose_power_is_cut_loses_nothing(rack: Rack) -> None:
    cuts_in_a_cluster(rack, 2, 10)


@pytest.mark.parametrize("rack", [1], indirect=True)
def test_on_a_disk_that_lies_about_fsync_writes_are_lost(rack: Rack) -> None:
    """So the cuts are real ones. The log may be damaged so much that it is refused."""
    rack.disks_lie = True
    with pytest.raises(AssertionError, match=r"was acknowledged|does not start"):
        cuts_of_one_member(rack, 3, 10)


@pytest.mark.nightly
@pytest.mark.parametrize("rack", [1], indirect=True)
@pytest.mark.seeds(2)
def test_a_member_loses_nothing_in_fifty_cuts(rack: Rack, seed: int) -> None:
    cuts_of_one_member(rack, seed, 50)


@pytest.mark.nightly
@pytest.mark.parametrize("rack", [3], indirect=True)
@pytest.mark.seeds(2)
def test_a_cluster_loses_nothing_in_fifty_cuts(rack: Rack, seed: int) -> None:
    cuts_in_a_cluster(rack, seed, 50)
