"""Roles that are made of others: a ClusterRole with an aggregationRule gets the rules of all that
its selectors match (upstream pkg/controller/clusterroleaggregation)."""

from __future__ import annotations

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.selectors import LabelSelector
from kube_edu.client import ApiClient, Controller, Informers
from kube_edu.host import Host


class ClusterRoleAggregationController(Controller):
    name = "clusterroleaggregation"
    account = "clusterrole-aggregation-controller"
    resource = "clusterroles"

    def __init__(self, client: ApiClient, host: Host, informers: Informers) -> None:
        super().__init__(client, host, informers)
        self._roles = informers("clusterroles")
        self.watch("clusterroles", self._aggregated)

    def _aggregated(self, role: Object) -> list[str]:
        """Any role may be part of any that is aggregated."""
        return [meta.name(r) for r in self._roles.list() if "aggregationRule" in r]

    async def reconcile(self, key: str) -> None:
        role = self._roles.get(key)
        if role is None or "aggregationRule" not in role:
            return
        rules: list[Object] = []
        for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
            matching = self._roles.list(selector=LabelSelector.from_dict(selector))
            for other in sorted(matching, key=meta.name):
                if meta.name(other) != key:
                    rules += [rule for rule in other.get("rules") or () if rule not in rules]
        if rules != (role.get("rules") or []):
            await self.client.update({**role, "rules": rules})
