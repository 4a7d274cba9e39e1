"""Machines: what a crash, a kill, a pause and a restart take away, and what they leave."""

import asyncio

from kube_edu.sim import Simulation


def world(main, seed=1):
    simulation = Simulation(seed)
    machine = simulation.machine("etcd-1", "10.0.0.1")
    machine.start("etcd", main)
    return simulation, machine


def test_a_crash_ends_everything_at_once_and_nothing_of_it_counts_afterwards():
    log = []

    async def main(host):
        async def child():
            try:
                while True:
                    await asyncio.sleep(1)
                    log.append("tick")
            finally:
                host.record("kubelet.sync", object="ghost")
                host.send("etcd-1:1", "ghost")
                await asyncio.sleep(1)
                log.append("ghost")

        async with asyncio.TaskGroup() as group:
            group.create_task(child())

    simulation, machine = world(main)
    simulation.run_for(3.5)
    machine.crash()
    simulation.run_for(10)
    assert log == ["tick"] * 3
    assert not simulation.trace.select("kubelet.sync", "net.drop")


def content(disk, path):
    try:
        return disk.read(path)
    except FileNotFoundError:
        return None


def test_a_restart_starts_the_process_afresh_with_the_disk_as_the_crash_left_it():
    found = []

    async def main(host):
        found.append(content(host.disk, "wal"))
        host.disk.append("wal", b"durable")
        await host.disk.sync("wal")
        host.disk.append("wal", b"-lost?")
        await asyncio.sleep(1000)

    survivors = set()
    for seed in range(40):
        found.clear()
        simulation, machine = world(main, seed)
        simulation.run_for(1)
        machine.crash()
        simulation.run_for(1)
        machine.restart()
        simulation.run_for(1)
        assert found[0] is None
        assert b"durable-lost?".startswith(found[1]) and found[1].startswith(b"durable")
        survivors.add(found[1])
    assert len(survivors) > 3, "a power cut tears the tail at different bytes"


def test_a_killed_process_leaves_what_it_wrote_in_the_page_cache():
    found = []

    async def main(host):
        found.append(content(host.disk, "log"))
        host.disk.append("log", b"not synced")
        await asyncio.sleep(1000)

    simulation, machine = world(main)
    simulation.run_for(1)
    machine.kill("etcd")
    machine.revive("etcd")
    simulation.run_for(1)
    assert found == [None, b"not synced"]


def test_an_unsynced_truncation_may_come_back_after_a_power_cut():
    async def main(host):
        if content(host.disk, "wal") is None:
            host.disk.append("wal", b"abcdef")
            await host.disk.sync("wal")
            host.disk.truncate("wal", 3)
            host.disk.append("wal", b"XYZ")
        await asyncio.sleep(1000)

    images = set()
    for seed in range(40):
        simulation, machine = world(main, seed)
        simulation.run_for(1)
        machine.crash()
        images.add(machine.disks["etcd"].read("wal"))
    assert images == {b"abcdef", b"abc", b"abcX", b"abcXY", b"abcXYZ"}


def test_a_paused_machine_does_nothing_and_catches_up_when_it_is_resumed():
    ticks = []

    async def main(host):
        while True:
            await asyncio.sleep(1)
            ticks.append(asyncio.get_running_loop().time())

    simulation, machine = world(main)
    simulation.run_for(2.5)
    machine.pause()
    simulation.run_for(10)
    assert len(ticks) == 2
    machine.resume()
    simulation.run_for(2)
    assert ticks == [1, 2, 12.5, 13.5, 14.5]


def test_a_paused_machine_that_crashes_stays_dead():
    ticks = []

    async def main(host):
        while True:
            await asyncio.sleep(1)
            ticks.append(1)

    simulation, machine = world(main)
    machine.pause()
    simulation.run_for(5)
    machine.crash()
    simulation.run_for(5)
    assert ticks == []


def test_a_closed_simulation_has_nothing_left_to_unwind():
    ended = []

    async def main(host):
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0)
            ended.append(host.name)

    simulation, _ = world(main)
    simulation.run_for(1)
    simulation.close()
    assert ended == ["etcd-1"]
