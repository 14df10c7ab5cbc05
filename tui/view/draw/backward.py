"""The gradient of one sample walking back through the layers, as lines."""

from __future__ import annotations

import math

from ...run.events import Model
from ...run.walk import Stage, Term, Unit, Walk
from .cells import Cell, Line, cut, ending
from .formula import INDENT, factor, flow, flows, hang, result, sentence, short, sub, vector
from .forward import Focus, left_out, named
from .judgement import first_slope
from .layers import ACTIVATIONS, close, is_flat, kind_of, title

STYLE = "gradient"
ALL_WEIGHTS = 48
"""A layer with no more weights than this has all of them listed; else each neuron its `FEW` of largest gradient."""
FEW = 4


def backward(walk: Walk, model: Model | None, width: int, focus: Focus | None = None) -> list[Line]:
    """Every number, from the loss to the first layer."""
    lines = first_slope(walk, width)
    for place in range(len(walk.stages) - 1, -1, -1):
        stage = walk.stages[place]
        lines += left_out(walk, place + 1, width) if place + 1 == walk.skipped_at else []
        if not stage.deltas or is_flat(stage):
            continue
        if stage.units:
            lines += _layer(walk, place, model, width, focus)
        elif kind_of(stage) in ACTIVATIONS:
            lines += _activation(walk, place, model, width)
        else:
            lines.append(heading(stage, model, "∂L/∂out", width))
            shown = vector(stage.deltas, width - INDENT, STYLE, max(0, math.prod(stage.shape) - len(stage.deltas)))
            lines += hang(shown, width)
            lines += _loose(stage, width)
    return lines


def backward_short(walk: Walk, model: Model | None, width: int) -> list[Line]:
    """One line a layer."""
    lines: list[Line] = []
    for place in range(len(walk.stages) - 1, -1, -1):
        stage = walk.stages[place]
        if stage.units and stage.deltas:
            more = max(0, math.prod(stage.shape[-1:]) - len(stage.deltas))
            cells: Line = [("δ = ", "dim"), *vector(stage.deltas, width - 34, STYLE, more)]
            lines.append(named(title(stage, model), cells, width))
    return lines


def heading(stage: Stage, model: Model | None, words: str, width: int) -> Line:
    room = max(12, width - len(words) - 5)
    return cut([("  " + ending(title(stage, model), room), "ink.bold"), ("   " + words, "dim")], width)


def _layer(walk: Walk, place: int, model: Model | None, width: int, focus: Focus | None) -> list[Line]:
    """∂w = δ·x for each weight; then what goes back to the inputs."""
    stage = walk.stages[place]
    words = "∂w = ∂L/∂w = δ·x,  ∂b = δ"
    if walk.of > 1:
        words = f"∂w = ∂L/∂w = Σ δ·x over the {walk.of} samples"
    most = most_of(stage)
    groups = [_unit(walk, place, unit, focus, most) for unit in stage.units]
    return [
        heading(stage, model, words, width),
        *flows(groups, width),
        *unlisted(stage, width),
        *_to_inputs(walk, place, width),
    ]


def most_of(stage: Stage) -> int:
    """How many weights of each neuron are listed."""
    listed = [len(unit.terms) for unit in stage.units]
    return max(listed, default=0) if sum(listed) <= ALL_WEIGHTS else FEW


def largest(unit: Unit, most: int, here: int | None = None) -> list[Term]:
    """The terms of largest gradient, in their order; that of the weight in hand is among them."""
    if len(unit.terms) <= most:
        return unit.terms
    sizes = {term.place: math.inf if term.place == here else size_of(term.grad) for term in unit.terms}
    kept = sorted(sizes, key=lambda place: -sizes[place])[:most]
    return [term for term in unit.terms if term.place in kept]


def size_of(grad: float | None) -> float:
    return 0.0 if grad is None else (math.inf if grad != grad else abs(grad))


def unlisted(stage: Stage, width: int) -> list[Line]:
    """How many weights are not listed."""
    most, of = most_of(stage), stage.units[0].of if stage.units else 0
    if most >= of:
        return []
    return sentence(f"of each neuron the {most} of its {of} weights with the largest gradient", width, indent=INDENT)


def _unit(walk: Walk, place: int, unit: Unit, focus: Focus | None, most: int) -> list[Line]:
    if focus is None and unit.delta == 0 and grads_of(unit) == {0.0}:
        return [[(f"δ{sub(unit.place)} = ", "dim"), ("0", STYLE), (": its ∂w and ∂b are 0", "dim")]]
    items: list[Line] = [[(f"δ{sub(unit.place)} = ", "dim"), result(unit.delta, STYLE)]]
    here = focus[2] if focus is not None and focus[:2] == (place, unit.place) else None
    if unit.bias_grad is not None:
        part = factor(unit.delta) if unit.delta is not None and walk.of > 1 else ""
        items.append(_slope(_name("∂b", here == -1, unit.place), part, unit.bias_grad, walk.of > 1))
    shown = largest(unit, most, here)
    for term in shown:
        name = _name("∂w", here == term.place, unit.place, term.place)
        first = factor(unit.delta) if walk.of > 1 else short(unit.delta)
        part = f"{first}·{factor(term.x)}" if unit.delta is not None else ""
        known = unit.delta is not None and term.grad is not None and close(unit.delta * term.x, term.grad)
        items.append(_slope(name, part, term.grad, walk.of > 1 or not known))
    return items


def _slope(name: Cell, part: str, grad: float | None, more: bool) -> Line:
    """∂w₁₁ = −0.402·0.55 = −0.221; with the parts of other samples as dots."""
    line: Line = [name, (" = ", "dim")]
    if part and more:
        line += [("… + ", "dim"), (part, "ink"), (" + … = ", "dim")]
    elif part:
        line += [(part, "ink"), (" = ", "dim")]
    return [*line, result(grad, STYLE)]


def grads_of(unit: Unit) -> set[float | None]:
    """Of its weights and its bias."""
    found = {term.grad for term in unit.terms}
    return found | {unit.bias_grad} if unit.bias is not None else found


def _name(word: str, focused: bool, *places: int) -> Cell:
    return (word + sub(*places), "you.reverse" if focused else "dim")


def _to_inputs(walk: Walk, place: int, width: int) -> list[Line]:
    """∂L/∂a of the inputs: what each neuron sends back, added up, where all of them are listed."""
    before = _before(walk, place)
    stage = walk.stages[place]
    if before is None or not before.deltas or len(before.deltas) != len(before.outputs):
        return []
    whole = not stage.places and not before.places
    if not whole or any(len(unit.terms) != len(before.deltas) for unit in stage.units):
        return []
    many = len(before.deltas) * len(stage.units) > ALL_WEIGHTS
    columns = sorted(range(len(before.deltas)), key=lambda one: -size_of(before.deltas[one]))[: FEW if many else None]
    items: list[Line] = []
    for column in sorted(columns):
        parts = [(unit.terms[column].w, unit.delta or 0.0) for unit in stage.units]
        delta = before.deltas[column]
        if not close(sum(w * d for w, d in parts), delta) and abs(delta) > 1e-7:
            return sentence("Its inputs get gradient on other ways, too.", width, indent=INDENT)
        words = _added(parts, FEW if many else len(parts))
        items.append([(f"∂a{sub(column)} = ", "dim"), (words + " = ", "ink"), result(delta, STYLE)])
    head: Line = [("  back to its inputs", "ink"), ("   ∂a = ∂L/∂a = Σ w·δ", "dim")]
    left = len(before.deltas) - len(items)
    more = sentence(f"{left} inputs with smaller gradients", width, indent=INDENT) if left else []
    return [cut(head, width), *flow(items, width), *more]


def _added(parts: list[tuple[float, float]], most: int) -> str:
    """w·δ of each neuron, added; of many the largest, and the sum of the others."""
    order = sorted(range(len(parts)), key=lambda place: -size_of(parts[place][0] * parts[place][1]))
    shown = sorted(order[:most])
    words = " + ".join(f"{factor(parts[place][0])}·{factor(parts[place][1])}" for place in shown)
    if len(shown) == len(parts):
        return words
    rest = sum(parts[place][0] * parts[place][1] for place in order[most:])
    return f"{words} + the {len(parts) - most} others {factor(rest)}"


def _before(walk: Walk, place: int) -> Stage | None:
    if place == 0 or (walk.skipped and place == walk.skipped_at):
        return None
    return walk.stages[place - 1]


def _activation(walk: Walk, place: int, model: Model | None, width: int) -> list[Line]:
    """∂z = ∂a · slope, with the numbers of each."""
    stage = walk.stages[place]
    activation = ACTIVATIONS[kind_of(stage)]
    before = _before(walk, place)
    words = f"∂z = ∂a · {activation.name}′(z),  {activation.name}′ = {activation.slope}"
    lines = [heading(stage, model, words, width)]
    counts = {
        len(stage.deltas),
        len(stage.inputs),
        len(stage.outputs),
        len(before.deltas) if before is not None else -1,
    }
    if before is None or len(counts) > 1 or before.places != stage.places:
        return [*lines, *hang([("∂a = ", "dim"), *vector(stage.deltas, width - INDENT - 5, STYLE)], width)]
    items: list[Line] = []
    places = stage.places or range(len(stage.deltas))
    for number, unit in zip(range(len(stage.deltas)), places):
        z, a, back = stage.inputs[number], stage.outputs[number], stage.deltas[number]
        name: Cell = (f"∂z{sub(unit)} = ", "dim")
        shown = (f"{short(back)}·{activation.slope_words(z, a)} = ", "ink")
        fits = close(back * activation.slope_at(z, a), before.deltas[number]) or abs(before.deltas[number]) < 1e-6
        items.append([name, *([shown] if fits else []), result(before.deltas[number], STYLE)])
    return lines + flow(items, width)


def _loose(stage: Stage, width: int) -> list[Line]:
    """Weights of a module that is no linear layer."""
    if not stage.weights:
        return []
    items: list[Line] = [
        [(f"∂w[{term.place + 1}] = ", "dim"), result(term.grad, STYLE)]
        for term in stage.weights
        if term.grad is not None
    ]
    return [*sentence("its weights of largest gradient:", width, indent=INDENT), *flow(items, width)]
