"""What is true of a run now: a fold over its events. Knows no screen and no file."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, replace
from typing import Optional, Union

from ..run.events import (
    Applied,
    Checkup,
    End,
    Epoch,
    Event,
    Gate,
    Keyframe,
    Live,
    Metric,
    Model,
    Start,
    Tick,
)
from ..run.events import Warning as WarningEvent
from ..run.naming import Claim
from .checkups import Checkups
from .layers import Health, Layer, Level, layers_of, levels_of
from .series import Series

MOST_METRICS = 200
MOST_ACCURATE = 1.001
"""An accuracy is a share. What is larger than this (and rounding explains) is kept as a metric, as it was logged."""


@dataclass(frozen=True)
class Mark:
    """An intervention on the curve."""

    step: int
    text: str


@dataclass(frozen=True)
class Clipping:
    """How often gradients were clipped lately."""

    share: float
    """Of the steps."""
    limit: Optional[float]
    by_value: bool
    """Each entry has the limit, not the norm of all together."""


class RunState:
    """Folds events; every public attribute is what is true now, or None while it is not known."""

    RECENT_S = 30.0

    def __init__(self) -> None:
        self.start: Optional[Start] = None
        self.model: Optional[Model] = None
        self.layers: list[Layer] = []
        self.health: list[Health] = []
        """One for each of `layers`."""
        self.levels: list[Level] = []
        """The ways to list the layers, the finest first: one by one, then by block."""
        self.tick: Optional[Tick] = None
        self._journal_step = 0
        self._tick_is_live = False
        self._measured: tuple[Optional[int], ...] = ()
        self.train = Series()
        self.validation = Series()
        self.accuracy = Series()
        self.metrics: dict[str, Series] = {}
        """What else the program logs, by name."""
        self.loss_claim, self.accuracy_claim = Claim("val_loss"), Claim("val_accuracy")
        """Which of the logged names are `validation` and `accuracy`."""
        self.norm = Series()
        self.waited_s = 0.0
        """How long training has waited for its loader so far, as far as recorded ticks tell."""
        self.total_epochs: Optional[int] = None
        self.gate: Optional[Gate] = None
        self.marks: list[Mark] = []
        self.warnings: list[str] = []
        self.answers: dict[str, Applied] = {}
        """The newest answers by command id."""
        self.factor: Optional[float] = None
        """The dial's factor, as acknowledged."""
        self.fixed: Optional[float] = None
        """The dial's fixed rate, as acknowledged."""
        self._dialled = 0
        """The update with which that took effect."""
        self.stop_asked = False
        self.undone: Optional[tuple[int, int]] = None
        """The last undo: updates made before it, and after it."""
        self.ghosts: list[list[tuple[int, float]]] = []
        """What was taken back of the training loss, as (step, mean): one curve for each undo."""
        self.rewound = False
        """The weights of the lowest validation loss were put back."""
        self.total_steps: Optional[int] = None
        self.ended = False
        self.live: Optional[Live] = None
        self.keyframe: Optional[Keyframe] = None
        """The pictures that were kept last."""
        self.recent: deque[Tick] = deque()
        """Ticks of the last `RECENT_S` seconds of training."""
        self.first_loss: Optional[float] = None
        self.checkups = Checkups()
        """What the doctor needs beyond the curves."""

    # ── folding ──

    def apply(self, event: Event) -> None:
        """Takes in one event. Never raises, whatever the event says."""
        if isinstance(event, Tick):
            self._tick(event)
        elif isinstance(event, Metric):
            self._metric(event)
        elif isinstance(event, Gate):
            self.gate = event if event.held else None
        elif isinstance(event, Applied):
            self._applied(event)
        elif isinstance(event, Model):
            self._model(event)
        elif isinstance(event, Checkup):
            self.checkups.add(event)
        elif isinstance(event, WarningEvent):
            self.warnings = [*self.warnings[-99:], event.text]
        elif isinstance(event, Start):
            self.start = event
        elif isinstance(event, Keyframe):
            self.keyframe = event
        elif isinstance(event, End):
            self.ended = True
            self.gate = None
        elif isinstance(event, Epoch):
            pass  # every tick says the epoch; the event dates its beginning for the timeline

    def see(self, live: Live) -> None:
        """Takes in a snapshot. Its tick is shown as the newest; the curves are the journal's business."""
        self.live = live
        known = self.tick
        if live.tick is not None and (known is None or live.tick.step >= known.step or self._tick_is_live):
            self.tick, self._tick_is_live = live.tick, True
            self._dial(live.tick)
            self._gradients(live.tick)

    def _tick(self, tick: Tick) -> None:
        newer = self.tick is None or tick.step >= self.tick.step
        if not newer and not self._tick_is_live and tick.step >= self._journal_step:
            newer = True  # two ticks agree that the one shown is a damaged one from far ahead
        self._journal_step = tick.step
        if newer:
            self.tick, self._tick_is_live = tick, False
            self._dial(tick)
        if tick.loss is not None:
            if self.first_loss is None:
                self.first_loss = tick.loss
            self.train.add(tick.step, tick.loss, max(1, tick.steps), tick.low, tick.high, tick.mean)
        self.checkups.tick(tick)
        if tick.norm is not None:
            self.norm.add(tick.step, tick.norm, max(1, tick.steps))
        if tick.wait is not None and tick.steps_per_s and 0 <= tick.wait <= 1:
            self.waited_s += tick.wait * tick.steps / tick.steps_per_s
        self.recent.append(tick)
        while len(self.recent) > 2 and self.recent[0].t < tick.t - self.RECENT_S:
            self.recent.popleft()
        if newer:
            self._gradients(tick)

    def _dial(self, tick: Tick) -> None:
        """Where the dial stands, as an update says that it used it: nobody need have asked (a race, a tape)."""
        says = tick.factor is not None or tick.fixed or tick.scheduled is None  # older recordings do not
        if says and tick.step >= self._dialled:
            self.factor, self.fixed = tick.factor, tick.rate if tick.fixed else None

    def _gradients(self, tick: Tick) -> None:
        measured = (tick.norms_step, tick.ratios_step, *tick.norms_at, *tick.ratios_at, *tick.odd)
        if measured == self._measured:
            return  # a tick repeats what was measured last
        self._measured = measured
        seen: list[Health] = []
        for level in self.levels:
            level.take(tick, seen)
            seen += level.health

    def _metric(self, metric: Metric) -> None:
        if metric.name == "total_epochs":
            if 1 <= metric.value < 1e9:
                self.total_epochs = int(metric.value)
            return
        if metric.name == "total_steps":
            if 1 <= metric.value < 1e12:
                self.total_steps = int(metric.value)
            return
        place = self._place(self.loss_claim, metric.name, self.validation)
        if place is not None:
            self.validation = place
            place.add(metric.step, metric.value)
            return
        place = self._place(self.accuracy_claim, metric.name, self.accuracy)
        if place is not None:
            self.accuracy = place
            place.add(metric.step, metric.value)
            if metric.value > MOST_ACCURATE:  # percentages, or something else altogether
                self._keep(metric.name, place)
                self.accuracy_claim.give_up()
                self.accuracy = Series()
            return
        if metric.name in self.metrics or len(self.metrics) < MOST_METRICS:
            self.metrics.setdefault(metric.name, Series()).add(metric.step, metric.value)

    def _place(self, claim: Claim, name: str, series: Series) -> Optional[Series]:
        """The curve of a place on the dashboard, if a name has it: a new one where it has just taken it over."""
        before = claim.name
        if not claim.takes(name):
            return None
        if before in ("", name):
            return series
        self._keep(before, series)
        return Series()

    def _keep(self, name: str, series: Series) -> None:
        """A curve that lost its place on the dashboard is a metric like any other."""
        if len(series) and len(self.metrics) < MOST_METRICS:
            self.metrics[name] = series

    def _applied(self, answer: Applied) -> None:
        self.answers[answer.id] = answer
        if len(self.answers) > 500:
            self.answers.pop(next(iter(self.answers)))
        if answer.refused:
            return
        if answer.do == "lr":
            self.factor = answer.factor
            self.fixed = answer.value
            self._dialled = answer.step
            self.marks.append(Mark(answer.step, f"rate {_short(answer.before)} → {_short(answer.after)}"))
        elif answer.do == "rewind":
            self.stop_asked = self.rewound = True
            self.marks.append(Mark(answer.step, f"back to the weights of validation loss {_short(answer.after)}"))
        elif answer.do == "undo" and answer.before is not None and answer.after is not None:
            if self.tick is not None:
                self.tick = replace(self.tick, step=int(answer.after))
            self._journal_step = int(answer.after)
            self.ghosts = [*self.ghosts[-9:], self.train.cut(int(answer.after))]
            self.undone = (int(answer.before), int(answer.after))
            self.marks.append(Mark(int(answer.after), f"undo: back from step {int(answer.before)}"))
        elif answer.do == "save":
            self.marks.append(Mark(answer.step, f"written: {answer.said}"))
        elif answer.do == "stop":
            self.stop_asked = True
            self.marks.append(Mark(answer.step, "stop"))

    def _model(self, model: Model) -> None:
        if self.model is not None and self.model.tensors != model.tensors:
            self.checkups = Checkups()
        self.model = model
        self.layers = layers_of(model)
        self.levels = levels_of(self.layers)
        self.health = self.levels[0].health
        self._measured = ()

    # ── reading ──

    @property
    def step(self) -> int:
        return self.tick.step if self.tick is not None else 0

    @property
    def held(self) -> bool:
        return self.gate is not None

    @property
    def phase(self) -> str:
        """The phase at which training is held, or through which the opening goes."""
        if self.gate is not None:
            return self.gate.phase
        return self.live.phase if self.live is not None else ""

    def seconds_left(self) -> Optional[float]:
        """To the end of the run where the total is known, else to the end of the epoch; None when neither is known."""
        tick = self.tick
        if tick is not None and tick.steps_per_s and self.total_steps is not None:
            return max(0, self.total_steps - tick.step) / tick.steps_per_s
        if tick is None or not tick.steps_per_s or not tick.batches or tick.batch is None or tick.epoch is None:
            return None
        steps = tick.batches - tick.batch
        if self.total_epochs is not None:
            steps += max(0, self.total_epochs - tick.epoch) * tick.batches
        return max(0, steps) / tick.steps_per_s

    def progress(self) -> Optional[float]:
        """Share of the run that is done where the total is known, else of the epoch; None when neither is known."""
        tick = self.tick
        if tick is not None and self.total_steps is not None:
            return min(1.0, tick.step / self.total_steps)
        if tick is None or not tick.batches or tick.batch is None or tick.epoch is None:
            return None
        done = tick.batch / tick.batches
        if self.total_epochs is not None:
            done = (tick.epoch - 1 + done) / self.total_epochs
        return min(1.0, done)

    def clipping(self, seconds: float = 30.0) -> Optional[Clipping]:
        """How often gradients were clipped in the last seconds of training; None when nothing was seen to clip."""
        newest = [self.tick] if self.tick is not None and self._tick_is_live else []
        return clipping_of([*self.window(seconds), *newest])

    def window(self, seconds: float) -> list[Tick]:
        """The ticks of the last seconds of training."""
        if not self.recent:
            return []
        since = self.recent[-1].t - seconds
        return [tick for tick in self.recent if tick.t >= since]

    def data_wait(self, seconds: float) -> Optional[float]:
        """Share of the last seconds that training spent waiting for its loader, 0 to 1; None where none was seen."""
        shares = [tick.wait for tick in self.window(seconds) if tick.wait is not None and 0 <= tick.wait <= 1]
        return statistics.fmean(shares) if shares else None


def clipping_of(ticks: list[Tick]) -> Optional[Clipping]:
    """What clipping came to over these ticks, each weighted by its steps; None when none of them saw any."""
    seen = [(tick, tick.clipped) for tick in ticks if tick.clipped is not None and 0 <= tick.clipped <= 1]
    steps = sum(max(1, tick.steps) for tick, _ in seen)
    if not seen:
        return None
    share = sum(max(1, tick.steps) * share for tick, share in seen) / steps
    return Clipping(share, seen[-1][0].clip_at, seen[-1][0].clip_by == "value")


def _short(value: Union[float, None]) -> str:
    return "–" if value is None else f"{value:.3g}"
