"""How long something took or is ago, as people like to read it.

Source: apimachinery, pkg/util/duration/duration.go.
"""

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
_DURATIONS = (
    (2 * _MINUTE, 1, "s", 1, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 1, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 1, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 1, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    (float("inf"), _YEAR, "y", 1, ""),
)
"""Below how many seconds which unit is shown, and which smaller one beside it."""


def human_duration(seconds: float) -> str:
    """How long, to two digits or so: "45s", "2m30s", "5h", "3d"."""
    if seconds <= -2:
        return "<invalid>"
    whole = max(int(seconds), 0)
    size, unit, small, small_unit = next(row[1:] for row in _DURATIONS if whole < row[0])
    rest = whole % size // small if small_unit else 0
    return f"{whole // size}{unit}" + (f"{rest}{small_unit}" if rest else "")
