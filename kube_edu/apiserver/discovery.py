"""Discovery: what the server serves, as clients ask for it before anything else.

Two forms of one table: a document for each group (`/api/v1`, `/apis/apps/v1`), and all of it in
two requests for clients that accept the aggregated form (KEP-3352).
"""

from __future__ import annotations

from kube_edu.api.meta import Object
from kube_edu.api.resources import RESOURCES, SUBRESOURCES, VERBS, Resource
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

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def discover(request: Request, address: str) -> Response:
    """Answers `/api`, `/apis` and what lies below, down to a group's version."""
    path = request.path.rstrip("/")
    if path in ("/api", "/apis"):
        groups = [group for group in _groups() if bool(group) == (path == "/apis")]
        accept = request.headers.get("accept", "").replace(" ", "")
        if "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" in accept:
            return Response(body=_aggregated(groups), headers={"content-type": _AGGREGATED})
        return Response(body=_group_list(groups) if path == "/apis" else _versions(address))
    parts = path.split("/")[1:]
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in _groups():
        return Response(body={"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])})
    resources = [r for r in RESOURCES if r.path() == f"{path}/{r.plural}"]
    if not resources:
        raise no_such_path()
    return Response(body=_resource_list(resources))


def _groups() -> list[str]:
    return list(dict.fromkeys(resource.group for resource in RESOURCES))


def _of_group(group: str) -> dict[str, list[Resource]]:
    """A group's resources by version."""
    versions: dict[str, list[Resource]] = {}
    for resource in RESOURCES:
        if resource.group == group:
            versions.setdefault(resource.version, []).append(resource)
    return versions


def _versions(address: str) -> Object:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def _group(group: str) -> Object:
    versions = [
        {"groupVersion": f"{group}/{version}", "version": version} for version in _of_group(group)
    ]
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
            "verbs": list(VERBS),
        }
        if resource.short_names:
            row["shortNames"] = list(resource.short_names)
        if resource.categories:
            row["categories"] = list(resource.categories)
        rows.append(row)
        rows += [_subresource(resource, name) for name in resource.subresources]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": resources[0].api_version,
        "resources": rows,
    }


def _subresource(resource: Resource, name: str) -> Object:
    about = SUBRESOURCES[name]
    row: Object = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": about.kind or resource.kind,
        "verbs": list(about.verbs),
    }
    if about.kind and (about.group, about.version) != (resource.group, resource.version):
        row |= {"group": about.group, "version": about.version}
    return row


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
                    for version, resources in _of_group(group).items()
                ],
            }
            for group in groups
        ],
    }


def _aggregated_resource(resource: Resource) -> Object:
    row: Object = {
        "resource": resource.plural,
        "responseKind": _response_kind(resource),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(VERBS),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if resource.subresources:
        row["subresources"] = [
            {
                "subresource": name,
                "responseKind": _response_kind(resource, name),
                "verbs": list(SUBRESOURCES[name].verbs),
            }
            for name in resource.subresources
        ]
    return row


def _response_kind(resource: Resource, subresource: str = "") -> Object:
    about = SUBRESOURCES.get(subresource)
    if about is None or not about.kind:
        return {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {"group": about.group, "version": about.version, "kind": about.kind}
