"""The roles that every cluster starts with, and who has them.

The table is data/default_roles.txt, made after kubernetes,
plugin/pkg/auth/authorizer/rbac/bootstrappolicy. Its rows "kubeadm:…" are kubeadm's; here the API
server adds them too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from kube_edu.api.meta import Object

GROUP = "rbac.authorization.k8s.io"
AGGREGATE = f"{GROUP}/aggregate-to-"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"

_VERBS = {
    "READ": "get,list,watch",
    "WRITE": "create,delete,deletecollection,patch,update",
    "ALL": "create,delete,deletecollection,get,list,patch,update,watch",
}
_EVENTS = "create,patch,update core,events.k8s.io events"

# Who takes in whom: `admin` has the rules of every role with the label aggregate-to-admin, …
_AGGREGATED = {
    "edit": "admin",
    "view": "edit",
    "system:aggregate-to-admin": "admin",
    "system:aggregate-to-edit": "edit",
    "system:aggregate-to-view": "view",
}


def default_objects() -> Iterator[Object]:
    """All of them, as the objects to create."""
    table = _table()
    for name, rules in table["ClusterRole"].items():
        yield _cluster_role(name, rules)
    for name, rules in table["Controller"].items():
        yield _cluster_role(f"system:controller:{name}", rules)
    for name, rules in table["Role"].items():
        yield {**_object("Role", name), "rules": rules}
    for line in table["ClusterRoleBinding"]:
        yield _binding("ClusterRoleBinding", "ClusterRole", *line.split())
    for name in table["Controller"]:
        role, account = f"system:controller:{name}", f"ServiceAccount=kube-system/{name}"
        yield _binding("ClusterRoleBinding", "ClusterRole", role, role, account)
    for line in table["RoleBinding"]:
        yield _binding("RoleBinding", "Role", *line.split())


def rules_of(cluster_role: str) -> list[Object]:
    """The rules of a cluster role of the table."""
    return _table()["ClusterRole"][cluster_role]


@cache
def _table() -> dict[str, dict[str, list[Object]]]:
    """The sections of the table: what a line names, and its rules below it."""
    table: dict[str, dict[str, list[Object]]] = {}
    rules: list[Object] = []
    text = (Path(__file__).parent.parent / "data/default_roles.txt").read_text()
    for line in text.splitlines():
        if line.startswith("["):
            section = table[line.strip("[]")] = {}
        elif line.startswith(" "):
            rules.append(_rule(line.strip()))
        elif line and not line.startswith("#"):
            rules = section[line] = []
    return table


def _rule(line: str) -> Object:
    verbs, groups, resources, *names = (_EVENTS if line == "EVENTS" else line).split()
    verbs = _VERBS.get(verbs, verbs)
    if groups == "url":
        return {"verbs": verbs.split(","), "nonResourceURLs": resources.split(",")}
    rule: Object = {
        "verbs": verbs.split(","),
        "apiGroups": ["" if group == "core" else group for group in groups.split(",")],
        "resources": resources.split(","),
    }
    return {**rule, "resourceNames": names[0].split(",")} if names else rule


def _cluster_role(name: str, rules: list[Object]) -> Object:
    role = {**_object("ClusterRole", name), "rules": rules}
    if name in _AGGREGATED:
        role["metadata"]["labels"] |= {AGGREGATE + _AGGREGATED[name]: "true"}
    if name in ("admin", "edit", "view"):
        selectors = [{"matchLabels": {AGGREGATE + name: "true"}}]
        role["aggregationRule"] = {"clusterRoleSelectors": selectors}
    return role


def _binding(kind: str, role_kind: str, name: str, role: str, subjects: str = "") -> Object:
    binding = _object(kind, name)
    binding["roleRef"] = {"apiGroup": GROUP, "kind": role_kind, "name": role}
    if subjects:
        binding["subjects"] = [_subject(subject) for subject in subjects.split(",")]
    return binding


def _subject(text: str) -> Object:
    kind, _, name = text.partition("=")
    if kind == "ServiceAccount":
        namespace, _, name = name.partition("/")
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def _object(kind: str, path: str) -> Object:
    """An object called "name" or "namespace/name"."""
    namespace, _, name = path.rpartition("/")
    metadata: Object = {"name": name} | ({"namespace": namespace} if namespace else {})
    if not name.startswith("kubeadm:"):
        metadata["annotations"] = {AUTOUPDATE: "true"}
        metadata["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}
