"""Lines of the module tree: short ones for a narrow place, columns under a head for a wide one.

Only the lines that are on the screen are made; what columns there are, and how wide, is settled once for a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from ...history.modules import Modules, Row
from ...run.events import Activation, Silence
from .cells import Line, cut, fit, right, width_of
from .numbers import number, percent, size
from .sparkline import BLOCKS

FROZEN = "○"
"""Stands before "frozen", and alone where there is no room for the word."""
COLUMNS_FROM = 56
"""In a place at least this wide there are columns."""
DEAD_AFTER = 1000
"""Samples for which a unit has to be silent to be called dead."""
GAP = 2
NAME = 26
"""The name of a module has at least this much room beside columns."""


@dataclass
class Seen:
    """What is known of one row besides the model: from the last photographed batch."""

    shape: str = ""
    outputs: list[Activation] = field(default_factory=list)
    """Of all modules that the row stands for."""
    silence: Optional[Silence] = None
    focused: bool = False


@dataclass(frozen=True)
class Columns:
    """Which columns there are beside the name, with their widths."""

    name: int
    parts: dict[str, int]


def columns(modules: Modules, width: int) -> Columns:
    """The columns for a place of this width: the most telling first, as many as there is room for."""
    rows = modules.rows
    wanted = {"weights": max([10, *(len(_product(row)) for row in rows)]), "output": 14}
    if modules.frozen:
        wanted["frozen"] = max(len(_frozen(row)) for row in rows)
    wanted["share"] = 6
    for name, words in (("type", [row.dtype for row in rows]), ("device", [row.device for row in rows])):
        if any(words):
            wanted[name] = max(len(name), min(20, max(map(len, words))))
    wanted["values"] = 44
    parts: dict[str, int] = {}
    left = width - NAME
    for name, wide in wanted.items():
        if left >= wide + GAP:
            parts[name] = wide
            left -= wide + GAP
    longest = max([NAME, *(width_of(_titles(row, False, 2, True)[0]) for row in rows)])
    order = ("output", "weights", "share", "frozen", "type", "device", "values")
    return Columns(min(longest, NAME + left), {name: parts[name] for name in order if name in parts})


def head(into: Columns) -> Line:
    """The names of the columns."""
    line: Line = fit([("module", "dim")], into.name)
    words = {"values": "values of the output", "frozen": ""}
    for name, wide in into.parts.items():
        cell: Line = [(words.get(name, name), "dim")]
        line += [(" " * GAP, "ink"), *(right(cell, wide) if name in ("weights", "share") else fit(cell, wide))]
    return line


def wide_line(row: Row, seen: Seen, into: Columns) -> Line:
    """A row in columns."""
    line = fit(_fitting(_titles(row, seen.focused, 2, True), into.name), into.name)
    for name, wide in into.parts.items():
        short = name == "weights" and "values" not in into.parts
        line += [
            (" " * GAP, "ink"),
            *(right(_short_values(row, seen), wide) if short else _column(name, row, seen, wide)),
        ]
    return line


def narrow_line(row: Row, seen: Seen, width: int) -> Line:
    """A row with what matters most at its end: weights, or what an activation function lets through."""
    tail = _tail(row, seen, width)
    room = max(1, width - width_of(tail) - (1 if tail else 0))
    return cut([*fit(_fitting(_titles(row, seen.focused), room), max(0, width - width_of(tail))), *tail], width)


def _titles(row: Row, focused: bool, step: int = 1, tied: bool = False) -> list[Line]:
    """Name, kind and sizes, the fullest first.

    Args:
        step: cells that a level is set in by.
        tied: say so behind the name.
    """
    indent, plain = " " * (step * min(row.depth, 8)), "train" if focused else ("ink" if _owns(row) else "dim")
    times = f" ×{row.times}" if row.times > 1 else ""
    kind, detail = (f" {word}" if word else "" for word in (row.kind, row.detail))
    tie: Line = [(f" tied to {row.tied}", "dim")] if tied and row.tied else []
    full, short = [(indent + row.name, plain)], [(indent + row.short, plain)]
    weak = "ink" if row.tensors else "dim"
    return [
        [*full, (kind, weak), (detail, "dim"), (times, "ink"), *tie],
        [*short, (kind, weak), (detail, "dim"), (times, "ink"), *tie],
        [*short, (detail or kind, "dim"), (times, "ink"), *tie],
        [*short, (times, "ink"), *tie],
    ]


def _fitting(titles: list[Line], room: int) -> Line:
    """The first that fits; the last one cut where none does."""
    return next((one for one in titles if width_of(one) <= room), cut(titles[-1], room))


def _owns(row: Row) -> bool:
    return bool(row.tensors) or not row.leaf


def _tail(row: Row, seen: Seen, width: int) -> Line:
    if any(one.odd for one in seen.outputs):
        return [("✗ NaN", "bad")]
    if row.tied:
        return [(f"tied to {row.tied if width >= 44 else _short(row.tied)}", "dim")]
    if row.weights:
        return [(f"{FROZEN} " if row.frozen == 1 else "", "dim"), (size(row.weights * row.times), "dim")]
    return _on(seen) or ([(seen.shape, "dim")] if row.leaf and seen.shape else [])


def _column(name: str, row: Row, seen: Seen, wide: int) -> Line:
    if name == "weights":
        return right(_weights(row), wide)
    if name == "share":
        return right([(_percent(row.share), "dim")], wide)
    if name == "output":
        return fit([(seen.shape, "dim")], wide)
    if name == "values":
        return fit(_values(seen), wide)
    words = {"frozen": _frozen(row), "type": row.dtype, "device": row.device}[name]
    return fit([(words, "dim")], wide)


def _weights(row: Row) -> Line:
    return [(_product(row), "ink" if row.tensors else "dim")]


def _short_values(row: Row, seen: Seen) -> Line:
    """Where there is no column for the values of outputs: what must not be missed of them stands among the weights."""
    if any(one.odd for one in seen.outputs):
        return [("✗ NaN", "bad")]
    return _weights(row) if _product(row) else _on(seen)


def _short(path: str) -> str:
    """The end of a path that tells something: not a number alone."""
    above, _, name = path.rpartition(".")
    return f"{above.rpartition('.')[2]}.{name}" if name.isdigit() and above else name


def _product(row: Row) -> str:
    """ "7.09M"; of several "12×7.09M"; nothing where they are counted elsewhere or there are none."""
    if not row.weights or (row.tied and row.leaf):
        return ""
    return f"{row.times}×{size(row.weights)}" if row.times > 1 else size(row.weights)


def _percent(share: float) -> str:
    if share <= 0:
        return ""
    return "<0.1 %" if share < 0.0005 else percent(share, 0 if share >= 0.0995 else 1)


def _frozen(row: Row) -> str:
    if row.frozen == 1 and not row.trains:
        return f"{FROZEN} frozen"
    return f"{FROZEN} {_percent(row.frozen)} frozen" if row.frozen else ""


def _values(seen: Seen) -> Line:
    """Of the last photographed batch: lowest output, histogram, highest; what is on, what is dead."""
    if any(one.odd for one in seen.outputs):
        return [("✗ not finite", "bad")]
    line: Line = []
    first = next((one for one in seen.outputs if one.histogram and one.low is not None and one.high is not None), None)
    if first is not None:
        line = [*right([(number(first.low, 2), "dim")], 8), (f" {_bars(first.histogram)} ", "ink")]
        line.append((f"{number(first.high, 2):<7}", "dim"))
    silence = seen.silence
    if silence is not None and silence.silent and silence.samples >= DEAD_AFTER:
        dead = silence.silent / max(1, silence.units)
        words = f"{silence.silent}/{silence.units} dead" if dead > 0.3 else f"{silence.silent} dead"
        return [*line, (("▲ " if dead > 0.3 else "") + words, "warning")]
    return [*line, *_on(seen)]


def _bars(histogram: Sequence[int]) -> str:
    top = max(histogram) or 1
    return "".join(BLOCKS[min(7, int(7.999 * value / top))] if value else " " for value in histogram)


def _on(seen: Seen) -> Line:
    """The share of units that are on; of several modules the lowest and the highest."""
    known = [one.on for one in seen.outputs if one.on is not None]
    if not known:
        return []
    low, high = percent(min(known)), percent(max(known))
    words = f"{low} on" if low == high else f"{low.removesuffix(' %')}–{high} on"
    return [(words, "warning" if min(known) < 0.02 else "dim")]
