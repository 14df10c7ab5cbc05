"""Metrics: what the program logs by itself, one row a name, and the chosen one as a chart; the machine in the zoom."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from ...history.doctor.starving import WINDOW_S, starving
from ...history.series import Series
from ...history.state import RunState
from ...run.naming import halves
from ..draw import chart
from ..draw.cells import Line, fit, shorten, wrap
from ..draw.load import details, idle
from ..draw.numbers import number, percent
from ..draw.sparkline import bucket, sparkline
from ..scene import Scene
from .panel import Panel

STYLES = {"train": "train", "validation": "validation", "": "ink"}
DIM = {"train": "train_dim", "validation": "line", "": "line"}
LAST, EXTREME = 8, 9
"""Cells of a number in a row: the last value, and each of the lowest and the highest."""
EXTREMES_FROM = 64
"""Cells of the panel from which on a row tells the lowest and the highest; below, the border tells them of one."""
LEAST_CHART = 6
MANY = 60
"""From so many values on, the outermost two per cent leave a sparkline through its top or bottom."""


@dataclass(frozen=True)
class Row:
    """One metric. `part` is "train", "validation", or "" where its name does not say; `pair` is what it belongs to."""

    name: str
    series: Series
    part: str
    pair: str


def rows_of(state: RunState) -> list[Row]:
    """Every metric in the order in which it was first logged; train and validation of one thing one after the other."""
    curves = {
        claim.name: series
        for claim, series in ((state.loss_claim, state.validation), (state.accuracy_claim, state.accuracy))
        if claim.name and len(series)
    }
    rows = []
    for name, series in {**curves, **state.metrics}.items():
        pair, part = halves(name)
        rows.append(Row(name, series, part, pair))
    out: list[Row] = []
    for row in rows:
        if row not in out:
            out += sorted(partners(rows, row), key=lambda one: one.part == "validation")
    return out


def partners(rows: list[Row], row: Row) -> list[Row]:
    """The row and the ones that measure the same on other data; itself alone where names leave that open."""
    same = [one for one in rows if one.pair == row.pair and row.pair]
    return same if len({one.part for one in same}) == len(same) > 1 else [row]


class Metrics(Panel):
    NAME = "Metrics"
    PERIOD_S = 0.5
    CHART_PERIOD_S = 1.0
    SHOWS = (
        "What the program logs by itself: with tui.log, TensorBoard, wandb, MLflow, Lightning or Hugging Face's "
        "Trainer. One row a name; train and validation of the same thing stand together on one scale. Steps are "
        "updates, as everywhere here. ↑ ↓ choose one for the chart; the zoom tells what the machine does, too."
    )
    HEALTHY = "What it says depends on what it is: the program knows."
    TROUBLE = "✗ is a value that is no number any more. ▲ training waits for its data."

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self._chart: list[Line] = []
        self._chart_key: tuple[object, ...] = ()
        self._chart_due = 0.0

    def notes(self, scene: Scene) -> list[str]:
        rows = rows_of(scene.state)
        if not rows:
            return []
        row = rows[_chosen(scene, rows)]
        low, high = _extremes(row.series)
        words = f"{number(low)} … {number(high)}"
        axis = ["log axis"] if scene.log_y and low is not None and low > 0 else []
        if self.content_size.width >= EXTREMES_FROM:
            return [" · ".join([*axis, f"{len(rows)} metric{'' if len(rows) == 1 else 's'}"])]
        return [" · ".join([*axis, f"{shorten(row.name, 24)}: {words}"]), words]

    def move(self, scene: Scene, lines: int) -> bool:
        rows = rows_of(scene.state)
        if not rows:
            return False
        scene.scroll["metrics"] = max(0, min(len(rows) - 1, _chosen(scene, rows) + lines))
        return True

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        rows = rows_of(scene.state)
        if not rows:
            return wrap([("The program has logged no number yet.", "dim")], width)
        chosen = _chosen(scene, rows)
        lines = _machine(scene) if scene.zoomed == self.id or height >= 20 else []
        room = height - len(lines)
        charted = room >= 3 + LEAST_CHART and width >= 24
        most = max(2, room - 1 - LEAST_CHART, room // 3) if charted else room - 1
        if charted:
            most = min(most, max(room // 3, room - 1 - LEAST_CHART * 2))
        shown, start = _window(len(rows), chosen, most)
        lines.append(_head(width, rows, len(rows) - shown))
        for place in range(start, start + shown):
            lines.append(_row(scene, rows, rows[place], width, place == chosen))
        room = height - len(lines)
        if charted and room >= LEAST_CHART:
            lines += self._cached_chart(scene, rows, rows[chosen], width, room)
        return lines

    def _cached_chart(self, scene: Scene, rows: list[Row], row: Row, width: int, height: int) -> list[Line]:
        """Anew once a second, or when what it shows is another thing."""
        key = (row.name, width, height, scene.log_y, scene.status, scene.source.catching_up, len(scene.state.marks))
        now = time.monotonic()
        if key != self._chart_key or now >= self._chart_due:
            self._chart_key, self._chart_due = key, now + self.CHART_PERIOD_S
            self._chart = draw_metric(scene.state, partners(rows, row), width, height, scene.log_y)
        return self._chart


def _chosen(scene: Scene, rows: list[Row]) -> int:
    return max(0, min(len(rows) - 1, scene.scroll.get("metrics", 0)))


def _window(count: int, chosen: int, most: int) -> tuple[int, int]:
    """(how many rows are shown, the first of them), the chosen one among them."""
    shown = max(1, min(count, most))
    return shown, max(0, min(count - shown, chosen - shown // 2))


def _columns(width: int, rows: list[Row]) -> tuple[int, int, bool]:
    """(cells of the name, cells of the sparkline, are the extremes told?)."""
    told = width >= EXTREMES_FROM
    most = max(8, width * 2 // 5 - (4 if told else 0))
    names = min(most, max(6, *(cell_len(row.name) for row in rows)))
    return names, max(0, width - 1 - names - 1 - LAST - 2 - (2 * EXTREME if told else 0)), told


def _head(width: int, rows: list[Row], hidden: int) -> Line:
    names, spark, told = _columns(width, rows)
    more = f"{hidden} more: ↑ ↓" if hidden > 0 and spark >= 18 else "trend"
    head = f" {set_cell_size('metric', names)} {'last'.rjust(LAST)}  {more.ljust(spark)[:spark]}"
    return [(head + ("lowest".rjust(EXTREME) + "highest".rjust(EXTREME) if told else ""), "dim")]


def _row(scene: Scene, rows: list[Row], row: Row, width: int, chosen: bool) -> Line:
    names, spark, told = _columns(width, rows)
    style = STYLES[row.part]
    name = set_cell_size(shorten(row.name, names), names)
    line: Line = [
        ("▸" if chosen else " ", "you"),
        (name, style),
        (" " + _short(row.series.last, LAST), _odd(row.series.last)),
    ]
    line.append(("  ", "ink"))
    last = max(scene.state.step, 1)
    values = {one.name: _means(one.series) for one in partners(rows, row)}
    low, high = _limits([value for series in values.values() for _, value in series])
    line += fit(sparkline(bucket(values[row.name], spark, (0, last)), style if row.part else "dim", low, high), spark)
    if told:
        least, most = _extremes(row.series)
        line.append((_short(least, EXTREME) + _short(most, EXTREME), "dim"))
    return line


def _short(value: float | None, width: int) -> str:
    text = number(value)
    return (text if len(text) < width else number(value, 2))[:width].rjust(width)


def _odd(value: float | None) -> str:
    return "bad" if value is not None and not math.isfinite(value) else "ink"


def _means(series: Series) -> list[tuple[float, float]]:
    return [(float(one.last), math.nan if one.odd else one.mean) for one in series.buckets]


def _extremes(series: Series) -> tuple[float | None, float | None]:
    """The lowest and the highest finite value of all."""
    known = [one for one in series.buckets if one.odd < one.count]
    return min((one.low for one in known), default=None), max((one.high for one in known), default=None)


def _limits(values: list[float]) -> tuple[float, float]:
    """The axis of a sparkline: the finite values, of many all but the outermost. A level curve lies in the middle."""
    ordered = sorted(value for value in values if math.isfinite(value))
    if not ordered:
        return 0.0, 1.0
    cut = len(ordered) // 50 if len(ordered) >= MANY else 0
    low, high = ordered[cut], ordered[-1 - cut]
    if low == high:
        return low - 1.0, high + 1.0
    return low, high


def draw_metric(state: RunState, rows: list[Row], width: int, height: int, log_y: bool) -> list[Line]:
    """The curves of rows that belong together: means over lowest and highest where a bucket holds several values; a
    point for each value where there are few."""
    lines: list[chart.Line] = []
    lowest = [_extremes(row.series)[0] for row in rows]
    for row in rows:
        buckets = row.series.buckets
        steps = [float(one.last) for one in buckets]
        known = [one.odd < one.count for one in buckets]
        if any(there and one.low != one.high for one, there in zip(buckets, known)):
            for edge in ("low", "high"):
                ys = [getattr(one, edge) if there else math.nan for one, there in zip(buckets, known)]
                lines.insert(0, chart.Line(steps, ys, DIM[row.part]))
        marker = "dot" if len(buckets) <= max(8, width // 4) else "braille"
        lines.append(chart.Line(steps, [value for _, value in _means(row.series)], STYLES[row.part], marker))
    marks = [chart.Mark(float(mark.step), "you") for mark in state.marks]
    logarithmic = log_y and all(low is not None and low > 0 for low in lowest)
    return chart.draw_chart(width, height, lines, marks, log_y=logarithmic, x_limits=(0, max(1, state.step)))


def _machine(scene: Scene) -> list[Line]:
    """What the machine does, and how long training waits for its data; nothing where neither is known."""
    lines = details(scene.machine) if scene.machine is not None else []
    share = scene.state.data_wait(WINDOW_S)
    if share is not None:
        starved = starving(scene.state) is not None and idle(scene.machine)
        words = f"{percent(share)} of the time waiting for the loader"
        lines.append([("data   ", "dim"), (f"▲ {words}", "warning") if starved else (words, "ink")])
    return [*lines, []] if lines else []
