"""A client of the Kubernetes API: one method a verb.

Objects go in and out as plain dicts. What comes out may be shared with the rest of the program
(in the simulation even with the server), so copy before you change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from kube_edu.api.meta import Object
from kube_edu.api.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kube_edu.api.resources import Resource, by_plural, resource_of
from kube_edu.api.status import ApiError
from kube_edu.host import HttpClient, Request, Response

PATCH_TYPES = {
    "json": JSON_PATCH,
    "merge": MERGE_PATCH,
    "strategic": STRATEGIC_MERGE_PATCH,
    "apply": "application/apply-patch+yaml",
}

Query = list[tuple[str, str]]


class ApiClient:
    """The verbs of the API over an HTTP client.

    A `resource` is a plural name of the resource table ("pods", "deployments.apps") or a row of
    it. A refusal raises ApiError with the server's Status. ConnectionError means that no answer
    came, broken connection or silence of `timeout` seconds alike: a write may or may not have
    been done.
    """

    def __init__(
        self,
        http: HttpClient,
        user_agent: str,
        *,
        timeout: float = 60.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`headers` go with every request."""
        self._http = http
        self._user_agent = user_agent
        self._timeout = timeout
        self._headers = headers or {}

    def with_headers(self, **headers: str) -> ApiClient:
        """This client, sending these headers too ("_" in a name stands for "-")."""
        named = {name.replace("_", "-"): value for name, value in headers.items() if value}
        all_headers = {**self._headers, **named}
        return ApiClient(self._http, self._user_agent, timeout=self._timeout, headers=all_headers)

    async def get(
        self, resource: str | Resource, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        return await self._call("GET", _path(resource, namespace, name, subresource))

    async def find(self, resource: str | Resource, name: str, namespace: str = "") -> Object | None:
        """An object, or None when there is none."""
        try:
            return await self.get(resource, name, namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    async def list(
        self,
        resource: str | Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
    ) -> Object:
        """The List object. Without a `resource_version` the newest state; with one, any state
        that is not older ("0" is whatever the server has at hand)."""
        query = _query(labelSelector=labels, fieldSelector=fields, resourceVersion=resource_version)
        found = await self._call("GET", _path(resource, namespace), query)
        return {**found, "items": _typed_items(found)}

    async def watch(
        self,
        resource: str | Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout_seconds: int = 0,
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """Changes after `resource_version`, as (type, object): ADDED, MODIFIED, DELETED, and
        BOOKMARK, whose object has nothing but a newer resourceVersion.

        Ends when the server ends the watch; an ERROR event raises ApiError. Use it within
        `contextlib.aclosing`, so that the server hears when you stop reading.
        """
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            labelSelector=labels,
            fieldSelector=fields,
            resourceVersion=resource_version,
            timeoutSeconds=str(timeout_seconds) if timeout_seconds else "",
        )
        response = await self.raw("GET", _path(resource, namespace), query)
        assert response.stream is not None, "a watch is answered with a stream"
        try:
            async for event in response.stream:
                if event["type"] == "ERROR":
                    raise ApiError(event["object"])
                yield event["type"], event["object"]
        finally:
            await response.close()

    async def create(
        self, obj: Object, *, resource: str | Resource = "", subresource: str = ""
    ) -> Object:
        """Create an object; or post to a subresource, which needs the `resource` named, as the
        object is of another kind: `create(binding, resource="pods", subresource="binding")`."""
        resource = resource or resource_of(obj)
        meta = obj["metadata"]
        name = meta["name"] if subresource else ""
        path = _path(resource, meta.get("namespace", ""), name, subresource)
        return await self._call("POST", path, body=obj)

    async def create_token(self, account: str, namespace: str, spec: Object) -> str:
        """A token of a service account; `spec` is that of a TokenRequest."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"name": account, "namespace": namespace},
            "spec": spec,
        }
        answer = await self.create(request, resource="serviceaccounts", subresource="token")
        return str(answer["status"]["token"])

    async def update(self, obj: Object, *, subresource: str = "") -> Object:
        """Replace an object, if it still has the resourceVersion that `obj` has."""
        resource = resource_of(obj)
        meta = obj["metadata"]
        path = _path(resource, meta.get("namespace", ""), meta["name"], subresource)
        return await self._call("PUT", path, body=obj)

    async def patch(
        self,
        resource: str | Resource,
        name: str,
        namespace: str,
        patch: Any,
        *,
        kind: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        """Change part of an object; `kind` is one of PATCH_TYPES."""
        query = _query(fieldManager=field_manager, force="true" if force else "")
        path = _path(resource, namespace, name, subresource)
        headers = {"content-type": PATCH_TYPES[kind]}
        return await self._call("PATCH", path, query, patch, headers)

    async def delete(
        self,
        resource: str | Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        propagation: str = "",
        grace: int | None = None,
    ) -> Object:
        """Delete an object, if it still has that `uid`. `propagation` is Background, Foreground
        or Orphan; `grace` the seconds that a pod has to stop."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if propagation:
            options["propagationPolicy"] = propagation
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        return await self._call("DELETE", _path(resource, namespace, name), body=options)

    async def delete_object(
        self, obj: Object, *, propagation: str = "", grace: int | None = None
    ) -> None:
        """Delete this very object, by its uid; all is well if it is gone already."""
        resource, meta = resource_of(obj), obj["metadata"]
        name, namespace, uid = meta["name"], meta.get("namespace", ""), meta["uid"]
        try:
            await self.delete(
                resource, name, namespace, uid=uid, propagation=propagation, grace=grace
            )
        except ApiError as error:
            if error.code != 404:
                raise

    async def raw(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Any request, and the response as it comes: for logs, discovery, health."""
        request = Request(
            method,
            path,
            tuple(query or ()),
            {
                "user-agent": self._user_agent,
                "accept": "application/json",
                **self._headers,
                **(headers or {}),
            },
            body,
        )
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._http.request(request)
        except TimeoutError:
            silence = f"{method} {path}: no answer within {self._timeout:g} s"
            raise ConnectionError(silence) from None
        if response.status >= 400:
            raise ApiError(_status(response))
        return response

    async def close(self) -> None:
        await self._http.close()

    async def _call(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Object:
        if body is not None:
            headers = {"content-type": "application/json", **(headers or {})}
        answer: Object = (await self.raw(method, path, query, body, headers)).body
        return answer


def _path(
    resource: str | Resource, namespace: str = "", name: str = "", subresource: str = ""
) -> str:
    row = by_plural(resource) if isinstance(resource, str) else resource
    return row.path(namespace, name, subresource)


def _query(**parameters: str) -> Query:
    return [(name, value) for name, value in parameters.items() if value]


def _typed_items(found: Object) -> list[Object]:
    """The items of a list, each with its apiVersion and kind, which a real API server leaves
    out where the list's own kind says it."""
    kind = {"apiVersion": found["apiVersion"], "kind": found["kind"].removesuffix("List")}
    return [item if "kind" in item else {**kind, **item} for item in found["items"] or ()]


def _status(response: Response) -> Object:
    """The Status of a refusal; something in between (a proxy) may answer in plain text."""
    body = response.body
    if isinstance(body, dict) and body.get("kind") == "Status":
        return body
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "message": f"the server answered {response.status}: {body!r}",
        "reason": "InternalError",
        "code": response.status,
    }
