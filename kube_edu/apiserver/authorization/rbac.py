"""Role-based access control: roles hold rules, bindings give roles to subjects.

A rule only ever allows. What a user may do is the sum of the rules of all roles that are bound to
the user or a group of his: everywhere by ClusterRoleBindings, in one namespace by RoleBindings
(kubernetes, plugin/pkg/auth/authorizer/rbac/rbac.go; pkg/registry/rbac/validation/rule.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.apiserver.authorization import Access, Decision
from kube_edu.apiserver.call import User
from kube_edu.client import Informers

GROUP = "rbac.authorization.k8s.io"
KINDS = ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding")
ACCOUNT = "system:serviceaccount:"

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
        self._informers = {kind: informers(f"{kind.lower()}s") for kind in KINDS}
        self._everywhere = self._informers["ClusterRoleBinding"]
        self._everywhere.add_index("subject", subjects_of)
        self._in_namespace = self._informers["RoleBinding"]
        self._in_namespace.add_index("subject", _subjects_in_namespace)

    def knows(self, obj: Object) -> bool:
        """Whether it has heard of a role or binding."""
        return self._informers[obj["kind"]].get(meta.key(obj)) is not None

    async def authorize(self, access: Access) -> Decision:
        missing = []
        for binding, subject in self._bindings(access.user, access.namespace):
            role = binding["roleRef"]
            rules = self.role_rules(role, access.namespace)
            if rules is None:
                missing.append(f'{role["kind"].lower()}.{GROUP} "{role["name"]}" not found')
            elif self._allows(rules, access):
                return Decision(True, f"RBAC: allowed by {_described(binding, subject)}")
        return Decision(False, f"RBAC: {', '.join(missing)}" if missing else "")

    def rules(self, user: User, namespace: str) -> list[Object]:
        """All that a user may do in a namespace, or ("") at the cluster scope."""
        found = [
            self.role_rules(b["roleRef"], namespace) for b, _ in self._bindings(user, namespace)
        ]
        return [rule for rules in found for rule in rules or ()]

    def role_rules(self, reference: Object, namespace: str) -> Sequence[Object] | None:
        """The rules of the role that a binding refers to; None where there is no such role."""
        name = reference["name"]
        key = name if reference["kind"] == "ClusterRole" else f"{namespace}/{name}"
        role = self._informers[reference["kind"]].get(key)
        return None if role is None else role.get("rules") or ()

    def _bindings(self, user: User, namespace: str) -> Iterator[tuple[Object, str]]:
        """The bindings for a user, each with the subject that it is for him by."""
        subjects = [f"User/{user.name}", *(f"Group/{group}" for group in user.groups)]
        for subject in subjects:
            for binding in self._everywhere.by_index("subject", subject):
                yield binding, subject
        for subject in subjects if namespace else ():
            for binding in self._in_namespace.by_index("subject", f"{namespace}/{subject}"):
                yield binding, subject


def subjects_of(binding: Object) -> list[str]:
    """ "User/alice", "Group/system:nodes": whom a binding is for. A service account is a user."""
    subjects = []
    for subject in binding.get("subjects") or ():
        kind, name = subject["kind"], subject["name"]
        if kind == "ServiceAccount":
            namespace = subject.get("namespace") or meta.namespace(binding)
            kind, name = "User", f"{ACCOUNT}{namespace}:{name}"
        subjects.append(f"{kind}/{name}")
    return list(dict.fromkeys(subjects))


def _subjects_in_namespace(binding: Object) -> list[str]:
    return [f"{meta.namespace(binding)}/{subject}" for subject in subjects_of(binding)]


def _described(binding: Object, subject: str) -> str:
    """Which binding it was (rbac.go, clusterRoleBindingDescriber)."""
    name, role = meta.key(binding), binding["roleRef"]
    if meta.namespace(binding):
        name = f"{meta.name(binding)}/{meta.namespace(binding)}"
    kind, _, who = subject.partition("/")
    if kind == "User" and who.startswith(ACCOUNT):
        namespace, _, account = who.removeprefix(ACCOUNT).partition(":")
        kind, who = "ServiceAccount", f"{account}/{namespace}"
    return f'{binding["kind"]} "{name}" of {role["kind"]} "{role["name"]}" to {kind} "{who}"'
