"""Lines of text as runs of (text, style name), measured in terminal cells. Every panel is drawn as a list of these."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

Cell = tuple[str, str]
Line = list[Cell]

_PIECES = re.compile(r"\s+(?!%)|(?:\S|\s(?=%))+")  # a number is not parted from its per cent


def clean(text: str) -> str:
    """The text without what would command the terminal (escapes, tabs, line breaks) or has no width of its own."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _instead(letter) for letter in text)


def _instead(letter: str) -> str:
    if letter.isspace():
        return " "
    return "" if unicodedata.category(letter) == "Cf" else "\ufffd"


def width_of(line: Iterable[Cell]) -> int:
    """Width in terminal cells."""
    return sum(cell_len(text) for text, _ in line)


def fit(line: Sequence[Cell], width: int) -> Line:
    """The line in exactly `width` cells: padded, or cut with an ellipsis."""
    total = width_of(line)
    if total == width:
        return list(line)
    if total < width:
        return [*line, (" " * (width - total), "ink")]
    return cut(line, width)


def cut(line: Sequence[Cell], width: int) -> Line:
    """At most `width` cells; what was cut shows as an ellipsis."""
    if width_of(line) <= width:
        return list(line)
    if width <= 0:
        return []
    out: Line = []
    left = width - 1
    for text, style in line:
        size = cell_len(text)
        if size <= left:
            out.append((text, style))
            left -= size
            continue
        if left > 0:
            out.append((set_cell_size(text, left), style))
        out.append(("…", style))
        break
    return out


def right(line: Sequence[Cell], width: int) -> Line:
    """Set flush right in `width` cells."""
    return [(" " * max(0, width - width_of(line)), "ink"), *cut(line, width)]


def shorten(text: str, width: int) -> str:
    """A text in at most `width` cells, cut in the middle: both ends of a name tell something."""
    text = clean(text)
    if cell_len(text) <= width:
        return text
    if width < 5:
        return set_cell_size(text, max(0, width - 1)) + "…" if width > 0 else ""
    tail = _end_of(text, (width - 1) // 2)
    return set_cell_size(text, width - 1 - cell_len(tail)).rstrip() + "…" + tail


def ending(text: str, width: int) -> str:
    """A text in at most `width` cells, cut at its beginning: of a path, the end tells the most."""
    text = clean(text)
    if cell_len(text) <= width or width <= 0:
        return text if width > 0 else ""
    return "…" + _end_of(text, width - 1)


def _end_of(text: str, width: int) -> str:
    """The longest end of a text that fits into `width` cells."""
    start, left = len(text), width
    while start > 0 and cell_len(text[start - 1]) <= left:
        start -= 1
        left -= cell_len(text[start])
    return text[start:]


def wrap(cells: Sequence[Cell], width: int) -> list[Line]:
    """Breaks a paragraph at spaces, styles kept. A word longer than a line is cut to it."""
    lines: list[Line] = [[]]
    used = 0
    for text, style in cells:
        for word in _words(clean(text)):
            size = cell_len(word)
            if word.isspace():
                if used and used + size <= width:
                    lines[-1].append((word, style))
                    used += size
                continue
            if size > width:
                word, size = set_cell_size(word, width), width
            if used + size > width and used:
                lines.append([])
                used = 0
            lines[-1].append((word, style))
            used += size
    return [_merge(line) for line in lines]


def _words(text: str) -> Iterable[str]:
    return (found.group() for found in _PIECES.finditer(text))


def _merge(line: Line) -> Line:
    out: Line = []
    for text, style in line:
        if out and out[-1][1] == style:
            out[-1] = (out[-1][0] + text, style)
        else:
            out.append((text, style))
    return out
