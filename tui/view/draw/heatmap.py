"""Pictures of weights: two levels in every cell, upper and lower half block. Neighbouring equal cells are one run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from .cells import Line

_NUMBER = {letter: str(place) for place, letter in enumerate("0123456789abcdef")} | {"n": "n", ".": "."}


def halves(upper: Sequence[str], lower: Sequence[str]) -> Line:
    """One text row of two rows of level letters ("0"…"f", "n" not finite, "." nothing)."""
    out: Line = []
    for (top, bottom), group in groupby(zip(upper, lower)):
        length = sum(1 for _ in group)
        if top == "." and bottom == ".":
            out.append((" " * length, "ink"))
        else:
            out.append(("▀" * length, f"w{_NUMBER.get(top, '.')}/{_NUMBER.get(bottom, '.')}"))
    return out


def units(cells: str, count: int, height: int, width: int, columns: int) -> list[Line]:
    """Pictures of `count` units laid out in rows of as many as fit into `columns` cells, a gap between them.

    Args:
        cells: count x height x width letters.
    """
    across = max(1, (columns + 1) // (width + 1))
    rows: list[Line] = []
    for first in range(0, count, across):
        here = range(first, min(count, first + across))
        if rows:
            rows.append([])
        for y in range(0, height, 2):
            upper, lower = "", ""
            for unit in here:
                base = unit * height * width
                gap = "." if unit != here[0] else ""
                upper += gap + cells[base + y * width : base + (y + 1) * width]
                under = cells[base + (y + 1) * width : base + (y + 2) * width] if y + 1 < height else "." * width
                lower += gap + under
            rows.append(halves(upper, lower))
    return rows


def shrink(cells: str, height: int, width: int, rows: int, columns: int) -> tuple[str, int, int, int]:
    """A picture that is too large for its place, pooled as the probe pools: what is farthest from zero stands for its
    neighbours. Returns (cells, height, width, how many cells one now stands for)."""
    tall, broad = -(-height // max(1, rows)), -(-width // max(1, columns))
    if tall <= 1 and broad <= 1:
        return cells, height, width, 1
    out = []
    for y in range(0, height, tall):
        lines = [cells[line * width : (line + 1) * width] for line in range(y, min(height, y + tall))]
        for x in range(0, width, broad):
            out.append(max("".join(line[x : x + broad] for line in lines), key=_far))
    return "".join(out), -(-height // tall), -(-width // broad), tall * broad


def _far(letter: str) -> float:
    return 99.0 if letter == "n" else (-1.0 if letter == "." else abs(int(letter, 16) - 7.5))


def fitting(height: int, width: int, columns: int, lines: int) -> int:
    """How many units of height x width cells `units` can draw in so many columns and text lines; at least one."""
    across = max(1, (columns + 1) // (width + 1))
    tall = -(-height // 2)
    return across * max(1, (lines + 1) // (tall + 1))


def ramp() -> Line:
    """The scale: minus, sixteen levels, plus."""
    return [("− ", "dim"), *[("▀", f"w{level}/{level}") for level in range(16)], (" +", "dim")]
