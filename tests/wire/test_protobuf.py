"""The protobuf codec."""
# ruff: noqa: RUF009

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_edu.wire.protobuf import DecodeError, decode, encode, fields, pb


class Color(IntEnum):
    RED = 0
    BLUE = 2


@dataclass(frozen=True, slots=True)
class Leaf:
    name: str = pb(1, "")


@dataclass(frozen=True, slots=True)
class Tree:
    number: int = pb(1, 0)
    text: str = pb(2, "")
    flag: bool = pb(3, False)
    color: Color = pb(4, Color.RED)
    data: bytes = pb(5, b"")
    leaf: Leaf | None = pb(6, None)
    leaves: tuple[Leaf, ...] = pb(7, ())
    numbers: tuple[int, ...] = pb(8, ())
    one: int | None = pb(9, None)
    big: int = pb(64, 0, unsigned=True)


def test_the_examples_of_the_encoding_guide() -> None:
    assert encode(Tree(number=150)) == b"\x08\x96\x01"
    assert encode(Tree(text="testing")) == b"\x12\x07testing"
    assert encode(Tree(number=-2)) == b"\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
    assert encode(Tree(leaf=Leaf("a"))) == b"\x32\x03\x0a\x01a"


def test_defaults_are_left_out_but_presence_is_kept() -> None:
    assert encode(Tree()) == b""
    assert decode(Tree, encode(Tree(one=0, leaf=Leaf()))) == Tree(one=0, leaf=Leaf())


def test_packed_and_single_numbers_are_read_alike() -> None:
    assert decode(Tree, b"\x42\x03\x01\x96\x01").numbers == (1, 150)
    assert decode(Tree, b"\x40\x01\x40\x96\x01").numbers == (1, 150)


def test_unknown_fields_are_skipped() -> None:
    assert decode(Leaf, encode(Tree(flag=True, data=b"x")) + b"\x0a\x01n") == Leaf("n")


TREES = st.builds(
    Tree,
    number=st.integers(-(2**63), 2**63 - 1),
    text=st.text(),
    flag=st.booleans(),
    color=st.sampled_from(Color),
    data=st.binary(),
    leaf=st.none() | st.builds(Leaf, st.text()),
    leaves=st.lists(st.builds(Leaf, st.text())).map(tuple),
    numbers=st.lists(st.integers(-5, 2**40)).map(tuple),
    one=st.none() | st.integers(0, 9),
    big=st.integers(0, 2**64 - 1),
)


@given(TREES)
def test_what_is_encoded_is_decoded(tree: Tree) -> None:
    assert decode(Tree, encode(tree)) == tree


@given(st.binary())
def test_garbage_is_refused_with_one_kind_of_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode(Tree, data)


def test_a_cut_message_is_refused() -> None:
    with pytest.raises(DecodeError, match="longer than its message"):
        decode(Tree, encode(Tree(text="testing"))[:-1])
    with pytest.raises(DecodeError):
        list(fields(b"\x80"))
