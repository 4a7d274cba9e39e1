"""The small kubectl, on a real API server: what it prints, and what it changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient
from kube_edu.client.kubectl import Kubectl, Usage
from kube_edu.host import Request, Response, decoded
from tests.apiserver.fakes import ADMIN, World, deployment, pod

WEB = json.dumps(deployment("web", replicas=2))


class Server:
    """The way from a client to a server in the same process."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def request(self, request: Request) -> Response:
        response = await self._world.server.handle(replace(request, peer=ADMIN))
        return replace(response, body=decoded(response.body))

    async def close(self) -> None: ...


Run = Callable[..., Awaitable[str]]


def with_kubectl(story: Callable[[Run, World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World() as world:
            kubectl = Kubectl(ApiClient(Server(world), "kubectl"))
            await story(kubectl.run, world)

    asyncio.run(main())


def manifest(*objects: Object) -> str:
    return "\n---\n".join(json.dumps(obj) for obj in objects)


def test_apply_creates_then_leaves_alone_then_changes_then_prunes() -> None:
    async def story(run: Run, world: World) -> None:
        labelled = {**deployment("web"), "metadata": {"name": "web", "labels": {"set": "a"}}}
        assert await run("apply -f -", labelled and manifest(labelled)) == (
            "deployment.apps/web created"
        )
        assert await run("apply -f -", manifest(labelled)) == "deployment.apps/web unchanged"
        more = {**labelled, "spec": {**labelled["spec"], "replicas": 3}}
        assert await run("apply -f -", manifest(more)) == "deployment.apps/web configured"
        other = {**pod("other"), "metadata": {"name": "other", "labels": {"set": "a"}}}
        assert (await run("apply -f - --prune -l set=a", manifest(other))).splitlines() == [
            "pod/other created",
            "deployment.apps/web pruned",
        ]

    with_kubectl(story)


def test_get_prints_tables_names_and_whole_objects() -> None:
    async def story(run: Run, world: World) -> None:
        assert await run("get pods") == "No resources found in default namespace."
        assert await run("create -f -", manifest(pod("a"), pod("b"))) == (
            "pod/a created\npod/b created"
        )
        await run("label pod a tier=front")
        assert (await run("get pods")).splitlines() == [
            "NAME   READY   STATUS    RESTARTS   AGE",
            "a      0/1     Pending   0          0s",
            "b      0/1     Pending   0          0s",
        ]
        assert await run("get po -l tier=front --no-headers") == ("a   0/1   Pending   0   0s")
        assert (await run("get pods -A --show-labels")).splitlines()[:2] == [
            "NAMESPACE   NAME   READY   STATUS    RESTARTS   AGE   LABELS",
            "default     a      0/1     Pending   0          0s    tier=front",
        ]
        assert "NODE" in (await run("get pods -o wide")).splitlines()[0]
        assert await run("get pods,svc -o name") == "pod/a\npod/b\nservice/kubernetes"
        both = (await run("get pod,svc")).splitlines()
        assert [line.split()[0] for line in both if line] == [
            "NAME", "pod/a", "pod/b", "NAME", "service/kubernetes",
        ]  # fmt: skip
        assert json.loads(await run("get pod a -o json"))["metadata"]["name"] == "a"
        assert "kind: List" in await run("get pods -o yaml")
        assert await run("get pods --field-selector metadata.name=b -o name") == "pod/b"

    with_kubectl(story)


def test_describe_says_what_an_object_is_and_what_happened() -> None:
    async def story(run: Run, world: World) -> None:
        await run("create -f -", WEB)
        lines = (await run("describe deployment web")).splitlines()
        assert lines[:2] == ["Name:          web", "Namespace:     default"]
        assert "  Replicas:  2" in lines and "        Image:  nginx:1" in lines
        assert lines[-1] == "Events:  <none>"

    with_kubectl(story)


def test_objects_are_changed_in_place() -> None:
    async def story(run: Run, world: World) -> None:
        await run("create -f -", WEB)
        assert await run("scale deployment web --replicas=3") == "deployment.apps/web scaled"
        assert await run("set image deploy/web c=nginx:2") == ("deployment.apps/web image updated")
        assert await run("annotate deploy/web note=x") == "deployment.apps/web annotated"
        assert await run("label deploy/web a=1 b-") == "deployment.apps/web labeled"
        found = json.loads(await run("get deploy web -o json"))
        assert found["spec"]["replicas"] == 3
        assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
        assert found["metadata"]["annotations"] == {"note": "x"}
        assert found["metadata"]["labels"] == {"a": "1"}

    with_kubectl(story)


def test_a_rollout_is_paused_resumed_and_restarted() -> None:
    async def story(run: Run, world: World) -> None:
        await run("create -f -", WEB)
        for action in ("pause", "resume", "restart"):
            done = action.removesuffix("e") + "ed"
            assert await run(f"rollout {action} deploy/web") == f"deployment.apps/web {done}"
        assert (await run("rollout status deploy/web")).startswith("Waiting for")
        assert (await run("rollout history deploy/web")).splitlines() == [
            "deployment.apps/web", "REVISION  CHANGE-CAUSE",
        ]  # fmt: skip
        with pytest.raises(ApiError, match="no rollout history found"):
            await run("rollout undo deploy/web")

    with_kubectl(story)


def test_nodes_are_cordoned() -> None:
    async def story(run: Run, world: World) -> None:
        await run("create -f -", manifest({"apiVersion": "v1", "kind": "Node",
                                           "metadata": {"name": "n1"}}))  # fmt: skip
        assert await run("cordon n1") == "node/n1 cordoned"
        assert "SchedulingDisabled" in await run("get nodes")
        assert await run("uncordon node/n1") == "node/n1 uncordoned"
        assert "SchedulingDisabled" not in await run("get nodes")

    with_kubectl(story)


def test_delete_by_name_by_label_and_by_file() -> None:
    async def story(run: Run, world: World) -> None:
        await run("create -f -", manifest(pod("a"), pod("b"), pod("c"), deployment("web")))
        await run("label pod b x=y")
        assert await run("delete pod a --grace-period=0") == 'pod "a" deleted'
        assert await run("delete pods -l x=y") == 'pod "b" deleted'
        assert (await run("delete -f -", manifest(pod("c"), deployment("web")))).splitlines() == [
            'pod "c" deleted',
            'deployment.apps "web" deleted',
        ]

    with_kubectl(story)


def test_the_log_of_a_pod_without_a_node_is_empty() -> None:
    async def story(run: Run, world: World) -> None:
        await run("create -f -", manifest(pod("a"), deployment("web")))
        assert await run("logs a --tail=3 -c c") == ""
        with pytest.raises(Usage, match="deploy/web has no pods"):
            await run("logs deploy/web")

    with_kubectl(story)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "yaml: line 1: "),
        ("just a text", "Object 'Kind' is missing"),
        ("kind: Gadget\napiVersion: v1", 'no matches for kind "Gadget" in version "v1"'),
        ("kind: Pod\napiVersion: v1", "resource name may not be empty"),
        ("kind: List\napiVersion: v1", "^$"),
        ("kind: List\nitems: [1]", "Object 'Kind' is missing"),
        ("kind: List\nitems: 5", "items"),
        ("kind: Pod\napiVersion: [v1]\nmetadata: {name: a}", "no matches for kind"),
        ("kind: [Pod]\napiVersion: v1\nmetadata: {name: a}", "no matches for kind"),
    ],
)
def test_a_bad_manifest_is_told_in_a_line(text: str, problem: str) -> None:
    async def story(run: Run, world: World) -> None:
        if problem == "^$":
            assert await run("apply -f -", text) == ""
            return
        with pytest.raises(ApiError, match=problem) as caught:
            await run("apply -f -", text)
        assert "\n" not in str(caught.value)

    with_kubectl(story)


def test_a_date_in_a_manifest_is_a_text() -> None:
    async def story(run: Run, world: World) -> None:
        text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {day: 2026-01-01}}"
        await run("apply -f -", text)
        assert json.loads(await run("get cm a -o json"))["data"] == {"day": "2026-01-01"}

    with_kubectl(story)


@pytest.mark.parametrize("command", ["", "frobnicate", "get", "get gadgets", "scale deploy web",
                                     "get pods -o table", "delete pod", "delete",
                                     "get '"])  # fmt: skip
def test_a_bad_command_line_is_told_as_wrong_usage(command: str) -> None:
    async def story(run: Run, world: World) -> None:
        with pytest.raises(Usage):
            await run(command)

    with_kubectl(story)
