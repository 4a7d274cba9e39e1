"""Who has no rights obtains nothing, however he asks."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import yaml

from kube_edu.api.meta import clone
from kube_edu.api.resources import RESOURCES, resource_of
from kube_edu.etcd.messages import RangeRequest
from kube_edu.host import Peer, Response
from tests.apiserver.fakes import World, config_map, pod

NS = "/api/v1/namespaces/default"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "get")
NAMES = ("", "web", "default", "kube-system", "system:node", "cluster-admin", "..", "%2e%2e", "*")
NAMESPACES = ("", "default", "kube-system", "nowhere", "..")
SUBRESOURCES = (
    "", "status", "log", "exec", "token", "binding", "scale", "approval", "finalize", "eviction",
    "ephemeralcontainers", "proxy", "resize", "x",
)  # fmt: skip
QUERIES = (
    "", "watch=true", "watch=0&watch=1", "fieldSelector=metadata.name=web", "limit=1", "dryRun=All",
    "as=Table", "resourceVersion=0", "sendInitialEvents=true&watch=1", "limit=1&limit=500",
    "fieldSelector=spec.nodeName=ghost", "namespace=kube-system", "timeoutSeconds=1&watch=true",
)  # fmt: skip
HEADERS = (
    {},
    {"authorization": "Basic YWRtaW46YWRtaW4="},
    {"authorization": "Bearer "},
    {"authorization": "bearer e30.e30."},
    {"x_remote_user": "admin", "x_remote_group": "system:masters"},
    {"x_remote_extra_scopes": "all", "x_forwarded_for": "127.0.0.1"},
    {"impersonate_user": "system:admin", "impersonate_group": "system:masters"},
    {"impersonate_group": "system:masters"},
    {"impersonate_user": "mallory", "impersonate_extra_a": "b"},
    {"impersonateuser": "system:admin", "x_impersonate_user": "system:admin"},
    {"x_http_method_override": "GET", "x_original_url": "/healthz"},
    {"accept": "application/json;as=Table;g=meta.k8s.io;v=v1"},
    {"accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"},
    {"content_type": "application/apply-patch+yaml"},
    {"content_type": "application/json-patch+json"},
)
PEERS = (
    Peer("10.0.0.9"),
    Peer("10.0.0.9", "mallory", ("system:authenticated",)),
    Peer("10.0.0.9", "system:node:ghost"),  # without the group, no node
    Peer("10.0.0.9", "system:node:ghost", ("system:nodes",)),  # a node, of no pods
    Peer("10.0.0.9", "system:nodes", ("system:nodes",)),
    Peer("10.0.0.9", "system:masters"),  # a name is no group
    Peer("10.0.0.9", "mallory", ("system:masters ", "System:Masters")),
    Peer("10.0.0.9", "", ("system:masters",)),  # a group is no name
    Peer("10.0.0.9", "system:serviceaccount:default:robot", ("system:serviceaccounts",)),
    Peer("10.0.0.9", "system:bootstrap:abcdef", ("system:bootstrappers",)),
)
BODIES = (None, {}, pod("x"), config_map("x"), b"{", [], "text", [{"op": "test"}])
PATHS = (
    "/metrics", "/openapi/v2", "/debug/pprof", "/logs/", "/.well-known/openid-configuration",
    "/openid/v1/jwks", "/", "//", "/api/..", "/apis/../metrics", "/healthz/../metrics",
)  # fmt: skip
SPELLINGS: tuple[Callable[[str], str], ...] = (
    *[lambda path: path] * 8,
    lambda path: path.replace("/", "//"),
    lambda path: path.replace("/", "/./"),
    lambda path: path + "/",
    lambda path: path.upper(),
    lambda path: path.replace("/", "%2f"),
    lambda path: "/healthz/.." + path,
    lambda path: "/version" + path,
    lambda path: path + ";/healthz",
    lambda path: path + "%00",
    lambda path: path.replace("namespaces/", "watch/namespaces/"),
)
MARK = "hunter2"


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
    path = random.choice(PATHS) if random.random() < 0.1 else "/" + "/".join(parts)
    query = random.choice(QUERIES)
    return random.choice(SPELLINGS)(path) + (f"?{query}" if query else "")


@pytest.mark.seeds(3)
def test_random_requests_without_rights_obtain_nothing(seed: int) -> None:
    random = Random(seed)

    async def main() -> None:
        async with World() as world:
            await world.ask("POST", f"{NS}/pods", pod())
            secret = {"metadata": {"name": "web", "labels": {"a": MARK}}, "stringData": {"a": MARK}}
            await world.ask("POST", f"{NS}/secrets", secret)
            before = world.etcd.revision
            for _ in range(900):
                method, url, peer = random.choice(METHODS), urls(random), random.choice(PEERS)
                headers, body = random.choice(HEADERS), random.choice(BODIES)
                asked = (method, url, peer, headers)
                answer = await world.raw(method, url, body, peer, **headers)
                assert MARK not in str(answer.body), asked
                if answer.status < 400:
                    assert _is_public(method, url, peer, answer), (asked, answer.body)
                await answer.close()
                assert answer.status != 500 or "impersonat" in str(answer.body), asked
            assert world.etcd.revision == before

    asyncio.run(main())


# What every kubelet may read, whatever runs on its node (the role system:node).
OPEN_TO_NODES = ("services", "csidrivers", "runtimeclasses", "certificatesigningrequests",
                 "endpoints")  # fmt: skip


def _is_public(method: str, url: str, peer: Peer, answer: Response) -> bool:
    """Discovery, health, or a question about oneself; and what it takes to be a node."""
    kind = answer.body.get("kind", "") if isinstance(answer.body, dict) else ""
    if method == "POST":
        return kind.startswith("SelfSubject")
    about_pods_of_its_own = "fieldSelector=spec.nodeName=ghost" in url
    if peer.organizations == ("system:nodes",) and peer.common_name == "system:node:ghost":
        path = url.partition("?")[0]
        if any(plural in path for plural in OPEN_TO_NODES) or about_pods_of_its_own:
            return True
    return method in ("GET", "get") and kind in ("", "APIVersions", "APIGroup", "APIGroupList",
                                        "APIResourceList", "APIGroupDiscoveryList") and (
        answer.stream is None)  # fmt: skip


USUAL = ("ConfigMap", "Deployment", "Lease", "Pod", "Secret", "Service", "ServiceAccount")
ALICE = Peer("10.0.0.9", "alice", ("devs",))


@pytest.mark.seeds(3)
def test_who_may_edit_one_namespace_changes_and_reads_nothing_outside(seed: int) -> None:
    """With good objects of every kind, sent to any door, that say they belong elsewhere."""
    random = Random(seed)
    examples = list(yaml.safe_load_all((Path(__file__).parent / "kinds.yaml").read_text()))
    usual = [example for example in examples if example["kind"] in USUAL]

    async def main() -> None:
        async with World() as world:
            for namespace in ("default", "kube-system"):
                secret = {"metadata": {"name": "web"}, "stringData": {"a": namespace}}
                at = f"/api/v1/namespaces/{namespace}"
                await world.ask("POST", f"{at}/secrets", secret)
                await world.ask("POST", f"{at}/pods", pod(serviceAccountName="robot"))
                await world.ask("POST", f"{at}/serviceaccounts", {"metadata": {"name": "robot"}})
            group = "rbac.authorization.k8s.io"
            edit = {
                "metadata": {"name": "alice"},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "edit"},
                "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}],
            }
            # The controller that would fill the role is not there.
            roles = f"/apis/{group}/v1/clusterroles"
            rules = [
                rule
                for part in ("edit", "view")
                for rule in (await world.ask("GET", f"{roles}/system:aggregate-to-{part}"))["rules"]
            ]
            role = await world.ask("GET", f"{roles}/edit")
            await world.ask("PUT", f"{roles}/edit", {**role, "rules": rules})
            await world.ask("POST", f"/apis/{group}/v1/namespaces/default/rolebindings", edit)
            for _ in range(20):
                await asyncio.sleep(0)
            before, allowed = outside(world), 0
            for _ in range(900):
                method = random.choice(("GET", "POST", "POST", "PUT", "PATCH", "DELETE"))
                example = clone(random.choice(random.choice((examples, usual))))
                resource = resource_of(example)
                example["metadata"] |= random.choice(({}, {}, {"namespace": "kube-system"}))
                name = random.choice(("x", "x", "web", "robot", "", "edit"))
                doors = random.choice(((), (), resource.subresources)) if name else ()
                if method == "POST" and not doors:
                    name = ""
                where = random.choice(("default", "default", "kube-system", ""))
                path = resource.path(where, name, random.choice(doors or ("",)))
                query = random.choice(("", "", "?fieldSelector=metadata.name=web", "?watch=true"))
                url = random.choice((path, path, random.choice(SPELLINGS)(path))) + query
                asked = (method, url, example)
                kind = random.choice(("json", "merge-patch+json"))
                body = None if method == "DELETE" else example
                content_type = f"application/{kind}"
                answer = await world.raw(method, url, body, ALICE, content_type=content_type)
                allowed += answer.status < 400
                assert KUBE_SYSTEM not in str(answer.body), asked
                assert answer.status < 500, (asked, answer.body)
                await answer.close()
            assert allowed > 20
            assert outside(world) == before

    asyncio.run(main())


KUBE_SYSTEM = base64.b64encode(b"kube-system").decode()


def outside(world: World) -> dict[str, int]:
    """The revisions of all that is stored but for what is in the namespace `default`, or what
    its Services have claimed."""
    found = world.etcd.state.apply(RangeRequest(b"\0", b"\0")).kvs
    return {
        key: kv.mod_revision
        for kv in found
        if "/default/" not in (key := kv.key.decode()) and "/ipaddresses/" not in key
    }


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
