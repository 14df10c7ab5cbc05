"""Lines of text as runs of (text, style name), measured in terminal cells. Every panel is drawn as a list of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

Cell = tuple[str, str]
Line = list[Cell]


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
    if cell_len(text) <= width:
        return text
    if width < 5:
        return set_cell_size(text, max(0, width - 1)) + "…" if width > 0 else ""
    tail = (width - 1) // 2
    return set_cell_size(text, width - 1 - tail).rstrip() + "…" + text[-tail:]


def wrap(cells: Sequence[Cell], width: int) -> list[Line]:
    """Breaks a paragraph at spaces, styles kept. A word longer than a line is cut to it."""
    lines: list[Line] = [[]]
    used = 0
    for text, style in cells:
        for word in _words(text):
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
    word, space = "", False
    for letter in text:
        if letter.isspace() != space and word:
            yield word
            word = ""
        space = letter.isspace()
        word += " " if space else letter
    if word:
        yield word


def _merge(line: Line) -> Line:
    out: Line = []
    for text, style in line:
        if out and out[-1][1] == style:
            out[-1] = (out[-1][0] + text, style)
        else:
            out.append((text, style))
    return out
