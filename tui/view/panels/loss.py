"""Loss: sparklines of train and validation on one axis of steps, and a chart."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from ...history.series import Series, smooth
from ...history.state import RunState
from ..draw import chart
from ..draw.cells import Line, fit, wrap
from ..draw.numbers import brief, number
from ..draw.sparkline import bucket, sparkline
from ..scene import Scene
from .panel import Panel


class Loss(Panel):
    NAME = "Loss"
    PERIOD_S = 0.33
    CHART_PERIOD_S = 1.0
    SHOWS = (
        "How wrong the network is. The sparklines share one axis of steps; in the chart the raw training loss is "
        "dim, the bright curve is its moving average, ● are evaluations on validation data, ▼ marks where you changed "
        "something. y makes the axis logarithmic."
    )
    HEALTHY = "It falls, quickly at first; the validation loss falls with it."
    TROUBLE = (
        "Rising or jumping: the rate is too high. Flat from the start: too low, or nothing is learned. Validation "
        "rising while training falls: overfitting. ✗ is a loss that is no number any more."
    )

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self._chart: list[Line] = []
        self._chart_key: tuple[object, ...] = ()
        self._chart_due = 0.0

    def notes(self, scene: Scene) -> list[str]:
        if scene.source.catching_up:
            return ["reading the history…"]
        axis = ["log axis"] if scene.log_y else []
        if scene.tick is not None and scene.tick.passes > 1:
            axis.append(f"sum of {scene.tick.passes} backward passes")
        best = scene.state.validation.best
        if best is None:
            return [" · ".join(axis)]
        long, short = f"best val {number(best[1])} at step {best[0]:,}", f"best val {number(best[1])}"
        return [" · ".join([*axis, long]), " · ".join([*axis, short]), " · ".join(axis)]

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        state = scene.state
        if not len(state.train):
            if len(state.validation):
                return _sparklines(scene, width)
            words = "No loss was seen." if scene.source.over else "It comes with the first step."
            if state.step and not scene.source.over:
                words = "No loss has been seen yet."
            return wrap([(words, "dim")], width)
        lines = _sparklines(scene, width)
        room = height - len(lines)
        if room >= 5 and width >= 24:
            lines += self._cached_chart(scene, width, room)
        return lines

    def _cached_chart(self, scene: Scene, width: int, height: int) -> list[Line]:
        """The chart costs most of all panels: anew once a second, or when what it shows is another thing."""
        state = scene.state
        key: tuple[object, ...] = (
            width,
            height,
            scene.log_y,
            len(state.marks),
            len(state.validation),
            scene.status,
            scene.source.shown,
            scene.source.catching_up,
        )
        if scene.paused:
            key = (*key, state.step)
        now = time.monotonic()
        if key != self._chart_key or now >= self._chart_due:
            self._chart_key, self._chart_due = key, now + self.CHART_PERIOD_S
            self._chart = draw_loss(state, width, height, scene.log_y)
        return self._chart


def _sparklines(scene: Scene, width: int) -> list[Line]:
    """One line each for train and validation, on the same steps and the same scale."""
    state = scene.state
    last = max(state.step, 1)
    room = max(4, width - 13)
    train = [(bucket_.last, _shown(bucket_.mean, bucket_.odd)) for bucket_ in state.train.buckets]
    validation = [(bucket_.last, _shown(bucket_.mean, bucket_.odd)) for bucket_ in state.validation.buckets]
    finite = [value for _, value in train + validation if math.isfinite(value)]
    low, high = _robust(finite)
    lines = []
    for name, style, values, newest in (
        ("train", "train", train, scene.loss),
        ("val", "validation", validation, state.validation.last),
    ):
        if name == "val" and not values:
            continue
        value = number(newest) if len(number(newest)) <= 6 else brief(newest)
        head: Line = [(name.ljust(6), style), (value.ljust(6) + " ", _style(newest))]
        lines.append(head + fit(sparkline(bucket(values, room, (0, last)), style, low, high), room))
    return lines


def _shown(mean: float, odd: int) -> float:
    return math.nan if odd else mean


def _robust(values: list[float]) -> tuple[float, float]:
    """Lowest to highest, without the highest two per cent: one spike must not flatten the rest."""
    if not values:
        return 0.0, 1.0
    ordered = sorted(values)
    return min(0.0, ordered[0]) if ordered[0] < 0 else 0.0, ordered[min(len(ordered) - 1, int(0.98 * len(ordered)))]


def draw_loss(state: RunState, width: int, height: int, log_y: bool) -> list[Line]:
    """Raw training loss dim, smoothed bright over it, validation as ●, interventions as ▼."""
    curve = _curve(state.train)
    lines = []
    if curve.steps:
        lines.append(chart.Line(curve.steps, curve.lows, "train_dim"))
        if curve.highs != curve.lows:
            lines.append(chart.Line(curve.steps, curve.highs, "train_dim"))
        strength = 0.5 if curve.highs != curve.lows else (0.9 if len(curve.means) > 40 else 0.6)
        means = smooth(curve.means, strength, curve.counts)  # means of many steps are smooth already
        lines.append(chart.Line(curve.steps, means, "train"))
    if len(state.validation):
        xs = [float(b.last) for b in state.validation.buckets]
        ys = [b.mean if not b.odd else math.nan for b in state.validation.buckets]
        lines.append(chart.Line(xs, ys, "validation", marker="dot", lined=False))
    for ghost in state.ghosts:
        if ghost:
            lines.insert(0, chart.Line([float(step) for step, _ in ghost], [mean for _, mean in ghost], "line"))
    marks = [chart.Mark(float(mark.step), "you") for mark in state.marks]
    values = [y for y in curve.highs if math.isfinite(y)] + [
        b.high for b in state.validation.buckets if math.isfinite(b.high)
    ]
    limits = None
    if len(values) > 60 and not log_y:
        ordered = sorted(values)
        top, middle = ordered[int(0.995 * (len(ordered) - 1))], ordered[len(ordered) // 2]
        if ordered[-1] > 4 * max(top, abs(middle), 1e-12):
            limits = (min(0.0, ordered[0]), top * 1.2)  # a far spike leaves through the top
    return chart.draw_chart(width, height, lines, marks, log_y=log_y, y_limits=limits, x_limits=(0, max(1, state.step)))


@dataclass
class _Curve:
    """The buckets of a series as curves: both extremes, which are one where every step was recorded, and the means."""

    steps: list[float]
    lows: list[float]
    highs: list[float]
    means: list[float]
    counts: list[int]
    """Steps that each of them sums up."""


def _curve(series: Series) -> _Curve:
    curve = _Curve([], [], [], [], [])
    for b in series.buckets:
        known = b.odd < b.count
        curve.steps.append(float(b.last))
        curve.lows.append(b.low if known else math.nan)
        curve.highs.append(math.nan if b.odd else b.high)
        curve.means.append(b.mean)
        curve.counts.append(b.count)
    return curve


def _style(value: float | None) -> str:
    return "bad" if value is not None and not math.isfinite(value) else "ink"
