"""Durations, amounts and sizes in the units that people use."""

from __future__ import annotations

from typing import Final

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DAY: Final = 86_400.0
_YEAR: Final = 365.25 * _DAY


def duration(seconds: float) -> str:
    """Return a duration in one unit, as an estimate deserves it: "40 s", "3 min", "5.2 h", "157 days", "6.2 years"."""
    if seconds < 90.0:
        return f"{seconds:.0f} s" if seconds >= 1.0 or not seconds else "under 1 s"
    for upto, unit, name in ((90 * _MINUTE, _MINUTE, "min"), (48 * _HOUR, _HOUR, "h")):
        if seconds < upto:
            return f"{_digits(seconds / unit)} {name}"
    return f"{_digits(seconds / _DAY)} days" if seconds < 2 * _YEAR else f"{_digits(seconds / _YEAR)} years"


def amount(value: float) -> str:
    """Return a number of hours or of money with two digits that count, or all before the point: "4,423", "9.3", "<0.01"."""
    if not value:
        return "0"
    return _digits(value) if value >= 0.01 else "<0.01"


def size(num_bytes: float) -> str:
    """Return "342 MiB" or "1.2 GiB"."""
    mib = num_bytes / 2**20
    return f"{mib:.0f} MiB" if mib < 1024 else f"{_digits(mib / 1024)} GiB"


def _digits(value: float) -> str:
    """Return two digits that count, and never fewer than stand before the point: no exponent."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}".removesuffix(".0") if value >= 0.95 else f"{value:.2g}"
