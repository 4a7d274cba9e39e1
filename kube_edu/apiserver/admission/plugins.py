"""The plug-ins that are on, in the order of Kubernetes (pkg/kubeapiserver/options/plugins.go)."""

from __future__ import annotations

from collections.abc import Sequence

from kube_edu.apiserver.admission import Plugin
from kube_edu.apiserver.admission.certificates import (
    certificate_approval,
    certificate_signing,
    certificate_subject_restriction,
)
from kube_edu.apiserver.admission.escalation import escalation
from kube_edu.apiserver.admission.limit_ranger import limit_ranger, limit_ranger_defaults
from kube_edu.apiserver.admission.namespace_lifecycle import namespace_lifecycle
from kube_edu.apiserver.admission.node_restriction import node_restriction
from kube_edu.apiserver.admission.nodes import default_toleration_seconds, taint_nodes_by_condition
from kube_edu.apiserver.admission.pod_security import pod_security
from kube_edu.apiserver.admission.priority import priority
from kube_edu.apiserver.admission.resource_quota import resource_quota
from kube_edu.apiserver.admission.runtime_class import runtime_class
from kube_edu.apiserver.admission.service_account import service_account
from kube_edu.apiserver.admission.storage_class import default_storage_class

MUTATING: Sequence[Plugin] = (
    namespace_lifecycle,
    limit_ranger_defaults,
    service_account,
    taint_nodes_by_condition,
    priority,
    default_toleration_seconds,
    default_storage_class,
    runtime_class,
)

VALIDATING: Sequence[Plugin] = (
    limit_ranger,
    node_restriction,
    pod_security,
    certificate_approval,
    certificate_signing,
    certificate_subject_restriction,
    escalation,
    resource_quota,
)
