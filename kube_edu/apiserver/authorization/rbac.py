"""Role-based access control: roles hold rules, bindings give roles to subjects.

A rule only ever allows. What a user may do is the sum of the rules of all roles that are bound to
the user or a group of his: everywhere by ClusterRoleBindings, in one namespace by RoleBindings
(kubernetes, plugin/pkg/auth/authorizer/rbac/rbac.go; pkg/registry/rbac/validation/rule.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.apiserver.authorization import Access, Decision
from kube_edu.apiserver.call import User
from kube_edu.client import Informers

GROUP = "rbac.authorization.k8s.io"

Allows = Callable[[Sequence[Object], Access], bool]


def allows(rules: Sequence[Object], access: Access) -> bool:
    """Whether one of these rules allows an access."""
    return any(rule_allows(rule, access) for rule in rules)


def rule_allows(rule: Object, access: Access) -> bool:
    """Verb, API group, resource and name have to be in one and the same rule
    (kubernetes, pkg/apis/rbac/v1/evaluation_helpers.go)."""
    if not _named(rule, "verbs", access.verb):
        return False
    if access.path:
        return any(_path_matches(path, access.path) for path in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _named(rule, "apiGroups", access.group)
        and _resource_named(rule, access)
        and (not names or access.name in names)
    )


def _named(rule: Object, field: str, value: str) -> bool:
    listed = rule.get(field) or ()
    return value in listed or "*" in listed


def _resource_named(rule: Object, access: Access) -> bool:
    listed = rule.get("resources") or ()
    if access.subresource and f"*/{access.subresource}" in listed:
        return True
    return access.qualified in listed or "*" in listed


def _path_matches(pattern: str, path: str) -> bool:
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == pattern


class Rbac:
    """The rules of every user, looked up in indexes of the bindings by subject."""

    def __init__(self, informers: Informers, allows: Allows = allows) -> None:
        self._allows = allows
        self._roles = {
            "ClusterRole": informers("clusterroles"),
            "Role": informers("roles"),
        }
        self._everywhere = informers("clusterrolebindings")
        self._everywhere.add_index("subject", subjects_of)
        self._in_namespace = informers("rolebindings")
        self._in_namespace.add_index("subject", _subjects_in_namespace)

    async def authorize(self, access: Access) -> Decision:
        missing: list[str] = []
        rules = self.rules(access.user, access.namespace, missing)
        if self._allows(rules, access):
            return Decision(True)
        return Decision(False, f"RBAC: {', '.join(missing)}" if missing else "")

    def rules(self, user: User, namespace: str, missing: list[str] | None = None) -> list[Object]:
        """All that a user may do in a namespace, or ("") at the cluster scope. Roles that are
        bound but not there are told in `missing`."""
        rules: list[Object] = []
        for binding in self._bindings(user, namespace):
            found = self.role_rules(binding["roleRef"], namespace)
            if found is None and missing is not None:
                role = binding["roleRef"]
                missing.append(f'{role["kind"].lower()}.{GROUP} "{role["name"]}" not found')
            rules += found or ()
        return rules

    def role_rules(self, reference: Object, namespace: str) -> Sequence[Object] | None:
        """The rules of the role that a binding refers to; None where there is no such role."""
        name = reference["name"]
        key = name if reference["kind"] == "ClusterRole" else f"{namespace}/{name}"
        role = self._roles[reference["kind"]].get(key)
        return None if role is None else role.get("rules") or ()

    def _bindings(self, user: User, namespace: str) -> Iterable[Object]:
        subjects = [f"User/{user.name}", *(f"Group/{group}" for group in user.groups)]
        for subject in subjects:
            yield from self._everywhere.by_index("subject", subject)
        if namespace:
            for subject in subjects:
                yield from self._in_namespace.by_index("subject", f"{namespace}/{subject}")


def subjects_of(binding: Object) -> list[str]:
    """ "User/alice", "Group/system:nodes": whom a binding is for. A service account is a user."""
    subjects = []
    for subject in binding.get("subjects") or ():
        kind, name = subject["kind"], subject["name"]
        if kind == "ServiceAccount":
            namespace = subject.get("namespace") or meta.namespace(binding)
            kind, name = "User", f"system:serviceaccount:{namespace}:{name}"
        subjects.append(f"{kind}/{name}")
    return list(dict.fromkeys(subjects))


def _subjects_in_namespace(binding: Object) -> list[str]:
    return [f"{meta.namespace(binding)}/{subject}" for subject in subjects_of(binding)]
