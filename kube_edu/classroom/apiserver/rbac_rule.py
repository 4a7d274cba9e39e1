"""Lab 07, first exercise: do these rules allow this access?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kube_edu import Cluster
from kube_edu.apiserver.authorization import Access
from kube_edu.apiserver.authorization.rbac import allows, rule_allows
from kube_edu.apiserver.call import User
from kube_edu.classroom.exercise import Exercise, Verdict, failed
from kube_edu.classroom.guard import Guard, untouched
from kube_edu.classroom.search import without_one
from kube_edu.classroom.trial import Failure, Judge, Reasons, Trial
from kube_edu.viz import Figure, role_graph

Object = dict[str, Any]
Rules = tuple[Object, ...]

SEEDS, REQUESTS = 50, 24
JANE = User("jane", ("system:authenticated",))

VERBS, GROUPS, NAMES = ("get", "list", "create", "delete"), ("", "apps"), ("web", "db")
RESOURCES = ("pods", "deployments", "secrets")
SUBRESOURCES = ("log", "scale")
PATHS = ("/healthz", "/healthz/etcd", "/metrics")

because = Reasons("07-the-gate", "allows")


@dataclass(frozen=True)
class Case:
    """The rules of the roles that are bound to jane, a tuple for each, and what she asks."""

    roles: tuple[Rules, ...]
    access: Access

    def __str__(self) -> str:
        return f"jane asks: {asked_for(self.access)}"

    def simpler(self) -> Iterator[Case]:
        for roles in without_one(self.roles):
            yield replace(self, roles=roles)
        for number, rules in enumerate(self.roles):
            before, after = self.roles[:number], self.roles[number + 1 :]
            for fewer in _smaller_rules(rules, self.access):
                yield replace(self, roles=(*before, fewer, *after))


class Asked(Trial):
    """Every role's rules are put before the answer, and before ours."""

    case: Case
    failing: Failure
    said = False

    def run(self) -> Failure | None:
        access = self.case.access
        for rules in self.case.roles:
            self.said = self.guard.ask(bool, "True or False", list(rules), access)
            if self.said != allows(rules, access):
                why = _too_much(rules, access) if self.said else _too_little(rules, access)
                return because(f"{'allows' if self.said else 'refuses'}, {why}")
        return None

    def details(self) -> Sequence[str]:
        words = {True: "allowed", False: "not allowed"}
        return [f"{self.case}\nyours: {words[self.said]}   reference: {words[not self.said]}"]

    def drawn(self) -> Figure:
        objects: list[Object] = []
        for number, rules in enumerate(self.case.roles):
            meta = {"name": f"role-{number + 1}"}
            subject = {"kind": "User", "name": "jane"}
            objects += [
                {"kind": "ClusterRole", "metadata": meta, "rules": list(rules)},
                {"kind": "ClusterRoleBinding", "metadata": meta, "subjects": [subject],
                 "roleRef": {"kind": "ClusterRole", **meta}},
            ]  # fmt: skip
        said = self.details()[0].splitlines()
        return role_graph(objects, "The smallest role graph that shows it", said)


def evaluated_by(answer: Callable[..., Any]) -> dict[str, Any]:
    """Roles for a Cluster whose people are judged by `answer`; its own components stay with our
    evaluator, so that it can start. Nothing is replaced by a stub."""
    if untouched(answer):
        return {}
    guard = Guard(answer)

    def either(rules: Sequence[Object], access: Access) -> bool:
        ours = access.user.name.startswith("system:") or "kubeadm:" in str(access.user.groups)
        return allows(rules, access) if ours else bool(guard.call(list(rules), access))

    return {"rbac.allows": either}


LIVE = {
    "get pods -n default": True,
    "get pods -n kube-system": False,
    "get secrets -n default": False,
    "get nodes": False,
    "auth can-i delete pods": False,
}
GRANT = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers}
subjects: [{kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}]
roleRef: {kind: ClusterRole, name: view, apiGroup: rbac.authorization.k8s.io}
"""


def _live(answer: Callable[..., Any]) -> Verdict | None:
    cluster = Cluster(nodes=0, etcd_members=1, seed=7, roles=evaluated_by(answer))
    cluster.apply(GRANT)
    cluster.run_for(2)
    for command, right in LIVE.items():
        said = str(cluster.kubectl(f"{command} --as jane"))
        if right == (said.startswith("no") or "Forbidden" in said):
            return failed(f"in a running cluster `kubectl {command} --as jane` says: {said}")
    return None


# --- cases


def _cases() -> Iterator[Case]:
    for seed in range(SEEDS):
        random = Random(seed)
        roles = tuple(
            tuple(_rule(random) for _ in range(random.randint(1, 3)))
            for _ in range(random.randint(1, 2))
        )
        for _ in range(REQUESTS):
            yield Case(roles, _access(random))


def _rule(random: Random) -> Object:
    if random.random() < 0.2:
        urls = random.choice([["/healthz"], ["/healthz/*"], ["/healthz*", "/metrics"], ["*"]])
        return {"verbs": [random.choice(["get", "*"])], "nonResourceURLs": urls}
    resources = [*RESOURCES, "pods/log", "deployments/scale", "*", "*/scale"]
    rule = {
        "verbs": _some(random, [*VERBS, "*"]),
        "apiGroups": _some(random, [*GROUPS, "", "apps", "*"]),
        "resources": _some(random, resources),
    }
    if random.random() < 0.3:
        rule["resourceNames"] = _some(random, [*NAMES, "*"])
    return rule


def _some(random: Random, words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(random.choice(words) for _ in range(random.randint(1, 2))))


def _access(random: Random) -> Access:
    if random.random() < 0.2:
        return Access(JANE, random.choice(["get", "post"]), path=random.choice(PATHS))
    verb = random.choice(VERBS)
    name = random.choice(NAMES) if verb in ("get", "delete") else ""
    resource = random.choice(RESOURCES)
    subresource = random.choice(("", "", *SUBRESOURCES))
    return Access(JANE, verb, random.choice(GROUPS), resource, subresource, "shop", name)


def _smaller_rules(rules: Rules, access: Access) -> Iterator[Rules]:
    if len(rules) > 1:
        yield from without_one(rules)
    for number, rule in enumerate(rules):
        for less in _smaller_rule(rule, access):
            yield (*rules[:number], less, *rules[number + 1 :])


def _smaller_rule(rule: Object, access: Access) -> Iterator[Object]:
    """The rule with less in it, or with the very word that is asked for in the place of others."""
    if "resourceNames" in rule:
        yield {field: words for field, words in rule.items() if field != "resourceNames"}
        if rule["resourceNames"] != ["web"]:
            yield {**rule, "resourceNames": ["web"]}
    asked = {"verbs": access.verb, "apiGroups": access.group, "resources": access.qualified,
             "nonResourceURLs": access.path}  # fmt: skip
    for field, words in rule.items():
        if field in asked and words != [asked[field]]:
            yield {**rule, field: [asked[field]]}
        if len(words) > 1:
            yield from ({**rule, field: list(fewer)} for fewer in without_one(tuple(words)))


# --- what is told


def _too_much(rules: Rules, access: Access) -> str:
    """Which of the conditions was passed over."""
    if len(rules) > 1:
        return "two rules"
    [rule] = rules
    if bool(access.path) != ("nonResourceURLs" in rule):
        return "kind"
    patched: dict[str, Object] = {
        "verb": {"verbs": [access.verb]},
        "path": {"nonResourceURLs": [access.path]},
        "group": {"apiGroups": [access.group]},
        "subresource": {"resources": [access.qualified]},
        "name": {"resourceNames": []},
    }
    why = next(why for why in patched if rule_allows({**rule, **patched[why]}, access))
    if why == "subresource" and not access.subresource:
        return "resource"
    if why == "name" and "*" in rule["resourceNames"]:
        return "star name"
    if why == "name" and not access.name:
        return "no name"
    return why


def _too_little(rules: Rules, access: Access) -> str:
    """What it takes to see that it is allowed."""
    if len(rules) > 1:
        return "two rules"
    [rule] = rules
    if access.path:
        if "*" in rule["verbs"]:
            return "star"
        return "path" if access.path in rule["nonResourceURLs"] else "path prefix"
    if f"*/{access.subresource}" in rule["resources"]:
        return "*/scale"
    if access.subresource and "*" in rule["resources"]:
        return "star sub"
    if any("*" in rule[field] for field in ("verbs", "apiGroups", "resources")):
        return "star"
    if access.subresource:
        return "subresource"
    return "name" if rule.get("resourceNames") else "plain"


def asked_for(access: Access) -> str:
    if access.path:
        return f"{access.verb} {access.path}"
    of = f" of {access.group}" if access.group else " of the core group"
    return f"{access.verb} {access.qualified}{of}" + (
        f" named {access.name}" if access.name else ""
    )


ALLOWS = Exercise(
    "allows",
    Judge(
        Asked,
        allows,
        _cases,
        f"{SEEDS} role graphs with {REQUESTS} requests each, and a running cluster: "
        "your evaluator and ours agree about every one.",
        tries=400,
        pace=REQUESTS,
        then=_live,
    ),
)
