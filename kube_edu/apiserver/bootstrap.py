"""What the API server itself puts into a new cluster: the objects of data/bootstrap.yaml.

It goes through its own front door, as user system:apiserver.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from string import Template

from kube_edu.api import manifest
from kube_edu.api.meta import Object
from kube_edu.api.resources import resource_of
from kube_edu.host import Handler, Peer, Request

_MYSELF = Peer(common_name="system:apiserver", organizations=("system:masters",))
_HEADERS = {"content-type": "application/json", "user-agent": "kube-apiserver"}


def own_objects(service_ip: str, address: str, port: int) -> list[Object]:
    """What has to be there as long as the server runs."""
    text = (Path(__file__).parent / "data/bootstrap.yaml").read_text()
    return manifest.load_all(
        Template(text).substitute(service=service_ip, address=address, port=port)
    )


async def ensure(handle: Handler, obj: Object) -> None:
    """Create an object unless it exists. Where the server is found may have changed: that is
    written anew."""
    resource, meta = resource_of(obj), obj["metadata"]
    collection = resource.path(meta.get("namespace", ""))
    path = f"{collection}/{meta['name']}"
    while True:
        response = await handle(Request("GET", path, (), _HEADERS, None, _MYSELF))
        if response.status == 404:
            response = await handle(Request("POST", collection, (), _HEADERS, obj, _MYSELF))
        elif response.status == 200 and obj["kind"] in ("Endpoints", "EndpointSlice"):
            response = await handle(Request("PUT", path, (), _HEADERS, obj, _MYSELF))
        if response.status < 500 and response.status != 409:
            return
        await asyncio.sleep(1)
