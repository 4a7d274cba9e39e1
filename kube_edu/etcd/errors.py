"""etcd's errors: gRPC codes and texts, as its clients see them (api/v3rpc/rpctypes/error.go)."""

from __future__ import annotations

from kube_edu.host import StreamError

CODES = {
    "OK": 0,
    "Canceled": 1,
    "Unknown": 2,
    "InvalidArgument": 3,
    "DeadlineExceeded": 4,
    "NotFound": 5,
    "AlreadyExists": 6,
    "PermissionDenied": 7,
    "ResourceExhausted": 8,
    "FailedPrecondition": 9,
    "Aborted": 10,
    "OutOfRange": 11,
    "Unimplemented": 12,
    "Internal": 13,
    "Unavailable": 14,
    "DataLoss": 15,
    "Unauthenticated": 16,
}
NAMES = {number: name for name, number in CODES.items()}


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


def empty_key() -> EtcdError:
    return EtcdError("InvalidArgument", "etcdserver: key is not provided")


def key_not_found() -> EtcdError:
    return EtcdError("InvalidArgument", "etcdserver: key not found")


def value_provided() -> EtcdError:
    return EtcdError("InvalidArgument", "etcdserver: value is provided")


def lease_provided() -> EtcdError:
    return EtcdError("InvalidArgument", "etcdserver: lease is provided")


def too_many_ops() -> EtcdError:
    return EtcdError("InvalidArgument", "etcdserver: too many operations in txn request")


def duplicate_key() -> EtcdError:
    return EtcdError("InvalidArgument", "etcdserver: duplicate key given in txn request")


def compacted() -> EtcdError:
    return EtcdError("OutOfRange", "etcdserver: mvcc: required revision has been compacted")


def future_revision() -> EtcdError:
    return EtcdError("OutOfRange", "etcdserver: mvcc: required revision is a future revision")


def lease_not_found() -> EtcdError:
    return EtcdError("NotFound", "etcdserver: requested lease not found")


def lease_exists() -> EtcdError:
    return EtcdError("FailedPrecondition", "etcdserver: lease already exists")


def lease_ttl_too_large() -> EtcdError:
    return EtcdError("OutOfRange", "etcdserver: too large lease TTL")


def request_too_large() -> EtcdError:
    return EtcdError("InvalidArgument", "etcdserver: request is too large")


def no_leader() -> EtcdError:
    return EtcdError("Unavailable", "etcdserver: no leader")


def stopped() -> EtcdError:
    return EtcdError("Unavailable", "etcdserver: server stopped")


def leader_failed() -> EtcdError:
    text = "etcdserver: request timed out, possibly due to previous leader failure"
    return EtcdError("Unavailable", text)


def timed_out() -> EtcdError:
    return EtcdError("Unavailable", "etcdserver: request timed out")


def member_exists() -> EtcdError:
    return EtcdError("FailedPrecondition", "etcdserver: member ID already exist")


def peer_url_exists() -> EtcdError:
    return EtcdError("FailedPrecondition", "etcdserver: Peer URLs already exists")


def bad_member_urls() -> EtcdError:
    return EtcdError("InvalidArgument", "etcdserver: given member URLs are invalid")


def member_not_found() -> EtcdError:
    return EtcdError("NotFound", "etcdserver: member not found")


def member_not_learner() -> EtcdError:
    return EtcdError("FailedPrecondition", "etcdserver: can only promote a learner member")


def learner_not_ready() -> EtcdError:
    text = "etcdserver: can only promote a learner member which is in sync with leader"
    return EtcdError("FailedPrecondition", text)


def too_many_learners() -> EtcdError:
    text = "etcdserver: too many learner members in cluster"
    return EtcdError("FailedPrecondition", text)


def not_enough_started() -> EtcdError:
    text = "etcdserver: re-configuration failed due to not enough started members"
    return EtcdError("FailedPrecondition", text)


def unhealthy() -> EtcdError:
    return EtcdError("Unavailable", "etcdserver: unhealthy cluster")


def not_leader() -> EtcdError:
    return EtcdError("FailedPrecondition", "etcdserver: not leader")


def bad_transferee() -> EtcdError:
    return EtcdError("FailedPrecondition", "etcdserver: bad leader transferee")


def transfer_timed_out() -> EtcdError:
    text = "etcdserver: request timed out, leader transfer took too long"
    return EtcdError("Unknown", text)


def not_for_learners() -> EtcdError:
    return EtcdError("FailedPrecondition", "etcdserver: rpc not supported for learner")


def unknown_method(path: str) -> EtcdError:
    return EtcdError("Unimplemented", f"unknown method {path}")
