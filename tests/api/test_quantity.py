"""Quantities keep their value, and have one way to be written."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_edu.api import quantity

SUFFIXES = [*"mkMGT", "", "Ki", "Mi", "Gi", "e3", "E-2"]
TEXTS = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.decimals(-1000, 1000, places=3),
    st.sampled_from(SUFFIXES),
)


@given(TEXTS)
def test_the_canonical_form_has_the_same_value(text):
    assert quantity.parse(quantity.canonical(text)) == quantity.parse(text)


@given(TEXTS)
def test_the_canonical_form_is_canonical(text):
    canonical = quantity.canonical(text)
    assert quantity.canonical(canonical) == canonical
    assert "." not in canonical


@given(st.integers(-(10**15), 10**15))
def test_whole_numbers_are_written_alike_whatever_the_unit(number):
    assert quantity.canonical(f"{number * 1000}m") == quantity.canonical(str(number))


@pytest.mark.parametrize(
    ("text", "canonical", "value"),
    [
        ("0.5", "500m", "0.5"),
        (0.25, "250m", "0.25"),
        (2, "2", "2"),
        ("1000m", "1", "1"),
        ("1024Ki", "1Mi", "1048576"),
        ("1.5Gi", "1536Mi", "1610612736"),
        ("0.3Ki", "307200m", "307.2"),
        ("2000k", "2M", "2000000"),
        ("5e4", "50e3", "50000"),
        ("3E", "3E", "3000000000000000000"),
        ("0.00000000001", "1n", "0.000000001"),
        ("-0", "0", "0"),
    ],
)
def test_examples(text, canonical, value):
    assert quantity.canonical(text) == canonical
    assert quantity.parse(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "1 Gi", "1GB", "ten", "1e", "1mi", "0x1", "1e999999999"])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(ValueError):
        quantity.parse(text)


def test_counts_are_rounded_away_from_zero():
    assert quantity.whole(Decimal("1.001")) == 2
    assert quantity.whole(Decimal("-1.001")) == -2
    assert quantity.milli(quantity.parse("1500u")) == 2
