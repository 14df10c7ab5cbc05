"""The forward pass of one sample as lines: each neuron's sum, each activation."""

from __future__ import annotations

import math

from ...run.events import Model
from ...run.walk import Stage, Unit, Walk
from .cells import Cell, Line, cut, ending, width_of
from .formula import INDENT, factor, flow, hang, result, sentence, short, sub, vector
from .heatmap import units as picture_rows
from .layers import ACTIVATIONS, ONE_BY_ONE, formula_of, is_flat, kind_of, place_words, shape_words, symbol, title

Focus = tuple[int, int, int]
"""(place of the stage, unit, input) of the weight in hand; -1 as the input is the bias."""
STYLE = "train"


def forward(walk: Walk, model: Model | None, width: int, focus: Focus | None = None) -> list[Line]:
    """Every number."""
    lines = _sample(walk, width)
    for place, stage in enumerate(walk.stages):
        lines += left_out(walk, place, width)
        lines.append(_head(stage, model, _formula(stage), width))
        lines += _stage(walk, place, width, focus)
    return lines


def forward_short(walk: Walk, model: Model | None, width: int) -> list[Line]:
    """One line a layer."""
    lines: list[Line] = [named("input", [*_list(walk.input, width, walk.shape)], width)]
    for place, stage in enumerate(walk.stages):
        lines += left_out(walk, place, width)
        if is_flat(stage):
            continue
        room = width - NAMES - 4
        more = max(0, _count(stage) - len(stage.outputs))
        cells: Line = [(symbol(walk, place) + " = ", "dim"), *vector(stage.outputs, room - 4, STYLE, more)]
        lines.append(named(title(stage, model), cells, width))
    return lines


NAMES = 26


def named(name: str, cells: Line, width: int) -> Line:
    """A name in a column of its own, and what belongs to it."""
    column = NAMES if width >= 70 else 16
    return cut([("  ", "ink"), (ending(name, column).ljust(column) + " ", "ink"), *cells], width)


def _list(values: list[float], width: int, shape: list[int]) -> Line:
    count = math.prod(shape) if shape else len(values)
    return [("x = ", "dim"), *vector(values, width - NAMES - 8, STYLE, max(0, count - len(values)))]


def _count(stage: Stage) -> int:
    return math.prod(stage.shape[-1:] if stage.position is not None else stage.shape) if stage.shape else 1


def left_out(walk: Walk, place: int, width: int) -> list[Line]:
    if not walk.skipped or place != walk.skipped_at:
        return []
    return sentence(f"… {walk.skipped} modules in the middle are not listed …", width)


def _head(stage: Stage, model: Model | None, formula: str, width: int) -> Line:
    """Name of a layer, what it computes, at which position."""
    where = f"   at the last of {stage.position + 1} positions" if stage.position is not None else ""
    words = f"   {formula}" if formula else ""
    room = width - width_of([(words + where, "")]) - 2
    return cut([("  " + ending(title(stage, model), max(12, room)), "ink.bold"), (words + where, "dim")], width)


def _formula(stage: Stage) -> str:
    formula = formula_of(kind_of(stage))
    if stage.units and len(stage.units[0].terms) < stage.units[0].of:
        count = len(stage.units[0].terms)
        formula += f": the {count} largest of {stage.units[0].of} products; [k] is the input"
    return formula


def _sample(walk: Walk, width: int) -> list[Line]:
    """What goes in; an image is drawn, too."""
    of = f"sample {walk.sample + 1} of {walk.of} in this batch" if walk.of > 1 else "the one sample of this batch"
    lines: list[Line] = [[("  input", "ink.bold"), (f"   {of}, {shape_words(walk.shape)}", "dim")]]
    rows = walk.picture.split("/") if walk.picture else []
    if len(rows) >= 4:
        cells = "".join(rows)
        drawn = picture_rows(cells, 1, len(rows), len(rows[0]), width)
        lines += [[(" " * INDENT, "ink"), *line] for line in drawn]
    count = math.prod(walk.shape) if walk.shape else len(walk.input)
    shown = walk.input[:16]
    values = vector(shown, width - INDENT - 4, STYLE, count - len(shown))
    return [*lines, *hang([("x = ", "dim"), *values], width)]


def _stage(walk: Walk, place: int, width: int, focus: Focus | None) -> list[Line]:
    stage = walk.stages[place]
    if not stage.outputs:
        return sentence(f"{shape_words(stage.shape)} numbers: too many to be listed", width, indent=INDENT)
    if stage.units:
        lines = []
        for unit in stage.units:
            here = focus[2] if focus is not None and focus[:2] == (place, unit.place) else None
            lines += hang(unit_sum(unit, here), width)
        left = _count(stage) - len(stage.units)
        return lines + (sentence(f"{left} more neurons put out less", width, indent=INDENT) if left > 0 else [])
    if is_flat(stage):
        count = _count(stage)
        shown = stage.outputs[:16]
        values = vector(shown, width - INDENT - 4, STYLE, count - len(shown))
        return hang([("x = ", "dim"), *values], width)
    return _each(stage, width)


def unit_sum(unit: Unit, here: int | None = None) -> Line:
    """z₁ = 0.1·0.5 + 0.4·0.2 + b 0.1 = 0.13; `here` is the input whose weight is in hand (-1: the bias)."""
    line: Line = [(f"z{sub(unit.place)} = ", "dim")]
    for number, term in enumerate(unit.terms):
        weight = short(abs(term.w)) if number and math.isfinite(term.w) else short(term.w)
        sign = (" − " if term.w < 0 else " + ") if number else ""
        style = "you.reverse" if here == term.place else "ink"
        line += [(sign, "dim"), (f"{weight}·{factor(term.x)}", style)]
        if len(unit.terms) < unit.of:
            line.append((f"[{term.place + 1}]", "dim"))
    if len(unit.terms) < unit.of:
        line += [(" + ", "dim"), (f"the {unit.of - len(unit.terms)} others {factor(unit.rest)}", "ink")]
    if unit.bias is not None:
        line += [(" + ", "dim"), (f"b {factor(unit.bias)}", "you.reverse" if here == -1 else "ink")]
    return [*line, (" = ", "dim"), result(unit.out, STYLE)]


def _each(stage: Stage, width: int) -> list[Line]:
    """a₁ = ReLU(0.42) = 0.42, side by side; where in and out do not belong together only what came out."""
    kind = kind_of(stage)
    places = stage.places or list(range(len(stage.outputs)))
    activation = ACTIVATIONS.get(kind)
    items: list[Line] = []
    for number, (place, out) in enumerate(zip(places, stage.outputs)):
        name: Cell = (f"a{place_words(stage, place)} = ", "dim")
        if len(stage.inputs) == len(stage.outputs) and activation is not None:
            words = f"{activation.name}({short(stage.inputs[number])}) = "
            items.append([name, (words, "ink"), result(out, STYLE)])
        elif len(stage.inputs) == len(stage.outputs) and kind in ONE_BY_ONE:
            items.append([name, (f"{short(stage.inputs[number])} → ", "ink"), result(out, STYLE)])
        else:
            items.append([name, result(out, STYLE)])
    lines = flow(items, width)
    left = _count(stage) - len(items)
    if left > 0:
        size = f"{shape_words(stage.shape)}: " if len(stage.shape) > 1 and stage.position is None else ""
        what = "the largest of each channel; " if len(stage.shape) > 2 else ""
        lines += sentence(f"{size}{what}{left:,} more are not listed", width, indent=INDENT)
    return lines
