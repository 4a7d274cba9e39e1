"""Who has no rights obtains nothing, however he asks."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from kube_edu.api.resources import RESOURCES
from kube_edu.host import Peer
from tests.apiserver.fakes import World, config_map, pod

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT")
NAMES = ("", "web", "default", "kube-system", "system:node", "cluster-admin", "..", "%2e%2e", "*")
NAMESPACES = ("", "default", "kube-system", "nowhere", "..")
SUBRESOURCES = (
    "",
    "status",
    "log",
    "exec",
    "token",
    "binding",
    "scale",
    "approval",
    "finalize",
    "x",
)
QUERIES = ("", "watch=true", "fieldSelector=metadata.name=web", "limit=1", "dryRun=All", "as=Table")
HEADERS = (
    {},
    {"authorization": "Basic YWRtaW46YWRtaW4="},
    {"x_remote_user": "admin", "x_remote_group": "system:masters"},
    {"impersonate_user": "system:admin", "impersonate_group": "system:masters"},
    {"content_type": "application/apply-patch+yaml"},
)
PEERS = (
    Peer("10.0.0.9", "mallory", ("system:authenticated",)),
    Peer("10.0.0.9", "system:node:ghost"),  # without the group, no node
    Peer("10.0.0.9", "system:masters"),  # a name is no group
)


def urls(random: Random) -> str:
    resource = random.choice(RESOURCES)
    name, sub = random.choice(NAMES), random.choice(SUBRESOURCES)
    parts = ["apis", resource.group] if resource.group else ["api"]
    parts.append(resource.version)
    if namespace := random.choice(NAMESPACES):
        parts += ["namespaces", namespace]
    parts += [part for part in (resource.plural, name, sub) if part]
    if random.random() < 0.2:
        random.shuffle(parts)
    query = random.choice(QUERIES)
    return "/" + "/".join(parts) + (f"?{query}" if query else "")


@pytest.mark.seeds(3)
def test_random_requests_without_rights_obtain_nothing(seed: int) -> None:
    random = Random(seed)

    async def main() -> None:
        async with World() as world:
            await world.ask("POST", "/api/v1/namespaces/default/pods", pod())
            before = world.etcd.revision
            for _ in range(600):
                method, url = random.choice(METHODS), urls(random)
                answer = await world.raw(
                    method, url, random.choice((None, {}, pod("x"), config_map("x"), b"{", [])),
                    random.choice(PEERS), **random.choice(HEADERS),
                )  # fmt: skip
                if answer.status < 400:
                    assert _is_public(method, url, answer.body), (method, url, answer.body)
                assert answer.status != 500 or "impersonat" in str(answer.body), (method, url)
            assert world.etcd.revision == before

    asyncio.run(main())


def _is_public(method: str, url: str, body: object) -> bool:
    """Discovery, or a question about oneself."""
    kind = body.get("kind", "") if isinstance(body, dict) else ""
    if method == "POST":
        return kind.startswith("SelfSubject")
    return method == "GET" and kind in ("", "APIVersions", "APIGroup", "APIGroupList",
                                        "APIResourceList", "APIGroupDiscoveryList")  # fmt: skip


def test_a_service_account_that_may_create_pods_cannot_make_itself_admin() -> None:
    """By roles, by bindings, by another account's token, by approving its own certificate."""

    async def main() -> None:
        async with World() as world:
            robot = Peer(
                common_name="system:serviceaccount:default:robot",
                organizations=("system:serviceaccounts", "system:serviceaccounts:default"),
            )
            group = "rbac.authorization.k8s.io"
            binding = {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "mine"},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "edit"},
                "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}],
            }
            rbac = f"/apis/{group}/v1"
            await world.ask("POST", f"{rbac}/clusterrolebindings", binding)
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
            admin = {**binding["roleRef"], "name": "cluster-admin"}
            attempts = [
                ("POST", f"{rbac}/clusterrolebindings", {**binding, "roleRef": admin}),
                ("PUT", f"{rbac}/clusterrolebindings/mine", {**binding, "roleRef": admin}),
                ("DELETE", f"{rbac}/clusterroles/cluster-admin", None),
                ("POST", "/api/v1/namespaces/kube-system/serviceaccounts/default/token", request),
                ("GET", "/api/v1/namespaces/kube-system/secrets", None),
            ]
            for method, url, body in attempts:
                answer = await world.raw(method, url, body, robot)
                assert answer.status == 403, (method, url, answer.body)

    asyncio.run(main())
