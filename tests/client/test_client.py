"""The verbs, as they go over the wire and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest

from kube_edu.api.resources import by_plural
from kube_edu.api.status import ApiError, not_found
from kube_edu.client import ApiClient
from kube_edu.host import Request, Response
from kube_edu.sim import Simulation

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}}
UID = {**POD, "metadata": {**POD["metadata"], "uid": "u1"}}


class Wire:
    """An HttpClient that notes what is sent and answers what it was told to."""

    def __init__(self, *answers: Response) -> None:
        self.sent: list[Request] = []
        self._answers = list(answers)

    async def request(self, request: Request) -> Response:
        self.sent.append(request)
        if not self._answers:
            await asyncio.Event().wait()  # silence
        return self._answers.pop(0)

    async def close(self) -> None:
        pass


def play(story: Coroutine[Any, Any, Any]) -> Any:
    return Simulation(1).call(story, timeout=1000)


Call = Callable[[ApiClient], Coroutine[Any, Any, Any]]
CALLS: dict[str, tuple[Call, str]] = {
    "get": (lambda c: c.get("pods", "a", "shop"), "GET /api/v1/namespaces/shop/pods/a"),
    "get one's log": (
        lambda c: c.raw("GET", "/api/v1/namespaces/shop/pods/a/log", [("follow", "true")]),
        "GET /api/v1/namespaces/shop/pods/a/log?follow=true",
    ),
    "create": (lambda c: c.create(POD), "POST /api/v1/namespaces/shop/pods"),
    "bind": (
        lambda c: c.create({**POD, "kind": "Binding"}, resource="pods", subresource="binding"),
        "POST /api/v1/namespaces/shop/pods/a/binding",
    ),
    "update": (lambda c: c.update(POD), "PUT /api/v1/namespaces/shop/pods/a"),
    "update status": (
        lambda c: c.update(POD, subresource="status"),
        "PUT /api/v1/namespaces/shop/pods/a/status",
    ),
    "apply": (
        lambda c: c.patch("pods", "a", "shop", POD, kind="apply", field_manager="me", force=True),
        "PATCH /api/v1/namespaces/shop/pods/a?fieldManager=me&force=true",
    ),
    "scale": (
        lambda c: c.patch("deployments.apps", "a", "shop", {}, subresource="scale"),
        "PATCH /apis/apps/v1/namespaces/shop/deployments/a/scale",
    ),
    "delete": (lambda c: c.delete("nodes", "n"), "DELETE /api/v1/nodes/n"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_verb_is_a_method_and_a_path(name: str) -> None:
    call, expected = CALLS[name]
    wire = Wire(Response(body=POD))
    play(call(ApiClient(wire, "test")))
    (sent,) = wire.sent
    query = "&".join(f"{key}={value}" for key, value in sent.query)
    assert f"{sent.method} {sent.path}{'?' if query else ''}{query}" == expected
    assert sent.headers["user-agent"] == "test"


def test_a_patch_says_of_which_kind_it_is() -> None:
    for kind, content_type in {
        "merge": "application/merge-patch+json",
        "strategic": "application/strategic-merge-patch+json",
        "json": "application/json-patch+json",
        "apply": "application/apply-patch+yaml",
    }.items():
        wire = Wire(Response(body=POD))
        play(ApiClient(wire, "test").patch("pods", "a", "shop", {}, kind=kind))
        assert wire.sent[0].headers["content-type"] == content_type


def test_a_delete_says_which_object_it_means_and_how() -> None:
    wire = Wire(Response(body={}))
    play(ApiClient(wire, "test").delete_object(UID, propagation="Foreground", grace=0))
    assert wire.sent[0].body == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u1"},
        "propagationPolicy": "Foreground",
        "gracePeriodSeconds": 0,
    }


def test_deleting_what_is_gone_is_no_error() -> None:
    gone = not_found(by_plural("pods"), "a")
    play(ApiClient(Wire(Response(404, gone.status)), "test").delete_object(UID))


def test_a_refusal_is_an_error_with_the_servers_status() -> None:
    refusal = not_found(by_plural("pods"), "a").status
    with pytest.raises(ApiError) as caught:
        play(ApiClient(Wire(Response(404, refusal)), "test").get("pods", "a"))
    assert (caught.value.code, caught.value.reason) == (404, "NotFound")
    assert str(caught.value) == 'pods "a" not found'


def test_a_refusal_by_something_in_between_is_told_as_it_is() -> None:
    with pytest.raises(ApiError, match="bad gateway"):
        play(ApiClient(Wire(Response(502, b"bad gateway")), "test").get("pods", "a"))


def test_silence_is_a_broken_connection() -> None:
    with pytest.raises(ConnectionError, match="no answer within 60 s"):
        play(ApiClient(Wire(), "test").get("pods", "a"))


def test_items_of_a_list_have_their_kind_even_where_the_server_leaves_it_out() -> None:
    body = {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": [{"metadata": {}}]}
    found = play(ApiClient(Wire(Response(body=body)), "test").list("pods"))
    assert found["items"] == [{"apiVersion": "v1", "kind": "Pod", "metadata": {}}]
    empty = {**body, "items": None}  # as Go encodes an empty list
    assert play(ApiClient(Wire(Response(body=empty)), "test").list("pods"))["items"] == []


def test_a_watch_is_changes_in_order_and_ends_when_the_server_ends_it() -> None:
    async def messages() -> AsyncIterator[Any]:
        for type in ("ADDED", "DELETED"):
            yield {"type": type, "object": POD}

    async def story() -> list[tuple[str, Any]]:
        wire = Wire(Response(stream=messages()))
        async with aclosing(ApiClient(wire, "test").watch("pods", resource_version="7")) as stream:
            events = [event async for event in stream]
        (sent,) = wire.sent
        assert (sent.param("watch"), sent.param("resourceVersion")) == ("true", "7")
        assert sent.param("allowWatchBookmarks") == "true"
        return events

    assert play(story()) == [("ADDED", POD), ("DELETED", POD)]


def test_an_error_in_a_watch_is_raised() -> None:
    async def messages() -> AsyncIterator[Any]:
        yield {"type": "ERROR", "object": not_found(by_plural("pods"), "a").status}

    async def story() -> None:
        client = ApiClient(Wire(Response(stream=messages())), "test")
        async with aclosing(client.watch("pods")) as stream:
            async for _ in stream:
                pass

    with pytest.raises(ApiError):
        play(story())
