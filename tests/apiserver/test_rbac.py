"""Authorization: nobody may do anything that no role says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from kube_edu.api.meta import Object
from kube_edu.apiserver.authorization import Access
from kube_edu.apiserver.authorization.default_roles import default_objects
from kube_edu.apiserver.authorization.rbac import rule_allows
from kube_edu.apiserver.call import User
from kube_edu.host import Peer, Response
from tests.apiserver.fakes import World, config_map

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
REVIEWS = "/apis/authorization.k8s.io/v1"
ALICE = Peer(common_name="alice", organizations=("devs",))

_ALICE = User("alice")


def run(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World() as world:
            await scenario(world)

    asyncio.run(main())


def rule(verbs: str, resources: str, *names: str, groups: str = "") -> Object:
    found: Object = {
        "verbs": verbs.split(),
        "apiGroups": groups.split() or [""],
        "resources": resources.split(),
    }
    return found | ({"resourceNames": [*names]} if names else {})


def role(name: str, *rules: Object, namespace: str = "default") -> Object:
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    api_version = "rbac.authorization.k8s.io/v1"
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "rules": [*rules]}


def binding(name: str, role: str, *, namespace: str = "default", to: str = "User/alice") -> Object:
    kind, _, who = to.partition("/")
    api_group = "rbac.authorization.k8s.io"
    reference_kind = "Role" if namespace else "ClusterRole"
    return {
        "apiVersion": f"{api_group}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": name} | ({"namespace": namespace} if namespace else {}),
        "roleRef": {"apiGroup": api_group, "kind": reference_kind, "name": role},
        "subjects": [{"kind": kind, "name": who, "apiGroup": api_group}],
    }


async def give(world: World, obj: Object) -> Object:
    """Create a role or binding, and let the gate hear of it."""
    namespace = obj["metadata"].get("namespace")
    where = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
    created = await world.raw("POST", f"{where}/{obj['kind'].lower()}s", obj)
    assert created.status == 201, created.body
    for _ in range(20):
        await asyncio.sleep(0)
    return created.body  # type: ignore[no-any-return]


async def as_alice(world: World, method: str, url: str, body: Any = None) -> Response:
    return await world.raw(method, url, body, ALICE)


def test_a_rule_needs_verb_group_resource_and_name_at_once() -> None:
    access = Access(_ALICE, "get", "apps", "deployments", "", "default", "web")
    right = rule("get", "deployments", groups="apps")
    assert rule_allows(right, access)
    assert rule_allows(right | {"resourceNames": ["web"]}, access)
    assert rule_allows(rule("*", "*", groups="*"), access)
    for wrong in (
        rule("list", "deployments", groups="apps"),
        rule("get", "deployments"),
        rule("get", "deployments/status", groups="apps"),
        right | {"resourceNames": ["api"]},
        {"verbs": ["get"], "nonResourceURLs": ["*"]},
    ):
        assert not rule_allows(wrong, access)


def test_a_subresource_is_a_resource_of_its_own() -> None:
    access = Access(_ALICE, "get", "", "pods", "log", "default", "web")
    assert rule_allows(rule("get", "pods/log"), access)
    assert rule_allows(rule("get", "*/log"), access)
    assert not rule_allows(rule("get", "pods"), access)
    assert not rule_allows(rule("get", "pods/exec"), access)


def test_paths_match_whole_or_by_what_stands_before_a_star() -> None:
    healthz = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/apis/*"]}
    assert rule_allows(healthz, Access(_ALICE, "get", path="/healthz"))
    assert rule_allows(healthz, Access(_ALICE, "get", path="/apis/apps"))
    assert not rule_allows(healthz, Access(_ALICE, "get", path="/healthz/etcd"))
    assert not rule_allows(healthz, Access(_ALICE, "post", path="/healthz"))


def test_who_has_no_role_gets_nothing_and_is_told_what_was_forbidden() -> None:
    async def scenario(world: World) -> None:
        refused = await as_alice(world, "GET", f"{CONFIG_MAPS}/cm")
        assert refused.status == 403
        assert refused.body["message"] == (
            'configmaps "cm" is forbidden: User "alice" cannot get resource "configmaps" in API '
            'group "" in the namespace "default"'
        )
        everywhere = await as_alice(world, "GET", "/apis/apps/v1/deployments")
        assert everywhere.body["message"] == (
            'deployments.apps is forbidden: User "alice" cannot list resource "deployments" in '
            'API group "apps" at the cluster scope'
        )
        path = await as_alice(world, "GET", "/metrics")
        assert path.body["message"] == 'forbidden: User "alice" cannot get path "/metrics"'

    run(scenario)


def test_a_path_that_does_not_exist_is_forbidden_before_it_is_not_found() -> None:
    async def scenario(world: World) -> None:
        assert (await as_alice(world, "GET", "/api/v1/namespaces/default/unknowns")).status == 403
        assert (await world.raw("GET", "/api/v1/namespaces/default/unknowns")).status == 404

    run(scenario)


def test_a_role_counts_where_it_is_bound() -> None:
    async def scenario(world: World) -> None:
        await give(world, role("reader", rule("get list", "configmaps")))
        await give(world, binding("b", "reader"))
        assert (await as_alice(world, "GET", CONFIG_MAPS)).status == 200
        assert (await as_alice(world, "POST", CONFIG_MAPS, config_map())).status == 403
        elsewhere = "/api/v1/namespaces/kube-system/configmaps"
        assert (await as_alice(world, "GET", elsewhere)).status == 403
        assert (await as_alice(world, "GET", "/api/v1/configmaps")).status == 403

    run(scenario)


def test_a_cluster_role_binding_counts_everywhere_and_for_groups() -> None:
    async def scenario(world: World) -> None:
        await give(world, role("reader", rule("list", "configmaps"), namespace=""))
        await give(world, binding("b", "reader", namespace="", to="Group/devs"))
        assert (await as_alice(world, "GET", CONFIG_MAPS)).status == 200
        assert (await as_alice(world, "GET", "/api/v1/configmaps")).status == 200

    run(scenario)


def test_a_right_that_is_taken_away_is_gone() -> None:
    async def scenario(world: World) -> None:
        await give(world, role("reader", rule("list", "configmaps")))
        await give(world, binding("b", "reader"))
        assert (await as_alice(world, "GET", CONFIG_MAPS)).status == 200
        await world.ask("DELETE", f"{RBAC}/namespaces/default/rolebindings/b")
        for _ in range(20):
            await asyncio.sleep(0)
        assert (await as_alice(world, "GET", CONFIG_MAPS)).status == 403

    run(scenario)


def test_a_refusal_says_which_bound_role_is_missing() -> None:
    async def scenario(world: World) -> None:
        await give(world, binding("b", "gone"))
        refused = await as_alice(world, "GET", CONFIG_MAPS)
        assert refused.body["message"].endswith(
            ': RBAC: role.rbac.authorization.k8s.io "gone" not found'
        )

    run(scenario)


def test_nobody_can_give_what_he_has_not_got() -> None:
    async def scenario(world: World) -> None:
        may = rule("create update", "roles rolebindings", groups="rbac.authorization.k8s.io")
        await give(world, role("granter", may, rule("get", "pods")))
        await give(world, binding("b", "granter"))
        roles = f"{RBAC}/namespaces/default/roles"
        assert (await as_alice(world, "POST", roles, role("ok", rule("get", "pods")))).status == 201
        refused = await as_alice(world, "POST", roles, role("no", rule("get delete", "pods")))
        assert refused.status == 403
        assert refused.body["message"] == (
            'roles.rbac.authorization.k8s.io "no" is forbidden: user "alice" (groups=["devs" '
            '"system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
            '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}'
        )
        grown = role("granter", may, rule("*", "*", groups="*"))
        assert (await as_alice(world, "PUT", f"{roles}/granter", grown)).status == 403
        bindings = f"{RBAC}/namespaces/default/rolebindings"
        cluster_admin = binding("no", "cluster-admin")
        cluster_admin["roleRef"]["kind"] = "ClusterRole"
        assert (await as_alice(world, "POST", bindings, cluster_admin)).status == 403

    run(scenario)


def test_the_verbs_bind_and_escalate_are_the_way_around() -> None:
    async def scenario(world: World) -> None:
        group = "rbac.authorization.k8s.io"
        rules = [
            rule("create", "roles rolebindings", groups=group),
            rule("escalate", "roles", groups=group),
            rule("bind", "clusterroles", "view", groups=group),
        ]
        await give(world, role("granter", *rules))
        await give(world, binding("b", "granter"))
        where = f"{RBAC}/namespaces/default"
        strong = role("strong", rule("*", "*", groups="*"))
        assert (await as_alice(world, "POST", f"{where}/roles", strong)).status == 201
        for name, status in (("view", 201), ("system:node", 403)):
            bound = binding(name, name)
            bound["roleRef"]["kind"] = "ClusterRole"
            answer = await as_alice(world, "POST", f"{where}/rolebindings", bound)
            assert answer.status == status, answer.body

    run(scenario)


def test_reviews_tell_what_is_allowed_and_by_which_role() -> None:
    async def scenario(world: World) -> None:
        await give(world, role("reader", rule("list", "configmaps")))
        await give(world, binding("b", "reader"))
        about = {"verb": "list", "resource": "configmaps", "namespace": "default"}
        kind = {"apiVersion": "authorization.k8s.io/v1"}
        mine = {**kind, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": about}}
        answer = await as_alice(world, "POST", f"{REVIEWS}/selfsubjectaccessreviews", mine)
        assert answer.body["status"] == {
            "allowed": True,
            "reason": 'RBAC: allowed by RoleBinding "b/default" of Role "reader" to User "alice"',
        }
        spec = {"user": "alice", "resourceAttributes": {**about, "verb": "delete"}}
        hers = {**kind, "kind": "SubjectAccessReview", "spec": spec}
        url = f"{REVIEWS}/subjectaccessreviews"
        assert (await world.ask("POST", url, hers))["status"] == {"allowed": False}
        assert (await as_alice(world, "POST", url, hers)).status == 403
        rules = {**kind, "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}}
        told = await as_alice(world, "POST", f"{REVIEWS}/selfsubjectrulesreviews", rules)
        assert rule("list", "configmaps") in told.body["status"]["resourceRules"]
        assert told.body["status"]["incomplete"] is False
        node = Peer(common_name="system:node:n", organizations=("system:nodes",))
        told = await world.raw("POST", f"{REVIEWS}/selfsubjectrulesreviews", rules, node)
        why = "node authorizer doesn't support user rule resolution"
        assert told.body["status"]["incomplete"] is True
        assert told.body["status"]["evaluationError"] == why
        local = {**hers, "kind": "LocalSubjectAccessReview"}
        other = f"{REVIEWS}/namespaces/kube-system/localsubjectaccessreviews"
        assert (await world.raw("POST", other, local)).status == 400

    run(scenario)


def test_the_default_roles_are_well_formed_and_every_binding_has_its_role() -> None:
    objects = list(default_objects())
    names = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects}
    assert len(names) == len(objects)
    for obj in objects:
        reference = obj.get("roleRef")
        if reference:
            namespace = None if reference["kind"] == "ClusterRole" else obj["metadata"]["namespace"]
            assert (reference["kind"], namespace, reference["name"]) in names


def test_a_default_role_gets_back_what_it_lost() -> None:
    async def scenario(world: World) -> None:
        url = f"{RBAC}/clusterroles/system:basic-user"
        whole = await world.ask("GET", url)
        await world.ask("PUT", url, {**whole, "rules": []})
        await world.restart()
        assert (await world.ask("GET", url))["rules"] == whole["rules"]

    run(scenario)


def test_a_label_that_makes_a_role_part_of_another_gives_its_rights_away() -> None:
    async def scenario(world: World) -> None:
        roles = rule("update patch", "clusterroles", groups="rbac.authorization.k8s.io")
        await give(world, role("labeler", roles, namespace=""))
        await give(world, binding("b", "labeler", namespace=""))
        label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
        strong = f"{RBAC}/clusterroles/cluster-admin"
        refused = await as_alice(world, "PUT", strong, labelled(await world.ask("GET", strong)))
        assert "attempting to grant RBAC permissions not currently held" in refused.body["message"]
        own = f"{RBAC}/clusterroles/labeler"
        mine = labelled(await world.ask("GET", own))
        assert mine["metadata"]["labels"] == label
        assert (await as_alice(world, "PUT", own, mine)).status == 200
        view = f"{RBAC}/clusterroles/view"
        plain = {**await world.ask("GET", view), "aggregationRule": None}
        assert (
            "use the aggregationRule" in (await as_alice(world, "PUT", view, plain)).body["message"]
        )

    def labelled(role: Object) -> Object:
        label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
        return {**role, "metadata": {**role["metadata"], "labels": label}}

    run(scenario)


def test_to_create_by_a_put_takes_the_right_to_create() -> None:
    async def scenario(world: World) -> None:
        await give(world, role("updater", rule("update", "endpoints"), namespace=""))
        await give(world, binding("b", "updater", namespace=""))
        endpoints = {"metadata": {"name": "mine"}}
        url = "/api/v1/namespaces/default/endpoints/mine"
        refused = await as_alice(world, "PUT", url, endpoints)
        assert refused.body["message"] == (
            'endpoints "mine" is forbidden: User "alice" cannot create resource "endpoints" in API '
            'group "" in the namespace "default"'
        )
        assert (await world.raw("PUT", url, endpoints)).status == 201
        assert (await as_alice(world, "PUT", url, endpoints)).status == 200

    run(scenario)


def test_a_field_selector_names_an_object_only_for_who_selects() -> None:
    async def scenario(world: World) -> None:
        named = rule("create list watch deletecollection", "configmaps", "a")
        await give(world, role("of-one", named))
        await give(world, binding("b", "of-one"))
        one = f"{CONFIG_MAPS}?fieldSelector=metadata.name=a"
        assert (await as_alice(world, "GET", one)).status == 200
        assert (await as_alice(world, "DELETE", one)).status == 200
        assert (await as_alice(world, "POST", one, config_map("b"))).status == 403
        for selector in (
            "",
            "metadata.name!=a",
            "metadata.name=b",
            "metadata.name!=b\\,metadata.name=a",
        ):
            url = f"{CONFIG_MAPS}?fieldSelector={selector}"
            for method in ("GET", "DELETE"):
                assert (await as_alice(world, method, url)).status == 403, (method, selector)

    run(scenario)


def test_who_has_some_names_gives_away_no_more() -> None:
    async def scenario(world: World) -> None:
        roles = rule("create", "roles", groups="rbac.authorization.k8s.io")
        await give(world, role("maker", roles, rule("get", "secrets", "a", "")))
        await give(world, binding("b", "maker"))
        url = f"{RBAC}/namespaces/default/roles"
        for name, names, status in (("x", ["a"], 201), ("y", ["b"], 403), ("z", [], 403)):
            answer = await as_alice(world, "POST", url, role(name, rule("get", "secrets", *names)))
            assert answer.status == status, (names, answer.body)

    run(scenario)


def test_a_rule_is_for_resources_or_for_paths() -> None:
    async def scenario(world: World) -> None:
        paths = {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}
        for wrong, why in (
            (role("a", paths), "namespaced rules cannot apply to non-resource URLs"),
            (role("b", {**paths, **rule("get", "pods")}, namespace=""), "cannot apply to both"),
            (role("c", {"verbs": ["get"]}), "must supply at least one api group"),
        ):
            where = RBAC + ("/namespaces/default" if "namespace" in wrong["metadata"] else "")
            refused = await world.raw("POST", f"{where}/{wrong['kind'].lower()}s", wrong)
            assert refused.status == 422 and why in refused.body["message"]

    run(scenario)


def test_nobody_adds_himself_to_a_binding_of_more_than_he_has_in_whatever_form() -> None:
    async def scenario(world: World) -> None:
        bindings = rule("update patch", "clusterrolebindings", groups="rbac.authorization.k8s.io")
        await give(world, role("writer", bindings, namespace=""))
        await give(world, binding("b", "writer", namespace=""))
        at = f"{RBAC}/clusterrolebindings/cluster-admin"
        me = {"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}
        whole = await world.ask("GET", at)
        for method, kind, body in (
            ("PUT", "json", {**whole, "subjects": [me]}),
            ("PATCH", "merge-patch+json", {"subjects": [me]}),
            ("PATCH", "strategic-merge-patch+json", {"subjects": [me]}),
            ("PATCH", "json-patch+json", [{"op": "add", "path": "/subjects/-", "value": me}]),
            ("PATCH", "merge-patch+json", {"roleRef": {"name": "view"}, "subjects": [me]}),
        ):
            data = json.dumps(body).encode()
            content_type = f"application/{kind}"
            answer = await world.raw(method, at, data, ALICE, content_type=content_type)
            assert answer.status in (403, 422), (kind, answer.body)
        assert await world.ask("GET", at) == whole
        bind = rule("bind", "clusterroles", "cluster-admin", groups="rbac.authorization.k8s.io")
        await give(world, role("binder", bind, namespace=""))
        await give(world, binding("c", "binder", namespace=""))
        assert (await as_alice(world, "PUT", at, {**whole, "subjects": [me]})).status == 200

    run(scenario)
