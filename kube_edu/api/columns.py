"""The columns of `kubectl get`, one row each: name, what goes into the cell, and how it is shown.

Source: kubernetes, pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_edu.api import cells
from kube_edu.api.cells import NONE, UNKNOWN, UNSET, Cell, at, count, of, since


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `cell` makes its text or number from an object and the time now. Priority 1 is
    shown with `-o wide` only."""

    name: str
    cell: Cell
    priority: int = 0
    type: str = "string"
    format: str = ""


def _wide(name: str, cell: Cell) -> Column:
    return Column(name, cell, 1)


def _number(name: str, path: str) -> Column:
    return Column(name, at(path, 0), type="integer")


NAME = Column("Name", at("metadata.name"), format="name")
AGE = Column("Age", since("metadata.creationTimestamp"))
CREATED_AT = Column("Created At", at("metadata.creationTimestamp"), type="date")
_CONTAINERS = _wide("Containers", cells.containers("name"))
_IMAGES = _wide("Images", cells.containers("image"))
_SELECTOR = _wide("Selector", cells.selector("spec.selector"))

_BINDING = (
    NAME,
    Column("Role", of(cells.role)),
    AGE,
    _wide("Users", cells.subjects("User")),
    _wide("Groups", cells.subjects("Group")),
    _wide("ServiceAccounts", cells.subjects("ServiceAccount")),
)
_REPLICAS = (
    NAME,
    _number("Desired", "spec.replicas"),
    _number("Current", "status.replicas"),
    _number("Ready", "status.readyReplicas"),
    AGE,
    _CONTAINERS,
    _IMAGES,
    _SELECTOR,
)
_WEBHOOKS = (NAME, Column("Webhooks", count("webhooks"), type="integer"), AGE)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "APIService": (
        NAME,
        Column("Service", of(cells.api_service)),
        Column("Available", of(cells.available)),
        AGE,
    ),
    "CSIDriver": (
        NAME,
        Column("AttachRequired", at("spec.attachRequired", True), type="boolean"),
        Column("PodInfoOnMount", at("spec.podInfoOnMount", False), type="boolean"),
        Column("StorageCapacity", at("spec.storageCapacity", False), type="boolean"),
        Column("TokenRequests", cells.joined("spec.tokenRequests", UNSET, "audience")),
        Column("RequiresRepublish", at("spec.requiresRepublish", False), type="boolean"),
        Column("Modes", cells.joined("spec.volumeLifecycleModes")),
        AGE,
    ),
    "CSINode": (NAME, Column("Drivers", count("spec.drivers"), type="integer"), AGE),
    "CSIStorageCapacity": (
        NAME,
        Column("StorageClassName", at("storageClassName")),
        Column("Capacity", at("capacity", UNSET)),
    ),
    "CertificateSigningRequest": (
        NAME,
        AGE,
        Column("SignerName", at("spec.signerName")),
        Column("Requestor", at("spec.username")),
        Column("RequestedDuration", of(cells.requested_duration)),
        Column("Condition", of(cells.signing_condition)),
    ),
    "ClusterRole": (NAME, CREATED_AT),
    "ClusterRoleBinding": _BINDING,
    "ConfigMap": (NAME, Column("Data", count("data", "binaryData")), AGE),
    "ControllerRevision": (
        NAME,
        Column("Controller", of(cells.controller)),
        _number("Revision", "revision"),
        AGE,
    ),
    "CronJob": (
        NAME,
        Column("Schedule", at("spec.schedule")),
        Column("Timezone", at("spec.timeZone", NONE)),
        Column("Suspend", of(lambda job: str(job["spec"].get("suspend", UNSET)))),
        Column("Active", count("status.active"), type="integer"),
        Column("Last Schedule", since("status.lastScheduleTime", NONE)),
        AGE,
        _wide("Containers", cells.containers("name", "spec.jobTemplate.spec.template")),
        _wide("Images", cells.containers("image", "spec.jobTemplate.spec.template")),
        _SELECTOR,
    ),
    "CustomResourceDefinition": (NAME, CREATED_AT),
    "DaemonSet": (
        NAME,
        _number("Desired", "status.desiredNumberScheduled"),
        _number("Current", "status.currentNumberScheduled"),
        _number("Ready", "status.numberReady"),
        _number("Up-to-date", "status.updatedNumberScheduled"),
        _number("Available", "status.numberAvailable"),
        Column("Node Selector", cells.labels("spec.template.spec.nodeSelector")),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    "Deployment": (
        NAME,
        Column("Ready", of(cells.replicas_ready)),
        Column("Up-to-date", at("status.updatedReplicas", 0)),
        Column("Available", at("status.availableReplicas", 0)),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    "EndpointSlice": (
        NAME,
        Column("AddressType", at("addressType")),
        Column("Ports", of(cells.slice_ports)),
        Column("Endpoints", of(cells.slice_addresses)),
        AGE,
    ),
    "Endpoints": (NAME, Column("Endpoints", of(cells.endpoints)), AGE),
    "Event": (
        Column("Last Seen", cells.last_seen),
        Column("Type", at("type")),
        Column("Reason", at("reason")),
        Column("Object", of(cells.event_object)),
        _wide("Subobject", at("involvedObject.fieldPath")),
        _wide("Source", of(cells.event_source)),
        Column("Message", at("message")),
        _wide("First Seen", cells.first_seen),
        _wide("Count", of(cells.event_count)),
        Column("Name", at("metadata.name"), 1, format="name"),
    ),
    "FlowSchema": (
        NAME,
        Column("PriorityLevel", at("spec.priorityLevelConfiguration.name")),
        Column("MatchingPrecedence", at("spec.matchingPrecedence", 0), type="integer"),
        Column("DistinguisherMethod", at("spec.distinguisherMethod.type", NONE)),
        AGE,
    ),
    "HorizontalPodAutoscaler": (
        NAME,
        Column("Reference", of(cells.scale_reference)),
        Column("Targets", of(cells.scale_targets)),
        Column("MinPods", at("spec.minReplicas", UNSET)),
        Column("MaxPods", at("spec.maxReplicas")),
        Column("Replicas", at("status.currentReplicas", 0)),
        AGE,
    ),
    "IPAddress": (NAME, Column("ParentRef", of(cells.parent))),
    "Ingress": (
        NAME,
        Column("Class", at("spec.ingressClassName", NONE)),
        Column("Hosts", of(cells.ingress_hosts)),
        Column("Address", of(cells.ingress_address)),
        Column("Ports", of(lambda ingress: "80, 443" if ingress["spec"].get("tls") else "80")),
        AGE,
    ),
    "IngressClass": (
        NAME,
        Column("Controller", at("spec.controller")),
        Column("Parameters", of(cells.parameters)),
        AGE,
    ),
    "Job": (
        NAME,
        Column("Status", of(cells.job_status)),
        Column("Completions", of(cells.job_completions)),
        Column("Duration", cells.job_duration),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    "Lease": (NAME, Column("Holder", at("spec.holderIdentity")), AGE),
    "LimitRange": (NAME, CREATED_AT),
    "MutatingWebhookConfiguration": _WEBHOOKS,
    "Namespace": (NAME, Column("Status", at("status.phase")), AGE),
    "NetworkPolicy": (NAME, Column("Pod-Selector", cells.selector("spec.podSelector")), AGE),
    "Node": (
        NAME,
        Column("Status", of(cells.node_status)),
        Column("Roles", of(cells.node_roles)),
        AGE,
        Column("Version", at("status.nodeInfo.kubeletVersion")),
        _wide("Internal-IP", cells.node_address("InternalIP")),
        _wide("External-IP", cells.node_address("ExternalIP")),
        _wide("OS-Image", at("status.nodeInfo.osImage", UNKNOWN)),
        _wide("Kernel-Version", at("status.nodeInfo.kernelVersion", UNKNOWN)),
        _wide("Container-Runtime", at("status.nodeInfo.containerRuntimeVersion", UNKNOWN)),
    ),
    "PersistentVolume": (
        NAME,
        Column("Capacity", at("spec.capacity.storage")),
        Column("Access Modes", cells.access_modes("spec.accessModes")),
        Column("Reclaim Policy", at("spec.persistentVolumeReclaimPolicy")),
        Column("Status", of(cells.volume_status)),
        Column("Claim", of(cells.volume_claim)),
        Column("StorageClass", at("spec.storageClassName")),
        Column("VolumeAttributesClass", at("spec.volumeAttributesClassName", UNSET)),
        Column("Reason", at("status.reason")),
        AGE,
        _wide("VolumeMode", at("spec.volumeMode", UNSET)),
    ),
    "PersistentVolumeClaim": (
        NAME,
        Column("Status", of(cells.volume_status)),
        Column("Volume", at("spec.volumeName")),
        Column("Capacity", at("status.capacity.storage")),
        Column("Access Modes", cells.access_modes("status.accessModes")),
        Column("StorageClass", at("spec.storageClassName")),
        Column("VolumeAttributesClass", at("spec.volumeAttributesClassName", UNSET)),
        AGE,
        _wide("VolumeMode", at("spec.volumeMode", UNSET)),
    ),
    "Pod": (
        NAME,
        Column("Ready", of(cells.pod_ready)),
        Column("Status", of(cells.pod_status)),
        Column("Restarts", cells.pod_restarts),
        AGE,
        _wide("IP", at("status.podIP", NONE)),
        _wide("Node", at("spec.nodeName", NONE)),
        _wide("Nominated Node", at("status.nominatedNodeName", NONE)),
        _wide("Readiness Gates", of(cells.pod_gates)),
    ),
    "PodDisruptionBudget": (
        NAME,
        Column("Min Available", at("spec.minAvailable", "N/A")),
        Column("Max Unavailable", at("spec.maxUnavailable", "N/A")),
        _number("Allowed Disruptions", "status.disruptionsAllowed"),
        AGE,
    ),
    "PodTemplate": (
        NAME,
        Column("Containers", cells.containers("name", "template")),
        Column("Images", cells.containers("image", "template")),
        Column("Pod Labels", cells.labels("template.metadata.labels")),
    ),
    "PriorityClass": (
        NAME,
        _number("Value", "value"),
        Column("Global-Default", at("globalDefault", False), type="boolean"),
        AGE,
        Column("PreemptionPolicy", at("preemptionPolicy")),
    ),
    "PriorityLevelConfiguration": (
        NAME,
        Column("Type", at("spec.type")),
        Column("NominalConcurrencyShares", at("spec.limited.nominalConcurrencyShares", NONE)),
        AGE,
    ),
    "ReplicaSet": _REPLICAS,
    "ReplicationController": _REPLICAS,
    "ResourceQuota": (
        NAME,
        Column("Request", cells.quota("requests.")),
        Column("Limit", cells.quota("limits.")),
        AGE,
    ),
    "Role": (NAME, CREATED_AT),
    "RoleBinding": _BINDING,
    "RuntimeClass": (NAME, Column("Handler", at("handler")), AGE),
    "Secret": (NAME, Column("Type", at("type")), Column("Data", count("data")), AGE),
    "Service": (
        NAME,
        Column("Type", at("spec.type")),
        Column("Cluster-IP", at("spec.clusterIP", NONE)),
        Column("External-IP", of(cells.external_ips)),
        Column("Port(s)", of(cells.service_ports)),
        AGE,
        _SELECTOR,
    ),
    "ServiceAccount": (NAME, Column("Secrets", count("secrets")), AGE),
    "ServiceCIDR": (NAME, Column("CIDRs", cells.joined("spec.cidrs", "")), AGE),
    "StatefulSet": (NAME, Column("Ready", of(cells.replicas_ready)), AGE, _CONTAINERS, _IMAGES),
    "StorageClass": (
        Column("Name", of(cells.class_name), format="name"),
        Column("Provisioner", at("provisioner")),
        Column("ReclaimPolicy", at("reclaimPolicy", "Delete")),
        Column("VolumeBindingMode", at("volumeBindingMode", "Immediate")),
        Column("AllowVolumeExpansion", at("allowVolumeExpansion", False), type="boolean"),
        AGE,
    ),
    "ValidatingAdmissionPolicy": (
        NAME,
        Column("Validations", count("spec.validations"), type="integer"),
        Column("ParamKind", of(cells.parameter_kind)),
        AGE,
    ),
    "ValidatingAdmissionPolicyBinding": (
        NAME,
        Column("PolicyName", at("spec.policyName")),
        Column("ParamRef", at("spec.paramRef.name", UNSET)),
        AGE,
    ),
    "ValidatingWebhookConfiguration": _WEBHOOKS,
    "VolumeAttachment": (
        NAME,
        Column("Attacher", at("spec.attacher")),
        Column("PV", at("spec.source.persistentVolumeName")),
        Column("Node", at("spec.nodeName")),
        Column("Attached", at("status.attached", False), type="boolean"),
        AGE,
    ),
}
