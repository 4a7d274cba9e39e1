"""Who writes a role or a binding has to have its rights (see authorization/escalation.py).

Upstream this is no plug-in but part of the registry of these four kinds.
"""

from __future__ import annotations

from kube_edu.apiserver.admission import Attributes, Cluster
from kube_edu.apiserver.authorization.rbac import GROUP


async def escalation(attributes: Attributes, cluster: Cluster) -> None:
    if attributes.resource.group == GROUP and attributes.verb != "delete":
        await cluster.check_escalation(attributes.user, attributes.object, attributes.old)
