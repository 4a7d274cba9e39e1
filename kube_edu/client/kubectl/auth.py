"""`kubectl auth` and `kubectl create token`: questions to the gate (kubectl, pkg/cmd/auth)."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from kube_edu.api.meta import Object
from kube_edu.api.resources import resolve
from kube_edu.client.client import ApiClient
from kube_edu.client.kubectl.arguments import Usage
from kube_edu.client.kubectl.printing import aligned


async def create_token(client: ApiClient, things: Sequence[str], namespace: str) -> str:
    """`create token NAME`: a token of a service account, as it is."""
    if len(things) != 2 or things[0] != "token":
        raise Usage("error: of things without a file only `create token NAME` is known here")
    return await client.create_token(things[1], namespace, {})


async def whoami(client: ApiClient) -> list[str]:
    review = _review("authentication.k8s.io", "SelfSubjectReview", {})
    user = (await client.create(review))["status"]["userInfo"]
    rows = [("ATTRIBUTE", "VALUE"), ("Username", user["username"])]
    rows += [("UID", user["uid"])] if user.get("uid") else []
    return aligned([*rows, ("Groups", _listed(user["groups"]))])


async def can_i(client: ApiClient, options: argparse.Namespace) -> str:
    """ "yes", or "no" and why."""
    verb, what, *name = [*options.things, "", ""][:3]
    if not what:
        raise Usage("error: you must specify two arguments: verb resource or verb resource/name")
    if what.startswith("/"):
        asked: Object = {"nonResourceAttributes": {"verb": verb, "path": what}}
    else:
        asked = {"resourceAttributes": _attributes(verb, what, name, options)}
    review = _review("authorization.k8s.io", "SelfSubjectAccessReview", asked)
    status = (await client.create(review))["status"]
    why = f" - {status['reason']}" if status.get("reason") else ""
    return "yes" if status["allowed"] else f"no{why}"


def _attributes(verb: str, what: str, name: list[str], options: argparse.Namespace) -> Object:
    try:
        resource, named = resolve(what)
        group, plural, namespaced = resource.group, resource.plural, resource.namespaced
    except LookupError:  # a resource that only rules know: "users", "groups"
        plural, _, named = what.partition("/")
        group, namespaced = "", True
    asked: Object = {"verb": verb, "group": group, "resource": plural}
    asked |= {"name": named or "".join(name), "subresource": options.subresource}
    asked |= {"namespace": options.namespace} if namespaced else {}
    return asked


async def list_rules(client: ApiClient, namespace: str) -> list[str]:
    """What the user may do, a line a resource: the rules broken down, equal ones joined."""
    spec = {"namespace": namespace}
    review = _review("authorization.k8s.io", "SelfSubjectRulesReview", spec)
    status = (await client.create(review))["status"]
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for rule in status["resourceRules"]:
        for group in rule.get("apiGroups") or ():
            for resource in rule["resources"]:
                what = f"{resource}.{group}" if group else resource
                verbs.setdefault((what, "[]", _listed(rule.get("resourceNames"))), []).extend(
                    rule["verbs"]
                )
    for rule in status["nonResourceRules"]:
        for url in rule["nonResourceURLs"]:
            verbs.setdefault(("", f"[{url}]", "[]"), []).extend(rule["verbs"])
    rows = [(*what, _listed(dict.fromkeys(done))) for what, done in verbs.items()]
    rows.sort(key=lambda row: (row[3], row))
    return aligned([("Resources", "Non-Resource URLs", "Resource Names", "Verbs"), *rows])


def _listed(words: Iterable[str] | None) -> str:
    return f"[{' '.join(words or ())}]"


def _review(group: str, kind: str, spec: Object) -> Object:
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {}, "spec": spec}
