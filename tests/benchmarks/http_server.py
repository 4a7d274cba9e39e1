"""An API server over HTTPS in a process of its own, for wrk to ask: `python -m
tests.benchmarks.http_server FOLDER api|bare [ETCD-URL]`. Prints its port once it is ready.

wrk has no client certificates, so everybody is kubeadm's administrator here, as RBAC knows him.
`bare` is the same HTTP server library answering a fixed body: what no handler can exceed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from kube_edu.apiserver import ApiServer
from kube_edu.etcd import EtcdClient, EtcdServer
from kube_edu.etcd.services import Services
from kube_edu.host import Peer, Request, Response
from kube_edu.kubelet.cni.loopback import DialMap
from kube_edu.live.etcd_grpc import connections
from kube_edu.live.host import Rack
from kube_edu.live.pki import Pki
from kube_edu.live.tls import Tls
from kube_edu.live.urls import parse_urls
from kube_edu.wire.http import HttpServer
from tests.apiserver.fakes import MUTATING, SERVICE_ACCOUNTS, Options, pod, service_account

USER = Peer(common_name="kubernetes-admin", organizations=("kubeadm:cluster-admins",))


async def main(folder: Path, what: str, url: str = "") -> None:
    rack = Rack(folder, Pki(folder / "pki"), DialMap(folder / "dial"))
    host = rack.host("control-1", "127.0.0.1")
    tls = rack.pki.server("apiserver", "control-1", ("control-1", "127.0.0.1"))
    async with asyncio.TaskGroup() as tasks:
        if what == "bare":
            body = json.dumps(pod()).encode()

            async def fixed(_: web.BaseRequest) -> web.Response:
                return web.Response(body=body, content_type="application/json")

            loop = asyncio.get_running_loop()
            server = await loop.create_server(web.Server(fixed), "127.0.0.1", 0, ssl=tls)
            port = server.sockets[0].getsockname()[1]
        else:
            client = EtcdClient(connections(parse_urls("etcd-servers", url), Tls("", "", "")))
            if not url:
                etcd = EtcdServer(host, {"control-1": "control-1:2380"})
                await host.serve(2379, Services(etcd).handle, identity="etcd")
                tasks.create_task(etcd.run())
                client = EtcdClient([host.connect("control-1:2379", identity="etcd")])
            options = Options(SERVICE_ACCOUNTS)
            mutating = [plugin for plugin in MUTATING if plugin is not service_account]
            api = ApiServer(host, client, options, mutating=mutating)

            async def handle(request: Request) -> Response:
                return await api.handle(replace(request, peer=USER))

            tasks.create_task(api.run())
            while (await handle(Request("GET", "/readyz"))).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            port = await HttpServer(handle).listen("127.0.0.1", 0, tls)
        gc.freeze()
        print(port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
