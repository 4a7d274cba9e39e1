"""kube-proxy itself: watch Services and EndpointSlices, and keep this node's rules up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, Informers
from kube_edu.host import Host
from kube_edu.proxy.model import ServicePort, service_ports

MIN_SYNC_PERIOD = 1.0
"""Seconds between two syncs: a burst of changes is one (--iptables-min-sync-period)."""

RETRY_SECONDS = 30.0
"""After a sync that failed (--iptables-sync-period)."""


class Proxier(Protocol):
    """One mode of kube-proxy: `iptables.Proxier` or `userspace.Proxier`."""

    mode: str

    async def sync(self, services: Sequence[ServicePort]) -> int:
        """Make the node proxy exactly these service ports; returns how many rules that took.
        Raises ValueError or OSError when the rules were not accepted."""


class KubeProxy:
    """Every sync renders the whole state anew: what was missed or lost does not matter."""

    def __init__(
        self,
        host: Host,
        client: ApiClient,
        proxier: Proxier,
        *,
        min_sync_period: float = MIN_SYNC_PERIOD,
    ) -> None:
        self._host = host
        self._proxier = proxier
        self._min_sync_period = min_sync_period
        self._changed = asyncio.Event()
        self._informers = Informers(client, host)
        self._services = self._informers("services")
        self._slices = self._informers("endpointslices")
        self._services.on_change(self._note)
        self._slices.on_change(self._note)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run())
            await self._informers.synced()
            self._changed.set()  # also where there is nothing to proxy, the rules are to say so
            while True:
                await self._changed.wait()
                self._changed.clear()
                await asyncio.sleep(await self._sync())

    async def _sync(self) -> float:
        """Bring the node up to date; returns the seconds to wait before the next time."""
        services = service_ports(self._services.list(), self._slices.list(), self._host.name)
        try:
            rules = await self._proxier.sync(services)
        except (ValueError, OSError) as error:
            self._host.record("proxy.error", mode=self._proxier.mode, error=str(error))
            self._changed.set()
            return RETRY_SECONDS
        self._host.record(
            "proxy.rules",
            mode=self._proxier.mode,
            services=len(services),
            endpoints=sum(len(service.endpoints) for service in services),
            rules=rules,
        )
        return self._min_sync_period

    def _note(self, old: Object | None, new: Object | None) -> None:
        self._changed.set()
