"""Arithmetic as people write it: 0.2·0.5 − 0.1·0.8 + b 0.1 = 0.12. Numbers in, cells out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional

from .cells import Cell, Line, cut, width_of, wrap
from .numbers import number

_DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
INDENT = 4


def short(value: Optional[float], digits: int = 3) -> str:
    """Three significant digits: 0.597, −1.3e-5; without zeros at the end where the number is no longer: 0.5, 2."""
    text = number(value, digits)
    if value is None or "." not in text or "e" in text:
        return text
    shorter = text.rstrip("0").rstrip(".")
    exact = math.isclose(float(shorter.replace("−", "-").replace(",", "")), value, rel_tol=1e-6)
    return shorter if exact else text


def factor(value: Optional[float], digits: int = 3) -> str:
    """A number that stands behind an operator: a negative one in brackets."""
    text = short(value, digits)
    return f"({text})" if text.startswith("−") else text


def sub(*places: int) -> str:
    """Indices counted from 1: ₃, ₁₂; with commas where one has two digits: [3,12]."""
    shown = [place + 1 for place in places]
    if len(shown) == 1 or max(shown) < 10:
        return "".join(str(one) for one in shown).translate(_DIGITS)
    return "[" + ",".join(map(str, shown)) + "]"


def fixed(value: float, decimals: int) -> str:
    """So many digits behind the point, where the number allows it."""
    if not math.isfinite(value) or abs(value) >= 1e6:
        return number(value)
    return f"{value:.{decimals}f}".replace("-", "−")


def decimals_for(step: float) -> int:
    """How many digits behind the point show a change of this size."""
    if step == 0 or not math.isfinite(step):
        return 4
    return max(3, min(9, 2 - math.floor(math.log10(abs(step)))))


def result(value: Optional[float], style: str) -> Cell:
    """What comes out: bright, and marked where it is no number."""
    odd = value is not None and not math.isfinite(value)
    return (("✗ " if odd else "") + short(value), "bad" if odd else style + ".bold")


def vector(values: Sequence[float], width: int, style: str, more: int = 0) -> Line:
    """[1.2, 0.4, −0.3], cut between two numbers where it is too long; `more` are not listed anyway."""
    out: Line = [("[", "dim")]
    used = 1
    for place, value in enumerate(values):
        text = short(value)
        room = width - used - 2 - len(f" … {len(values) - place + more} more")
        if len(text) > room and place:
            more += len(values) - place
            break
        cell = (text, "bad" if not math.isfinite(value) else style)
        out += [(", ", "dim")] * (place > 0) + [cell]
        used += len(text) + 2
    if more:
        out.append((f", … {more} more", "dim"))
    return [*out, ("]", "dim")]


def flow(items: Sequence[Line], width: int, indent: int = INDENT) -> list[Line]:
    """Items side by side in columns of equal width, as many as fit; an item that is too long is wrapped."""
    return flows([items], width, indent)


def flows(groups: Sequence[Sequence[Line]], width: int, indent: int = INDENT) -> list[Line]:
    """The same with several groups: each begins on a line of its own, all have the same columns."""
    room = max(8, width - indent)
    widest = max((width_of(item) for items in groups for item in items), default=0)
    across = max(1, (room + 3) // (widest + 3))
    lines: list[Line] = []
    for items in groups:
        if widest > room:
            lines += [line for item in items for line in hang(item, width, indent)]
            continue
        for first in range(0, len(items), across):
            row = items[first : first + across]
            line: Line = [(" " * indent, "ink")]
            for place, item in enumerate(row):
                pad = widest + 3 - width_of(item) if place < len(row) - 1 else 0
                line += [*item, (" " * pad, "ink")]
            lines.append(line)
    return lines


def hang(cells: Line, width: int, indent: int = INDENT, deeper: int = 2) -> list[Line]:
    """A paragraph with its first line set in by `indent`, the others deeper."""
    if indent + width_of(cells) <= width:
        return [[(" " * indent, "ink"), *cells]]
    lines = wrap(cells, max(8, width - indent - deeper))
    return [[(" " * (indent + (deeper if place else 0)), "ink"), *line] for place, line in enumerate(lines)]


def rule(words: Line, width: int, style: str = "line") -> Line:
    """Words with a line behind them to the edge."""
    head = cut(words, max(1, width))
    left = width - width_of(head) - 1
    return [*head, (" " + "─" * left, style)] if left > 2 else head


def sentence(text: str, width: int, style: str = "dim", indent: int = 2) -> list[Line]:
    """Words, broken at spaces."""
    return hang([(text, style)], width, indent, 0)
