"""Thin bars on a logarithmic axis of whole decades. Thin, because solid ones are a wall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional

from .cells import Line


def decades(values: Sequence[float], least: int = 3) -> tuple[int, int]:
    """The whole decades that hold the values, at least `least` of them: (lowest exponent, highest exponent)."""
    finite = [value for value in values if value > 0 and math.isfinite(value)]
    if not finite:
        return -2, -2 + least
    top = math.ceil(math.log10(max(finite)) + 1e-9)
    bottom = math.floor(math.log10(min(finite)))
    bottom = min(bottom, top - least)
    return max(bottom, top - 12), top


def tick_row(width: int, low: int, high: int) -> str:
    """Labels of the decades where they lie on an axis of `width` cells."""
    cells = [" "] * width
    taken = -1
    for exponent in range(low, high + 1):
        label = _label(exponent)
        place = int((exponent - low) / max(1, high - low) * (width - 1) + 0.5)
        start = min(place, width - len(label))
        if start > taken and start >= 0:
            cells[start : start + len(label)] = list(label)
            taken = start + len(label)
    return "".join(cells)


def _label(exponent: int) -> str:
    if -2 <= exponent <= 2:
        return {-2: ".01", -1: ".1", 0: "1", 1: "10", 2: "100"}[exponent]
    return f"1e{exponent}"


def log_bar(value: Optional[float], width: int, low: int, high: int, style: str) -> Line:
    """A bar from the lowest decade to the value, in half cells. Below the axis: an arrow; not finite: a row of ✗."""
    if value is None or width <= 0:
        return [(" " * max(0, width), style)]
    if not math.isfinite(value):
        return [("✗" * width, "bad")]
    if value <= 0:
        return [("0" + " " * (width - 1), "dim")]
    position = (math.log10(value) - low) / max(1, high - low)
    if position < 0:
        return [("‹" + " " * (width - 1), style)]
    halves = int(min(1.0, position) * 2 * width + 0.5)
    full, half = divmod(halves, 2)
    text = "━" * full + ("╸" if half and full < width else "")
    beyond = position > 1.0
    if beyond and text:
        text = text[:-1] + "›"
    return [(text, style), (" " * (width - len(text)), "ink")]
