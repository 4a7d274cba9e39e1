"""etcd's errors: gRPC codes and texts, as its clients see them (api/v3rpc/rpctypes/error.go)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kube_edu.host import Response, StreamError

# fmt: off
NAMES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
    "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange",
    "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
)
# fmt: on
"""gRPC's codes, by their numbers."""

CODES = {name: number for number, name in enumerate(NAMES)}


class EtcdError(StreamError):
    """A request was refused. `code` is the name of the gRPC code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def parse(cls, text: str) -> EtcdError:
        """What `str` says, read again."""
        code, _, message = text.partition(": ")
        return cls(code, message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def _refusal(code: str, text: str) -> Callable[[], EtcdError]:
    """Each use is an error of its own, for an exception gathers its traceback."""
    return partial(EtcdError, code, f"etcdserver: {text}")


empty_key = _refusal("InvalidArgument", "key is not provided")
key_not_found = _refusal("InvalidArgument", "key not found")
value_provided = _refusal("InvalidArgument", "value is provided")
lease_provided = _refusal("InvalidArgument", "lease is provided")
too_many_ops = _refusal("InvalidArgument", "too many operations in txn request")
duplicate_key = _refusal("InvalidArgument", "duplicate key given in txn request")
compacted = _refusal("OutOfRange", "mvcc: required revision has been compacted")
future_revision = _refusal("OutOfRange", "mvcc: required revision is a future revision")
lease_not_found = _refusal("NotFound", "requested lease not found")
lease_exists = _refusal("FailedPrecondition", "lease already exists")
lease_ttl_too_large = _refusal("OutOfRange", "too large lease TTL")
request_too_large = _refusal("InvalidArgument", "request is too large")
no_leader = _refusal("Unavailable", "no leader")
stopped = _refusal("Unavailable", "server stopped")
leader_failed = _refusal(
    "Unavailable", "request timed out, possibly due to previous leader failure"
)
timed_out = _refusal("Unavailable", "request timed out")
member_exists = _refusal("FailedPrecondition", "member ID already exist")
peer_url_exists = _refusal("FailedPrecondition", "Peer URLs already exists")
bad_member_urls = _refusal("InvalidArgument", "given member URLs are invalid")
member_not_found = _refusal("NotFound", "member not found")
member_not_learner = _refusal("FailedPrecondition", "can only promote a learner member")
learner_not_ready = _refusal(
    "FailedPrecondition", "can only promote a learner member which is in sync with leader"
)
too_many_learners = _refusal("FailedPrecondition", "too many learner members in cluster")
not_enough_started = _refusal(
    "FailedPrecondition", "re-configuration failed due to not enough started members"
)
unhealthy = _refusal("Unavailable", "unhealthy cluster")
not_leader = _refusal("FailedPrecondition", "not leader")
bad_transferee = _refusal("FailedPrecondition", "bad leader transferee")
transfer_timed_out = _refusal("Unknown", "request timed out, leader transfer took too long")
auth_not_enabled = _refusal("FailedPrecondition", "authentication is not enabled")
not_for_learners = _refusal("FailedPrecondition", "rpc not supported for learner")


def unknown_method(path: str) -> EtcdError:
    return EtcdError("Unimplemented", f"unknown method {path}")


# -- as gRPC puts it into the headers of a response without a message -------------------------


def failure(error: EtcdError) -> Response:
    headers = {"grpc-status": str(CODES[error.code]), "grpc-message": error.message}
    return Response(headers=headers)


def raise_for(response: Response) -> None:
    """Raises the EtcdError that a response tells, if it does."""
    status = int(response.headers.get("grpc-status", "0"))
    if status:
        raise EtcdError(NAMES[status], response.headers.get("grpc-message", ""))
