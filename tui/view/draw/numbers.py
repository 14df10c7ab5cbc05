"""One way to write numbers, so that a value reads the same everywhere. NaN and infinity are words."""

from __future__ import annotations

import math
from typing import Optional


def number(value: Optional[float], digits: int = 3) -> str:
    """Three significant digits: 0.698, 12.3, 1,234, 3.1e-05 as 3.1e-5. "–" when there is none."""
    if value is None:
        return "–"
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 10 ** max(6, digits) or size < 1e-3:
        return _power(value, digits)
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "−")


def brief(value: Optional[float]) -> str:
    """In at most six cells, for tables: 1.1, 0.84, 3e-2."""
    if value is None or not math.isfinite(value) or value == 0:
        return number(value)
    size = abs(value)
    if 0.01 <= size < 1000:
        return number(value, 2)
    return _power(value, 1)


def ratio(value: Optional[float]) -> str:
    """A ratio as a power of ten with one digit: 3e-2."""
    if value is None or not math.isfinite(value) or value == 0:
        return number(value)
    return _power(value, 1)


def rate(value: Optional[float]) -> str:
    """A learning rate as people write it: 0.1, 0.05, 0.001, 3e-4, 1.5e-5."""
    if value is None or not math.isfinite(value) or value == 0:
        return number(value)
    if 1e-3 <= abs(value) < 1e4:
        return f"{value:.4g}"
    return _power(value, 3)


def _power(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{max(0, digits - 1)}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa.replace('-', '−')}e{int(exponent)}"


def count(value: Optional[int]) -> str:
    """101,770."""
    return "–" if value is None else f"{value:,}"


def size(value: int) -> str:
    """A number of weights where room is short: 2,080, 101.8k, 1.2M."""
    if value < 10_000:
        return f"{value:,}"
    for unit, name in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}" if value / unit < 100 else f"{value / unit:.0f}{name}"
    return str(value)


def percent(share: Optional[float], digits: int = 0) -> str:
    """A share as a percentage: 77 %, 97.3 %."""
    if share is None or not math.isfinite(share):
        return number(share)
    value = 100 * share
    return f"{value:.{digits}f} %" if abs(value) < 1e6 else f"{number(value)} %"


def duration(seconds: Optional[float]) -> str:
    """0:23, 12:05, 3:04:05, 2 d 3 h."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = int(round(seconds))
    if whole >= 172_800:
        return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def speed(per_s: Optional[float]) -> str:
    """Steps per second: 1,204, 20, 0.5."""
    if per_s is None or not math.isfinite(per_s):
        return number(per_s)
    return f"{per_s:,.0f}" if per_s >= 9.95 else f"{per_s:.1f}"
