"""The network: datagrams may be lost, connections are ordered or broken, and partitions cut."""

import asyncio

import pytest

from kube_edu.host import Request, Response
from kube_edu.sim import Simulation


async def forever(host):
    await asyncio.sleep(1e9)


def pair(seed=1, server=forever, client=forever):
    simulation = Simulation(seed)
    a = simulation.machine("node-1", "10.0.0.1")
    b = simulation.machine("node-2", "10.0.0.2")
    a.start("client", client)
    b.start("server", server)
    simulation.run_for(0)
    return simulation, a, b


async def counting(host):
    """Serves a stream that counts twice a second, and hello at /."""

    async def count():
        number = 0
        while True:
            yield {"number": number}
            number += 1
            await asyncio.sleep(0.5)

    async def handle(request):
        if request.path == "/count":
            return Response(stream=count())
        return Response(200, {"hello": request.peer.common_name})

    await host.serve(80, handle, identity="kubelet")
    await forever(host)


def caller(seen, path="/count", endpoint="node-2:80"):
    async def main(host):
        client = host.connect(endpoint, identity="scheduler")
        try:
            response = await client.request(Request("GET", path))
            if response.stream is None:
                seen.append(response.body)
            else:
                async for message in response.stream:
                    seen.append((asyncio.get_running_loop().time(), message["number"]))
        except ConnectionError as error:
            seen.append((asyncio.get_running_loop().time(), error))
        await forever(host)

    return main


def test_a_server_sees_who_calls():
    seen = []
    simulation, *_ = pair(server=counting, client=caller(seen, "/"))
    simulation.run_for(1)
    assert seen == [{"hello": "system:kube-scheduler"}]


def test_an_address_serves_as_well_as_a_name():
    seen = []
    simulation, *_ = pair(server=counting, client=caller(seen, "/", "10.0.0.2:80"))
    simulation.run_for(1)
    assert len(seen) == 1


@pytest.mark.parametrize("endpoint", ["node-2:81", "nowhere:80"])
def test_a_port_nobody_listens_on_refuses(endpoint):
    seen = []
    simulation, *_ = pair(server=counting, client=caller(seen, endpoint=endpoint))
    simulation.run_for(1)
    assert isinstance(seen[0][1], ConnectionError)


def test_a_stream_goes_on_in_order_after_a_short_partition():
    seen = []
    simulation, *_ = pair(server=counting, client=caller(seen))
    simulation.run_for(2.2)
    simulation.network.partition(["node-1"], ["node-2"])
    before = len(seen)
    simulation.run_for(10)
    assert len(seen) == before
    simulation.network.heal()
    simulation.run_for(1)
    assert [number for _, number in seen] == list(range(len(seen)))
    assert len(seen) > before + 18


def test_a_long_partition_breaks_a_connection():
    seen = []
    simulation, *_ = pair(server=counting, client=caller(seen))
    simulation.run_for(2)
    simulation.network.partition(["node-1"], ["node-2"])
    simulation.run_for(40)
    assert isinstance(seen[-1][1], ConnectionError)
    assert seen[-1][0] == pytest.approx(32, abs=0.1)


def test_a_killed_server_resets_its_connections_at_once():
    seen = []
    simulation, _, b = pair(server=counting, client=caller(seen))
    simulation.run_for(2)
    b.kill("server")
    simulation.run_for(0.1)
    assert isinstance(seen[-1][1], ConnectionResetError)


def test_a_machine_without_power_says_nothing_until_it_is_back():
    seen = []
    simulation, _, b = pair(server=counting, client=caller(seen))
    simulation.run_for(2)
    b.crash()
    simulation.run_for(10)
    assert not isinstance(seen[-1][1], ConnectionError)
    b.restart()
    simulation.run_for(1)
    assert isinstance(seen[-1][1], ConnectionResetError)


def test_a_client_that_leaves_ends_the_server_side():
    ended = []

    async def server(host):
        async def endless():
            try:
                while True:
                    yield 1
                    await asyncio.sleep(1)
            finally:
                ended.append(asyncio.get_running_loop().time())

        async def handle(request):
            return Response(stream=endless())

        await host.serve(80, handle, identity="kubelet")
        await forever(host)

    async def client(host):
        response = await host.connect("node-2:80", identity="admin").request(Request("GET", "/"))
        async for _ in response.stream:
            break
        await asyncio.sleep(2)
        await response.close()
        await forever(host)

    simulation, *_ = pair(server=server, client=client)
    simulation.run_for(10)
    assert len(ended) == 1 and 2 < ended[0] < 2.1


def test_a_sender_waits_for_a_reader_that_is_slow():
    sent = []

    async def server(host):
        async def flood():
            for number in range(10_000):
                sent.append(number)
                yield number

        async def handle(request):
            return Response(stream=flood())

        await host.serve(80, handle, identity="kubelet")
        await forever(host)

    async def client(host):
        response = await host.connect("node-2:80", identity="admin").request(Request("GET", "/"))
        await asyncio.sleep(10)
        assert len(sent) < 300
        assert [number async for number in response.stream] == list(range(10_000))
        await forever(host)

    simulation, *_ = pair(server=server, client=client)
    simulation.run_for(60)
    assert len(sent) == 10_000


def datagrams(**settings):
    received = []

    async def server(host):
        host.bind(53, lambda source, message: received.append(message))
        await forever(host)

    async def client(host):
        for number in range(1000):
            host.send("node-2:53", number)
            await asyncio.sleep(0.001)
        await forever(host)

    simulation, *_ = pair(server=server, client=client)
    simulation.network.change(**settings)
    simulation.run_for(10)
    return received


def test_datagrams_arrive_once_and_in_order_on_a_good_link():
    assert datagrams(jitter=0) == list(range(1000))


def test_datagrams_are_lost_doubled_and_overtaken_as_the_link_says():
    lost = datagrams(loss=0.2)
    assert 700 < len(lost) < 900 and len(set(lost)) == len(lost)
    doubled = datagrams(duplicate=0.2)
    assert set(doubled) == set(range(1000)) and len(doubled) > 1100
    overtaken = datagrams(reorder=0.2)
    assert sorted(overtaken) == list(range(1000)) and overtaken != sorted(overtaken)


def test_a_partition_names_machines_that_exist():
    simulation, *_ = pair()
    with pytest.raises(ValueError, match="no machine is called 'node-9'"):
        simulation.network.partition(["node-9"], ["node-1"])


def test_one_seed_is_one_run():
    def run(seed):
        seen = []
        simulation, _, b = pair(seed, server=counting, client=caller(seen))
        simulation.network.change(loss=0.3, jitter=0.01)
        simulation.run_for(20)
        b.restart()
        simulation.run_for(20)
        return simulation.trace.digest(), seen[:-1]

    assert run(5) == run(5)
    assert run(5) != run(6)
