"""A weight moved by hand: what its gradient foretold, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...run.events import Model
from ...run.walk import Nudge, Walk
from .cells import Line, cut, right
from .formula import rule, short, sub
from .numbers import number

RUNGS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
DIGITS = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7, "float64": 2.0**-52}
"""The distance of 1 from the next number."""


@dataclass(frozen=True)
class Handle:
    """A weight that can be taken in hand."""

    tensor: int
    index: int
    """Place in the flattened tensor."""
    stage: int
    unit: int
    column: int
    """Its input; -1 for a bias."""
    value: float
    grad: float | None

    @property
    def name(self) -> str:
        return f"b{sub(self.unit)}" if self.column < 0 else f"w{sub(self.unit, self.column)}"


def handles(walk: Walk, model: Model | None) -> list[Handle]:
    """Every weight that the walk lists, in its order."""
    out: list[Handle] = []
    for place, stage in enumerate(walk.stages):
        if model is None or not 0 <= stage.module < len(model.modules):
            continue
        own = [tensor for tensor in model.modules[stage.module].tensors if tensor < len(model.tensors)]
        shapes = {len(model.tensors[tensor].shape): tensor for tensor in own}
        for unit in stage.units:
            for term in unit.terms if 2 in shapes else ():
                index = unit.place * unit.of + term.place
                out.append(Handle(shapes[2], index, place, unit.place, term.place, term.w, term.grad))
            if unit.bias is not None and 1 in shapes:
                out.append(Handle(shapes[1], unit.place, place, unit.place, -1, unit.bias, unit.bias_grad))
    return out


def steepest(found: Sequence[Handle]) -> int:
    """The handle of largest gradient; the first where no gradient is known."""
    sizes = [abs(one.grad) if one.grad is not None and math.isfinite(one.grad) else -1.0 for one in found]
    return sizes.index(max(sizes)) if sizes else 0


def next_rung(by: float, way: int) -> float:
    """From one distance to the next: …, −0.001, −0.0001, 0, 0.0001, 0.001, …"""
    rungs = [*(-one for one in reversed(RUNGS)), 0.0, *RUNGS]
    here = min(range(len(rungs)), key=lambda place: abs(rungs[place] - by))
    return rungs[max(0, min(len(rungs) - 1, here + way))]


def box(
    handle: Handle, title: str, dtype: str, tries: Sequence[Nudge], now: float, width: int, height: int
) -> list[Line]:
    """A table of what was tried, in order of size, with words about the difference; at most `height` lines."""
    head: Line = [("▸ nudge ", "you.bold"), (f"{title} {handle.name} = {short(handle.value)}", "you")]
    lines = [rule([*head, ("  on a copy: the program's weight stays", "dim")], width)]
    known = sorted(tries, key=lambda one: one.by)
    if not known:
        words = "→ moves it up, ← down, by 0.0001, 0.001, 0.01 …: what is the loss then?"
        return [*lines, cut([("  " + words, "dim")], width)][:height]
    columns = (12, 18, 16, 14)
    names = ("moved by h", "foretold: ∂w·h", "real change", "difference")
    lines.append([(" ", "dim"), *[cell for name, size in zip(names, columns) for cell in right([(name, "dim")], size)]])
    room = max(1, height - 3)
    here = next((place for place, one in enumerate(known) if one.by == now), len(known) - 1)
    start = max(0, min(here - room // 2, len(known) - room))
    for one in known[start : start + room]:
        lines.append(_row(one, one.by == now, columns, width))
    newest = known[here]
    lines.append(cut([("  " + _why(newest, dtype), "dim")], width))
    return lines[:height]


def foretold(nudge: Nudge) -> float | None:
    return None if nudge.grad is None else nudge.grad * nudge.by


def real(nudge: Nudge) -> float | None:
    return None if nudge.before is None or nudge.after is None else nudge.after - nudge.before


def apart(nudge: Nudge) -> float | None:
    """|foretold − real| as a share of the foretold."""
    said, came = foretold(nudge), real(nudge)
    if said is None or came is None or said == 0:
        return None
    return abs(said - came) / abs(said)


def _row(nudge: Nudge, now: bool, columns: Sequence[int], width: int) -> Line:
    share = apart(nudge)
    gap = "–" if share is None else f"{number(100 * share, 2)} %"
    style = "you" if now else "ink"
    sign = "+" if nudge.by > 0 else ""
    texts = (f"{sign}{short(nudge.by)}", short(foretold(nudge), 4), short(real(nudge), 4), gap)
    styles = (style, "gradient", "train", style)
    cells = [cell for text, name, size in zip(texts, styles, columns) for cell in right([(text, name)], size)]
    return cut([("▸" if now else " ", style), *cells], width)


def _why(nudge: Nudge, dtype: str) -> str:
    """Where the difference comes from."""
    said, came, share = foretold(nudge), real(nudge), apart(nudge)
    if not nudge.steady:
        return "On the copy dropout is off, batch norm uses its averages: near, not equal."
    if came is None or not math.isfinite(came):
        return "The loss is no number any more."
    if said is None:
        return "The gradient that foretells it comes with the backward pass: p."
    if said == 0:
        return "Its gradient is 0: an input of 0, a neuron that is off, or a flat loss."
    noise = DIGITS.get(dtype, 2.0**-23) * abs(nudge.before or 0.0) / abs(said)
    if share is None or share <= 3 * noise:
        digits = {"float32": "7", "float64": "16", "float16": "3", "bfloat16": "2"}.get(dtype, "few")
        return f"As equal as {dtype} can tell: its {digits} digits leave {short(100 * noise, 2)} % unsure."
    if share > 0.2:
        return "Too far: the gradient is the slope here; the loss bends away from it."
    return "The rest is the bend of the loss: ten times h, ten times this share."
