"""Nobody gives what he has not got: who writes a role or a binding needs its rights himself.

The way around is the verb `escalate` on roles, or `bind` on the role that is bound (kubernetes,
pkg/registry/rbac/*/policybased/storage.go; pkg/registry/rbac/validation/policy_comparator.go).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import product

from kube_edu.api.meta import Object
from kube_edu.api.resources import by_plural
from kube_edu.api.status import ApiError, forbidden, not_found
from kube_edu.apiserver.authorization import MASTERS, Access, Authorizer
from kube_edu.apiserver.authorization.rbac import GROUP, Rbac, rule_allows
from kube_edu.apiserver.call import User

EVERYTHING: list[Object] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]

_FIELDS = {
    "apiGroups": "APIGroups",
    "resources": "Resources",
    "resourceNames": "ResourceNames",
    "nonResourceURLs": "NonResourceURLs",
    "verbs": "Verbs",
}


class EscalationCheck:
    """What the registry asks before it stores one of the four kinds of RBAC."""

    def __init__(self, rbac: Rbac, authorize: Authorizer) -> None:
        self._rbac = rbac
        self._authorize = authorize

    async def check(self, user: User, new: Object, old: Object | None) -> None:
        """Raises ApiError 403 when the user may not give these rights away."""
        if MASTERS in user.groups or (old is not None and _held(new) == _held(old)):
            return
        if new["kind"].endswith("Binding"):
            await self._check_binding(user, new)
        else:
            await self._check_role(user, new, old or {})

    async def _check_role(self, user: User, new: Object, old: Object) -> None:
        if await self._may(user, "escalate", new["kind"], new["metadata"]):
            return
        self._check_rules(user, new, new.get("rules") or ())
        if new.get("aggregationRule") or old.get("aggregationRule"):
            why = "must have cluster-admin privileges to use the aggregationRule"
            if _missing(self._rbac.rules(user, ""), EVERYTHING):
                raise _forbidden(new, why)

    async def _check_binding(self, user: User, new: Object) -> None:
        reference, namespace = new["roleRef"], new["metadata"].get("namespace", "")
        if await self._may(user, "bind", reference["kind"], {**new["metadata"], **reference}):
            return
        rules = self._rbac.role_rules(reference, namespace)
        if rules is None:
            raise not_found(by_plural(f"{reference['kind'].lower()}s"), reference["name"])
        self._check_rules(user, new, rules)

    async def _may(self, user: User, verb: str, kind: str, metadata: Object) -> bool:
        resource, namespace = f"{kind.lower()}s", metadata.get("namespace", "")
        access = Access(user, verb, GROUP, resource, "", namespace, metadata["name"])
        return (await self._authorize(access)).allowed

    def _check_rules(self, user: User, new: Object, rules: Sequence[Object]) -> None:
        namespace = new["metadata"].get("namespace", "")
        missing = _missing(self._rbac.rules(user, namespace), rules)
        if missing:
            groups = " ".join(json.dumps(group) for group in user.groups)
            raise _forbidden(
                new,
                f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions '
                "not currently held:\n" + "\n".join(sorted(_compact(rule) for rule in missing)),
            )


def _held(obj: Object) -> Object:
    """All but what the garbage collector may change. A label counts: it can make a role a part of
    others (pkg/registry/rbac/helpers.go, IsOnlyMutatingGCFields)."""
    ignored = ("finalizers", "ownerReferences", "resourceVersion")
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ignored}
    return {**obj, "metadata": metadata}


def _missing(held: Sequence[Object], wanted: Sequence[Object]) -> list[Object]:
    """The parts of the rules wanted that no single rule held covers."""
    parts = [part for rule in wanted for part in _parts(rule)]
    return [part for part in parts if not any(_covers(rule, part) for rule in held)]


def _parts(rule: Object) -> Iterator[Object]:
    """A rule as many rules: of one verb on one resource, or name, or path, each."""
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield {"verbs": [verb], "nonResourceURLs": [path]}
        groups, resources = rule.get("apiGroups") or (), rule.get("resources") or ()
        for group, resource in product(groups, resources):
            part: Object = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
            for name in rule.get("resourceNames") or ("",):
                yield part | ({"resourceNames": [name]} if name else {})


def _covers(rule: Object, part: Object) -> bool:
    """Whether a rule allows all that a part allows; "*" asks for "*"."""
    verb = part["verbs"][0]
    if "nonResourceURLs" in part:
        return rule_allows(rule, Access(_NOBODY, verb, path=part["nonResourceURLs"][0]))
    resource, _, subresource = part["resources"][0].partition("/")
    name = (part.get("resourceNames") or [""])[0]
    group = part["apiGroups"][0]
    if not name and rule.get("resourceNames"):
        return False  # who has some names has not got all
    return rule_allows(rule, Access(_NOBODY, verb, group, resource, subresource, name=name))


_NOBODY = User("")


def _compact(rule: Object) -> str:
    """`{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}` (CompactString)."""
    listed = [
        f"{title}:[{' '.join(json.dumps(value) for value in rule[field])}]"
        for field, title in _FIELDS.items()
        if rule.get(field)
    ]
    return "{" + ", ".join(listed) + "}"


def _forbidden(obj: Object, why: str) -> ApiError:
    return forbidden(by_plural(f"{obj['kind'].lower()}s"), obj["metadata"]["name"], why)
