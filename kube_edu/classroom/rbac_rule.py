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
from kube_edu.classroom.exercise import Exercise, Report, Verdict, failed, passed
from kube_edu.classroom.guard import Guard, untouched
from kube_edu.classroom.search import first_failing, shrink, without_one
from kube_edu.viz import Figure, role_graph

Object = dict[str, Any]
Rules = tuple[Object, ...]

SEEDS, REQUESTS = 50, 24
JANE = User("jane", ("system:authenticated",))

VERBS, GROUPS, NAMES = ("get", "list", "create", "delete"), ("", "apps"), ("web", "db")
RESOURCES = ("pods", "deployments", "secrets")
SUBRESOURCES = ("log", "scale")
PATHS = ("/healthz", "/healthz/etcd", "/metrics")


@dataclass(frozen=True)
class Case:
    """The rules of the roles that are bound to jane, a tuple for each, and what she asks."""

    roles: tuple[Rules, ...]
    access: Access


@dataclass(frozen=True)
class Failure:
    said: bool
    role: int
    """The first role about which the two do not agree."""


def judge_allows(answer: Callable[..., Any], report: Report) -> Verdict:
    guard = Guard(answer)

    def judge(case: Case) -> Failure | None:
        for number, rules in enumerate(case.roles):
            said = guard.call(list(rules), case.access)
            if not isinstance(said, bool):
                raise guard.slip(f"it should return True or False, and returned {said!r:.40}.")
            if said != allows(rules, case.access):
                return Failure(said, number)
        return None

    found = first_failing(_cases(report), judge)
    if found is not None:
        case, failure = shrink(found, _smaller, judge, tries=400)
        return _explained(case, failure)
    report("asking a running cluster …")
    if problem := _live(answer):
        return failed(problem)
    return passed(
        f"{SEEDS} role graphs with {REQUESTS} requests each, and a running cluster: "
        "your evaluator and ours agree about every one."
    )


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


def _live(answer: Callable[..., Any]) -> str:
    cluster = Cluster(nodes=0, etcd_members=1, seed=7, roles=evaluated_by(answer))
    cluster.apply(GRANT)
    cluster.run_for(2)
    for command, right in LIVE.items():
        said = str(cluster.kubectl(f"{command} --as jane"))
        if right == (said.startswith("no") or "Forbidden" in said):
            return f"in a running cluster `kubectl {command} --as jane` says: {said}"
    return ""


# --- cases


def _cases(report: Report) -> Iterator[Case]:
    for seed in range(SEEDS):
        report(f"role graph {seed + 1} of {SEEDS}")
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


def _smaller(case: Case) -> Iterator[Case]:
    for roles in without_one(case.roles):
        yield replace(case, roles=roles)
    for number, rules in enumerate(case.roles):
        for fewer in _smaller_rules(rules, case.access):
            yield replace(case, roles=(*case.roles[:number], fewer, *case.roles[number + 1 :]))


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

TOO_MUCH = {
    "two rules": "it takes the verb from one rule and the resource from another. A rule is a "
    "sentence of its own: verb, group, resource and name have to be in one and the same rule.",
    "kind": "a rule for paths says nothing about resources, and a rule for resources nothing about "
    "paths: where access.path is set only nonResourceURLs count, and nowhere else.",
    "path": "a path has to be the very one of the rule; only where the rule's ends in * is what "
    "stands before that a prefix.",
    "verb": "the verb is none of the rule's verbs.",
    "group": "it does not look at the API group. `deployments` of the group apps and `deployments` "
    'of the core group "" are two different resources.',
    "subresource": "a rule for `pods` does not include `pods/log`: a subresource has to be named "
    "itself, with the slash. (Who may read a pod may not yet read its log.)",
    "resource": "the resource is none of the rule's resources.",
    "no name": "a rule with resourceNames allowed a request that names no object. A list or a "
    "create has no name, so such a rule never allows it.",
    "star name": 'in resourceNames "*" is no wildcard: it is a name, which no object can have.',
    "name": "it does not look at resourceNames: such a rule is about the objects of these names "
    "alone.",
}
"""Why an access was not allowed, which the answer allows."""

TOO_LITTLE = {
    "two rules": "one of several rules allows it, and that is enough: look at every rule, not just "
    "the first, and never ask that all of them agree.",
    "path": "it is a request for a path, and the rule's nonResourceURLs name the very path.",
    "path prefix": "a rule's path that ends in * stands for every path that begins so.",
    "*/scale": 'in resources "*/scale" stands for the subresource scale of every resource.',
    "star sub": 'in resources "*" stands for everything, subresources too.',
    "star": 'a "*" in verbs, apiGroups or resources stands for every one.',
    "subresource": 'a rule names a subresource with a slash, "pods/log"; the access has '
    "resource and subresource apart.",
    "name": "the object's name is in resourceNames, so the rule is about it.",
    "plain": "verb, group and resource are all in one rule, and it has no resourceNames: that "
    "allows it, whatever the name.",
}
"""Why an access was allowed, which the answer refuses."""


def _explained(case: Case, failure: Failure) -> Verdict:
    rules = case.roles[failure.role]
    why = _too_much(rules, case.access) if failure.said else _too_little(rules, case.access)
    reason = (TOO_MUCH if failure.said else TOO_LITTLE)[why]
    words = {True: "allowed", False: "not allowed"}
    asked = f"jane asks: {asked_for(case.access)}"
    verdicts = f"yours: {words[failure.said]}   reference: {words[not failure.said]}"
    return failed(reason, f"{asked}\n{verdicts}", figure=_drawn(case, (asked, verdicts)))


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


def _drawn(case: Case, said: Sequence[str]) -> Figure:
    objects: list[Object] = []
    for number, rules in enumerate(case.roles):
        meta = {"name": f"role-{number + 1}"}
        subject = {"kind": "User", "name": "jane"}
        objects += [
            {"kind": "ClusterRole", "metadata": meta, "rules": list(rules)},
            {"kind": "ClusterRoleBinding", "metadata": meta, "subjects": [subject],
             "roleRef": {"kind": "ClusterRole", **meta}},
        ]  # fmt: skip
    return role_graph(objects, "The smallest role graph that shows it", said)


ALLOWS = Exercise(
    "allows",
    judge_allows,
    [
        "One rule first: write a helper that says whether a single rule allows the access, and let "
        "allows be any(...) of it over the rules. A rule may lack a field: rule.get(field) or [].",
        'Verb, API group and resource each have to be listed, or "*" is. The resource is '
        'access.resource, or f"{access.resource}/{access.subresource}" where there is a '
        'subresource; then "*/" + access.subresource will do as well.',
        "If the rule has resourceNames, access.name has to be one of them. And where access.path "
        "is set, nothing of that counts but the verb and nonResourceURLs: equal, or a prefix where "
        "the rule's path ends in *.",
    ],
)
