"""Raft's promises (Figure 3 of the paper) over many seeds: crashes, partitions, a bad network."""

from __future__ import annotations

from random import Random

import pytest

from kube_edu.raft import Role
from tests.raft.talk import Talk


@pytest.mark.seeds(40)
def test_members_agree_whatever_happens(seed: int) -> None:
    random = Random(seed)
    talk = Talk("abcde" if seed % 2 else "abc", seed, pre_vote=seed % 4 < 2)
    leader_of: dict[int, str] = {}
    chosen: dict[int, bytes] = {}
    proposed = 0

    def check_leaders() -> None:
        for name, node in talk.nodes.items():
            if node.role is Role.LEADER:
                assert leader_of.setdefault(node.term, name) == name, "two leaders of one term"

    def check_applied() -> None:
        for name in talk.names:
            for index, data in talk.applied[name]:
                assert chosen.setdefault(index, data) == data, f"entry {index} was changed"

    for step in range(3000):
        action = random.random()
        name = random.choice(talk.names)
        if action < 0.003:
            talk.start(name)  # power cut: only the disk is left
        elif action < 0.01:
            talk.isolate(*random.sample(talk.names, random.randrange(len(talk.names) // 2 + 1)))
        elif action < 0.2:
            if talk[name].propose(b"%d" % proposed):
                proposed += 1
        elif action < 0.7:
            talk[name].tick()
        talk.work(name)
        for _ in range(random.randrange(10)):
            if talk.wire:
                message = talk.wire.pop(random.randrange(min(4, len(talk.wire))))
                if random.random() < 0.1 or message.source in talk.cut or message.to in talk.cut:
                    continue
                if random.random() < 0.1:
                    talk.wire.append(message)
                talk[message.to].step(message)
                talk.work(message.to)
        check_leaders()
        if step % 10 == 0:
            check_applied()

    talk.isolate().settle().tick(times=60)
    check_applied()
    assert len(talk.leaders()) == 1, "no leader once all is well again"
    talk.propose(talk.leaders()[0], b"at last").tick(times=3)
    logs = [talk.applied[name] for name in talk.names]
    assert all(log == logs[0] for log in logs)
    assert logs[0][-1][1] == b"at last"
