"""The gate: authentication, authorization and admission of one API server, put together.

What it has to know of the cluster it reads as any component does, from informers; only that its
client goes straight to the resources, past the gate itself (upstream's loopback client).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kube_edu.api.meta import Object
from kube_edu.apiserver.admission import WATCHED, Admission, Attributes, Plugin
from kube_edu.apiserver.audit import audit
from kube_edu.apiserver.authentication import Authentication, TokenAuthenticator, token_file
from kube_edu.apiserver.authentication.bootstrap_tokens import bootstrap_tokens
from kube_edu.apiserver.authentication.oidc import oidc
from kube_edu.apiserver.authentication.serviceaccounts import Lookup, ServiceAccountTokens
from kube_edu.apiserver.authorization import MASTERS, Access, Authorizer, Decision, union
from kube_edu.apiserver.authorization.bootstrap import ensure_default_roles
from kube_edu.apiserver.authorization.default_roles import default_objects
from kube_edu.apiserver.authorization.escalation import EscalationCheck
from kube_edu.apiserver.authorization.node import NodeAuthorizer
from kube_edu.apiserver.authorization.rbac import Allows, Rbac
from kube_edu.apiserver.authorization.reviews import Reviews
from kube_edu.apiserver.call import Call, User
from kube_edu.apiserver.codec import read_object
from kube_edu.apiserver.fairness import Fairness
from kube_edu.apiserver.filters import (
    Filter,
    Next,
    authenticate,
    authorize,
    chain,
    recover,
    refuse,
    request_info,
    trace,
)
from kube_edu.apiserver.impersonation import impersonate
from kube_edu.apiserver.options import Options
from kube_edu.client import ApiClient, Informers
from kube_edu.host import Host, Request, Response, decoded

MYSELF = User("system:apiserver", (MASTERS,))


class Gate:
    """What stands between a request and the resources, which `serve` answers for."""

    def __init__(
        self,
        host: Host,
        options: Options,
        serve: Next,
        lookup: Lookup,
        allows: Allows,
        mutating: Sequence[Plugin],
        validating: Sequence[Plugin],
    ) -> None:
        self._host = host
        self._client = ApiClient(Loopback(serve), "kube-apiserver")
        self._informers = Informers(self._client, host)
        self._open = asyncio.Event()
        self.tokens = ServiceAccountTokens(host, options.signer, options.issuer, lookup)
        audiences = [options.issuer]
        authentication = Authentication(self._authenticators(options, lookup, audiences), audiences)
        self.rbac = Rbac(self._informers, allows)
        node = NodeAuthorizer(lookup, self._pods_on)
        self.authorize = union((self._wait, node.authorize, self.rbac.authorize))
        self.reviews = Reviews(host, authentication, self.authorize, self.rbac)
        cluster = ClusterView(
            self._informers, lookup, self.authorize, self.rbac, self._client, host
        )
        self.admission = Admission(cluster, mutating, validating, explain=options.explain)
        record = audit(host, options.audit_policy, options.audit_log)
        stages: tuple[Filter, ...] = (
            trace(host),
            recover,
            request_info,
            authenticate(authentication, chain((record,), refuse)),
            record,
            impersonate(self.authorize),
            Fairness().filter,
            authorize(self.authorize),
        )
        self.handle = chain(stages, serve)

    async def run(self) -> None:
        """Follow what the gate has to know."""
        await self._informers.run()

    async def open(self) -> None:
        """Let requests in, once the default roles are there and known."""
        await ensure_default_roles(self._client)
        await self._informers.synced()
        while not all(self.rbac.knows(role) for role in default_objects()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the watches are on their way
        self._open.set()

    async def token(self, call: Call) -> Object:
        """Answer a TokenRequest."""
        request = read_object(call, "authentication.k8s.io/v1", "TokenRequest")
        where = (call.target, call.namespace, call.name)
        attributes = Attributes("create", *where, request, None, call.user, call.subresource)
        await self.admission.mutate(attributes)
        await self.admission.validate(attributes)
        return await self.tokens.issue(call.namespace, call.name, request)

    def _authenticators(
        self, options: Options, lookup: Lookup, audiences: Sequence[str]
    ) -> list[TokenAuthenticator]:
        found = [
            token_file(options.tokens, audiences),
            self.tokens.authenticate,
            bootstrap_tokens(self._host, lookup, audiences),
        ]
        if options.oidc is not None:
            found.append(oidc(self._host, options.oidc, audiences))
        return found

    async def _wait(self, access: Access) -> Decision:
        """Who comes before the roles are known waits, where the real API server refuses."""
        await self._open.wait()
        return Decision(False)

    async def _pods_on(self, node: str) -> Sequence[Object]:
        fields = f"spec.nodeName={node}"
        found = await self._client.list("pods", fields=fields, resource_version="0")
        pods: list[Object] = found["items"]
        return pods


class ClusterView:
    """Implements `kube_edu.apiserver.admission.Cluster`."""

    def __init__(
        self,
        informers: Informers,
        lookup: Lookup,
        authorize: Authorizer,
        rbac: Rbac,
        client: ApiClient,
        host: Host,
    ) -> None:
        self.random = host.random
        self.client = client
        self.booking: Mapping[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._lookup = lookup
        self._authorize = authorize
        self._escalation = EscalationCheck(rbac, authorize)
        self._informers = {plural: informers(plural) for plural in WATCHED}

    async def find(self, plural: str, namespace: str, name: str) -> Object | None:
        return await self._lookup(plural, namespace, name)

    def list(self, plural: str, namespace: str = "") -> list[Object]:
        return self._informers[plural].list(namespace)

    async def may(self, access: Access) -> bool:
        return (await self._authorize(access)).allowed

    async def check_escalation(self, user: User, new: Object, old: Object | None) -> None:
        await self._escalation.check(user, new, old)


class Loopback:
    """A client of the API server in its own process. Implements `kube_edu.host.HttpClient`."""

    def __init__(self, serve: Next) -> None:
        self._handle = chain((recover, request_info), serve)

    async def request(self, request: Request) -> Response:
        answer = await self._handle(Call(request, user=MYSELF))
        stream = _messages(answer) if answer.stream is not None else None
        return replace(answer, body=decoded(answer.body), stream=stream)

    async def close(self) -> None:
        """There is no connection."""


async def _messages(answer: Response) -> AsyncGenerator[Any, None]:
    assert answer.stream is not None
    try:
        async for message in answer.stream:
            yield decoded(message)
    finally:
        await answer.close()
