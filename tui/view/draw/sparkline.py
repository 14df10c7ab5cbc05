"""One-line curves of block characters. A value that is not finite shows as ✗, a missing one as a blank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional

from .cells import Cell, Line

BLOCKS = "▁▂▃▄▅▆▇█"


def bucket(values: Sequence[tuple[float, float]], width: int, limits: tuple[float, float]) -> list[Optional[float]]:
    """The last value in each of `width` equal pieces of the x axis; gaps carry the value before on.

    Args:
        values: (x, y), x ascending.
        limits: the lowest and the highest x of the axis.
    """
    if width <= 0 or not values:
        return []
    first, last = limits
    span = max(1e-9, last - first)
    out: list[Optional[float]] = [None] * width
    for x, y in values:
        place = int((x - first) / span * (width - 1) + 0.5)
        if 0 <= place < width:
            kept = out[place]
            # a spike or a NaN inside a piece is not averaged away
            out[place] = y if kept is None or (math.isfinite(kept) and (not math.isfinite(y) or y > kept)) else kept
    carried: Optional[float] = None
    for place, value in enumerate(out):
        if value is None:
            out[place] = carried if carried is None or math.isfinite(carried) else None
        else:
            carried = value
    return out


def sparkline(
    values: Sequence[Optional[float]], style: str, low: Optional[float] = None, high: Optional[float] = None
) -> Line:
    """One cell a value.

    Args:
        low, high: limits of the y axis; by default those of the finite values.
    """
    finite = [value for value in values if value is not None and math.isfinite(value)]
    low = min(finite, default=0.0) if low is None else low
    high = max(finite, default=1.0) if high is None else high
    span = high - low
    cells: list[Cell] = []
    for value in values:
        if value is None:
            cells.append((" ", style))
        elif not math.isfinite(value):
            cells.append(("✗", "bad"))
        else:
            share = (value - low) / span if span > 0 else 0.0
            cells.append((BLOCKS[max(0, min(7, int(share * 7.999)))], style))
    merged: Line = []
    for text, name in cells:
        if merged and merged[-1][1] == name:
            merged[-1] = (merged[-1][0] + text, name)
        else:
            merged.append((text, name))
    return merged
