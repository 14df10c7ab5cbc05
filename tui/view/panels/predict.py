"""Predict: what the model says of samples whose truth is known, and over its plane where it has two inputs."""

from __future__ import annotations

import math

from ...run.events import Predictions, Sample, Surface
from ..draw.boundary import boundary, sign_of, style_of
from ..draw.cells import Line, width_of, wrap
from ..draw.field import beside
from ..draw.gallery import Plate, gallery, matrix, matrix_width
from ..draw.numbers import count, number, percent
from ..draw.scatter import scatter
from ..scene import Scene
from .panel import Panel

FEW = 5
"""An accuracy over fewer samples than this says nothing."""
LOW = 6
"""In a place that is no higher pictures are worth more than the line that explains their words."""


class Predict(Panel):
    NAME = "Predict"
    PERIOD_S = 0.5
    SHOWS = (
        "What the model says of the samples of the last pass without gradients, wrong ones first: true → said, and the "
        "probability that it gave to what it said. Without such a pass, the batch in training. A model of two inputs "
        "shows its whole plane: dark and bright are the two sides, signs are data, hollow ones are on the wrong side. "
        "Values are drawn as predicted against true. Below or beside, where there is room: how often each class (rows) "
        "was taken for each (columns)."
    )
    HEALTHY = "The share of right answers rises; what is wrong looks hard to you, too."
    TROUBLE = "Everything is taken for one class; certain and wrong; ✗ NaN. Values far from the diagonal."

    def notes(self, scene: Scene) -> list[str]:
        found = _predictions(scene)
        plane = _boundary(scene)
        if plane is not None and (found is None or found.source == "training batch"):
            return [f"step {count(plane.step)}"]
        if found is None:
            return []
        what = "last evaluation" if found.source == "validation" else "batch in training"
        return [f"{what} · step {count(found.step)}", f"step {count(found.step)}"]

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        found, plane = _predictions(scene), _boundary(scene)
        if plane is not None:
            return _plane(plane, found, width, height)
        if found is None:
            return wrap([(_waits(scene), "dim")], width)[:height]
        if found.kind == "values":
            return _values(found, width, height)
        return _classes(found, width, height)


def _predictions(scene: Scene) -> Predictions | None:
    live = scene.state.live
    return live.predictions if live is not None else None


def _boundary(scene: Scene) -> Surface | None:
    live = scene.state.live
    found = live.boundary if live is not None else None
    return found if found is not None and found.rows > 0 and len(found.values) >= found.rows * found.columns else None


def _waits(scene: Scene) -> str:
    if scene.source.over:
        return "No predictions were looked at while this run was alive."
    if scene.tick is None:
        return "Predictions come with the first step."
    if scene.paused:
        return "No batch has been looked at with this panel open: n runs one."
    return "Predictions come with the next batch that is looked at, if the loss tells what it compares."


# ── words ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _accuracy(found: Predictions) -> Line:
    """How many are right, of how many, and of what."""
    of = "evaluated" if found.source == "validation" else "in the training batch"
    line: Line
    if not found.known:
        line = [(f"{count(found.count)} samples {of}", "ink"), (", truth not known", "dim")]
    else:
        style = "validation.bold" if found.source == "validation" else "train.bold"
        digits = 1 if found.known >= 100 else 0
        line = [(percent(found.right / found.known, digits), style), (" right: ", "ink")]
        line.append((f"{count(found.right)} of {count(found.known)} {of}", "ink"))
    if found.odd:
        line.append((f" ✗ {count(found.odd)} NaN", "bad"))
    return line


def _name(found: Predictions, value: float | None) -> str:
    """A class as the program writes it."""
    if value is None:
        return "?"
    if value != value:
        return "NaN"
    place = int(value)
    return found.names[place] if 0 <= place < len(found.names) else str(place)


def _verdict(found: Predictions, sample: Sample) -> Line:
    """✗ 3→8 0.71"""
    wrong = sample.truth is not None and sample.truth != sample.guess
    odd = sample.guess is not None and sample.guess != sample.guess
    style = "bad" if odd else ("warning" if wrong else "ink")
    sign = "✗ " if wrong else ("✓ " if sample.truth is not None else "  ")
    line: Line = [(sign, style if wrong else "dim")]
    true = f"{_name(found, sample.truth)}→" if sample.truth is not None else ""
    line.append((true + _name(found, sample.guess), style))
    if sample.sure is not None and not odd:
        line.append((f" {_chance(sample.sure)}", "dim"))
    return line


def _chance(value: float) -> str:
    """Two digits: 0.71; 1.00 only where it is 1 to three digits."""
    if math.isnan(value):
        return "NaN"
    return "1.00" if value >= 0.9995 else f"{min(value, 0.99):.2f}"


# ── classes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _classes(found: Predictions, width: int, height: int) -> list[Line]:
    head = [_accuracy(found)]
    if height <= LOW + 1:
        explained: Line = [*head[0], ("   ", "ink"), *_key(found, width)]
        head = [explained] if width_of(explained) <= width else head
    table = _table(found)
    if table and width >= matrix_width(found.confusion, _names(found)) + 40 and height >= len(table) + 1:
        right = matrix_width(found.confusion, _names(found))
        return [*head, *beside(_samples(found, width - right - 3, height - 1), table, width - right - 3, 3)]
    samples = _samples(found, width, height - 1)
    left = height - 1 - len(samples)
    if table and left > len(table) and width >= matrix_width(found.confusion, _names(found)):
        samples += [[], *table]
    return [*head, *samples][:height]


def _names(found: Predictions) -> list[str]:
    return [_name(found, float(place)) for place in range(len(found.confusion))]


def _table(found: Predictions) -> list[Line]:
    """The confusions, with a line that says how to read them."""
    if not found.confusion or not found.known:
        return []
    return [[("true ↓ said →", "dim")], *matrix(found.confusion, _names(found))]


def _samples(found: Predictions, width: int, height: int) -> list[Line]:
    """Pictures with words below them; or, without pictures or room for them, the words alone."""
    if height < 1 or not found.samples:
        return []
    with_verdicts: list[Line] = [_verdict(found, sample) for sample in found.samples]
    if all(sample.cells for sample in found.samples):
        plates = [
            Plate(sample.height, sample.width, sample.cells, words)
            for sample, words in zip(found.samples, with_verdicts)
        ]
        key = [_key(found, width)] if height > LOW else []
        lines = gallery(plates, width, height - len(key))
        if lines:
            return [*key, *lines]
    return [_key(found, width), *_columns(with_verdicts, width, height - 1)] if height > 1 else [_key(found, width)]


def _key(found: Predictions, width: int) -> Line:
    """How the words below the samples are to be read."""
    sure = ", its probability" if any(sample.sure is not None for sample in found.samples) else ""
    if not found.known:
        return [(f"said{sure}", "dim")]
    fits = [f"true → said{sure}; ✗ wrong ones first", f"true → said{sure}", "true → said"]
    return [(next((one for one in fits if len(one) <= width), fits[-1]), "dim")]


def _columns(words: list[Line], width: int, height: int) -> list[Line]:
    slot = max(width_of(line) for line in words) + 3
    across = max(1, (width + 3) // slot)
    lines: list[Line] = []
    for first in range(0, min(len(words), across * height), across):
        line: Line = []
        for one in words[first : first + across]:
            line += [*one, (" " * (slot - width_of(one)), "ink")]
        lines.append(line)
    return lines


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _values(found: Predictions, width: int, height: int) -> list[Line]:
    of = "evaluated" if found.source == "validation" else "in the training batch"
    head: Line = []
    if found.error is not None:
        head = [("off by ", "ink"), (number(found.error), "train.bold"), (" on average", "ink")]
    head.append((f"{', ' if head else ''}{count(found.count)} values {of}", "dim"))
    if found.odd:
        head.append((f" ✗ {count(found.odd)} NaN", "bad"))
    lines = wrap(head, width)
    if len(found.pairs) == 1 and len(found.samples) == 1:
        true, said = found.pairs[0][:2]
        return [*lines, [("true ", "dim"), (number(true), "ink"), ("  said ", "dim"), (number(said), "ink")]]
    room = height - len(lines)
    if found.pairs and room >= 3:
        return [*lines, *scatter(found.pairs, min(width, max(24, 5 * room // 2)), room)]
    said_only = [
        f"{number(one.truth)} → {number(one.guess)}" if one.truth is not None else number(one.guess)
        for one in found.samples
    ]
    return [*lines, *wrap([("  ".join(said_only), "ink")], width)][:height] if said_only else lines


# ── two inputs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _plane(plane: Surface, found: Predictions | None, width: int, height: int) -> list[Line]:
    words = _plane_words(plane, found)
    shape = (plane.right - plane.left) / ((plane.top - plane.bottom) or 1.0)
    true = max(4, round(2 * height * min(4.0, max(0.25, shape))))
    beside_it = width - min(true, width) - 2
    if beside_it >= 18:
        right = _wrapped(words, beside_it)
        table = _table(found) if found is not None and found.source == "validation" else []
        if found is not None and table and matrix_width(found.confusion, _names(found)) <= beside_it:
            right += [[], *table] if len(right) + 1 + len(table) <= height else []
        return beside(boundary(plane, true, height), right[:height], true)
    if height < 6:
        left = max(8, width // 2)
        return beside(boundary(plane, left, height), _wrapped(words, width - left - 2)[:height], left)
    if width >= 44:  # the plane a little narrower than true, and the words beside it
        return beside(boundary(plane, width - 20, height), _wrapped(words, 18)[:height], width - 20)
    below = _wrapped(words, width)[:2]
    return [*boundary(plane, width, height - len(below)), *below]


def _wrapped(paragraphs: list[Line], width: int) -> list[Line]:
    return [line for paragraph in paragraphs for line in wrap(paragraph, max(1, width))]


def _plane_words(plane: Surface, found: Predictions | None) -> list[Line]:
    out: list[Line] = []
    known = [point for point in plane.points if len(point) >= 4 and point[2] >= 0]
    if found is not None and found.known >= FEW and found.source == "validation" and found.kind == "classes":
        out.append(_accuracy(found))
    if known:
        right = sum(point[2] == point[3] for point in known)
        share: Line = [
            (percent(right / len(known)), "train.bold"),
            (f" right: {right} of the {len(known)} drawn", "ink"),
        ]
        out.append(share)
    elif plane.points:
        out.append([(f"• {len(plane.points)} inputs seen", "ink")])
    if not plane.classes and math.isnan(plane.level):
        finite = [value for value in plane.values if math.isfinite(value)]
        low, high = min(finite, default=math.nan), max(finite, default=math.nan)
        out.append([("dark ", "dim"), (number(low), "ink"), (", bright ", "dim"), (number(high), "ink")])
    elif plane.classes <= 2:
        names = found.names if found is not None and len(found.names) == 2 else ["class 0", "class 1"]
        out.append([(f"{sign_of(0)} {names[0]}", "ink"), (": dark side", "dim")])
        out.append([(f"{sign_of(1)} {names[1]}", "ink"), (": bright side", "dim")])
    else:
        for place in range(min(5, plane.classes)):
            out.append([(f"{sign_of(place)} ", style_of(place)), (f"class {place}", "ink")])
    if any(point[2] != point[3] for point in known):
        out.append([(f"{sign_of(0, False)} {sign_of(1, False)}", "bad"), (" on the wrong side", "ink")])
    across = f"→ {number(plane.left, 2)} … {number(plane.right, 2)}"
    up = f"↑ {number(plane.bottom, 2)} … {number(plane.top, 2)}"
    return [*out, [(across, "dim")], [(up, "dim")]]
