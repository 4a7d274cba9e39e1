"""What the API server fills in where a manifest says nothing.

Source: kubernetes, pkg/apis/*/v1/defaults.go. Plain defaults are the table at the end; those that
depend on other fields are functions; those of pods are in poddefaults.py.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from kube_edu.api import meta, poddefaults
from kube_edu.api.meta import Object, clone
from kube_edu.api.poddefaults import fill
from kube_edu.api.rules import values_at


def set_defaults(obj: Object) -> Object:
    """A copy of an object with every default in place."""
    full: Object = clone(obj)
    kind = full.get("kind", "")
    for path, defaults in PLAIN.get(kind, {}).items():
        for _, part in values_at(full, path) if path else [("", full)]:
            fill(part, defaults)
    if kind in _COMPUTED:
        _COMPUTED[kind](full)
    return full


# What makes pods


def _template(template: Object) -> None:
    fill(template, {"metadata": {}, "spec": {}})
    poddefaults.pod_spec(template["spec"])


def _workload(workload: Object) -> None:
    _template(workload["spec"]["template"])


def _deployment(deployment: Object) -> None:
    _workload(deployment)
    strategy = deployment["spec"]["strategy"]
    if strategy["type"] == "RollingUpdate":
        fill(strategy, {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})


def _daemon_set(daemon_set: Object) -> None:
    _workload(daemon_set)
    strategy = daemon_set["spec"]["updateStrategy"]
    if strategy["type"] == "RollingUpdate":
        fill(strategy, {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})


def _stateful_set(stateful_set: Object) -> None:
    _workload(stateful_set)
    spec = stateful_set["spec"]
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], {"rollingUpdate": {"partition": 0}})
    for claim in spec.get("volumeClaimTemplates") or ():
        fill(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
        fill(claim, PLAIN["PersistentVolumeClaim"][""])


def _replication_controller(controller: Object) -> None:
    """The oldest of the workloads takes its selector and labels from its template."""
    _workload(controller)
    labels = meta.labels(controller["spec"]["template"])
    if labels:
        fill(controller, {"metadata": {"labels": labels}, "spec": {"selector": labels}})


def _job(job: Object) -> None:
    _workload(job)
    spec = job["spec"]
    if labels := meta.labels(spec["template"]):
        job["metadata"]["labels"] = meta.labels(job) or dict(labels)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    by_index = spec.get("backoffLimitPerIndex") is not None
    counted = "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
    fill(
        spec,
        {
            "parallelism": 1,
            "backoffLimit": 2**31 - 1 if by_index else 6,
            "podReplacementPolicy": counted,
        },
    )


def _cron_job(cron_job: Object) -> None:
    _template(cron_job["spec"]["jobTemplate"]["spec"]["template"])


def _autoscaler(autoscaler: Object) -> None:
    spec = autoscaler["spec"]
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if behavior := spec.get("behavior"):
        fill(behavior, {"scaleUp": SCALE_UP, "scaleDown": SCALE_DOWN})


# The rest of the kinds


def _service(service: Object) -> None:
    spec = service["spec"]
    for port in spec.get("ports") or ():
        fill(port, {"protocol": "TCP"})
        if port.get("targetPort") in (None, 0, "") and "port" in port:
            port["targetPort"] = port["port"]
    if spec["sessionAffinity"] == "ClientIP":
        fill(spec, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}})
    if spec["type"] != "ExternalName":
        fill(spec, CLUSTER_SERVICE)
    if spec["type"] in ("NodePort", "LoadBalancer"):
        fill(spec, {"externalTrafficPolicy": "Cluster"})
    if spec["type"] == "LoadBalancer":
        fill(spec, {"allocateLoadBalancerNodePorts": True})


def _namespace(namespace: Object) -> None:
    name = meta.name(namespace)
    if name:
        fill(namespace, {"metadata": {"labels": {"kubernetes.io/metadata.name": name}}})


def _node(node: Object) -> None:
    if "capacity" in node["status"]:
        fill(node["status"], {"allocatable": node["status"]["capacity"]})


def _secret(secret: Object) -> None:
    """`stringData` is for writing only: it goes into `data`, over what is there."""
    texts = secret.pop("stringData", None) or {}
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        secret["data"] = {**secret.get("data", {}), **encoded}


def _limit_range(limits: Object) -> None:
    """A container's default limit is the maximum, and its default request the limit or the
    minimum."""
    for limit in limits["spec"].get("limits") or ():
        if limit.get("type") == "Container":
            maximum, minimum = limit.get("max") or {}, limit.get("min") or {}
            limit["default"] = {**maximum, **(limit.get("default") or {})}
            asked = {**minimum, **limit["default"], **(limit.get("defaultRequest") or {})}
            limit["defaultRequest"] = asked


def _network_policy(policy: Object) -> None:
    spec = policy["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _role_binding(binding: Object) -> None:
    people = [s for s in binding.get("subjects") or () if s.get("kind") in ("User", "Group")]
    for reference in (binding.setdefault("roleRef", {}), *people):
        reference["apiGroup"] = reference.get("apiGroup") or RBAC


def _custom_resource(definition: Object) -> None:
    names = definition["spec"].get("names") or {}
    if kind := names.get("kind"):
        fill(names, {"singular": kind.lower(), "listKind": f"{kind}List"})


_COMPUTED: dict[str, Callable[[Object], None]] = {
    "ClusterRoleBinding": _role_binding,
    "CronJob": _cron_job,
    "CustomResourceDefinition": _custom_resource,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "HorizontalPodAutoscaler": _autoscaler,
    "Job": _job,
    "LimitRange": _limit_range,
    "Namespace": _namespace,
    "NetworkPolicy": _network_policy,
    "Node": _node,
    "Pod": lambda pod: poddefaults.pod(pod["spec"]),
    "PodTemplate": lambda template: _template(template["template"]),
    "ReplicaSet": _workload,
    "ReplicationController": _replication_controller,
    "RoleBinding": _role_binding,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": _stateful_set,
}

RBAC = "rbac.authorization.k8s.io"

CLUSTER_SERVICE: Object = {
    "internalTrafficPolicy": "Cluster",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
}

# autoscaling/v2 (pkg/apis/autoscaling/v2/defaults.go): double, or 4 pods more, in 15 s.
SCALE_UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
SCALE_DOWN: Object = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}

_TCP: Object = {"protocol": "TCP"}
_OBJECTS_MATCHED: Object = {
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
}
_WEBHOOK: Object = {"failurePolicy": "Fail", "timeoutSeconds": 10, **_OBJECTS_MATCHED}
_WEBHOOK_SERVICE: Object = {"port": 443}
_EVERY_SCOPE: Object = {"scope": "*"}

# By kind, and by the path of the part. An empty dict stands for a struct that Go always writes
# out, and a 0 in a status for a number that is always there.
PLAIN: dict[str, dict[str, Object]] = {
    "APIService": {
        "": {"spec": {}, "status": {}},
        "spec.service": _WEBHOOK_SERVICE,
    },
    "CSIDriver": {
        "spec": {
            "attachRequired": True,
            "fsGroupPolicy": "ReadWriteOnceWithFSType",
            "podInfoOnMount": False,
            "requiresRepublish": False,
            "seLinuxMount": False,
            "storageCapacity": False,
            "volumeLifecycleModes": ["Persistent"],
        }
    },
    "CertificateSigningRequest": {"": {"status": {}}},
    "CronJob": {
        "": {
            "spec": {
                "concurrencyPolicy": "Allow",
                "failedJobsHistoryLimit": 1,
                "jobTemplate": {"metadata": {}, "spec": {"template": {}}},
                "successfulJobsHistoryLimit": 3,
                "suspend": False,
            },
            "status": {},
        }
    },
    "CustomResourceDefinition": {
        "": {"spec": {"conversion": {"strategy": "None"}}, "status": {}},
    },
    "DaemonSet": {
        "": {
            "spec": {
                "revisionHistoryLimit": 10,
                "template": {},
                "updateStrategy": {"type": "RollingUpdate"},
            },
            "status": {
                "currentNumberScheduled": 0,
                "desiredNumberScheduled": 0,
                "numberMisscheduled": 0,
                "numberReady": 0,
            },
        }
    },
    "Deployment": {
        "": {
            "spec": {
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate"},
                "template": {},
            },
            "status": {},
        }
    },
    "EndpointSlice": {"ports[]": {"name": "", **_TCP}},
    "Endpoints": {"subsets[].ports[]": _TCP},
    "HorizontalPodAutoscaler": {
        "": {"spec": {"minReplicas": 1}, "status": {"desiredReplicas": 0}},
    },
    "Ingress": {"": {"spec": {}, "status": {"loadBalancer": {}}}},
    "IngressClass": {
        "": {"spec": {}},
        "spec.parameters": {"scope": "Cluster"},
    },
    "Job": {
        "": {
            "spec": {
                "completionMode": "NonIndexed",
                "manualSelector": False,
                "suspend": False,
                "template": {},
            },
            "status": {},
        },
        "spec.podFailurePolicy.rules[].onPodConditions[]": {"status": "True"},
    },
    "LimitRange": {"": {"spec": {}}},
    "MutatingWebhookConfiguration": {
        "webhooks[]": {**_WEBHOOK, "reinvocationPolicy": "Never"},
        "webhooks[].clientConfig.service": _WEBHOOK_SERVICE,
        "webhooks[].rules[]": _EVERY_SCOPE,
    },
    "Namespace": {"": {"spec": {}, "status": {"phase": "Active"}}},
    "NetworkPolicy": {
        "": {"spec": {"podSelector": {}}},
        "spec.egress[].ports[]": _TCP,
        "spec.ingress[].ports[]": _TCP,
    },
    "Node": {"": {"spec": {}, "status": {}}},
    "PersistentVolume": {
        "": {
            "spec": {
                "persistentVolumeReclaimPolicy": "Retain",
                "volumeMode": "Filesystem",
            },
            "status": {"phase": "Pending"},
        },
        "spec.hostPath": {"type": ""},
    },
    "PersistentVolumeClaim": {
        "": {
            "spec": {"resources": {}, "volumeMode": "Filesystem"},
            "status": {"phase": "Pending"},
        }
    },
    "Pod": {"": {"spec": {"enableServiceLinks": True}, "status": {}}},
    "PodDisruptionBudget": {
        "": {
            "spec": {},
            "status": {
                "currentHealthy": 0,
                "desiredHealthy": 0,
                "disruptionsAllowed": 0,
                "expectedPods": 0,
            },
        }
    },
    "PodTemplate": {"": {"template": {}}},
    "PriorityClass": {"": {"preemptionPolicy": "PreemptLowerPriority"}},
    "ReplicaSet": {"": {"spec": {"replicas": 1, "template": {}}, "status": {"replicas": 0}}},
    "ReplicationController": {
        "": {"spec": {"replicas": 1, "template": {}}, "status": {"replicas": 0}},
    },
    "ResourceQuota": {"": {"spec": {}, "status": {}}},
    "Secret": {"": {"type": "Opaque"}},
    "Service": {
        "": {
            "spec": {"type": "ClusterIP", "sessionAffinity": "None"},
            "status": {"loadBalancer": {}},
        }
    },
    "ServiceCIDR": {"": {"spec": {}, "status": {}}},
    "StatefulSet": {
        "": {
            "spec": {
                "persistentVolumeClaimRetentionPolicy": {
                    "whenDeleted": "Retain",
                    "whenScaled": "Retain",
                },
                "podManagementPolicy": "OrderedReady",
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "template": {},
                "updateStrategy": {"type": "RollingUpdate"},
            },
            "status": {"availableReplicas": 0, "replicas": 0},
        }
    },
    "StorageClass": {"": {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}},
    "ValidatingAdmissionPolicy": {
        "": {"spec": {"failurePolicy": "Fail"}, "status": {}},
        "spec.matchConstraints": _OBJECTS_MATCHED,
        "spec.matchConstraints.resourceRules[]": _EVERY_SCOPE,
    },
    "ValidatingAdmissionPolicyBinding": {
        "spec.matchResources": _OBJECTS_MATCHED,
        "spec.matchResources.resourceRules[]": _EVERY_SCOPE,
    },
    "ValidatingWebhookConfiguration": {
        "webhooks[]": _WEBHOOK,
        "webhooks[].clientConfig.service": _WEBHOOK_SERVICE,
        "webhooks[].rules[]": _EVERY_SCOPE,
    },
    "VolumeAttachment": {"": {"status": {"attached": False}}},
}
