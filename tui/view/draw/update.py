"""The update as lines: old weight, step, new weight."""

from __future__ import annotations

import math

from ...run.events import Model
from ...run.walk import Term, Unit, Walk
from .backward import grads_of, heading, largest, most_of, unlisted
from .cells import Cell, Line
from .formula import decimals_for, factor, fixed, flows, sentence, short, sub
from .forward import left_out


def update(walk: Walk, model: Model | None, width: int, rate: float | None) -> list[Line]:
    """Old weight, step, new weight."""
    plain = walk.optimizer == "SGD" and rate is not None and _follows(walk, rate)
    words = "" if rate is None else f"   learning rate {short(rate, 4)}"
    if plain:
        lines: list[Line] = [[("  " + walk.optimizer, "ink.bold"), ("   new = old − rate · gradient" + words, "dim")]]
    else:
        lines = [[("  " + (walk.optimizer or "the optimizer"), "ink.bold"), (words, "dim")]]
        lines += sentence(_not_plain(walk), width)
    for place, stage in enumerate(walk.stages):
        lines += left_out(walk, place, width)
        groups = [_unit_update(unit, rate if plain else None, most_of(stage)) for unit in stage.units]
        loose = [_step(f"w[{term.place + 1}]", term, rate if plain else None) for term in stage.weights]
        if groups or loose:
            lines.append(heading(stage, model, "", width))
            lines += [*flows([*groups, loose], width), *unlisted(stage, width)]
    return lines


def _not_plain(walk: Walk) -> str:
    if walk.optimizer == "SGD":
        return "The step is not rate · gradient here: it was clipped, or rates differ. What was measured:"
    return "Its step follows from earlier gradients, too, not from rate · this gradient alone. What was measured:"


def _follows(walk: Walk, rate: float) -> bool:
    """Are the new weights old − rate · gradient, as far as float32 can tell?"""
    terms = [term for stage in walk.stages for unit in stage.units for term in unit.terms]
    terms += [term for stage in walk.stages for term in stage.weights]
    known = [(term.w - rate * term.grad, term) for term in terms if term.grad is not None and term.after is not None]
    return all(
        math.isclose(said, term.after or 0.0, rel_tol=1e-5, abs_tol=2e-7 + 2e-3 * abs(rate * (term.grad or 0.0)))
        or said != said
        for said, term in known
    )


def _unit_update(unit: Unit, rate: float | None, most: int) -> list[Line]:
    still = all(term.after == term.w for term in unit.terms) and unit.bias_after == unit.bias
    if still and grads_of(unit) == {0.0}:
        return [[(f"neuron {unit.place + 1}: every gradient is 0, nothing moves", "dim")]]
    shown = largest(unit, most)
    items = [_step(f"w{sub(unit.place, term.place)}", term, rate) for term in shown]
    if unit.bias is not None:
        bias = Term(0, 0.0, unit.bias, unit.bias_grad, unit.bias_after)
        items.append(_step(f"b{sub(unit.place)}", bias, rate))
    return items


def _step(name: str, term: Term, rate: float | None) -> Line:
    """w₁₁  0.2000 − 0.1·0.05 = 0.1950, or old → new and the step."""
    if term.after is None:
        return [(f"{name}  ", "dim"), (short(term.w), "ink")]
    step = term.after - term.w
    digits = decimals_for(step)
    old, new = fixed(term.w, digits), fixed(term.after, digits)
    bad = not math.isfinite(term.after)
    after: Cell = (("✗ " if bad else "") + new, "bad" if bad else "you.bold")
    if rate is not None and term.grad is not None:
        return [(f"{name}  ", "dim"), (f"{old} − {short(rate, 4)}·{factor(term.grad)} = ", "ink"), after]
    sign = "+" if step > 0 else ""
    slope = f", gradient {short(term.grad)}" if term.grad is not None else ""
    return [(f"{name}  ", "dim"), (f"{old} → ", "ink"), after, (f"  step {sign}{short(step)}{slope}", "dim")]
