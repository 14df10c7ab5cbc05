"""What is true of several runs of one program side by side: how far each is, its curves, who leads. Knows no screen.

It starts and signals nothing by itself: it is given how.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ..run.directory import RunDirectory, Unsafe
from .series import Bucket, Series
from .source import Source

MOST = 6
"""Runs of one race: more curves than these cannot be told apart."""

TRAIN = ""
"""The metric that every program has: its training loss, averaged."""

AVERAGED = 0.02
"""The training loss is averaged over about this share of a run's steps, since single batches are too noisy to rank."""

STARTING_S = 30.0
"""A run without a process is starting for so long, and lost after it: a busy machine takes its time."""

_HIGH = re.compile(r"acc|score|f1|auc|precision|recall|reward|return|right|correct|iou|dice|bleu|rouge|psnr|ssim|r2")


@dataclass
class Lane:
    """One run of a race: it waits, is under way, or is over."""

    name: str
    label: str = ""
    """What it has of each thing that varies, in words."""
    values: tuple[str, ...] = ()
    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    source: Optional[Source] = None
    """From its start on."""
    error: str = ""
    """Why it could not be started, or will not be."""
    signalled: bool = False
    """It was told to end."""

    @property
    def status(self) -> str:
        """waits, not started, or what `Source.status` says."""
        source = self.source
        if source is None:
            return "not started" if self.error else "waits"
        status = source.status
        if status == "failed" and self.signalled:
            return "stopped"
        if status == "lost" and not source.about.get("pid") and source.run.created() > time.time() - STARTING_S:
            return "starting"
        return status

    @property
    def over(self) -> bool:
        return self.status in ("finished", "stopped", "failed", "lost", "not started")

    @property
    def under_way(self) -> bool:
        return self.source is not None and not self.over

    @property
    def step(self) -> Optional[int]:
        state = self.source.state if self.source is not None else None
        return state.tick.step if state is not None and state.tick is not None else None

    def progress(self) -> Optional[float]:
        """Share that is done, where the program told how long it means to run."""
        if self.source is None or self.source.state.total_epochs is None:
            return None
        return self.source.state.progress()

    def seconds(self, now: float) -> Optional[float]:
        """From the start of its process to its end, or to `now` (Unix time); None when unknown."""
        source = self.source
        started = source.about.get("started") if source is not None else None
        if source is None or not isinstance(started, (int, float)) or source.status == "lost":
            return None
        ended = source.exit.time if source.exit is not None else now
        return max(0.0, ended - started)

    def last_words(self) -> str:
        """Why it failed: the last line that it printed, or why it could not start."""
        if self.source is None:
            return self.error
        exit_ = self.source.exit
        return (exit_.error if exit_ is not None else "") or self.source.output.last()

    # ── numbers ──

    def series(self, metric: str) -> Optional[Series]:
        """What was recorded of a metric; None when there is nothing."""
        if self.source is None:
            return None
        state = self.source.state
        named = {TRAIN: state.train, "val_loss": state.validation, "val_accuracy": state.accuracy}
        found = named.get(metric) or state.metrics.get(metric)
        return found if found is not None and len(found) else None

    def curve(self, metric: str) -> tuple[list[float], list[float]]:
        """(steps, values) to draw; a value that is no number is NaN."""
        series = self.series(metric)
        if series is None:
            return [], []
        steps = [float(bucket.last) for bucket in series.buckets]
        return steps, averaged(series.buckets) if metric == TRAIN else [_mean(bucket) for bucket in series.buckets]

    def last(self, metric: str) -> Optional[float]:
        """The newest value, of the training loss its average. NaN and infinity are values."""
        series = self.series(metric)
        if series is None or series.last is None:
            return None
        if metric != TRAIN or not math.isfinite(series.last):
            return series.last
        return averaged(series.buckets)[-1]

    def best(self, metric: str) -> Optional[float]:
        """The lowest finite value, or the highest of what should be high."""
        series = self.series(metric)
        if series is None:
            return None
        if metric == TRAIN:
            values = averaged(series.buckets)
        elif higher_is_better(metric):
            values = [bucket.high for bucket in series.buckets]
        else:
            values = [bucket.low for bucket in series.buckets]
        return best_of([value for value in values if math.isfinite(value)], metric)


class Race:
    """Several runs, so many at once; the others wait for their turn.

    Args:
        lanes: the runs, in the order of their start.
        at_once: how many may be under way together.
        start: starts one and gives its directory; raises OSError or Unsafe.
        signal: sends a signal to a run's program; False when there is no process to be signalled yet.
    """

    def __init__(
        self,
        lanes: list[Lane],
        at_once: int,
        start: Callable[[Lane], RunDirectory],
        signal: Callable[[RunDirectory, int], bool],
    ) -> None:
        self.lanes = lanes
        self.at_once = at_once
        self._start, self._signal = start, signal
        self._end: Optional[int] = None
        self._to_signal: list[Lane] = []

    @property
    def over(self) -> bool:
        """Nothing is under way and nothing will start."""
        return all(lane.over for lane in self.lanes)

    @property
    def stopping(self) -> bool:
        """Somebody asked for the end."""
        return self._end is not None

    @property
    def finished(self) -> bool:
        """Every run came to its own end, and well."""
        return all(lane.status == "finished" for lane in self.lanes)

    @property
    def waiting(self) -> list[Lane]:
        return [lane for lane in self.lanes if lane.status == "waits"]

    @property
    def under_way(self) -> list[Lane]:
        return [lane for lane in self.lanes if lane.under_way]

    @property
    def step(self) -> int:
        """The last step of the run that is furthest."""
        return max((lane.step or 0 for lane in self.lanes), default=0)

    def start_next(self) -> None:
        """Starts the first that waits. Raises OSError or Unsafe."""
        lane = self.waiting[0]
        lane.source = Source(self._start(lane))

    def poll(self) -> None:
        """Reads what is new, and starts what there is room for."""
        for lane in self.lanes:
            if lane.source is not None:  # also one that is over: its journal may be long
                lane.source.poll()
        if self._end is not None:
            for lane in list(self._to_signal):
                if lane.over or (lane.source is not None and self._signal(lane.source.run, self._end)):
                    lane.signalled = lane.signalled or not lane.over
                    self._to_signal.remove(lane)
            return
        while self.waiting and len(self.under_way) < self.at_once:
            lane = self.waiting[0]
            try:
                self.start_next()
            except (OSError, Unsafe) as error:
                lane.error = str(error) or type(error).__name__

    def stop(self, number: int) -> None:
        """Sends every run this signal as soon as it has a process; those that wait will not be started."""
        self._end = number
        for lane in self.lanes:
            if lane.status == "waits":
                lane.error = "the race was stopped before its turn"
        self._to_signal = self.under_way
        self.poll()

    # ── comparing ──

    def metrics(self) -> list[str]:
        """What can be compared: the validation loss first where there is one."""
        found = [name for name in ("val_loss", TRAIN, "val_accuracy") if name == TRAIN or self._has(name)]
        others = {name for lane in self.lanes if lane.source is not None for name in lane.source.state.metrics}
        return found + sorted(others.difference(found))

    def _has(self, metric: str) -> bool:
        return any(lane.series(metric) is not None for lane in self.lanes)

    def leaders(self, metric: str) -> list[int]:
        """The places of those that finished with the best last value; nobody leads before all are over."""
        if not self.over:
            return []
        ended = {place: lane.last(metric) for place, lane in enumerate(self.lanes) if lane.status == "finished"}
        known = {place: value for place, value in ended.items() if value is not None and math.isfinite(value)}
        best = best_of(known.values(), metric)
        return [place for place, value in known.items() if value == best]


def higher_is_better(metric: str) -> bool:
    """Is this the name of something that should rise? What is not known by its name should fall, as a loss."""
    return metric != TRAIN and "loss" not in metric.lower() and _HIGH.search(metric.lower()) is not None


def best_of(values: Iterable[float], metric: str) -> Optional[float]:
    return (max if higher_is_better(metric) else min)(values, default=None)


def averaged(buckets: Sequence[Bucket]) -> list[float]:
    """Exponential moving average, corrected for its start (Kingma & Ba 2015, §3), by steps and not by buckets:
    runs that were recorded at another rate are averaged alike. What is not finite passes as NaN and is left out."""
    if not buckets:
        return []
    span = max(1.0, AVERAGED * buckets[-1].last)
    out, total, weight = [], 0.0, 0.0
    for bucket in buckets:
        if bucket.odd or not math.isfinite(bucket.total):
            out.append(math.nan)
            continue
        new = -math.expm1(-max(1, bucket.count) / span)  # exact also where a step is a tiny part of the span
        total = (1 - new) * total + new * bucket.mean
        weight = (1 - new) * weight + new
        out.append(total / weight)
    return out


def _mean(bucket: Bucket) -> float:
    return math.nan if bucket.odd else bucket.mean
