"""Predicted against true values, as signs over the diagonal on which both are the same."""

from __future__ import annotations

from collections.abc import Sequence

from .cells import Line
from .numbers import number

SIGNS = "·•●"
"""One, two or three, and more points in a cell."""
MOST = 1e290
"""A value beyond this has no place."""


def scatter(pairs: Sequence[Sequence[float]], width: int, height: int) -> list[Line]:
    """True values across, predicted ones up, both on one range; the last line names its ends."""
    finite = [(true, said) for true, said, *_ in pairs if abs(true) < MOST and abs(said) < MOST]
    values = [value for pair in finite for value in pair]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    tall = max(1, height - 1)
    counts: dict[tuple[int, int], int] = {}
    for true, said in finite:
        spot = tall - 1 - _place(said, low, high, tall), _place(true, low, high, width)
        counts[spot] = counts.get(spot, 0) + 1
    lines: list[Line] = []
    for row in range(tall):
        line: Line = []
        for column in range(width):
            found = counts.get((row, column))
            if found:
                line.append((SIGNS[0 if found == 1 else (1 if found <= 3 else 2)], "train"))
            else:
                on = _place((column + 0.5) / width, 0.0, 1.0, tall) == tall - 1 - row
                line.append(("╱" if on else " ", "line"))
        lines.append(_merged(line))
    left, right = number(low), number(high)
    middle = " true →, predicted ↑ "
    if len(left) + len(middle) + len(right) > width:
        middle = " "
    room = max(0, width - len(left) - len(right))
    lines.append([(left, "dim"), (middle.center(room)[:room], "dim"), (right, "dim")])
    return lines


def _place(value: float, low: float, high: float, size: int) -> int:
    return max(0, min(size - 1, int((value - low) / (high - low) * size)))


def _merged(line: Line) -> Line:
    out: Line = []
    for text, style in line:
        if out and out[-1][1] == style:
            out[-1] = (out[-1][0] + text, style)
        else:
            out.append((text, style))
    return out
