from __future__ import annotations

import pytest

from kube_edu.kubelet.cri import CriError
from kube_edu.kubelet.cri.images import IMAGES, find_image
from kube_edu.kubelet.cri.programs.redis import KeyValueServer, encode
from tests.kubelet.world import World


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27-alpine", "nginx"),
        ("example.test:5000/library/httpd@sha256:00", "httpd"),
        ("redis:7", "redis"),
        ("busybox", "busybox"),
        ("e2e/agnhost:2.53", "agnhost"),
        ("pause:3.10", "pause"),
        ("my/crasher:v1", "crash"),
    ],
)
def test_an_image_is_known_by_its_last_name(image: str, name: str) -> None:
    assert find_image(image) is IMAGES[name]


@pytest.mark.parametrize(
    ("image", "reason"),
    [("nosuch:1", "ErrImagePull"), ("", "InvalidImageName"), ("Nginx", "InvalidImageName")],
)
def test_others_are_refused(image: str, reason: str) -> None:
    with pytest.raises(CriError) as caught:
        find_image(image)
    assert caught.value.reason == reason


def test_a_key_value_server_keeps_and_gives() -> None:
    server = KeyValueServer()
    assert server.answer(b"PING") == b"+PONG\r\n"
    assert server.answer(encode(["SET", "key", "a b"])) == b"+OK\r\n"
    assert server.answer(encode(["GET", "key"])) == b"$3\r\na b\r\n"
    assert server.answer(b"GET none") == b"$-1\r\n"
    assert server.answer(b"REPLICAOF leader 6379") == b"+OK\r\n"
    assert server.answer(encode(["SET", "key", "x"])).startswith(b"-READONLY ")


def test_a_follower_copies_its_leader() -> None:
    world = World()
    world.pod("leader", image="redis")
    world.run(3)
    world.pod("follower", image="redis",
              container="args: [redis-server, --replicaof, 10.244.1.2, '6379']")  # fmt: skip
    world.run(3)

    def say(address: str, *words: str) -> bytes:
        answer = world.network.exchange("192.168.1.1", address, 6379, "TCP", encode(list(words)))
        return bytes(world.ask(answer))

    say("10.244.1.2", "SET", "k", "v")
    world.run(2)
    assert say("10.244.1.3", "GET", "k") == b"$1\r\nv\r\n"
    (leader,) = [c for c in world.ask(world.runtime.list_containers()) if not c.config.args]
    command = ["redis-cli", "-h", "10.244.1.3", "SET", "k", "w"]
    code, output, _ = world.ask(world.runtime.exec_sync(leader.id, command, 1))
    assert (code, output) == (0, b"READONLY You can't write against a read only replica.\n")


def test_a_mounted_page_is_served() -> None:
    world = World()
    world.create(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: page}, data: {index.html: Hi}}"
    )
    world.pod(
        container="volumeMounts: [{name: v, mountPath: /usr/share/nginx/html}]",
        spec="volumes: [{name: v, configMap: {name: page}}]",
    )
    world.run(3)
    assert world.get_url("/", "10.244.1.2") == "Hi"
    assert "404" in world.get_url("/nothing", "10.244.1.2")


def test_agnhost_listens_where_it_is_told() -> None:
    world = World()
    world.pod(image="agnhost", container="args: [netexec, --http-port=9000]")
    world.run(3)
    assert world.get_url("/hostname", "10.244.1.2", 9000) == "p"


@pytest.mark.parametrize(
    ("target", "said"),
    [("10.244.1.2:80", ""), ("10.244.1.2:81", "REFUSED\n"), ("nowhere:80", "DNS\n")],
)
def test_agnhost_says_how_a_connection_went(target: str, said: str) -> None:
    world = World()
    world.pod("web")
    world.run(3)
    args = f"args: [connect, '{target}', --timeout=60s]"
    world.pod(image="agnhost", container=args, spec="restartPolicy: Never")
    world.run(60)
    assert world.logs() == said
    assert world.phase() == ("Failed" if said else "Succeeded")


def test_agnhost_ends_when_it_is_told_to() -> None:
    world = World()
    world.pod(image="agnhost", container="args: [netexec]", spec="restartPolicy: Never")
    world.run(3)
    assert world.get_url("/shutdown", "10.244.1.2", 8080) == "shutting down"
    world.run(3)
    assert world.phase() == "Succeeded"


def test_what_curl_fetches_may_go_to_a_file() -> None:
    world = World()
    world.pod("web")
    world.run(3)
    script = "curl -s -o /page http://10.244.1.2/ && cat /page; curl -sf http://10.244.1.2/none"
    world.pod(image="busybox", container=f"args: [sh, -c, '{script}']", spec="restartPolicy: Never")
    world.run(10)
    assert world.logs().splitlines() == [
        "<h1>Welcome to nginx!</h1>",
        "<p>Served by web</p>",
        "curl: server returned error: 404 Not Found",
    ]
