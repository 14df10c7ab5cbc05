"""A plane of values as colours, two in every cell, with signs on top; and lines through it, from cell to cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .cells import Line, fit
from .heatmap import halves

Spot = tuple[int, int]
"""(text row, column)."""


@dataclass(frozen=True)
class Frame:
    """What a picture of width x height cells shows: coordinates of the centres of its outermost values."""

    width: int
    height: int
    left: float
    right: float
    bottom: float
    top: float

    def spot(self, x: float, y: float) -> Spot | None:
        """The cell of a point; None when it lies outside or nowhere."""
        if not (self.left <= x <= self.right and self.bottom <= y <= self.top):
            return None
        across = (x - self.left) / ((self.right - self.left) or 1.0)
        down = (self.top - y) / ((self.top - self.bottom) or 1.0)
        return min(self.height - 1, int(down * self.height)), min(self.width - 1, int(across * self.width))


def spread(values: Sequence[float], rows: int, columns: int, width: int, height: int) -> list[list[float]]:
    """The values of a grid at height x width places of the same plane, the nearest one each."""
    if rows < 1 or columns < 1 or len(values) < rows * columns:
        return []
    down = [_nearest(y, height, rows) for y in range(height)]
    across = [_nearest(x, width, columns) for x in range(width)]
    return [[values[y * columns + x] for x in across] for y in down]


def _nearest(place: int, size: int, count: int) -> int:
    return min(count - 1, int((place + 0.5) / size * count))


def smooth(values: Sequence[float], rows: int, columns: int, width: int, height: int) -> list[list[float]]:
    """The same, between the grid's values; a value that is not finite makes its neighbourhood so."""
    if rows < 1 or columns < 1 or len(values) < rows * columns:
        return []
    out = []
    for y in range(height):
        upper, lower, down = _between(y, height, rows)
        line = []
        for x in range(width):
            first, second, across = _between(x, width, columns)
            above = _mix(values[upper * columns + first], values[upper * columns + second], across)
            below = _mix(values[lower * columns + first], values[lower * columns + second], across)
            line.append(_mix(above, below, down))
        out.append(line)
    return out


def _between(place: int, size: int, count: int) -> tuple[int, int, float]:
    """(grid line before, grid line behind, how far between them) of the centre of a cell."""
    at = (place + 0.5) / size * (count - 1)
    first = min(count - 1, int(at))
    return first, min(count - 1, first + 1), at - first


def _mix(one: float, other: float, share: float) -> float:
    return one if share == 0.0 or one == other else one * (1 - share) + other * share


def field(letters: Sequence[str], signs: Mapping[Spot, tuple[str, str]]) -> list[Line]:
    """Text rows of colours, each of two rows of level letters.

    Args:
        letters: an even number of rows of level letters.
        signs: what stands on top, as (sign, style) by its cell; with the style "" it is light on dark, dark on light.
    """
    lines = []
    for row in range(len(letters) // 2):
        upper, lower = letters[2 * row], letters[2 * row + 1]
        line: Line = []
        begun = 0
        for column in sorted(column for y, column in signs if y == row and column < len(upper)):
            line += halves(upper[begun:column], lower[begun:column])
            sign, style = signs[row, column]
            line.append((sign, style or _on(upper[column])))
            begun = column + 1
        lines.append(line + halves(upper[begun:], lower[begun:]))
    return lines


def _on(letter: str) -> str:
    """The style of a sign on a cell of this level."""
    if letter in ".n":
        return "ink"
    level = int(letter, 16)
    return f"w{15 if level < 9 else 0}/{level}"


def letter(share: float) -> str:
    """The level letter of a value from 0 to 1."""
    return "0123456789abcdef"[max(0, min(15, int(share * 16)))]


def mapped(rows: Sequence[Sequence[float]], level: Callable[[float], str]) -> list[str]:
    """Rows of values as rows of letters."""
    known: dict[float, str] = {}
    out = []
    for row in rows:
        line = []
        for value in row:
            found = known.get(value)
            if found is None:
                found = known[value] = level(value)
            line.append(found)
        out.append("".join(line))
    return out


def trail(spots: Sequence[Spot | None]) -> Iterator[Spot]:
    """The cells on the straight lines between neighbouring spots; a spot that is missing breaks the line."""
    for one, other in zip(spots, spots[1:]):
        if one is None or other is None:
            continue
        (y, x), (last_y, last_x) = one, other
        steps = max(abs(last_y - y), abs(last_x - x))
        for step in range(steps + 1):
            share = step / steps if steps else 0.0
            yield round(y + (last_y - y) * share), round(x + (last_x - x) * share)


def beside(left: Sequence[Line], right: Sequence[Line], width: int, gap: int = 2) -> list[Line]:
    """Two blocks of lines side by side, the left one padded to `width` cells."""
    out: list[Line] = []
    for row in range(max(len(left), len(right))):
        one = fit(left[row] if row < len(left) else [], width)
        out.append([*one, (" " * gap, "ink"), *(right[row] if row < len(right) else [])])
    return out
