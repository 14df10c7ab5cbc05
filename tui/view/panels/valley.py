"""Valley: the loss over the weights. Of two weights all of it, with the path; of many a slice, on request."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...run.events import Surface
from ..draw.cells import Cell, Line, wrap
from ..draw.field import Frame, Spot, beside, field, letter, mapped, smooth, trail
from ..draw.numbers import count, number, percent
from ..draw.sparkline import BLOCKS
from ..scene import Scene
from .panel import Panel

LOWEST, HIGHEST = -2.0, 2.0
"""Powers of ten between which the colours of a slice lie, in every run: slices can then be compared."""
DEPTH = 4.0
"""Decades above the lowest point that the colours of a plane tell apart."""
HIGH = 0.6
NEAR = 0.25
MOST = 1e290
"""A loss beyond this is as good as infinite."""

Paragraph = list[Cell]


class Valley(Panel):
    NAME = "Valley"
    PERIOD_S = 0.33
    SHOWS = (
        "The loss over the weights, as a map: dark is low, bright is high, in powers of ten. A model of one or "
        "two weights shows all of it, with the path so far: ○ where it begins, ● now, ◇ where the next step lands. "
        "Of a model with many weights v computes a slice: two random directions through the weights, each filter of "
        "them as long as the weights it moves (filter-normalised): slices of different networks can be compared."
    )
    HEALTHY = "A wide, smooth basin around ●, and a path that goes down into it."
    TROUBLE = "Steep walls close by, many small basins, ✗ where the loss is no number; a path that zigzags or leaves."

    def notes(self, scene: Scene) -> list[str]:
        surface = _surface(scene)
        if surface is None or surface.refused:
            return []
        if surface.kind == "slice":
            batch = f" · batch of {count(surface.samples)}" if surface.samples else ""
            return [f"step {count(surface.step)}{batch}", f"step {count(surface.step)}"]
        return [f"path since step {count(surface.since)}"]

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        surface = _surface(scene)
        if surface is None:
            return _lines(_before(scene), width)[:height]
        if surface.refused:
            return _lines([[("No map: ", "ink"), (surface.refused + ".", "dim")]], width)[:height]
        tells = _slice_words(surface, scene) if surface.kind == "slice" else _plane_words(surface, scene)
        side = width >= 84 or (height < 9 and width >= 44)
        if side:
            room = min(width * 5 // 8, 4 * height if surface.kind == "slice" else 5 * height)
            room = max(room, width * 2 // 5)
            return beside(_picture(surface, room, height), _lines(tells, width - room - 2)[:height], room)
        words = _lines(tells, width)
        most = max(2, height * 2 // 5)
        picture = _picture(surface, width, max(2, height - min(len(words), most)))
        return [*picture, *words[: height - len(picture)]]


def _surface(scene: Scene) -> Surface | None:
    live = scene.state.live
    return live.surface if live is not None else None


def _lines(paragraphs: list[Paragraph], width: int) -> list[Line]:
    return [line for paragraph in paragraphs for line in wrap(paragraph, max(1, width))]


def _before(scene: Scene) -> list[Paragraph]:
    """Nothing has been computed yet: what can be, and what it costs."""
    model = scene.state.model
    if model is not None and 0 < model.weights <= 2:
        which = "weight" if model.weights == 1 else "two weights"
        if scene.source.over:
            return [[(f"The loss over this model's {which} was not looked at while it ran.", "dim")]]
        return [[(f"The loss over this model's {which} is drawn with the next step that is watched.", "dim")]]
    if scene.source.over:
        return [[("No slice was computed while the run was alive.", "dim")]]
    if not scene.steerable:
        return [[("A slice is computed on request only, and this viewer was started with --readonly.", "dim")]]
    return [
        [
            ("v", "you"),
            (" computes the loss on a plane through the weights: how steep, how wide the valley is.", "ink"),
        ],
        [
            (
                "It takes 25 × 25 = 625 forward passes of the batch in hand, on a copy; training waits meanwhile, ",
                "dim",
            ),
            ("and afterwards is exactly where it was.", "dim"),
        ],
    ]


# ── pictures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _picture(surface: Surface, width: int, height: int) -> list[Line]:
    if surface.done < 1 or not surface.values:
        return [[("·" * width, "line")]] + [[] for _ in range(height - 1)]
    if surface.rows == 1:
        return _curve(surface, width, height)
    done = min(surface.done, len(surface.values) // max(1, surface.columns))
    level = _fixed_scale(surface.values)[0] if surface.kind == "slice" else _own_scale(surface.values)
    shown = max(2, 2 * height * done // surface.rows) if done < surface.rows else 2 * height
    shown -= shown % 2
    heights = [math.nan if not math.isfinite(value) else value for value in surface.values]
    letters = mapped(smooth(heights, done, surface.columns, width, shown), level)
    frame = Frame(width, height, surface.left, surface.right, surface.bottom, surface.top)
    return field(letters, {**_odd(letters), **_signs(surface, frame, len(letters) // 2)})


def _odd(letters: list[str]) -> dict[Spot, Cell]:
    """Where the loss is no number: a sign, for colour alone does not tell."""
    return {
        (row, column): ("✗", "bad")
        for row in range(len(letters) // 2)
        for column, (upper, lower) in enumerate(zip(letters[2 * row], letters[2 * row + 1]))
        if upper == lower == "n"
    }


def _signs(surface: Surface, frame: Frame, rows: int) -> dict[Spot, Cell]:
    """The path, where it begins, where the weights are, where they are going to be."""
    signs: dict[Spot, Cell] = {}
    spots = [frame.spot(*_pair(point)) for point in surface.points]
    for spot in trail(spots):
        signs[spot] = ("·", "")
    signs |= {spot: ("•", "") for spot in spots if spot is not None}
    lands = [] if surface.kind == "slice" and _within_a_cell(surface) else surface.next
    marks = [("○", surface.points[0] if surface.points else []), ("◇", lands), ("●", surface.here)]
    for sign, where in marks:
        found = frame.spot(*_pair(where)) if len(where) >= 2 else None
        if found is not None:
            signs[found] = (sign, "")
    return {spot: sign for spot, sign in signs.items() if spot[0] < rows}


def _pair(point: list[float]) -> tuple[float, float]:
    return (point[0], point[1]) if len(point) >= 2 else (math.nan, math.nan)


def _curve(surface: Surface, width: int, height: int) -> list[Line]:
    """The loss over one weight, as a filled curve."""
    values = smooth(surface.values, 1, surface.columns, width, 1)[0]
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    tall = [(value - low) / ((high - low) or 1.0) * (height - 1) if math.isfinite(value) else None for value in values]
    frame = Frame(width, 1, surface.left, surface.right, -1.0, 1.0)
    signs: dict[Spot, Cell] = {}
    for sign, where in (("◇", surface.next), ("●", surface.here)):
        found = frame.spot(where[0], 0.0) if where else None
        if found is not None and tall[found[1]] is not None:
            signs[height - 1 - int(tall[found[1]] or 0.0), found[1]] = (sign, "you")
    lines = []
    for row in range(height):
        line: Line = []
        for column, top in enumerate(tall):
            line.append(signs.get((row, column)) or _column(top, height - 1 - row))
        lines.append(line)
    return lines


def _column(top: float | None, floor: int) -> Cell:
    """One cell of a filled curve of this height, `floor` cells above the ground."""
    if top is None:
        return "✗" if floor == 0 else " ", "bad"
    if top <= floor:
        return ("▁" if floor == 0 else " "), "train"
    return BLOCKS[max(0, min(7, int((top - floor) * 8)))], "train"


# ── scales ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _own_scale(values: list[float]) -> Callable[[float], str]:
    """Decades above the lowest value; even steps where most of the map is high plain."""
    finite = [value for value in values if abs(value) < MOST]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    plain = _plain(values)
    least = (high - low) * 10**-DEPTH

    def level(value: float) -> str:
        if not abs(value) < MOST:
            return "n"
        if high <= low:
            return "4"
        if plain:
            return letter((value - low) / (high - low))
        return letter(math.log10(max(value - low, least) / least) / DEPTH)

    return level


def _plain(values: list[float]) -> bool:
    """Does more than half of the map lie in its upper part? Powers of ten would make one colour of all that."""
    finite = sorted(value for value in values if abs(value) < MOST)
    return bool(finite) and finite[len(finite) // 2] - finite[0] > HIGH * (finite[-1] - finite[0])


def _fixed_scale(values: list[float]) -> tuple[Callable[[float], str], float, float]:
    """(level of a loss, lowest and highest power of ten): the same in every run whose losses it can tell apart."""
    finite = sorted(value for value in values if abs(value) < MOST)
    low, high = LOWEST, HIGHEST
    middle = finite[len(finite) // 2] if finite else 1.0
    if middle > 1e-300 and not 10**low <= middle <= 10**high:
        low = math.floor(math.log10(middle)) - 1.0
        high = low + HIGHEST - LOWEST

    def level(value: float) -> str:
        if not abs(value) < MOST:
            return "n"
        return "0" if value <= 0 else letter((math.log10(value) - low) / (high - low))

    return level, low, high


def _ramp(words_low: str, words_high: str) -> Paragraph:
    return [(words_low + " ", "dim"), *[("█", f"w{level}/{level}") for level in range(16)], (" " + words_high, "dim")]


# ── words ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _plane_words(surface: Surface, scene: Scene) -> list[Paragraph]:
    out: list[Paragraph] = []
    here = ", ".join(f"{name} {number(value)}" for name, value in zip(surface.names, surface.here))
    loss = f": loss {number(surface.loss)}" if surface.loss is not None else ""
    if surface.here:
        frame = Frame(1, 1, surface.left, surface.right, surface.bottom, surface.top)
        outside: Paragraph = [(" ▲ outside the map", "warning")] if frame.spot(*_place(surface)) is None else []
        out.append([("● ", "you"), (here + loss, "ink"), *outside])
    if surface.next:
        lands = ", ".join(f"{name} {number(value)}" for name, value in zip(surface.names, surface.next))
        out.append([("◇ ", "you"), ("next: ", "ink"), (lands, "ink")])
    if surface.done < surface.rows:
        out.append([(f"row {surface.done} of {surface.rows} of the map", "dim")])
        return out
    finite = [value for value in surface.values if math.isfinite(value)]
    low, high = min(finite, default=math.nan), max(finite, default=math.nan)
    names = [*surface.names, "", ""]
    if surface.rows == 1:
        out.append([(f"across: {names[0]} from {number(surface.left)} to {number(surface.right)}", "dim")])
        out.append([(f"up: loss from {number(low)} to {number(high)}", "dim")])
        return out
    out.append(_ramp(number(low, 2), f"{number(high, 2)} loss"))
    across = f"{names[0]} {number(surface.left, 2)} … {number(surface.right, 2)} →"
    up = f"{names[1]} {number(surface.bottom, 2)} … {number(surface.top, 2)} ↑"
    out += [[(f"{across}   {up}", "dim")]] if len(across + up) <= 40 else [[(across, "dim")], [(up, "dim")]]
    steps = "even steps" if _plain(surface.values) else "powers of ten above the lowest"
    begins = "○ start" if surface.since == 0 else f"○ step {count(surface.since)}"
    out.append([(f"{begins}, • visited; colours: {steps}", "dim")])
    return out


def _slice_words(surface: Surface, scene: Scene) -> list[Paragraph]:
    out: list[Paragraph] = []
    if surface.done < surface.rows:
        busy = scene.paused
        what = "v again gives it up" if busy else "it goes on at the next pause"
        out.append([(f"row {surface.done} of {surface.rows}", "you"), (f", {what}", "ink")])
    if surface.loss is not None:
        behind = scene.state.step - surface.step
        when = f", {count(behind)} updates ago" if behind > 0 else ""
        again = "; v computes it anew" if behind > 0 and scene.steerable else ""
        out.append([("● ", "you"), (f"loss {number(surface.loss)}{when}", "ink"), (again, "dim")])
    if surface.next:
        out.append(_step_words(surface))
    if surface.done < 1:
        return out
    _, low, high = _fixed_scale(surface.values)
    out.append(_ramp(number(10**low, 2), f"{number(10**high, 2)} loss"))
    if surface.done == surface.rows:
        out.append([(_facts(surface), "ink")])
        out.append(
            [(f"edges: ±{number(surface.right, 2)} of the weights' own length, in two random directions", "dim")]
        )
    return out


def _place(surface: Surface) -> tuple[float, float]:
    """Where the weights are on the map; a single weight stands on its middle line."""
    if surface.rows == 1:
        return surface.here[0], (surface.bottom + surface.top) / 2
    return _pair(surface.here)


def _step_words(surface: Surface) -> Paragraph:
    length = math.hypot(*surface.next[:2])
    if _within_a_cell(surface):
        return [("◇ ", "you"), (f"next step: {number(length, 2)} on this map, not a cell", "ink")]
    return [("◇ ", "you"), (f"next step: {number(length, 2)} on this map", "ink")]


def _within_a_cell(surface: Surface) -> bool:
    """Is the next step of a slice too short to be seen?"""
    cell = (surface.right - surface.left) / max(1, surface.columns - 1)
    return math.hypot(*surface.next[:2]) < cell / 2


def _facts(surface: Surface) -> str:
    """Numbers that can be compared between runs."""
    values = [value for value in surface.values if not math.isnan(value)]
    odd = len(surface.values) - len([value for value in surface.values if math.isfinite(value)])
    near = []
    for place, value in enumerate(surface.values):
        row, column = divmod(place, surface.columns)
        x = surface.left + (surface.right - surface.left) * column / max(1, surface.columns - 1)
        y = surface.top - (surface.top - surface.bottom) * row / max(1, surface.rows - 1)
        if max(abs(x), abs(y)) <= NEAR + 1e-9:
            near.append(value)
    below = sum(value < 1 for value in values) / max(1, len(surface.values))
    words = f"lowest {number(min(values, default=math.nan))}, highest {number(max(values, default=math.nan))}"
    if near:
        top = math.nan if any(math.isnan(value) for value in near) else max(near)
        words += f", within ±{NEAR} at most {number(top)}"
    words += f"; below 1: {percent(below)} of the area"
    return words + (f"; ✗ no number: {count(odd)} points" if odd else "")
