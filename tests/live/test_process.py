"""The runtime whose containers are child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from kube_edu.host import Request, Response
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.kubelet.cri import ContainerConfig, CriError, PodSandboxConfig
from kube_edu.kubelet.cri.context import ContainerContext
from kube_edu.kubelet.cri.process import ProcessRuntime
from kube_edu.live.network import LiveNetwork


async def sleeper(container: ContainerContext) -> int:
    """A program that is a coroutine of the cluster's own."""

    async def echo(source: str, payload: Any) -> Any:
        return Response(body=payload.path) if isinstance(payload, Request) else payload.upper()

    container.listen(53, echo, "UDP")
    container.listen(53, echo, "TCP")
    container.listen(8181, echo)
    container.log("listening")
    await container.terminated.wait()
    return 7


class Node:
    """A runtime with short cuts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host: Any = SimpleNamespace(
            name="node-1", address="127.0.0.1", random=Random(7), now=time.time
        )
        self.dial_map = DialMap(folder / "dial")
        self.network = LiveNetwork(self.dial_map)
        self.network.set_pod_cidr("127.251.7.0/24")
        self.runtime = ProcessRuntime(
            self.host, folder, self.network, self.dial_map, {"coredns": sleeper}
        )
        self.pods = 0

    async def sandbox(self, **settings: Any) -> str:
        self.pods += 1
        name = f"pod-{self.pods}"
        return await self.runtime.run_pod_sandbox(
            PodSandboxConfig(name, "default", f"uid-{self.pods}", **settings)
        )

    async def start(self, image: str, sandbox: str = "", **settings: Any) -> str:
        sandbox = sandbox or await self.sandbox()
        config = ContainerConfig(f"c-{image}".partition(":")[0], image, **settings)
        container = await self.runtime.create_container(sandbox, config)
        await self.runtime.start_container(container)
        return container

    async def status(self, container: str) -> Any:
        return next(c for c in await self.runtime.list_containers() if c.id == container)

    async def ended(self, container: str) -> Any:
        while (await self.status(container)).state != "exited":
            await self.runtime.changes()
        return await self.status(container)

    async def output(self, container: str) -> str:
        """What a container that ends has written."""
        await self.ended(container)
        lines = [line async for _, line in self.runtime.container_logs(container, follow=False)]
        return b"\n".join(lines).decode()

    async def says(self, container: str, text: str) -> None:
        """Return when a line of its log holds a text."""
        async for _, line in self.runtime.container_logs(container, follow=True):
            if text in line.decode():
                return
        raise AssertionError(f"it never said {text!r}")

    async def address(self, container: str) -> str:
        sandbox = (await self.status(container)).sandbox
        found = await self.runtime.list_pod_sandbox()
        return next(s.address for s in found if s.id == sandbox)

    async def http(self, container: str, port: int, path: str) -> str:
        real = self.dial_map.dial(await self.address(container), port)
        reader, writer = await asyncio.open_connection(*real)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.partition("Content-Length: ")[2].split()[0])
        body = await reader.readexactly(length)
        writer.close()
        return body.decode()


def on_a_node(tmp_path: Path, story: Callable[[Node], Awaitable[None]]) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        try:
            async with asyncio.timeout(60):
                await story(node)
        finally:
            await node.runtime.close()

    asyncio.run(main())


def test_a_container_is_a_process_with_its_environment_and_output(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        script = "echo out $GREETING $HOSTNAME; echo err >&2; pwd; exit 3"
        container = await node.start(
            "busybox:1.36", command=["sh", "-c"], args=[script], env={"GREETING": "hello"}
        )
        ended = await node.ended(container)
        assert (ended.exit_code, ended.reason) == (3, "Error")
        assert ended.created_at <= ended.started_at <= ended.finished_at
        output = await node.output(container)
        assert sorted(output.splitlines())[-2:] == ["err", "out hello pod-1"]
        assert str(tmp_path) in output

    on_a_node(tmp_path, story)


def test_a_log_line_carries_the_time_and_may_be_long(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        before = time.time()
        container = await node.start(
            "python", command=["python", "-c", "print('x' * 100_000); print('no newline', end='')"]
        )
        await node.ended(container)
        logs = node.runtime.container_logs(container, follow=False)
        lines = [entry async for entry in logs]
        assert [len(line) for _, line in lines] == [100_000, 10]
        assert before - 1 <= lines[0][0] <= lines[1][0] <= time.time() + 1

    on_a_node(tmp_path, story)


def test_stopping_asks_first_and_kills_after_the_grace_period(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        polite = await node.start(
            "busybox", args=["sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]
        )
        stubborn = await node.start(
            "busybox", args=["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"]
        )
        await node.says(polite, "up")
        await node.says(stubborn, "up")
        await node.runtime.stop_container(polite, 30)
        await node.runtime.stop_container(stubborn, 0.3)
        assert (await node.status(polite)).exit_code == 0
        assert (await node.status(stubborn)).exit_code == 128 + signal.SIGKILL

    on_a_node(tmp_path, story)


def test_no_grandchild_outlives_its_container(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        container = await node.start("busybox", args=["sh", "-c", "sleep 600 & echo $!"])
        grandchild = int(await node.output(container))
        for _ in range(100):
            if not _alive(grandchild):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("it is still there")

    on_a_node(tmp_path, story)


def test_volumes_are_files_and_paths_to_them_are_mended(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        shared: dict[str, bytes] = {}
        mounts = {"/etc/config": {"greeting": b"hello"}, "/cache": shared}
        sandbox = await node.sandbox()
        writer = await node.start(
            "busybox",
            sandbox,
            args=["sh", "-c", "cat /etc/config/greeting etc/config/greeting >/cache/copy"],
            mounts=mounts,
        )
        await node.ended(writer)
        reader = await node.start(
            "python",
            sandbox,
            args=["python", "-c", "print(open('/else' + '/copy').read())"],
            mounts={"/else": shared},
        )
        assert await node.output(reader) == "hellohello"

    on_a_node(tmp_path, story)


def test_a_command_that_no_image_has_is_an_error_of_the_container(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        with pytest.raises(CriError, match='exec: "frobnicate": executable file not found'):
            await node.start("busybox", command=["frobnicate"])
        (status,) = await node.runtime.list_containers()
        assert (status.state, status.exit_code, status.reason) == ("exited", 128, "StartError")

    on_a_node(tmp_path, story)


def test_an_unknown_image_cannot_be_pulled(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        with pytest.raises(CriError) as refused:
            await node.runtime.pull_image("registry.example/no/such:1")
        assert refused.value.reason == "ErrImagePull"

    on_a_node(tmp_path, story)


def test_every_pod_has_its_own_port_80(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        first = await node.start("nginx:1.27")
        page = {"/usr/local/apache2/htdocs": {"index.html": b"my page"}}
        second = await node.start("httpd", mounts=page)
        await node.says(first, "ready")
        await node.says(second, "ready")
        assert "pod-1" in await node.http(first, 80, "/")
        assert await node.http(second, 80, "/") == "my page"
        assert "404" in await node.http(second, 80, "/../../../../etc/passwd")

    on_a_node(tmp_path, story)


def test_python_pods_may_all_listen_on_the_same_port(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        command = ["python3", "-m", "http.server", "8000"]
        files = [{"/www": {"name": f"server {n}".encode()}} for n in range(2)]
        servers = [
            await node.start("python", command=command, mounts=mounts, working_dir="/www")
            for mounts in files
        ]
        script = (
            "import sys, urllib.request as u\n"
            "while True:\n"
            "  try: print(u.urlopen(sys.argv[1] + '/name').read().decode()); break\n"
            "  except OSError: pass\n"
        )
        for number, server in enumerate(servers):
            url = f"http://{await node.address(server)}:8000"
            client = await node.start("python", args=["python3", "-c", script, url])
            assert await node.output(client) == f"server {number}"

    on_a_node(tmp_path, story)


def test_the_key_value_server_speaks_resp_and_replicates(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        leader = await node.start("redis:7")
        address = await node.address(leader)
        follower = await node.start("redis", args=["--replicaof", address, "6379"])
        await node.says(follower, "following")

        async def cli(container: str, *words: str) -> str:
            command = ["redis-cli", *words]
            code, out, err = await node.runtime.exec_sync(container, command, 10)
            assert code == 0, err
            return out.decode().strip()

        assert await cli(leader, "PING") == "PONG"
        assert await cli(leader, "SET", "colour", "blue") == "OK"
        assert await cli(leader, "INCR", "visits") == "1"
        assert await cli(leader, "RPUSH", "guests", "ann", "bob") == "2"
        while await cli(follower, "LRANGE", "guests", "0", "-1") != "ann\nbob":
            pass
        assert await cli(follower, "GET", "colour") == "blue"
        assert (await cli(follower, "SET", "a", "b")).startswith("READONLY")
        assert await cli(leader, "GET", "nothing") == "(nil)"
        assert "role:slave" in await cli(follower, "INFO", "replication")
        assert await cli(follower, "REPLICAOF", "NO", "ONE") == "OK"
        assert await cli(follower, "DEL", "colour") == "1"
        assert await cli(follower, "FLY") == "ERR unknown command 'FLY'"

    on_a_node(tmp_path, story)


def test_the_network_helper(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        image = "registry.k8s.io/e2e-test-images/agnhost:2.53"
        server = await node.start(image, args=["netexec", "--http-port=8080"])
        target = f"{await node.address(server)}:8080"
        connect = await node.start(image, args=["connect", target, "--timeout=5s"])
        while (await node.ended(connect)).exit_code:
            connect = await node.start(image, args=["connect", target, "--timeout=5s"])
        assert await node.http(server, 8080, "/hostname") == "pod-1"
        assert await node.http(server, 8080, "/echo?msg=a%20b") == "a b"
        assert await node.http(server, 8080, "/healthz") == "ok"
        await node.http(server, 8080, "/shutdown?code=4")
        assert (await node.ended(server)).exit_code == 4
        refused = await node.start(image, args=["connect", target])
        assert await node.output(refused) == "REFUSED"

    on_a_node(tmp_path, story)


def test_a_program_of_the_clusters_own_runs_as_a_coroutine(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        first = await node.start("registry.k8s.io/coredns/coredns:v1.12.0")
        second = await node.start("coredns:1")
        await node.says(first, "listening")
        address = await node.address(first)
        exchange = node.network.exchange
        answer = await exchange("", address, 8181, "TCP", Request("GET", "/ready"))
        assert answer.body == b"/ready"
        assert await exchange("", address, 53, "UDP", b"query") == b"QUERY"
        await exchange("", address, 53, "TCP", None)
        reader, writer = await asyncio.open_connection(*node.dial_map.dial(address, 53))
        writer.write(b"\0\5query\0\5again")
        assert await reader.readexactly(14) == b"\0\5QUERY\0\5AGAIN"
        writer.close()
        await node.runtime.stop_container(first, 30)
        assert (await node.status(first)).exit_code == 7
        await node.runtime.stop_container(second, 0)
        assert (await node.status(second)).exit_code == 137
        with pytest.raises(ConnectionRefusedError):
            await exchange("", address, 53, "TCP", None)

    on_a_node(tmp_path, story)


def test_a_shell_fetches_from_other_pods(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        server = await node.start("nginx")
        await node.says(server, "ready")
        url = f"http://{await node.address(server)}/"
        script = f"wget -qO- {url} && curl -s -o page {url} && cat page; wget -q {url}none"
        client = await node.start("busybox", args=["sh", "-c", script])
        output = await node.output(client)
        assert output.count("Welcome to nginx!") == 2
        assert "wget: server returned error: 404 Not Found" in output

    on_a_node(tmp_path, story)


def test_pause_waits_and_crash_crashes(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        pause = await node.start("pause:3.10")
        crash = await node.start("crashing:1")
        assert (await node.ended(crash)).exit_code == 1
        assert (await node.status(pause)).state == "running"
        await node.runtime.stop_container(pause, 30)
        assert (await node.status(pause)).exit_code == 0

    on_a_node(tmp_path, story)


def test_exec_runs_beside_the_container(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        container = await node.start("pause", env={"COLOUR": "red"})
        shell = ["sh", "-c", "echo $COLOUR; echo no >&2; exit 5"]
        assert await node.runtime.exec_sync(container, shell, 10) == (5, b"red\n", b"no\n")
        with pytest.raises(CriError, match="timed out"):
            await node.runtime.exec_sync(container, ["sleep", "60"], 0.2)

    on_a_node(tmp_path, story)


def test_removing_a_sandbox_leaves_nothing(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        container = await node.start("nginx")
        sandbox = (await node.status(container)).sandbox
        await node.runtime.remove_pod_sandbox(sandbox)
        assert await node.runtime.list_containers() == []
        assert await node.runtime.list_pod_sandbox() == []
        assert list((tmp_path / "pods").iterdir()) == []

    on_a_node(tmp_path, story)


def test_names_are_asked_of_the_servers_in_resolv_conf(tmp_path: Path) -> None:
    """A name server of two screens: it knows web.default.svc.cluster.local and nothing else."""
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 0))
    names.setblocking(False)
    wanted = b"\x03web\x07default\x03svc\x07cluster\x05local\0"

    def answer() -> None:
        query, source = names.recvfrom(4096)
        found = query[12 : 12 + len(wanted)] == wanted
        head = query[:2] + (b"\x81\x80\0\1\0\1\0\0\0\0" if found else b"\x81\x83\0\1\0\0\0\0\0\0")
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4" + socket.inet_aton("127.251.9.9")
        names.sendto(head + query[12:] + (record if found else b""), source)

    async def story(node: Node) -> None:
        asyncio.get_running_loop().add_reader(names, answer)
        node.dial_map._real["127.96.0.10", 53] = names.getsockname()
        node.dial_map._write()
        dns = {
            "servers": ["127.96.0.10"],
            "searches": ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
            "options": ["ndots:5"],
        }
        sandbox = await node.sandbox(dns=dns)
        script = "import socket; print(socket.gethostbyname('web'), socket.gethostname())"
        container = await node.start("python", sandbox, args=["python3", "-c", script])
        assert await node.output(container) == "127.251.9.9 pod-1"
        asyncio.get_running_loop().remove_reader(names)

    on_a_node(tmp_path, story)
    names.close()


ORPHAN = """
import asyncio, sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from test_process import Node

async def main():
    node = Node(Path(sys.argv[1]))
    node.runtime._prefix = ()  # as where there is no PDEATHSIG
    container = await node.start("busybox", args=["sh", "-c", "sleep 600 & echo $!; wait"])
    async for _, line in node.runtime.container_logs(container, follow=True):
        print(line.decode(), flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_killed_up_leaves_behind_is_ended_at_the_next_start(tmp_path: Path) -> None:
    program = ORPHAN.format(tests=str(Path(__file__).parent))
    first = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    orphan = int(first.stdout.readline())
    first.kill()
    first.wait()
    assert _alive(orphan)

    async def story(node: Node) -> None:
        for _ in range(100):
            if not _alive(orphan):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("it is still there")

    on_a_node(tmp_path, story)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
