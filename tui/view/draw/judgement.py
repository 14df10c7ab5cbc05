"""The loss of one sample as lines: softmax, −ln p, squares; and the gradient that it begins with."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ...run.walk import Verdict, Walk
from .cells import Line
from .formula import factor, flow, hang, result, sentence, short, sub, vector
from .layers import close
from .losses import VALUES, bases, chance_of_truth, labels, loss_of_sample, minus_log

STYLE = "train"
LARGE = 30.0
"""Beyond this e^z is written with the largest z taken off."""


def loss(walk: Walk, width: int) -> list[Line]:
    """Every number of the loss."""
    verdict = walk.verdict
    if verdict is None:
        return sentence("The loss of this batch was not seen.", width)
    lines: list[Line] = []
    if verdict.position is not None:
        lines += sentence(f"At the last of {verdict.position + 1} positions of the sample:", width)
    if verdict.kind == "cross-entropy" and verdict.scores:
        lines += _softmax(verdict, width)
    elif verdict.kind == "binary cross-entropy" and verdict.chances:
        lines += _binary(verdict, width)
    elif verdict.kind in VALUES and verdict.scores and verdict.target:
        lines += _values(verdict, width)
    else:
        lines += hang([("output = ", "dim"), *vector(verdict.scores, width - 16, STYLE, _more(verdict))], width)
        if verdict.target:
            lines += hang([("target = ", "dim"), *vector(verdict.target, width - 16, "validation")], width)
        name = verdict.name or verdict.kind
        words = f"{name}: how it follows" if name else "How the loss follows"
        lines += sentence(f"{words} from the output is the program's own formula, which nothing here can read.", width)
    return lines + _whole(walk, verdict, width)


def loss_short(walk: Walk, width: int) -> list[Line]:
    """One line."""
    verdict = walk.verdict
    if verdict is None:
        return []
    line: Line = [("  ", "ink")]
    own = loss_of_sample(verdict)
    if verdict.chances and verdict.target and verdict.kind == "cross-entropy":
        right = chance_of_truth(verdict)
        line += [("p = ", "dim"), *vector(verdict.chances, width // 2 - 8, STYLE, _more(verdict)), ("   ", "ink")]
        line += [(f"true class {short(verdict.target[0])}: −ln {short(right)} = ", "dim"), result(own, STYLE)]
    else:
        line += [("output = ", "dim"), *vector(verdict.scores, width // 3, STYLE, _more(verdict)), ("   ", "ink")]
        if verdict.target:
            line += [("target = ", "dim"), *vector(verdict.target, width // 3, "validation"), ("   ", "ink")]
        if own is not None:
            line += [("loss = ", "dim"), result(own, STYLE)]
    if verdict.loss is not None and (walk.of > 1 or own is None):
        line += [("   batch ", "dim"), result(verdict.loss, STYLE)]
    return [line]


def _more(verdict: Verdict) -> int:
    return max(0, verdict.of - len(verdict.scores))


def _softmax(verdict: Verdict, width: int) -> list[Line]:
    scores, chances = verdict.scores, verdict.chances
    lines = hang([("logits = ", "dim"), *vector(scores, width - 16, STYLE, _more(verdict))], width)
    finite = all(math.isfinite(one) for one in scores)
    top = max(scores) if finite else 0.0
    shift = top if finite and max(abs(one) for one in scores) > LARGE else 0.0
    words = f"   p = e^(z − {factor(top)}) / Σ" if shift else "   p = e^z / Σ e^z"
    lines.append([("  softmax", "ink.bold"), (words + "   every score becomes a share of 1", "dim")])
    if not chances:
        chances = _shares(scores) if finite and not _more(verdict) else []
    if not chances:
        return [*lines, *sentence("The probabilities are not known.", width)]
    powers = [math.exp(one - shift) if finite else math.nan for one in scores]
    total = sum(powers)
    if _more(verdict):
        total = next((power / p for power, p in zip(powers, chances) if p), math.nan)
    raised = [[(f"e^{short(one - shift)} = ", "dim"), (short(power), "ink")] for one, power in zip(scores, powers)]
    lines += flow([*raised, [("Σ of all = " if _more(verdict) else "Σ = ", "dim"), (short(total), "ink.bold")]], width)
    true = verdict.target[0] if verdict.target else -1.0
    items: list[Line] = []
    for place, power, p in zip(labels(verdict), powers, chances):
        head = f"class {place}:  p = {short(power)} / {short(total)} = "
        items.append([(head, "dim"), result(p, STYLE), (" ◂ the true one" if place == true else "", "validation")])
    lines += flow(items, width)
    right = chance_of_truth(verdict)
    if right is None:
        return [*lines, *sentence("Which class is the true one could not be read.", width)]
    lines.append([("  loss", "ink.bold"), ("   −ln p of the true class", "dim")])
    words = f"true class {short(verdict.target[0])}:  −ln {short(right)} = "
    return [*lines, *hang([(words, "dim"), result(minus_log(right), STYLE)], width)]


def _shares(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    powers = [math.exp(one - top) for one in scores]
    return [one / sum(powers) for one in powers]


def _binary(verdict: Verdict, width: int) -> list[Line]:
    lines: list[Line] = [
        [("  binary cross-entropy", "ink.bold"), ("   −ln p where y = 1, −ln (1 − p) where y = 0", "dim")]
    ]
    items: list[Line] = []
    for place, (score, p, y) in enumerate(zip(verdict.scores, verdict.chances, verdict.target)):
        head = (
            f"p{sub(place)} = σ({short(score)}) = {short(p)}" if not close(score, p) else f"p{sub(place)} = {short(p)}"
        )
        inner = short(p) if y > 0.5 else f"(1 − {short(p)})"
        items.append(
            [
                (head, "ink"),
                (f"   y = {short(y)}:  −ln {inner} = ", "dim"),
                result(minus_log(p if y > 0.5 else 1 - p), STYLE),
            ]
        )
    return lines + flow(items, width)


def _values(verdict: Verdict, width: int) -> list[Line]:
    value = VALUES[verdict.kind]
    lines: list[Line] = [[("  " + verdict.kind, "ink.bold"), ("   " + value.formula, "dim")]]
    items: list[Line] = []
    pairs = list(zip(labels(verdict), verdict.scores, verdict.target))
    for place, out, true in pairs:
        name = f"output{sub(place)}: " if len(pairs) > 1 else ""
        items.append(
            [(name, "dim"), (value.words(out, true), "ink"), (" = ", "dim"), result(value.each(out, true), STYLE)]
        )
    lines += flow(items, width)
    own = loss_of_sample(verdict)
    if len(pairs) > 1 and own is not None:
        lines += hang([(f"mean over the {len(pairs)} outputs: ", "dim"), result(own, STYLE)], width)
    return lines


def _whole(walk: Walk, verdict: Verdict, width: int) -> list[Line]:
    """What the program's own number is."""
    if verdict.loss is None:
        return []
    own = loss_of_sample(verdict)
    line: Line = [("the program's loss", "dim")]
    if walk.of > 1:
        line.append((f", of the whole batch of {walk.of}", "dim"))
    line += [(": ", "dim"), result(verdict.loss, STYLE)]
    if walk.of == 1 and own is not None and verdict.position is None and not close(own, verdict.loss):
        line.append(("   (it weighs, smooths or adds something)", "dim"))
    return hang(line, width)


# ── where the way back begins ─────────────────────────────────────────────────────────────────────────────────────────


def first_slope(walk: Walk, width: int) -> list[Line]:
    """∂L/∂output: the formula where the numbers agree with one, and the numbers."""
    verdict = walk.verdict
    if verdict is None or not verdict.deltas:
        return sentence("The gradient of the loss by the output was not seen.", width)
    name = "∂L/∂logits" if verdict.kind == "cross-entropy" else "∂L/∂output"
    words, items = _slope_formula(walk, verdict)
    if words and verdict.kind == "cross-entropy":
        words += "   y is 1 for the true class, else 0"
    lines: list[Line] = [[("  " + name, "ink.bold"), (f"   {words}" if words else "", "dim")]]
    shown: list[Line] = []
    many = len(verdict.deltas) > 1
    for number, (place, delta) in enumerate(zip(labels(verdict), verdict.deltas)):
        head = f"δ{sub(place)} = " if many else "δ = "
        if verdict.kind == "cross-entropy":
            head = f"class {place}:  {head}"
        middle = [(items[number] + " = ", "ink")] if items else []
        shown.append([(head, "dim"), *middle, result(delta, "gradient")])
    return lines + flow(shown, width)


def _slope_formula(walk: Walk, verdict: Verdict) -> tuple[str, list[str]]:
    """(the formula, with the numbers of each output), or ("", []) where the program's numbers do not follow one."""
    slopes, words, parts = bases(verdict)
    if len(slopes) != len(verdict.deltas):
        return "", []
    if slopes and not any(slopes) and not any(verdict.deltas):
        return words, []
    factors = [delta / base for delta, base in zip(verdict.deltas, slopes) if abs(base) > 1e-9]
    if not slopes or not factors or not all(math.isfinite(one) for one in factors):
        return "", []
    largest = max(range(len(slopes)), key=lambda place: abs(slopes[place]))
    scale = verdict.deltas[largest] / slopes[largest]
    if not all(
        math.isclose(d, scale * b, rel_tol=5e-3, abs_tol=1e-6 * abs(scale)) for d, b in zip(verdict.deltas, slopes)
    ):
        return "", []
    if close(scale, 1.0):
        return words, parts
    words, parts = _bracketed(words), [_bracketed(part) for part in parts]
    outputs = len(slopes) if verdict.kind != "cross-entropy" else 1
    for number, why in (
        (walk.of, f"mean over {walk.of} samples"),
        (walk.of * outputs, f"mean over {walk.of} samples of {outputs} outputs"),
        (outputs, f"mean over {outputs} outputs"),
    ):
        if number > 1 and close(scale * number, 1.0):
            return f"{words} / {number}   {why}", [f"{part} / {number}" for part in parts]
    said = f"{words}·{short(scale)}   times a number of the program's"
    return said, [f"{part}·{factor(scale)}" for part in parts]


def _bracketed(words: str) -> str:
    """In brackets, where it is a difference and not a product of one."""
    outside = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", words))
    return f"({words})" if " − " in outside or " " in outside else words
