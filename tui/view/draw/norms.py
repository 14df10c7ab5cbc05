"""Cells of one row of the gradient table: bar, trend, trouble in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Optional

from rich.cells import cell_len, set_cell_size

from ...history.layers import Health, Layer
from .bars import log_bar
from .cells import Cell, Line, clean, ending, fit
from .numbers import count
from .sparkline import sparkline


def axis_values(rows: Iterable[Health], full_range: bool) -> list[float]:
    """What the axis is to hold: the recent norms without their outermost twentieths, or those of all time."""
    values: list[float] = []
    for health in rows:
        if full_range:
            if health.high > 0:
                values += [health.low, health.high]
        else:
            recent = sorted(v for v in list(health.recent)[-64:] if v > 0 and math.isfinite(v))
            edge = len(recent) // 20
            values += recent[edge : edge + 1] + recent[-1 - edge : len(recent) - edge]
            if health.now is not None:
                values.append(health.now)
    return values


def norm_bar(health: Health, of: int, width: int, low: int, high: int) -> Line:
    """The bar; where the norm is not finite, how many of the `of` entries are not."""
    if health.finite or health.odd is None:
        return fit(log_bar(health.now, width, low, high, "gradient"), width)
    words = next((words for words in odd_words(health.odd, of) if cell_len(words) <= width), "✗" * width)
    return fit([(words, "bad")], width)


def odd_words(odd: tuple[int, int], of: int) -> list[str]:
    """How many entries of a gradient are NaN and how many infinite, the fullest words first."""
    nan, infinite = odd
    kinds = [f"{name} {count(number)}" for name, number in (("NaN", nan), ("Inf", infinite)) if number]
    if not kinds:
        return ["✗ no entry: their squares overflow", "✗ squares overflow", "✗ overflow"]
    found = [f"✗ {' · '.join(kinds)} of {count(of)}", f"✗ {' · '.join(kinds)}", f"✗ {' '.join(kinds)}"]
    return [*found, f"✗ {count(nan + infinite)} odd"]


def trend(health: Health, width: int, spike: float) -> Line:
    """The last norms as a curve, or how far the newest is above its median."""
    times = health.times_median()
    if times is not None and times > spike:
        return [(f"▲ {times:.0f}× median"[:width], "warning")]
    recent = list(health.recent)[-4 * width :]
    if not recent:
        return []
    cells = min(width, len(recent))
    edges = [place * len(recent) // cells for place in range(cells + 1)]
    logs = [_logarithm(recent[first:last]) for first, last in zip(edges, edges[1:])]
    finite = [value for value in logs if value is not None and math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if high - low < 0.5:
        middle = (high + low) / 2
        low, high = middle - 0.25, middle + 0.25
    return sparkline(logs, "dim", low, high)


def _logarithm(values: list[float]) -> Optional[float]:
    """The decade of the last of these norms; one among them that is not finite is not passed over, 0 has none."""
    value = next((value for value in values if not math.isfinite(value)), values[-1])
    if not math.isfinite(value):
        return value
    return math.log10(value) if value > 0 else None


def trouble(health: Health) -> Optional[Cell]:
    """What stands in place of the ratio where the norm is not finite."""
    if health.now is None or health.finite:
        return None
    return ("  ✗ " + ("NaN" if health.now != health.now else "inf"), "bad")


def norm_style(value: Optional[float]) -> str:
    return "bad" if value is not None and not math.isfinite(value) else "ink"


def fit_text(text: str, width: int) -> str:
    return set_cell_size(clean(text), width)


def short_title(layer: Layer) -> str:
    """The name of a layer alone; of a block how many layers it has, too."""
    return layer.title if layer.kind.startswith("(") else layer.name


def named(layer: Layer, width: int) -> str:
    """Name and kind of a layer if there is room, else its name, else the end of it: that tells layers apart."""
    short = short_title(layer)
    fitting = (words for words in (layer.title, short) if cell_len(words) <= width)
    return next(fitting, ending(short, width))
