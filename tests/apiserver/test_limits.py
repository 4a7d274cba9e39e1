"""Limits of containers and quotas of namespaces: what they refuse, and that no way leads around."""

from __future__ import annotations

import asyncio
from typing import Any

from kube_edu.api.meta import Object
from tests.apiserver.fakes import World, config_map, pod
from tests.apiserver.test_admission import NS, PODS, given, kind, run


def limit_range(**limit: Any) -> Object:
    return kind("v1", "LimitRange", "limits", spec={"limits": [{"type": "Container", **limit}]})


def test_a_limit_range_gives_containers_its_defaults() -> None:
    async def scenario(world: World) -> None:
        limits = limit_range(default={"cpu": "1"}, defaultRequest={"cpu": "500m"})
        await given(world, f"{NS}/limitranges", limits)
        made = await world.ask("POST", PODS, pod())
        resources = made["spec"]["containers"][0]["resources"]
        assert resources == {"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}}
        assert made["status"]["qosClass"] == "Burstable"
        assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
            "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
        )

    run(scenario)


def test_a_limit_range_refuses_what_is_out_of_it() -> None:
    async def scenario(world: World) -> None:
        limits = limit_range(min={"memory": "64Mi"}, max={"memory": "1Gi", "cpu": "1"})
        await given(world, f"{NS}/limitranges", limits)
        big = pod()
        big["spec"]["containers"][0]["resources"] = {
            "requests": {"memory": "32Mi", "cpu": "1"},
            "limits": {"memory": "2Gi", "cpu": "2"},
        }
        refused = await world.raw("POST", PODS, big)
        assert refused.status == 403
        for text in (
            "minimum memory usage per Container is 64Mi, but request is 32Mi",
            "maximum memory usage per Container is 1Gi, but limit is 2Gi",
            "maximum cpu usage per Container is 1, but limit is 2",
        ):
            assert text in refused.body["message"]

    run(scenario)


def with_requests(name: str, cpu: str) -> Object:
    found = pod(name)
    found["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return found


async def with_quota(world: World, hard: Object, used: Object) -> None:
    """A quota whose controller has been here."""
    quota = await given(
        world, f"{NS}/resourcequotas", kind("v1", "ResourceQuota", "team", spec={"hard": hard})
    )
    quota["status"] = {"hard": hard, "used": used}
    await world.ask("PUT", f"{NS}/resourcequotas/team/status", quota)
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_quota_books_what_is_created_and_refuses_what_is_too_much() -> None:
    async def scenario(world: World) -> None:
        await with_quota(
            world, {"requests.cpu": "1", "pods": "5"}, {"requests.cpu": "0", "pods": "0"}
        )
        assert (await world.raw("POST", PODS, with_requests("a", "600m"))).status == 201
        used = (await world.ask("GET", f"{NS}/resourcequotas/team"))["status"]["used"]
        assert used == {"requests.cpu": "600m", "pods": "1"}
        refused = await world.raw("POST", PODS, with_requests("b", "600m"))
        assert refused.body["message"] == (
            'pods "b" is forbidden: exceeded quota: team, requested: requests.cpu=600m, '
            "used: requests.cpu=600m, limited: requests.cpu=1"
        )
        silent = await world.raw("POST", PODS, pod("c"))
        assert "must specify requests.cpu for: c" in silent.body["message"]

    run(scenario)


def test_of_many_at_once_just_as_many_are_created_as_the_quota_has_room_for() -> None:
    async def scenario(world: World) -> None:
        await with_quota(world, {"configmaps": "20"}, {"configmaps": "0"})
        answers = await asyncio.gather(
            *(world.raw("POST", f"{NS}/configmaps", config_map(f"c{n}")) for n in range(30))
        )
        assert sum(answer.status == 201 for answer in answers) == 20
        assert len((await world.ask("GET", f"{NS}/configmaps"))["items"]) == 20
        used = (await world.ask("GET", f"{NS}/resourcequotas/team"))["status"]["used"]
        assert used == {"configmaps": "20"}

    run(scenario)


def test_there_is_no_way_around_a_quota() -> None:
    async def scenario(world: World) -> None:
        hard = {"requests.cpu": "1"}
        await with_quota(world, hard, {"requests.cpu": "0"})
        negative = await world.raw("POST", PODS, with_requests("n", "-1"))
        assert "must be greater than or equal to 0" in negative.body["message"]
        sidecars = with_requests("s", "10m")
        sidecars["spec"]["initContainers"] = [
            {
                "name": f"i{n}",
                "image": "x",
                "restartPolicy": "Always",
                "resources": {"requests": {"cpu": "300m"}},
            }
            for n in range(4)
        ]
        assert (
            "requested: requests.cpu=1210m" in (await world.ask("POST", PODS, sidecars))["message"]
        )
        await world.ask("POST", PODS, with_requests("a", "500m"))
        sizes = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}}
        resized = await world.patch(f"{PODS}/a/resize", sizes, "strategic-merge-patch")
        assert "requested: requests.cpu=1500m, used: requests.cpu=500m" in resized["message"]
        debugger = {"name": "d", "image": "x", "resources": {"requests": {"cpu": "4"}}}
        added = {"spec": {"ephemeralContainers": [debugger]}}
        refused = await world.patch(f"{PODS}/a/ephemeralcontainers", added, "strategic-merge-patch")
        assert "cannot be set for an Ephemeral Container" in refused["message"]

    run(scenario)


def test_what_one_quota_refuses_another_does_not_book() -> None:
    async def scenario(world: World) -> None:
        for name, most in (("a", "9"), ("b", "0")):
            quota = kind("v1", "ResourceQuota", name, spec={"hard": {"configmaps": most}})
            made = await given(world, f"{NS}/resourcequotas", quota)
            status = {"hard": {"configmaps": most}, "used": {"configmaps": "0"}}
            await world.ask("PUT", f"{NS}/resourcequotas/{name}/status", {**made, "status": status})
        for _ in range(20):
            await asyncio.sleep(0)
        assert (await world.raw("POST", f"{NS}/configmaps", config_map())).status == 403
        used = (await world.ask("GET", f"{NS}/resourcequotas/a"))["status"]["used"]
        assert used == {"configmaps": "0"}

    run(scenario)


def test_a_limit_range_holds_for_a_pod_that_is_resized() -> None:
    async def scenario(world: World) -> None:
        await given(world, f"{NS}/limitranges", limit_range(max={"cpu": "1"}))
        small = pod("a")
        small["spec"]["containers"][0]["resources"] = {
            "limits": {"cpu": "1"},
            "requests": {"cpu": "1"},
        }
        await world.ask("POST", PODS, small)
        sizes = {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}}
        patch = {"spec": {"containers": [{"name": "c", "resources": sizes}]}}
        refused = await world.patch(f"{PODS}/a/resize", patch, "strategic-merge-patch")
        assert "maximum cpu usage per Container is 1" in refused["message"]

    run(scenario)


def test_a_quota_that_nobody_has_counted_yet_lets_nothing_through() -> None:
    async def scenario(world: World) -> None:
        quota = kind("v1", "ResourceQuota", "team", spec={"hard": {"pods": "5"}})
        await given(world, f"{NS}/resourcequotas", quota)
        refused = await world.raw("POST", PODS, pod())
        assert refused.body["message"] == (
            'pods "web" is forbidden: status unknown for quota: team, resources: pods'
        )

    run(scenario)


def test_a_quota_may_count_pods_that_look_into_other_namespaces() -> None:
    async def scenario(world: World) -> None:
        spec = {"hard": {"pods": "0"}, "scopes": ["CrossNamespacePodAffinity"]}
        quota = await given(
            world, f"{NS}/resourcequotas", kind("v1", "ResourceQuota", "cross", spec=spec)
        )
        status = {"hard": {"pods": "0"}, "used": {"pods": "0"}}
        await world.ask("PUT", f"{NS}/resourcequotas/cross/status", {**quota, "status": status})
        for _ in range(20):
            await asyncio.sleep(0)
        term = {"topologyKey": "zone", "namespaceSelector": {}}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
        nosy = await world.raw("POST", PODS, pod("a", affinity={"podAffinity": required}))
        assert nosy.status == 403 and "exceeded quota: cross" in nosy.body["message"]
        assert (await world.raw("POST", PODS, pod("b"))).status == 201

    run(scenario)
