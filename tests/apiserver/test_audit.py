"""The audit log: what a policy asks to know, and no more."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from kube_edu.api.meta import Object
from kube_edu.host import Peer
from tests.apiserver.fakes import World, config_map, pod

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
ALICE = Peer("10.0.0.9", "alice", ("devs",))


def logged(*rules: Object, asks: Any, **policy: Any) -> list[Object]:
    """The events of what `asks` does."""
    log: list[Object] = []

    async def main() -> None:
        policy_object = {"rules": [*rules], **policy}
        async with World(audit_policy=policy_object, audit_log=log.append) as world:
            log.clear()
            await asks(world)

    asyncio.run(main())
    return log


async def creates(world: World) -> None:
    await world.ask("POST", CONFIG_MAPS, config_map(a="1"))


async def is_refused(world: World) -> None:
    await world.raw("GET", f"{CONFIG_MAPS}/cm", peer=ALICE)


def test_metadata_says_who_did_what_and_what_came_of_it() -> None:
    received, complete = logged({"level": "Metadata"}, asks=creates)
    assert received["stage"] == "RequestReceived" and complete["stage"] == "ResponseComplete"
    assert received["auditID"] == complete["auditID"]
    assert complete["verb"] == "create" and complete["user"]["username"] == "kubernetes-admin"
    assert complete["objectRef"] == {
        "resource": "configmaps",
        "namespace": "default",
        "apiVersion": "v1",
    }
    assert complete["responseStatus"]["code"] == 201
    assert complete["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert "requestObject" not in complete


def test_request_and_response_are_shown_at_their_levels() -> None:
    *_, request = logged({"level": "Request"}, asks=creates)
    assert request["requestObject"]["data"] == {"a": "1"} and "responseObject" not in request
    *_, both = logged({"level": "RequestResponse"}, asks=creates)
    assert both["responseObject"]["metadata"]["uid"]


def test_the_first_rule_that_matches_counts() -> None:
    secret = {"level": "None", "resources": [{"group": "", "resources": ["configmaps"]}]}
    assert logged(secret, {"level": "Metadata"}, asks=creates) == []
    other = {"level": "None", "users": ["bob"]}
    assert len(logged(other, {"level": "Metadata"}, asks=creates)) == 2
    assert logged({"level": "Metadata", "verbs": ["delete"]}, asks=creates) == []


def test_a_refusal_is_on_record_and_stages_can_be_left_out() -> None:
    events = logged({"level": "Metadata"}, asks=is_refused, omitStages=["RequestReceived"])
    assert [event["stage"] for event in events] == ["ResponseComplete"]
    assert events[0]["responseStatus"]["reason"] == "Forbidden"
    assert events[0]["sourceIPs"] == ["10.0.0.9"]
    assert events[0]["annotations"]["authorization.k8s.io/decision"] == "forbid"


def test_who_impersonates_is_named_with_whom() -> None:
    async def acts(world: World) -> None:
        await world.raw("GET", CONFIG_MAPS, impersonate_user="alice")

    event = logged({"level": "Metadata"}, asks=acts)[-1]
    assert event["user"]["username"] == "kubernetes-admin"
    assert event["impersonatedUser"]["username"] == "alice"


def test_pod_security_notes_what_it_would_have_refused() -> None:
    async def runs(world: World) -> None:
        label = {"pod-security.kubernetes.io/audit": "baseline"}
        await world.patch("/api/v1/namespaces/default", {"metadata": {"labels": label}})
        await world.ask("POST", "/api/v1/namespaces/default/pods", pod(hostNetwork=True))

    event = logged({"level": "Metadata"}, asks=runs)[-1]
    assert event["annotations"]["pod-security.kubernetes.io/audit-violations"] == (
        'would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    )


def test_a_token_that_is_not_valid_is_on_record() -> None:
    async def acts(world: World) -> None:
        stranger = Peer("10.0.0.9")
        await world.raw("GET", CONFIG_MAPS, peer=stranger, authorization="Bearer nonsense")

    received, complete = logged({"level": "Metadata"}, asks=acts)
    assert complete["responseStatus"]["code"] == 401 and complete["sourceIPs"] == ["10.0.0.9"]
    assert received["user"]["username"] == ""
    assert "nonsense" not in str([received, complete])


def test_a_secret_does_not_reach_the_log_at_metadata() -> None:
    async def acts(world: World) -> None:
        secrets = "/api/v1/namespaces/default/secrets"
        secret = {"metadata": {"name": "s"}, "stringData": {"a": "hunter2"}}
        await world.ask("POST", secrets, secret)
        await world.ask("GET", f"{secrets}/s")
        await world.patch(f"{secrets}/s", {"data": {"a": "(hunter2)"}})
        await world.ask("DELETE", f"{secrets}/s")

    log = str(logged({"level": "Metadata"}, asks=acts))
    assert "hunter2" not in log and base64.b64encode(b"hunter2").decode() not in log


def test_a_request_in_protobuf_is_shown_as_the_object_that_it_is() -> None:
    unknown = b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x06\x0a\x04\x0a\x02cm"

    async def acts(world: World) -> None:
        kind = "application/vnd.kubernetes.protobuf"
        await world.ask("POST", CONFIG_MAPS, b"k8s\x00" + unknown, content_type=kind)

    *_, event = logged({"level": "Request"}, asks=acts)
    assert event["requestObject"]["metadata"] == {"name": "cm"}


def test_a_watch_is_on_record_when_it_begins_and_when_it_ends() -> None:
    async def acts(world: World) -> None:
        watch = await world.raw("GET", f"{CONFIG_MAPS}?watch=true&resourceVersion=0")
        assert watch.stream is not None
        await world.ask("POST", CONFIG_MAPS, config_map())
        await anext(watch.stream)
        await watch.close()
        await watch.close()

    events = logged({"level": "Metadata", "verbs": ["watch"]}, asks=acts)
    assert [event["stage"] for event in events] == [
        "RequestReceived", "ResponseStarted", "ResponseComplete",
    ]  # fmt: skip
