"""Encryption at rest: what etcd, and whoever reads its disks, gets to see of some resources.

A value says how it is sealed by its prefix, so that what was written before still opens: with
another key, or none (apiserver, pkg/storage/value/transformer.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from kube_edu.api.status import internal_error


class Provider(Protocol):
    """One way to seal values."""

    prefix: bytes
    """What its values begin with: "k8s:enc:aesgcm:v1:key1:"; nothing where it leaves them plain."""

    def seal(self, value: bytes, key: str) -> bytes:
        """`key` is bound to the value: sealed text that is moved to another key does not open."""

    def open(self, sealed: bytes, key: str) -> bytes:
        """Raises ValueError when it is not what was sealed."""


class Identity:
    """Leaves values as they are."""

    prefix = b""

    def seal(self, value: bytes, key: str) -> bytes:
        return value

    def open(self, sealed: bytes, key: str) -> bytes:
        return sealed


class Encryption:
    """Providers by the storage prefix of a resource: the first seals, all may open."""

    def __init__(self, providers: Mapping[str, Sequence[Provider]]) -> None:
        self._providers = providers

    def seal(self, key: str, value: bytes) -> bytes:
        providers = self._of(key)
        return providers[0].prefix + providers[0].seal(value, key) if providers else value

    def open(self, key: str, value: bytes) -> bytes:
        """Raises ApiError 500 when no provider can."""
        providers = self._of(key)
        for provider in providers:
            if value.startswith(provider.prefix or b"{"):
                try:
                    return provider.open(value[len(provider.prefix) :], key)
                except ValueError as problem:
                    raise internal_error(f"unable to transform key {key!r}: {problem}") from None
        if providers:
            raise internal_error(f"unable to transform key {key!r}: no matching prefix found")
        return value

    def is_stale(self, key: str, value: bytes) -> bool:
        """Whether a value would be sealed in another way now."""
        providers = self._of(key)
        return bool(providers) and not value.startswith(providers[0].prefix or b"{")

    def _of(self, key: str) -> Sequence[Provider]:
        for prefix, providers in self._providers.items():
            if key.startswith(prefix):
                return providers
        return ()


PLAIN = Encryption({})
