"""Lines that a program printed as cells: its colours, broken at an edge, with what is looked for marked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from rich.cells import cell_len, set_cell_size

from ...history.output import Output
from ...history.screenlines import Row
from .cells import Cell, Line

Place = tuple[int, int]
"""A row on the screen: the number of a line of output, and which part of it where lines are broken, 0 first."""

Wanted = Callable[[Row], bool]


def cells(row: Row) -> Line:
    """A line in the program's own colours; what it did not colour is ours to."""
    return [(text, f"ansi:{look}" if look else "ink") for text, look in row.runs()]


def broken(line: Line, width: int) -> list[Line]:
    """A line broken at the edge, not at words: a program's spaces mean something."""
    lines: list[Line] = [[]]
    left = max(2, width)
    for text, style in line:
        while text:
            piece = text if cell_len(text) <= left else set_cell_size(text, left)
            if len(piece) > len(text) or (piece and piece[-1] != text[len(piece) - 1]):
                piece = piece[:-1]  # half of a wide letter: it goes to the next line whole
            if piece:
                lines[-1].append((piece, style))
            text = text[len(piece) :]
            left -= cell_len(piece)
            if text:
                lines.append([])
                left = max(2, width)
    return lines


def marked(line: Line, text: str, style: str) -> Line:
    """The line with every place that reads `text`, in whatever case, in another style."""
    whole = "".join(piece for piece, _ in line)
    spans = [found.span() for found in re.finditer(re.escape(text), whole, re.IGNORECASE)] if text else []
    for first, last in reversed(spans):
        before, rest = _split(line, first)
        after = _split(rest, last - first)[1]
        line = [*before, (whole[first:last], style), *after]
    return line


def _split(line: Line, place: int) -> tuple[Line, Line]:
    """The first `place` characters, and the rest."""
    before: Line = []
    rest: list[Cell] = list(line)
    while rest and place > 0:
        text, style = rest.pop(0)
        before.append((text[:place], style))
        if len(text) > place:
            rest.insert(0, (text[place:], style))
        place -= len(text)
    return before, rest


class Printed:
    """The rows of an output on a screen of some width, read up or down from any place.

    Args:
        width: lines are broken there; 0 leaves them whole.
        wanted: which lines are shown.
        dress: makes cells of a line and its number.
    """

    def __init__(self, output: Output, width: int, wanted: Wanted, dress: Callable[[Row, int], Line]) -> None:
        self._output, self._width, self._wanted, self._dress = output, width, wanted, dress

    def up(self, place: Place | None) -> Iterator[tuple[Place, Line]]:
        """From `place` (None: the end) upwards, that row included."""
        output = self._output
        rows, last = output.rows, output.end - 1
        for number in range(last if place is None else min(place[0], last), output.first - 1, -1):
            parts = self._parts(rows[number - output.first], number)
            if place is not None and number == place[0]:
                parts = parts[: place[1] + 1]
            for part in range(len(parts) - 1, -1, -1):
                yield (number, part), parts[part]

    def down(self, place: Place) -> Iterator[tuple[Place, Line]]:
        """From below `place` downwards."""
        output = self._output
        rows = output.rows
        for number in range(max(place[0], output.first), output.end):
            parts = self._parts(rows[number - output.first], number)
            first = place[1] + 1 if number == place[0] else 0
            for part in range(first, len(parts)):
                yield (number, part), parts[part]

    def numbers(self, beyond: int = -1) -> list[int]:
        """The lines that are shown, after line `beyond`, ascending."""
        output = self._output
        start = max(output.first, beyond + 1)
        return [n for n in range(start, output.end) if self._wanted(output.rows[n - output.first])]

    def _parts(self, row: Row, number: int) -> list[Line]:
        if not self._wanted(row):
            return []
        line = self._dress(row, number)
        return broken(line, self._width) if self._width else [line]
