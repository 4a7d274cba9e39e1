"""Calling as a service account: with a token, asked for when it is needed and renewed in time.

So each controller of the controller manager has rights of its own, no more than it needs
(kubernetes, pkg/controller's DynamicClientBuilder; --use-service-account-credentials).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client.client import ApiClient
from kube_edu.host import HttpClient, Request, Response

LIFETIME = 3600
RENEW_AFTER = 0.8
"""Of its lifetime, like the kubelet's projected tokens."""


class ServiceAccountClient:
    """Implements `kube_edu.host.HttpClient` over one that shows no certificate. `root` may create
    the account and ask for its tokens."""

    def __init__(self, root: ApiClient, http: HttpClient, namespace: str, name: str) -> None:
        self._root = root
        self._http = http
        self._account: Object = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace},
        }
        self._token = ""
        self._renew_at = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def request(self, request: Request) -> Response:
        async with self._one_at_a_time:
            if asyncio.get_running_loop().time() >= self._renew_at:
                await self._renew()
        headers = {**request.headers, "authorization": f"Bearer {self._token}"}
        response = await self._http.request(replace(request, headers=headers))
        if response.status == 401:
            self._renew_at = 0.0  # the account was deleted: the next request makes it anew
        return response

    async def close(self) -> None:
        await self._http.close()

    async def _renew(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        try:
            self._token = await self._ask()
        except ApiError as error:
            if error.code != 404:
                raise
            await self._create()
            self._token = await self._ask()
        self._renew_at = asked_at + RENEW_AFTER * LIFETIME

    async def _create(self) -> None:
        try:
            await self._root.create(self._account)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _ask(self) -> str:
        account = self._account["metadata"]
        spec = {"expirationSeconds": LIFETIME}
        return await self._root.create_token(account["name"], account["namespace"], spec)
