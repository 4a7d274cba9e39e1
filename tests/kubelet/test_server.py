from __future__ import annotations

from kube_edu.api import meta
from kube_edu.host import Peer, Request, Response
from tests.kubelet.world import API_SERVER, World

COUNT = "args: [sh, -c, 'i=0; while true; do echo $i; i=$((i+1)); sleep 1; done']"


def counting() -> World:
    """A pod that has written the numbers 0 to 9, one a second."""
    world = World()
    world.pod(image="busybox", container=COUNT)
    world.run(10.5)
    return world


def test_logs_have_every_line() -> None:
    assert counting().logs().split() == [str(n) for n in range(10)]


def test_tail_lines() -> None:
    world = counting()
    assert world.logs(tailLines="3").split() == ["7", "8", "9"]
    assert world.logs(tailLines="0") == ""


def test_since() -> None:
    world = counting()
    assert world.logs(sinceSeconds="3").split() == ["7", "8", "9"]
    now = world.simulation.epoch + world.simulation.now
    assert world.logs(sinceTime=meta.timestamp(now - 3)).split() == ["7", "8", "9"]


def test_timestamps_and_limit() -> None:
    world = counting()
    line = world.logs(timestamps="true", tailLines="1")
    assert line.startswith("2026-01-01T00:00:1") and line.endswith("Z 9\n")
    assert world.logs(limitBytes="3") == "0\n1"


def test_follow_ends_with_the_container() -> None:
    world = World()
    world.pod(image="busybox", container="args: [sh, -c, 'echo a; sleep 3; echo b']",
              spec="restartPolicy: Never")  # fmt: skip
    world.run(2)
    assert world.logs() == "a\n"
    assert world.logs(follow="true") == "a\nb\n"


def test_previous_is_the_container_before() -> None:
    world = World()
    world.pod(image="crash")
    world.run(5)
    assert world.logs(previous="true") == "panic: this program crashes\n"


def test_what_is_not_there_is_said() -> None:
    world = World()
    world.pod(image="nosuch")
    world.run(3)
    assert world.logs() == (
        'container "c" in pod "p" is waiting to start: trying and failing to pull image'
    )
    assert world.logs("other") == 'pod "other" not found'
    assert world.logs(previous="true") == ('previous terminated container "c" in pod "p" not found')


def test_pods_and_health_are_told_to_the_api_server_alone() -> None:
    world = World()
    world.pod()
    world.run(3)

    def ask(path: str, peer: Peer) -> Response:
        return world.ask(world.kubelet.handle(Request("GET", path, peer=peer)))  # type: ignore[no-any-return]

    body = ask("/pods", API_SERVER).body
    assert [p["status"]["phase"] for p in body["items"]] == ["Running"]
    assert ask("/healthz", API_SERVER).body == "ok"
    assert ask("/nothing", API_SERVER).status == 404
    for path in ("/pods", "/containerLogs/default/p/c", "/nothing"):
        assert ask(path, Peer()).status == 401
        assert ask(path, Peer(common_name="mallory")).status == 403
