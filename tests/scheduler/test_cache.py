from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from kube_edu.scheduler.cache import ASSUMED_FOR, Cache
from kube_edu.sim.simulation import Simulation
from tests.scheduler.objects import node, pod


def used(cache: Cache) -> dict[str, int]:
    return {info.name: info.requested.get("cpu", 0) for info in cache.nodes()}


def test_an_assumed_pod_counts_until_it_is_forgotten() -> None:
    cache = Cache()
    cache.set_node(node("a"))
    cache.assume(pod("p", cpu="1"), "a")
    assert used(cache) == {"a": 1000}
    cache.forget("default/p")
    assert used(cache) == {"a": 0}


def test_what_the_watch_confirmed_is_not_forgotten() -> None:
    cache = Cache()
    cache.set_node(node("a"))
    cache.assume(pod("p", cpu="1"), "a")
    cache.set_pod(pod("p", cpu="1", nodeName="a"))
    cache.forget("default/p")
    assert used(cache) == {"a": 1000}


def test_the_watch_knows_better_where_a_pod_is() -> None:
    cache = Cache()
    cache.set_node(node("a"))
    cache.set_node(node("b"))
    cache.assume(pod("p", cpu="1"), "a")
    cache.set_pod(pod("p", cpu="1", nodeName="b"))
    assert used(cache) == {"a": 0, "b": 1000}


def test_an_assumption_without_confirmation_expires() -> None:
    async def story() -> None:
        cache = Cache()
        cache.set_node(node("a"))
        cache.assume(pod("p", cpu="1"), "a")
        cache.finish_binding("default/p")
        await asyncio.sleep(ASSUMED_FOR - 1)
        assert used(cache) == {"a": 1000}
        await asyncio.sleep(2)
        assert used(cache) == {"a": 0}

    Simulation(seed=1).call(story())


def test_pods_and_nodes_may_come_in_any_order() -> None:
    cache = Cache()
    cache.set_pod(pod("p", cpu="1", nodeName="a"))
    cache.set_node(node("a"))
    assert used(cache) == {"a": 1000}
    cache.remove_node("a")
    cache.remove_pod("default/p")
    cache.set_node(node("a"))
    assert used(cache) == {"a": 0}


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["assume", "forget", "set", "remove", "node", "no node"]),
        st.sampled_from(["p", "q", "r"]),
        st.sampled_from(["a", "b"]),
    ),
    max_size=30,
)


@given(OPERATIONS)
def test_a_node_is_charged_for_its_pods_and_no_others(
    operations: list[tuple[str, str, str]],
) -> None:
    cache = Cache()
    placed: dict[str, str] = {}
    assumed: list[str] = []
    nodes: list[str] = []
    for operation, name, where in operations:
        key = f"default/{name}"
        match operation:
            case "assume" if name not in placed:
                cache.assume(pod(name, cpu="1"), where)
                placed[name] = where
                assumed.append(name)
            case "forget":
                cache.forget(key)
                if name in assumed:
                    assumed.remove(name)
                    del placed[name]
            case "set":
                cache.set_pod(pod(name, cpu="1", nodeName=where))
                placed[name] = where
                assumed = [other for other in assumed if other != name]
            case "remove":
                cache.remove_pod(key)
                placed.pop(name, None)
                assumed = [other for other in assumed if other != name]
            case "node":
                cache.set_node(node(where))
                nodes = sorted({*nodes, where})
            case "no node":
                cache.remove_node(where)
                nodes = [other for other in nodes if other != where]
    assert used(cache) == {n: 1000 * list(placed.values()).count(n) for n in nodes}
