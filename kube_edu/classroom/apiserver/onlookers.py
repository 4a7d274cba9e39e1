"""Machines whose only program is an informer: somebody who watches, to be cut off and drawn."""

from __future__ import annotations

from functools import partial

from kube_edu import Cluster, parts
from kube_edu.classroom.guard import untouched
from kube_edu.client import Informer
from kube_edu.client.reflector import ListAndWatch, list_and_watch
from kube_edu.cluster import APISERVER
from kube_edu.host import Host

ADDRESS = "192.168.0.{}"


class Onlookers:
    """Each of these users watches a resource in the namespace default, from a machine of its own
    name."""

    def __init__(
        self,
        cluster: Cluster,
        *names: str,
        resource: str = "configmaps",
        answer: ListAndWatch = list_and_watch,
    ) -> None:
        """`answer` is their reflector; ours, where it is a stub."""
        self._informers: dict[str, Informer] = {}
        self._resource = resource
        self._list_and_watch = list_and_watch if untouched(answer) else answer
        for number, name in enumerate(names):
            machine = cluster.simulation.machine(name, ADDRESS.format(100 + number))
            machine.start("informer", partial(self._watch, name))
        cluster.run_until(lambda: all(map(self._has_synced, names)))

    def _has_synced(self, name: str) -> bool:
        return name in self._informers and self._informers[name].has_synced

    def sees(self, name: str) -> list[str]:
        """The names of the objects in somebody's copy."""
        return sorted(obj["metadata"]["name"] for obj in self._informers[name].list())

    async def _watch(self, name: str, host: Host) -> None:
        client = parts.api_client(host, APISERVER, "super-admin", "watcher").with_headers(
            impersonate_user=name, impersonate_group="system:masters"
        )
        informer = Informer(
            client, host.random, self._resource, "default", list_and_watch=self._list_and_watch
        )
        self._informers[name] = informer
        await informer.run()
