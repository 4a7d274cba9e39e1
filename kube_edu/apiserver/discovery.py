"""Discovery: what the server serves, as clients ask for it before anything else.

Two forms of one table: a document for each group (`/api/v1`, `/apis/apps/v1`), and all of it in
two requests for clients that accept the aggregated form (KEP-3352).
"""

from __future__ import annotations

from kube_edu.api.meta import Object
from kube_edu.api.resources import RESOURCES, SUBRESOURCES, Resource
from kube_edu.api.status import no_such_path
from kube_edu.host import Request, Response

VERSION: Object = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.0",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2025-04-23T13:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}

_AGGREGATED = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_GROUPS: dict[str, dict[str, list[Resource]]] = {}
for _resource in RESOURCES:
    _GROUPS.setdefault(_resource.group, {}).setdefault(_resource.version, []).append(_resource)


def discover(request: Request, address: str) -> Response:
    """Answers `/api`, `/apis` and what lies below, down to a group's version."""
    path = request.path.strip("/")
    if path in ("api", "apis"):
        groups = [group for group in _GROUPS if bool(group) == (path == "apis")]
        if _AGGREGATED in request.headers.get("accept", "").replace(" ", ""):
            content_type = {"content-type": f"application/json;{_AGGREGATED}"}
            return Response(body=_aggregated(groups), headers=content_type)
        return Response(body=_group_list(groups) if path == "apis" else _versions(address))
    parts = path.split("/")
    if len(parts) == 2 and parts[0] == "apis" and parts[1] in _GROUPS:
        return Response(body={"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])})
    resources = [r for r in RESOURCES if r.path() == f"/{path}/{r.plural}"]
    if not resources:
        raise no_such_path()
    return Response(body=_resource_list(resources))


# One document a group and version


def _versions(address: str) -> Object:
    servers = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": servers}


def _group(group: str) -> Object:
    versions = [{"groupVersion": f"{group}/{v}", "version": v} for v in _GROUPS[group]]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _group_list(groups: list[str]) -> Object:
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(g) for g in groups]}


def _resource_list(resources: list[Resource]) -> Object:
    rows: list[Object] = []
    for resource in resources:
        row = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
        }
        rows.append(row | _abilities(resource))
        rows += [_subresource(resource, name) for name in resource.subresources]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": resources[0].api_version,
        "resources": rows,
    }


def _subresource(resource: Resource, name: str) -> Object:
    kind = _response_kind(resource, name)
    foreign = kind["group"] != resource.group
    return {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "verbs": list(SUBRESOURCES[name].verbs),
        **(kind if foreign else {"kind": kind["kind"]}),
    }


# All in one


def _aggregated(groups: list[str]) -> Object:
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {
                        "version": version,
                        "resources": [_aggregated_resource(r) for r in resources],
                        "freshness": "Current",
                    }
                    for version, resources in _GROUPS[group].items()
                ],
            }
            for group in groups
        ],
    }


def _aggregated_resource(resource: Resource) -> Object:
    subresources = [
        {
            "subresource": name,
            "responseKind": _response_kind(resource, name),
            "verbs": list(SUBRESOURCES[name].verbs),
        }
        for name in resource.subresources
    ]
    return {
        "resource": resource.plural,
        "responseKind": _response_kind(resource),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        **_abilities(resource),
        **({"subresources": subresources} if subresources else {}),
    }


def _abilities(resource: Resource) -> Object:
    """What both forms call by the same names, empty lists left out."""
    lists = {
        "verbs": list(resource.verbs),
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
    }
    return {name: words for name, words in lists.items() if words}


def _response_kind(resource: Resource, subresource: str = "") -> Object:
    about = SUBRESOURCES.get(subresource)
    found = about if about is not None and about.kind else resource
    return {"group": found.group, "version": found.version, "kind": found.kind}
