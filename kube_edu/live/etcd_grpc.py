"""etcd's gRPC over real sockets: between grpcio and the Requests and Responses of kube_edu.host.

A call is a POST to its method's path, as it is in HTTP/2. A message goes as its bytes; what is
decoded already is encoded here, so no service needs code of its own. Where a client sends a stream
of messages, the body is an async iterator; a failure is told by the headers `grpc-status` and
`grpc-message` of a response without a message.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what is wrong is said by exceptions
import grpc

from kube_edu.etcd.errors import CODES, NAMES, EtcdError
from kube_edu.host import Handler, Request, Response
from kube_edu.live.tls import Tls
from kube_edu.live.urls import Url
from kube_edu.wire import protobuf

BIDIRECTIONAL = ("/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive")
STREAMING = ("/etcdserverpb.Maintenance/Snapshot", "/v3electionpb.Election/Observe")
"""The methods with streams; in all others one message answers one."""

MAX_RECEIVE_BYTES = 2 * 1024 * 1024
"""etcd: --max-request-bytes, and 512 KiB for what gRPC adds (api/v3rpc/grpc.go)."""

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # a port that is taken is an error
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),  # --grpc-keepalive-min-time
)

CLIENT_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),  # the time to connect, too
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 30_000),  # as kube-apiserver's storage client
    ("grpc.keepalive_timeout_ms", 10_000),
)

METADATA = (("hasleader", "true"),)
"""Rather no watch than one at a member that is cut off (clientv3: WithRequireLeader)."""

STATUS = {code.value[0]: code for code in grpc.StatusCode}


class GrpcServer:
    """A handler that listens. Implements `kube_edu.host.Server`."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        self._server.add_generic_rpc_handlers((self,))

    def add_port(self, host: str, port: int, tls: Tls | None = None) -> int:
        """Listen on an address too, and return the port. Raises OSError when it is taken."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, _server_credentials(tls)))
        except RuntimeError:
            raise OSError(f"cannot listen on {address}") from None

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        await self._server.stop(grace=None)

    def service(self, call: Any) -> Any:
        """What grpcio asks for a method's handler (grpc.GenericRpcHandler)."""
        path: str = call.method

        async def answer(body: bytes, context: Any) -> Any:
            response = await self._ask(path, body, context)
            return response.body

        async def stream(body: Any, context: Any) -> AsyncIterator[Any]:
            response = await self._ask(path, body, context)
            assert response.stream is not None
            try:
                async for message in response.stream:
                    yield message
            except EtcdError as error:
                await context.abort(STATUS[CODES[error.code]], error.message)
            finally:
                await response.close()

        if path in BIDIRECTIONAL:
            return grpc.stream_stream_rpc_method_handler(stream, None, encode)
        if path in STREAMING:
            return grpc.unary_stream_rpc_method_handler(stream, None, encode)
        return grpc.unary_unary_rpc_method_handler(answer, None, encode)

    async def _ask(self, path: str, body: Any, context: Any) -> Response:
        try:
            response = await self._handler(Request("POST", path, body=body))
        except protobuf.DecodeError as error:
            text = f"grpc: error unmarshalling request: {error}"
            await context.abort(grpc.StatusCode.INTERNAL, text)
        status = int(response.headers.get("grpc-status", "0"))
        if status:
            await context.abort(STATUS[status], response.headers.get("grpc-message", ""))
        return response


class GrpcConnection:
    """A client of one member. Implements `kube_edu.host.HttpClient`, so that an EtcdClient works
    over it as it does in the simulation. `endpoint` is "host:port"."""

    def __init__(self, endpoint: str, tls: Tls | None = None) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._channel: Any = None

    async def request(self, request: Request) -> Response:
        channel, path, body = self._open(), request.path, request.body
        if path in BIDIRECTIONAL:
            method = channel.stream_stream(path, request_serializer=encode)
            if hasattr(body, "__aiter__"):
                return Response(stream=_read(method(body, metadata=METADATA)))
            call = method(metadata=METADATA)
            try:
                await call.write(body)  # and leave it open: to end it would end the answers
            except grpc.aio.AioRpcError as error:
                return _failure(error)
            return Response(stream=_read(call))
        if path in STREAMING:
            return Response(stream=_read(channel.unary_stream(path, encode)(body)))
        try:
            return Response(body=await channel.unary_unary(path, encode)(body))
        except grpc.aio.AioRpcError as error:
            return _failure(error)

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    def _open(self) -> Any:
        if self._channel is None:
            if self._tls is None:
                self._channel = grpc.aio.insecure_channel(self._endpoint, CLIENT_OPTIONS)
            else:
                credentials = _client_credentials(self._tls)
                self._channel = grpc.aio.secure_channel(self._endpoint, credentials, CLIENT_OPTIONS)
        return self._channel


def connections(urls: Sequence[Url], tls: Tls) -> list[GrpcConnection]:
    """Clients of the members at some URLs."""
    return [GrpcConnection(url.endpoint, tls if url.secure else None) for url in urls]


async def _read(call: Any) -> AsyncIterator[bytes]:
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        headers = _failure(error).headers
        code = NAMES[int(headers["grpc-status"])]
        raise EtcdError(code, headers["grpc-message"]) from None
    finally:
        call.cancel()


def _failure(error: Any) -> Response:
    """What a server answered; raises ConnectionError where it did not answer at all."""
    text = error.details() or ""
    if error.code() is grpc.StatusCode.UNAVAILABLE and not text.startswith("etcdserver: "):
        if text.startswith("failed to connect"):
            raise ConnectionRefusedError(text) from None  # so it was never sent
        raise ConnectionResetError(text) from None
    status = str(error.code().value[0])
    return Response(headers={"grpc-status": status, "grpc-message": text})


def encode(message: Any) -> bytes:
    return message if isinstance(message, bytes) else protobuf.encode(message)


def _server_credentials(tls: Tls) -> Any:
    certificate, key, authority = tls.pem()
    pair = ((key, certificate),)
    return grpc.ssl_server_credentials(pair, authority, require_client_auth=authority is not None)


def _client_credentials(tls: Tls) -> Any:
    certificate, key, authority = tls.pem()
    return grpc.ssl_channel_credentials(authority, key, certificate)
