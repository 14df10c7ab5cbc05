"""Which rows the gradient table lists, and in which order: layers or blocks, filtered, the model's order or the worst
first. Knows the run's state and the scene, and nothing of cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..history.layers import Health, Layer, Level
from .scene import Scene

ORDERS = ("model", "largest", "worst")
SPIKE = 10.0
"""A norm above this many times its own recent median is marked. Healthy runs reach 1.8 to 7.2 (99 %)."""
TEARS, STILL = 0.1, 1e-5
"""Update against weight: above the one it tears, below the other it stands still."""
CROWDED = 2.0
"""Layers are put together by block when there are more of them than so many times the rows that are to be had."""
STEADY, COARSE = 20, 5
"""Steps a decade in which sizes are compared, and how bad they are; and of medians rather than the newest norms: else
rows change places all the time."""


@dataclass(frozen=True)
class Table:
    """The rows to list."""

    level: Level
    rows: list[int]
    """Places in `level`, in their order."""
    of: int
    """How many rows there are without the filter."""

    def layer(self, row: int) -> Layer:
        return self.level.layers[row]

    def health(self, row: int) -> Health:
        return self.level.health[row]

    def row_of(self, layer: int | None) -> int | None:
        """Where among `rows` the one is that stands for a layer of the model; None if it is not listed."""
        return next((at for at, row in enumerate(self.rows) if layer in self.level.members[row]), None)

    @property
    def blocks(self) -> int:
        """How many rows stand for more than one layer."""
        return sum(len(self.level.members[row]) > 1 for row in self.rows)


def ranked(scene: Scene, room: int) -> Table:
    """The table for a place with `room` rows."""
    level = scene.state.levels[level_for(scene, room)]
    rows = _passing(scene, level)
    order = scene.order
    if order == "largest":
        rows = sorted(rows, key=lambda row: -_size(level.health[row]))
    elif order == "worst":
        norms = sorted(size for row in rows if (size := level.health[row].typical(64)) is not None and size > 0)
        middle = norms[len(norms) // 2] if norms else None
        rows = sorted(rows, key=lambda row: -badness(level.health[row], middle))
    return Table(level, rows, len(level.layers))


def level_for(scene: Scene, room: int) -> int:
    """Which of the ways to list the layers: what was chosen, else the finest that is not crowded."""
    levels = scene.state.levels
    if scene.level is not None:
        return min(scene.level, len(levels) - 1)
    fitting = (place for place, level in enumerate(levels) if len(_passing(scene, level)) <= CROWDED * max(1, room))
    return next(fitting, len(levels) - 1)


def _passing(scene: Scene, level: Level) -> list[int]:
    """The rows with the filter in them, or in one of their layers."""
    if not scene.filter:
        return list(range(len(level.layers)))
    wanted = set(scene.rows())
    return [row for row, members in enumerate(level.members) if wanted.intersection(members)]


def _size(health: Health) -> float:
    """A norm to compare by: not finite first, none last."""
    if not health.finite:
        return math.inf
    size = health.typical(64)
    if size is None:
        return -math.inf
    return round(math.log10(size) * STEADY) if size > 0 else -1e6


def badness(health: Health, middle: float | None) -> float:
    """How much a row calls for attention: the largest of what follows, 0 for none of it.

    Not finite: 1000. A norm more than `SPIKE` times its own median: decades above it, and 100. An update that tears
    or stands still against its weights: decades beyond the bound, and 10. Else the decades between its norm and the
    middle of all rows' norms, in steps.
    """
    if not health.finite:
        return 1000.0
    found = 0.0
    times = health.times_median()
    if times is not None and times > SPIKE:
        found = 100 + math.log10(times)
    ratio = health.ratio
    if ratio is not None and ratio == ratio and health.now != 0:
        beyond = max(ratio / TEARS, STILL / ratio if ratio > 0 else 1e6)
        if beyond > 1:
            found = max(found, 10 + round(min(6.0, math.log10(beyond)) * COARSE) / COARSE)
    size = health.typical(64)
    if size is not None and middle:
        away = abs(math.log10(size / middle)) if size > 0 else 9.0
        found = max(found, round(min(9.0, away) * COARSE) / COARSE)
    return found
