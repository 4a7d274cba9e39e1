from __future__ import annotations

import pytest

from kube_edu.kubelet.cri import ContainerConfig, PodSandboxConfig, shell
from kube_edu.kubelet.cri.context import ContainerContext
from tests.kubelet.world import World


def run(*command: str, env: dict[str, str] | None = None) -> tuple[int, list[str], float]:
    """The exit code, the lines of output, and the seconds that it took."""
    world = World()
    config = ContainerConfig("c", "busybox", env=env or {})
    context = ContainerContext(
        config,
        PodSandboxConfig("p", "default", "uid"),
        "10.244.1.9",
        world.network,
        world.simulation.random("test"),
        lambda line: None,
        lambda: world.simulation.epoch,
    )
    lines: list[str] = []
    before = world.simulation.now
    code = world.ask(shell.run(context, command, lines.append))
    return code, lines, round(world.simulation.now - before, 2)


@pytest.mark.parametrize(
    ("script", "code", "lines"),
    [
        ("echo hello  world", 0, ["hello world"]),
        ("echo a; echo b\necho c # d", 0, ["a", "b", "c"]),
        ("true && echo yes || echo no", 0, ["yes"]),
        ("false && echo yes || echo no", 0, ["no"]),
        ("exit 3; echo never", 3, []),
        ("false", 1, []),
        ("nosuch", 127, ["sh: nosuch: not found"]),
        ("echo $NAME ${NAME}s '$NAME' \"$NAME!\"", 0, ["ann anns $NAME ann!"]),
        ("x=1; x=$((x+2)); echo $x", 0, ["3"]),
        ("echo $(echo inner) $(hostname)", 0, ["inner p"]),
        ("echo a > /tmp/f; echo b >> /tmp/f; cat /tmp/f", 0, ["a", "b"]),
        (
            "cat /no 2>/dev/null; echo $?",
            0,
            ["cat: can't open '/no': No such file or directory", "1"],
        ),
        ("touch /tmp/x && ls /tmp && rm -f /tmp/x; ls /tmp", 0, ["x"]),
        ("sh -c 'echo nested'", 0, ["nested"]),
        ("i=0; while false; do echo never; done; echo done", 0, ["done"]),
        ("echo a | cat", 2, ["sh: syntax error: unexpected '|'"]),
        (
            "while true; do echo x",
            2,
            ['sh: syntax error: unexpected end of file (expecting "done")'],
        ),
    ],
)
def test_scripts(script: str, code: int, lines: list[str]) -> None:
    assert run("sh", "-c", script, env={"NAME": "ann"})[:2] == (code, lines)


def test_sleep_takes_virtual_time() -> None:
    assert run("sleep", "5")[2] == 5
    assert run("sh", "-c", "sleep 50s; sleep 0.5")[2] == 50.5


def test_a_loop_with_a_pause_counts() -> None:
    world = World()
    world.pod(image="busybox", container="args: [sh, -c, 'while true; do date; sleep 5; done']")
    world.run(17)
    lines = world.logs().split()
    assert len(lines) == 4 and lines[0].startswith("2026-01-01T00:00:0")


def test_wget_asks_other_pods() -> None:
    world = World()
    world.pod("web")
    world.run(3)
    world.pod("client", image="busybox",
              container="args: [sh, -c, 'wget -qO- http://10.244.1.2/; wget -qO- http://nowhere/']",
              spec="restartPolicy: Never")  # fmt: skip
    world.run(60)
    assert world.logs("client").splitlines() == [
        "<h1>Welcome to nginx!</h1>",
        "<p>Served by web</p>",
        "wget: bad address 'nowhere'",
    ]
