"""What a model says over its two inputs: regions of classes, with the data on top."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...run.events import Surface
from .cells import Line
from .field import Frame, Spot, field, letter, mapped, smooth, spread

SIGNS = "●▲■◆★"
HOLLOW = "○△□◇☆"
"""For data that the model takes for another class."""
CLASS_STYLES = ("race1", "race2", "race3", "race4", "race5")
TEXTURES = "·░:╱▒"
"""Of the regions where there are more than two classes."""
SURE = 0.6
"""Where no class has more than this probability, a region has no texture."""


def sign_of(place: int, right: bool = True) -> str:
    """The sign of a class's data."""
    return (SIGNS if right else HOLLOW)[place % len(SIGNS)]


def boundary(surface: Surface, width: int, height: int) -> list[Line]:
    """The plane in width x height cells."""
    frame = Frame(width, height, surface.left, surface.right, surface.bottom, surface.top)
    if surface.classes > 2:
        return _textures(surface, frame)
    heights = [_share(surface, value) for value in surface.values]
    if not surface.classes and math.isnan(surface.level):
        letters = mapped(smooth(_stretched(surface.values), surface.rows, surface.columns, width, 2 * height), _plain)
    else:
        letters = mapped(smooth(heights, surface.rows, surface.columns, width, 2 * height), _banded)
    signs = {spot: (sign, "bad" if wrong else "") for spot, (sign, wrong, _) in _data(surface, frame).items()}
    return field(letters, signs)


def _share(surface: Surface, value: float) -> float:
    """0 where the model is sure of the first class, 1 where it is of the second."""
    if not math.isfinite(value):
        return math.nan if math.isnan(value) else float(value > 0)
    if surface.classes:
        chance = value - math.floor(value)
        return chance if value >= 1 else 1 - chance
    if surface.level:
        return max(0.0, min(1.0, value - surface.level + 0.5))
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, 2 * value))))


def _banded(share: float) -> str:
    """Three bands a side and nothing between them: where the sides meet is to be seen."""
    if math.isnan(share):
        return "n"
    band = 0 if abs(share - 0.5) < 0.2 else (1 if abs(share - 0.5) < 0.4 else 2)
    return "531"[band] if share <= 0.5 else "ace"[band]


def _plain(share: float) -> str:
    return "n" if math.isnan(share) else letter(share)


def _stretched(values: Sequence[float]) -> list[float]:
    """From 0, the lowest, to 1."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    return [(value - low) / ((high - low) or 1.0) if math.isfinite(value) else math.nan for value in values]


def _data(surface: Surface, frame: Frame) -> dict[Spot, tuple[str, bool, int]]:
    """(sign, is it taken for another class, class) by cell; a wrong one is not hidden by right ones."""
    out: dict[Spot, tuple[str, bool, int]] = {}
    for x, y, true, said, *_ in surface.points:
        spot = frame.spot(x, y)
        if spot is None or (spot in out and out[spot][1]):
            continue
        if true < 0:
            out[spot] = ("•", False, -1)
            continue
        wrong = said != true
        out[spot] = (sign_of(int(true), not wrong), wrong, int(true))
    return out


def _textures(surface: Surface, frame: Frame) -> list[Line]:
    """Three and more classes: a texture for each, in its colour."""
    grid = spread(surface.values, surface.rows, surface.columns, frame.width, frame.height)
    data = _data(surface, frame)
    lines = []
    for row, values in enumerate(grid):
        line: Line = []
        for column, value in enumerate(values):
            found = data.get((row, column))
            if found is not None:
                sign, wrong, place = found
                line.append((sign, "bad" if wrong else style_of(place) + ".bold"))
            elif math.isnan(value):
                line.append(("✗", "bad"))
            else:
                place = int(value)
                sure = value - place >= SURE
                line.append((TEXTURES[place % len(TEXTURES)] if sure else " ", style_of(place)))
        lines.append(line)
    return lines


def style_of(place: int) -> str:
    """The colour of a class, where there are more than two."""
    return CLASS_STYLES[place % len(CLASS_STYLES)] if place >= 0 else "ink"
