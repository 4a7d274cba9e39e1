"""Request bodies as kubectl's typed clients encode them."""

from __future__ import annotations

import pytest

from kube_edu.apiserver.protobuf import MAGIC, decode


def field(number: int, value: int | str | bytes) -> bytes:
    """One field on the wire."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    type_meta = field(1, api_version) + field(2, kind)
    return MAGIC + field(1, type_meta) + field(2, raw) + field(3, "") + field(4, "")


def entry(key: str, value: str | bytes) -> bytes:
    return field(1, key) + field(2, value)


def meta(name: str) -> bytes:
    """As Go writes it: every string, set or not, and the zero time as an empty message."""
    return field(1, name) + field(2, "") + field(3, "") + field(7, 0) + field(8, b"")


def test_a_config_map() -> None:
    data = field(1, meta("cm")) + field(2, entry("k", "v")) + field(3, entry("b", b"\xff"))
    assert decode(envelope("v1", "ConfigMap", data)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cm"},
        "data": {"k": "v"},
        "binaryData": {"b": "/w=="},
    }


def test_zero_replicas_are_kept_and_other_zeros_are_not() -> None:
    spec = field(1, 0) + field(5, 0) + field(7, 0)
    deployment = field(1, meta("web")) + field(2, spec)
    assert decode(envelope("apps/v1", "Deployment", deployment))["spec"] == {"replicas": 0}


def test_embedded_structs_are_inlined_and_empty_structs_stay() -> None:
    volume = field(1, "tmp") + field(2, field(2, b""))
    probe = field(1, field(2, field(1, "/") + field(2, field(1, 1) + field(3, "http"))))
    limits = field(1, entry("cpu", field(1, "100m")))
    container = field(1, "c") + field(2, "nginx") + field(8, limits) + field(11, probe)
    spec = field(1, volume) + field(2, container)
    pod = decode(envelope("v1", "Pod", field(2, spec)))["spec"]
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}]
    assert pod["containers"] == [
        {
            "name": "c",
            "image": "nginx",
            "resources": {"limits": {"cpu": "100m"}},
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
        }
    ]


def test_negative_numbers_and_times() -> None:
    container = field(1, "c") + field(2, "i")
    grace = field(2, container) + field(4, -1)
    data = field(1, field(1, "p") + field(8, field(1, 1767225600))) + field(2, grace)
    pod = decode(envelope("v1", "Pod", data))
    assert pod["spec"]["terminationGracePeriodSeconds"] == -1
    assert pod["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"


def test_delete_options_of_any_group() -> None:
    options = field(1, 0) + field(2, field(1, "u-1")) + field(4, "Background")
    decoded = decode(envelope("apps/v1", "DeleteOptions", options))
    assert decoded["gracePeriodSeconds"] == 0 and decoded["preconditions"] == {"uid": "u-1"}


def test_any_cut_and_any_flipped_byte_is_an_object_or_a_value_error() -> None:
    good = envelope("v1", "ConfigMap", field(1, meta("cm")) + field(2, entry("k", "v")))
    for i in range(len(good)):
        for bad in (good[:i], good[:i] + bytes([good[i] ^ 0xFF]) + good[i + 1 :]):
            try:
                assert isinstance(decode(bad), dict)
            except ValueError:
                continue


def test_a_kind_that_is_not_known_is_named() -> None:
    with pytest.raises(ValueError, match='no kind "Gizmo" is registered for version "x/v1"'):
        decode(envelope("x/v1", "Gizmo", b""))
