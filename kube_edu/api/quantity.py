"""Resource quantities: "100m", "1.5Gi", "12e6" to exact numbers and back.

Source: apimachinery, pkg/api/resource/quantity.go and suffix.go.
"""

from __future__ import annotations

import functools
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_UP, Context, Decimal, InvalidOperation

DECIMAL_SI, BINARY_SI, DECIMAL_EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"

_QUANTITY = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_SI = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SI_SUFFIX = {exponent: suffix for suffix, exponent in _SI.items()}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_EXPONENT = re.compile("[eE]([-+]?[0-9]+)")

# Precise enough for any quantity that can be written in practice.
_EXACT = Context(prec=200)
_LARGEST = Decimal(2**63 - 1)
_NANO = Decimal(10) ** -9


def parse(text: str | float) -> Decimal:
    """The exact value; what is finer than a billionth is rounded up, as in Kubernetes.
    ValueError, with Kubernetes' text, when it is no quantity."""
    return _parse(str(text))[0]


def canonical(text: str | float) -> str:
    """The same quantity as the API server writes it: "1024Ki" becomes "1Mi", 0.5 "500m"."""
    return format(*_parse(str(text)))


def format(value: Decimal, style: str = DECIMAL_SI) -> str:
    """A value in the canonical form of a style: the largest suffix that keeps it whole."""
    if style == BINARY_SI:
        if abs(value) >= 1024 and value == int(value):
            return _binary(int(value))
        style = DECIMAL_SI
    if value == 0:
        return "0"
    sign, digits, exponent = value.normalize(_EXACT).as_tuple()
    number = int("".join(map(str, digits))) * (-1 if sign else 1)
    assert isinstance(exponent, int)
    place = exponent // 3 * 3
    if style == DECIMAL_SI:
        place = min(place, 18)
    number *= 10 ** (exponent - place)
    if style == DECIMAL_SI:
        return f"{number}{_SI_SUFFIX[place]}"
    return f"{number}e{place}" if place else str(number)


def whole(value: Decimal) -> int:
    """The value as an integer, rounded away from zero (Quantity.Value)."""
    return int(value.to_integral_value(ROUND_CEILING if value > 0 else ROUND_FLOOR))


def milli(value: Decimal) -> int:
    """Thousandths, rounded away from zero (Quantity.MilliValue): CPU is counted in them."""
    return whole(value * 1000)


def share(value: int | str, total: int, *, round_up: bool) -> int:
    """A number as it is, a percentage of a total (apimachinery, pkg/util/intstr/intstr.go,
    GetScaledValueFromIntOrPercent). Raises ValueError."""
    if isinstance(value, int):
        return value
    if not re.fullmatch("[0-9]+%", value):
        raise ValueError(f"invalid value for IntOrString: {value!r} is not a percentage")
    hundredths = int(value[:-1]) * total
    return -(-hundredths // 100) if round_up else hundredths // 100


@functools.lru_cache(maxsize=1024)  # the same few amounts come again and again
def _parse(text: str) -> tuple[Decimal, str]:
    try:
        return _parse_exactly(text)
    except InvalidOperation:
        raise ValueError(f"the quantity {text[:40]} is out of range") from None


def _parse_exactly(text: str) -> tuple[Decimal, str]:
    found = _QUANTITY.fullmatch(text)
    if not found or not text:
        raise ValueError(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    sign, before, after, suffix = found.groups()
    number = Decimal(f"{sign}{before or '0'}.{after or '0'}")
    if suffix in _SI:
        value, style = number.scaleb(_SI[suffix], _EXACT), DECIMAL_SI
    elif suffix in _BINARY:
        value, style = _EXACT.multiply(number, Decimal(1024 ** _BINARY[suffix])), BINARY_SI
        value = max(min(value, _LARGEST), -_LARGEST)
    elif exponent := _EXPONENT.fullmatch(suffix):
        value, style = number.scaleb(int(exponent[1]), _EXACT), DECIMAL_EXPONENT
    else:
        raise ValueError("unable to parse quantity's suffix")
    return value.quantize(_NANO, ROUND_UP, _EXACT), style


def _binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < 6:
        number //= 1024
        power += 1
    return f"{number}{['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'][power]}"
