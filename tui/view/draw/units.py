"""A tiny network as units and edges, in braille dots: sign by colour and shape, size by thickness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .cells import Line

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a braille cell, by row and column."""
POSITIVE, NEGATIVE, ODD = "validation", "train", "bad"
"""Styles of edges. A negative weight is dotted, a positive one solid."""


@dataclass(frozen=True)
class Layered:
    """What is drawn: units of each layer, and the weights between two layers as rows of the later one."""

    sizes: tuple[int, ...]
    weights: tuple[tuple[Sequence[float], ...], ...]
    """weights[k][j][i]: from unit i of layer k to unit j of layer k + 1."""


def fits(network: Layered, width: int, height: int) -> bool:
    """Is there a row for every unit and some room between the layers?"""
    return max(network.sizes) <= height and width >= 6 * (len(network.sizes) - 1) + 1


def diagram(network: Layered, width: int, height: int, lit: Sequence[str] = ()) -> list[Line]:
    """Lines of at most width x height cells.

    Args:
        lit: styles of the layers of units; "ink" without.
    """
    columns = _spread(len(network.sizes), width, most=14.0)
    rows = [_spread(size, height) for size in network.sizes]
    canvas: list[list[tuple[int, float, str]]] = [[(0, 0.0, "ink")] * width for _ in range(height)]
    for layer, between in enumerate(network.weights):
        finite = [abs(w) for row in between for w in row if math.isfinite(w)]
        top = max(finite, default=0.0) or 1.0
        edges = [(w, i, j) for j, row in enumerate(between) for i, w in enumerate(row)]
        for w, i, j in sorted(edges, key=lambda edge: abs(edge[0]) if math.isfinite(edge[0]) else math.inf):
            start = (2 * columns[layer] + 2, 4 * rows[layer][i] + 1)
            end = (2 * columns[layer + 1] - 1, 4 * rows[layer + 1][j] + 1)
            _line(canvas, start, end, w, abs(w) / top if math.isfinite(w) else 1.0)
    lines: list[Line] = []
    units = {(row, columns[layer]): lit[layer] if lit else "ink" for layer, places in enumerate(rows) for row in places}
    for y in range(height):
        line: Line = []
        for x in range(width):
            bits, _, style = canvas[y][x]
            cell = ("●", units[y, x]) if (y, x) in units else (chr(0x2800 + bits) if bits else " ", style)
            if line and line[-1][1] == cell[1]:
                line[-1] = (line[-1][0] + cell[0], cell[1])
            else:
                line.append(cell)
        lines.append(line)
    return lines


def _spread(count: int, room: int, most: float = 4.0) -> list[int]:
    """Places of `count` things in `room` cells, evenly, at most `most` apart, in the middle."""
    if count == 1:
        return [(room - 1) // 2]
    step = min((room - 1) / (count - 1), most) if room > 1 else 0.0
    first = (room - 1 - step * (count - 1)) / 2
    return [int(first + step * place + 0.5) for place in range(count)]


def _line(
    canvas: list[list[tuple[int, float, str]]], start: tuple[int, int], end: tuple[int, int], w: float, share: float
) -> None:
    """One edge. Weights below a twelfth of the largest leave no trace."""
    if share < 1 / 12:
        return
    style = ODD if not math.isfinite(w) else (POSITIVE if w > 0 else NEGATIVE)
    (x0, y0), (x1, y1) = start, end
    steps = max(abs(x1 - x0), abs(y1 - y0), 1)
    for step in range(steps + 1):
        if w < 0 and step % 3 == 2:
            continue
        x = x0 + (x1 - x0) * step / steps
        y = y0 + (y1 - y0) * step / steps
        _dot(canvas, round(x), round(y), share, style)
        if share > 2 / 3:
            _dot(canvas, round(x), round(y) + 1, share, style)


def _dot(canvas: list[list[tuple[int, float, str]]], x: int, y: int, share: float, style: str) -> None:
    row, column = y // 4, x // 2
    if 0 <= row < len(canvas) and 0 <= column < len(canvas[0]):
        bits, strongest, before = canvas[row][column]
        bits |= DOTS[y % 4][x % 2]
        canvas[row][column] = (bits, max(share, strongest), style if share >= strongest else before)
