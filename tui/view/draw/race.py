"""The chart of a race: every run's curve in its colour, with its sign on it."""

from __future__ import annotations

import math
from bisect import bisect_left

from ...history.race import Race, higher_is_better
from . import chart
from .cells import Line

SIGNS = "●▲■◆✚○"
"""One for each run, since no run is told by its colour alone."""


def style(place: int) -> str:
    """The style of the run at this place."""
    return f"race{place + 1}"


def top(race: Race, metric: str) -> float | None:
    """Where a linear axis of something that should fall ends, if a run leaves the others far behind: they begin alike,
    so twice the highest beginning. None: all fits."""
    if higher_is_better(metric):
        return None
    curves = [[y for y in lane.curve(metric)[1] if math.isfinite(y)] for lane in race.lanes]
    begins = max((ys[0] for ys in curves if ys), default=0.0)
    highest = max((max(ys) for ys in curves if ys), default=0.0)
    return 2 * begins if begins > 0 and highest > 4 * begins else None


def off_the_top(race: Race, metric: str, log_y: bool) -> str:
    """The signs of the runs that leave the chart through its top."""
    limit = None if log_y else top(race, metric)
    if limit is None:
        return ""
    return " ".join(
        SIGNS[place]
        for place, lane in enumerate(race.lanes)
        if any(math.isfinite(y) and y > limit for y in lane.curve(metric)[1])
    )


def draw_race(race: Race, metric: str, width: int, height: int, log_y: bool, selected: int = -1) -> list[Line]:
    """Every run's curve, with its sign on it here and there; the selected one is drawn last, over the others."""
    last = float(max(1, race.step))
    lines, signs = [], []
    places = [place for place in range(len(race.lanes)) if place != selected]
    for place in [*places, selected] if selected >= 0 else places:
        xs, ys = race.lanes[place].curve(metric)
        if xs:
            lines.append(chart.Line(xs, ys, style(place)))
            found = _spread(xs, ys, (place + 0.5) / len(race.lanes), log_y)
            signs.append(chart.Line([x for x, _ in found], [y for _, y in found], style(place), SIGNS[place], False))
    limit = None if log_y else top(race, metric)
    lowest = min((y for line in lines for y in line.ys if math.isfinite(y)), default=0.0)
    limits = (min(0.0, lowest), limit) if limit is not None else None
    return chart.draw_chart(width, height, [*lines, *signs], log_y=log_y, y_limits=limits, x_limits=(0, last))


def _spread(xs: list[float], ys: list[float], shift: float, log_y: bool, parts: int = 5) -> list[tuple[float, float]]:
    """Where a curve's sign stands: so many places on its line, shifted so that no two runs have theirs at one step."""
    finite = [(x, y) for x, y in zip(xs, ys) if math.isfinite(y) and (y > 0 or not log_y)]
    if not finite:
        return []
    steps = [x for x, _ in finite]
    found = []
    for part in range(parts):
        x = steps[0] + (steps[-1] - steps[0]) * (part + shift) / parts
        place = min(len(finite) - 1, bisect_left(steps, x))
        (before, low), (after, high) = finite[max(0, place - 1)], finite[place]
        share = (x - before) / (after - before) if after > before else 1.0
        if log_y:
            found.append((x, math.exp((1 - share) * math.log(low) + share * math.log(high))))
        else:
            found.append((x, (1 - share) * low + share * high))
    return found
