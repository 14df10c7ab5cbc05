"""Gradient norms: one row a layer, on a logarithmic axis, with trend and update/weight ratio."""

from __future__ import annotations

import math
import statistics

from rich.cells import cell_len, set_cell_size

from ...history.state import Health, Layer
from ..draw.bars import decades, log_bar, tick_row
from ..draw.cells import Cell, Line, clean, ending, fit, width_of
from ..draw.numbers import brief, number, ratio, size
from ..draw.sparkline import sparkline
from ..scene import Scene
from .panel import Panel

SPIKE = 10.0
"""A norm above this many times its own recent median is marked. Healthy runs reach 1.8 to 7.2 (99 %)."""


MORE = 2 + 14 + 9 + 9 + 9
"""Width of the columns that a wide panel adds."""


class Gradients(Panel):
    NAME = "Gradient norms"
    PERIOD_S = 0.33
    SHOWS = (
        "For every layer the length (L2 norm) of the gradient of its parameters: how strongly the last batch asks them "
        "to change. The axis is logarithmic: each labelled step is ten times the one before. upd/w is the size of the "
        "last measured update against the size of the weights. a switches between recent values and all time."
    )
    HEALTHY = "Layers within a factor of ten of each other; upd/w between 1e-3 and 1e-1 in small networks."
    TROUBLE = (
        "Bars that shrink towards the first layers vanish on the way back; ▲ is a norm far above its own median; "
        "✗ is NaN or infinite. upd/w above 0.1 tears, below 1e-5 stands still."
    )

    def notes(self, scene: Scene) -> list[str]:
        tick = scene.tick
        range_ = "all time" if scene.full_range else "recent"
        found = [f"/{scene.filter}"] if scene.filter else []
        often = tick.period if tick is not None else None
        if often is not None and often > 1.5 and not scene.paused:
            return [" · ".join([*found, f"measured every {often:,.0f} steps", range_]), " · ".join([*found, range_])]
        return [" · ".join([*found, range_])]

    def move(self, scene: Scene, lines: int) -> bool:
        rows = scene.rows()
        if not rows:
            return False
        shown = scene.shown_layer()
        here = rows.index(shown) if shown in rows else 0
        scene.layer = rows[max(0, min(len(rows) - 1, here + lines))]
        scene.first_unit = 0
        return True

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        state = scene.state
        if not state.layers:
            words = "No training was seen." if scene.source.over else "They come with the first step."
            if state.model is not None:
                words = "This model has no parameters."
            return [[(words, "dim")]]
        rows = scene.rows()
        most = 24 if width >= 90 else (20 if width >= 70 else 14)
        names = min(most, max([5, *(cell_len(state.layers[row].title) for row in rows)]))
        trend = 12 if width >= 60 else (8 if width >= 40 else 0)
        more = MORE if width >= 100 else 0
        bars = max(6, width - names - 1 - 1 - 7 - (trend + 1 if trend else 0) - 7 - more)
        low, high = decades(self._range(scene, rows))
        head: Line = [(fit_text("layer", names), "dim"), (" ", "dim"), (tick_row(bars, low, high), "dim")]
        head += [(" " + "now".rjust(6), "dim")]
        head += [(" " + "trend".ljust(trend), "dim")] if trend else []
        head += [("  upd/w", "dim")]
        head += (
            [("  " + "sizes".ljust(14) + "weights".rjust(9) + "median".rjust(9) + "highest".rjust(9), "dim")]
            if more
            else []
        )
        lines = [head]
        room = height - 2
        start = self._start(scene, rows, room)
        shown = rows[start : start + room]
        for row in shown:
            lines.append(self._row(scene, row, names, bars, trend, low, high) + (_more(scene, row) if more else []))
        tick = scene.tick
        total: Line = [(fit_text("all", names), "dim"), (" ‖g‖ ", "dim")]
        total.append((number(tick.norm if tick is not None else None), _style(tick.norm if tick is not None else None)))
        hidden = len(rows) - len(shown)
        if hidden > 0:
            words, brief_words = f"   {hidden} more: ↑ ↓", f"  +{hidden}"
            total.append((words if width_of([*total, (words, "")]) <= width else brief_words, "dim"))
        if len(lines) < height:
            lines.append(total)
        return lines

    def _range(self, scene: Scene, rows: list[int]) -> list[float]:
        values: list[float] = []
        for row in rows:
            health = scene.state.health[row]
            if scene.full_range:
                if health.high > 0:
                    values += [health.low, health.high]
            else:
                recent = [v for v in list(health.recent)[-64:] if v > 0 and math.isfinite(v)]
                values += sorted(recent)[len(recent) // 20 : max(1, len(recent) - len(recent) // 20)]
                if health.now is not None:
                    values.append(health.now)
        return values

    def _start(self, scene: Scene, rows: list[int], room: int) -> int:
        shown = scene.shown_layer()
        if scene.layer is None or shown not in rows or room <= 0:
            return 0
        return max(0, min(len(rows) - room, rows.index(shown) - room // 2))

    def _row(self, scene: Scene, row: int, names: int, bars: int, trend: int, low: int, high: int) -> Line:
        layer, health = scene.state.layers[row], scene.state.health[row]
        focused = row == scene.shown_layer()
        line: Line = [(fit_text(named(layer, names), names), "train" if focused else "ink"), (" ", "ink")]
        if not layer.trainable:
            return [*line, ("frozen", "dim")]
        line += fit(log_bar(health.now, bars, low, high, "gradient"), bars)
        line.append((" " + brief(health.now).rjust(6), _style(health.now)))
        if trend:
            line += [(" ", "ink"), *fit(_trend(health, trend), trend)]
        trouble = _trouble(health)
        return [*line, trouble or ("  " + ratio(health.ratio).rjust(5), "dim")]


def _more(scene: Scene, row: int) -> Line:
    """Where there is room: sizes, number of weights, the recent median and the highest of all time."""
    layer, health = scene.state.layers[row], scene.state.health[row]
    finite = [value for value in health.recent if math.isfinite(value)]
    middle = statistics.median(finite) if finite else None
    highest = health.high if health.high > 0 else None
    words = "  " + fit_text(layer.detail, 14) + size(layer.weights).rjust(9)
    return [(words + brief(middle).rjust(9) + brief(highest).rjust(9), "dim")]


def _trend(health: Health, width: int) -> Line:
    times = health.times_median()
    if times is not None and times > SPIKE:
        return [(f"▲ {times:.0f}× median"[:width], "warning")]
    recent = list(health.recent)[-4 * width :]
    if not recent:
        return []
    step = max(1, len(recent) / width)
    values = [recent[min(len(recent) - 1, int(place * step))] for place in range(min(width, len(recent)))]
    logs = [
        math.log10(value) if value > 0 and math.isfinite(value) else (value if value > 0 else None) for value in values
    ]
    finite = [value for value in logs if value is not None and math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if high - low < 0.5:
        middle = (high + low) / 2
        low, high = middle - 0.25, middle + 0.25
    return sparkline(logs, "dim", low, high)


def _trouble(health: Health) -> Cell | None:
    if health.now is not None and not math.isfinite(health.now):
        return ("  ✗ " + ("NaN" if health.now != health.now else "inf"), "bad")
    return None


def _style(value: float | None) -> str:
    return "bad" if value is not None and not math.isfinite(value) else "ink"


def fit_text(text: str, width: int) -> str:
    return set_cell_size(clean(text), width)


def named(layer: Layer, width: int) -> str:
    """Name and kind of a layer if there is room, else its name, else the end of it: that tells layers apart."""
    return layer.title if cell_len(layer.title) <= width else ending(layer.name, width)
