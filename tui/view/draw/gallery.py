"""Small pictures in rows, each with words below it; and a matrix of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .cells import Line, fit, width_of
from .heatmap import halves

GAP = 2


@dataclass(frozen=True)
class Plate:
    """One picture and what is said of it."""

    height: int
    width: int
    cells: str
    """height x width level letters."""
    words: Line


def layout(plates: Sequence[Plate], width: int, height: int) -> tuple[int, int, int, int]:
    """(pixels along a cell's edge, cells of a slot, slots in a row, rows): the finest that shows three, or all."""
    high = max((plate.height for plate in plates), default=1)
    wide = max((plate.width for plate in plates), default=1)
    words = max((width_of(plate.words) for plate in plates), default=1)
    edge = 1
    while True:
        slot = max(-(-wide // edge), words) + GAP
        pixels = -(-high // edge)
        tall = -(-pixels // 2) + 1
        across = max(0, (width + GAP) // slot)
        down = (height + 1) // (tall + 1)
        down = max(down, 1 if height >= tall else 0)
        if across * down >= min(3, len(plates)) or edge >= max(high, wide, 2) // 2:
            return edge, slot, max(1, across), down
        edge += 1


def gallery(plates: Sequence[Plate], width: int, height: int) -> list[Line]:
    """As many pictures as there is room for; none where one would not be whole."""
    edge, slot, across, down = layout(plates, width, height)
    lines: list[Line] = []
    for first in range(0, min(len(plates), across * down), across):
        here = [_softened(plate, edge) for plate in plates[first : first + across]]
        if lines and len(lines) + 2 + -(-here[0].height // 2) <= height:
            lines.append([])
        tall = max(-(-plate.height // 2) for plate in here)
        for row in range(tall):
            line: Line = []
            for plate in here:
                upper, lower = (_row(plate, 2 * row + part) for part in (0, 1))
                line += fit(halves(upper, lower), slot)
            lines.append(_without_gap(line))
        words = [cell for plate in here for cell in fit(plate.words, slot)]
        lines.append(_without_gap(words))
    return lines[:height]


def _without_gap(line: Line) -> Line:
    """Without the blanks at its end."""
    text, style = line[-1]
    return [*line[:-1], (text[:-GAP], style)] if text.endswith(" " * GAP) else line


def _row(plate: Plate, row: int) -> str:
    if row >= plate.height:
        return "." * plate.width
    return plate.cells[row * plate.width : (row + 1) * plate.width]


def _softened(plate: Plate, edge: int) -> Plate:
    """The picture with edge x edge of its cells made one: their mean."""
    if edge <= 1:
        return plate
    high, wide = -(-plate.height // edge), -(-plate.width // edge)
    out = []
    for y in range(high):
        rows = [_row(plate, line) for line in range(y * edge, min(plate.height, (y + 1) * edge))]
        for x in range(wide):
            patch = "".join(row[x * edge : (x + 1) * edge] for row in rows)
            levels = [int(letter, 16) for letter in patch if letter not in "n."]
            odd = "n" in patch or not levels
            out.append("n" if odd else "0123456789abcdef"[round(sum(levels) / len(levels))])
    return Plate(high, wide, "".join(out), plate.words)


def matrix(rows: Sequence[Sequence[int]], names: Sequence[str]) -> list[Line]:
    """A table of counts: true classes down, said classes across. The diagonal is right; zero is a dot."""
    digits = max([len(f"{value}") for row in rows for value in row] + [len(name) for name in names], default=1)
    cell = digits + 1
    margin = max((len(name) for name in names), default=1) + 1
    head: Line = [(" " * margin, "dim"), *[(name.rjust(cell), "dim") for name in names]]
    lines = [head]
    for place, row in enumerate(rows):
        line: Line = [(names[place].ljust(margin), "dim")]
        for column, value in enumerate(row):
            style = ("train" if column == place else "warning") if value else "line"
            line.append(((f"{value}" if value else "·").rjust(cell), style))
        lines.append(line)
    return lines


def matrix_width(rows: Sequence[Sequence[int]], names: Sequence[str]) -> int:
    """Cells across."""
    return width_of(matrix(rows, names)[0])
