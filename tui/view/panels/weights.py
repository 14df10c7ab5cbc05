"""Weights: the tensor in focus as pictures, its scale, histogram and statistics."""

from __future__ import annotations

from dataclasses import replace

from ...run.events import Command, Picture
from ..draw.cells import Line, fit, width_of, wrap
from ..draw.heatmap import fitting, ramp, shrink, units
from ..draw.numbers import count, number, percent
from ..draw.sparkline import BLOCKS
from ..scene import MODES, Scene
from .panel import Panel

WORDS = {
    "change": "change since the start",
    "weight": "weights",
    "gradient": "gradient",
    "output": "its output for one sample",
}


class Weights(Panel):
    NAME = "Weights"
    PERIOD_S = 1.0
    SHOWS = (
        "One tensor as colours: dark blue is the most negative, pale yellow the most positive. m shows the change "
        "since training began (strokes appear at once), the weights themselves, their gradient, or what the layer put "
        "out for one sample of the batch (feature maps of a convolution); ← → choose the sample, ↑ ↓ the "
        "layer. Image-shaped layers and kernels show one picture a unit. A cell that stands for several weights shows "
        "the one of largest magnitude, and the border says how many. Below: the scale, a histogram, the standard "
        "deviation, and how far the tensor has moved from where it started. Where the picture is not of the tensor as "
        "it stands (a part of it, magnitudes, stored entries), the last line begins with that; what cannot be drawn is "
        "named with the reason."
    )
    HEALTHY = "The change shows structure that grows; the histogram widens slowly and stays smooth."
    TROUBLE = "✗ or a pink cell is a value that is not finite. A tensor that stays at 0 % moved is not being trained."

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self.room = (0, 0)
        """Rows and columns of picture cells that there is room for: what the presence tells the probe."""
        self._shown: Picture | None = None
        self._fit = 0
        """How many of the units in the snapshot there is room for."""

    def names(self, scene: Scene) -> list[str]:
        place = scene.shown_layer()
        if place is None:
            return [self.NAME]
        layer = scene.state.layers[place]
        words = WORDS[scene.mode]
        if scene.mode == "output":
            return [f"Weights · {layer.title}, output for sample {scene.sample + 1}", f"Weights · {scene.mode}"]
        return [
            f"Weights · {layer.title}, {words}",
            f"Weights · {layer.title}, {scene.mode}",
            f"Weights · {layer.name}, {scene.mode}",
            f"Weights · {scene.mode}",
        ]

    def notes(self, scene: Scene) -> list[str]:
        picture = self._shown
        if scene.picture is None or picture is None or not picture.cells:
            return []
        last = picture.first + min(picture.units, self._fit or picture.units)
        units_ = f"units {picture.first + 1}–{last} of {picture.of}" if picture.of > 1 else ""
        if picture.per_cell <= 1:
            return [units_]
        long, short = f"{count(picture.per_cell)} weights a cell", f"{count(picture.per_cell)}/cell"
        return [f"{units_} · {long}", f"{units_} · {short}", short] if units_ else [long, short]

    def move(self, scene: Scene, lines: int) -> bool:
        picture = scene.picture
        if abs(lines) > 1 and picture is not None and picture.of > picture.units > 0:
            step = picture.units if lines > 0 else -picture.units
            scene.first_unit = max(0, min(picture.of - 1, picture.first + step))
            return True
        rows = scene.rows()
        if not rows:
            return False
        shown = scene.shown_layer()
        here = rows.index(shown) if shown in rows else 0
        scene.layer = rows[max(0, min(len(rows) - 1, here + (1 if lines > 0 else -1)))]
        scene.first_unit = 0
        return True

    def sideways(self, scene: Scene, way: int) -> bool | Command:
        if scene.mode != "output":
            return False
        scene.sample = max(0, scene.sample + way)
        return True

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        below = 2 if height >= 5 else (1 if height >= 3 else 0)
        self.room = (max(2, 2 * (height - below)), width)
        picture = scene.picture
        self._shown = None
        if picture is None:
            if scene.source.over:
                return wrap([("No picture of the weights was taken in this run.", "dim")], width)
            return wrap([("The weights appear with the first step that is watched.", "dim")], width)
        wanted = scene.tensor()
        if scene.source.over and (picture.mode != scene.mode or (wanted >= 0 and picture.tensor != wanted)):
            return wrap([("No picture of this was kept when the run ended.", "dim")], width)
        if picture.absent:
            return wrap([(picture.absent[0].upper() + picture.absent[1:] + ".", "dim")], width)
        if picture.of == 1 and picture.cells:  # kept for a larger screen than this
            cells, tall, broad, pooled = shrink(
                picture.cells, picture.height, picture.width, 2 * (height - below), width
            )
            if pooled > 1:
                picture = replace(picture, cells=cells, height=tall, width=broad, per_cell=picture.per_cell * pooled)
            picture = _larger(picture, 2 * (height - below), width)
        self._shown = picture
        self._fit = fitting(picture.height, picture.width, width, height - below)
        shown = min(picture.units, self._fit)
        lines = units(picture.cells, shown, picture.height, picture.width, width)[: height - below]
        lines += [[] for _ in range(height - below - len(lines))]
        return lines + _legend(picture, width)[:below]


def _larger(picture: Picture, rows: int, columns: int) -> Picture:
    """A matrix of few weights with each of them as a square of several cells, as many as fit (at most 6)."""
    edge = min(6, rows // max(1, picture.height), columns // max(1, picture.width))
    if edge < 2 or not picture.cells:
        return picture
    lines = [picture.cells[y * picture.width : (y + 1) * picture.width] for y in range(picture.height)]
    cells = "".join("".join(letter * edge for letter in line) * edge for line in lines)
    return replace(picture, cells=cells, height=picture.height * edge, width=picture.width * edge)


def _legend(picture: Picture, width: int) -> list[Line]:
    scale: Line = [*ramp()]
    reach = "0" if abs(picture.scale) <= 1e-29 else number(picture.scale, 2)
    if width >= 40:
        scale = [(f"−{reach} ", "dim"), *ramp()[1:-1], (f" {reach}", "dim")]
    bars = picture.histogram
    room = width - sum(len(text) for text, _ in scale) - 2
    if bars and room >= 8:
        scale += [("  ", "ink"), *_histogram(bars, min(room, 24))]
    said: Line = [(f"✗ {count(picture.odd)} not finite", "bad"), (" · ", "dim")] if picture.odd else []
    std = "std " + number(picture.std, 2)
    said = _with([*said, (picture.note, "ink")], [f" · {std}"], width) if picture.note else [*said, (std, "dim")]
    if picture.moved is not None:
        short = f" · moved {percent(picture.moved)}"
        said = _with(said, [short + " from the start", short], width)
    if picture.sampled < picture.of_weights:
        said = _with(said, [f" · from {count(picture.sampled)} of {count(picture.of_weights)} weights"], width)
    return [fit(scale, width), fit(said, width)]


def _with(line: Line, words: list[str], width: int) -> Line:
    """The line with the first of the words that fits behind it, or as it was."""
    longer: list[Line] = [[*line, (word, "dim")] for word in words]
    return next((one for one in longer if width_of(one) <= width), line)


def _histogram(counts: list[int], width: int) -> Line:
    top = max(counts) or 1
    step = max(1, -(-len(counts) // width))
    grouped = [sum(counts[place : place + step]) for place in range(0, len(counts), step)]
    top = max(grouped) or 1
    return [("".join(BLOCKS[min(7, int(7.999 * value / top))] if value else " " for value in grouped), "dim")]


def next_mode(mode: str) -> str:
    return MODES[(MODES.index(mode) + 1) % len(MODES)]
