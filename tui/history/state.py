"""What is true of a run now: a fold over its events. Knows no screen and no file."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass, field, replace
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
    ModuleInfo,
    Start,
    Tick,
)
from ..run.events import Warning as WarningEvent
from .checkups import Checkups
from .series import Series


@dataclass(frozen=True)
class Layer:
    """A module that owns parameters, as one row: its tensors belong together."""

    name: str
    """The path in the model without what all layers' paths share; the tensor's own name where there is no module."""
    kind: str
    detail: str
    tensors: tuple[int, ...]
    main: int
    """The tensor that is shown for it: the largest."""
    weights: int
    trainable: bool

    @property
    def title(self) -> str:
        """Name and kind, for a narrow place: "0 Linear"."""
        return f"{self.name} {self.kind}".strip()


@dataclass
class Health:
    """The gradient norm of one layer over time."""

    now: Optional[float] = None
    step: int = 0
    ratio: Optional[float] = None
    """‖weight change‖ / ‖weight‖ of the last measured update."""
    ratios: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    """The same of the last ones."""
    odd_since: Optional[int] = None
    """The step at which its gradient was first not finite."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    low: float = math.inf
    high: float = 0.0
    """Extremes of all time, finite ones, for the full range."""

    def add(self, value: float, step: int) -> None:
        self.now, self.step = value, step
        self.recent.append(value)
        if self.odd_since is None and not math.isfinite(value):
            self.odd_since = step
        if 0 < value < self.low:
            self.low = value
        if self.high < value < math.inf:
            self.high = value

    def times_median(self) -> Optional[float]:
        """How many times its recent median the norm is now; None without enough history."""
        finite = [value for value in self.recent if math.isfinite(value)]
        if self.now is None or not math.isfinite(self.now) or len(finite) < 20:
            return None
        middle = statistics.median(finite)
        return self.now / middle if middle > 0 else None


@dataclass(frozen=True)
class Mark:
    """An intervention on the curve."""

    step: int
    text: str


class RunState:
    """Folds events; every public attribute is what is true now, or None while it is not known."""

    RECENT_S = 30.0

    def __init__(self) -> None:
        self.start: Optional[Start] = None
        self.model: Optional[Model] = None
        self.layers: list[Layer] = []
        self.health: list[Health] = []
        """One for each of `layers`."""
        self.tick: Optional[Tick] = None
        self._journal_step = 0
        self._tick_is_live = False
        self._measured: tuple[Optional[int], Optional[int]] = (None, None)
        self.train = Series()
        self.validation = Series()
        self.accuracy = Series()
        self.metrics: dict[str, Series] = {}
        self.norm = Series()
        self.total_epochs: Optional[int] = None
        self.gate: Optional[Gate] = None
        self.marks: list[Mark] = []
        self.warnings: list[str] = []
        self.answers: dict[str, Applied] = {}
        """The newest answers by command id."""
        self.factor: Optional[float] = None
        """The dial's factor, as acknowledged."""
        self.fixed: bool = False
        """The dial holds a fixed rate."""
        self.stop_asked = False
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
            self._gradients(live.tick)

    def _tick(self, tick: Tick) -> None:
        newer = self.tick is None or tick.step >= self.tick.step
        if not newer and not self._tick_is_live and tick.step >= self._journal_step:
            newer = True  # two ticks agree that the one shown is a damaged one from far ahead
        self._journal_step = tick.step
        if newer:
            self.tick, self._tick_is_live = tick, False
        if tick.loss is not None:
            if self.first_loss is None:
                self.first_loss = tick.loss
            self.train.add(tick.step, tick.loss, max(1, tick.steps), tick.low, tick.high, tick.mean)
        self.checkups.tick(tick)
        if tick.norm is not None:
            self.norm.add(tick.step, tick.norm, max(1, tick.steps))
        self.recent.append(tick)
        while len(self.recent) > 2 and self.recent[0].t < tick.t - self.RECENT_S:
            self.recent.popleft()
        if newer:
            self._gradients(tick)

    def _gradients(self, tick: Tick) -> None:
        measured = (tick.norms_step, tick.ratios_step)
        if measured == self._measured:
            return  # a tick repeats what was measured last
        moved = tick.ratios_step != self._measured[1]
        self._measured = measured
        for layer, health in zip(self.layers, self.health):
            norm = combined(tick.norms, layer.tensors)
            if norm is not None and tick.norms_step is not None and tick.norms_step > health.step:
                health.add(norm, tick.norms_step)
            ratios = tick.ratios
            if ratios is not None and layer.main < len(ratios) and ratios[layer.main] is not None:
                health.ratio = ratios[layer.main]
                if moved:
                    health.ratios.append(ratios[layer.main] or 0.0)

    def _metric(self, metric: Metric) -> None:
        if metric.name == "total_epochs":
            if 1 <= metric.value < 1e9:
                self.total_epochs = int(metric.value)
            return
        if metric.name == "total_steps":
            if 1 <= metric.value < 1e12:
                self.total_steps = int(metric.value)
            return
        series = {"val_loss": self.validation, "val_accuracy": self.accuracy}.get(metric.name)
        if series is None:
            if metric.name not in self.metrics and len(self.metrics) >= 200:
                return
            series = self.metrics.setdefault(metric.name, Series())
        series.add(metric.step, metric.value)

    def _applied(self, answer: Applied) -> None:
        self.answers[answer.id] = answer
        if len(self.answers) > 500:
            self.answers.pop(next(iter(self.answers)))
        if answer.refused:
            return
        if answer.do == "lr":
            self.factor = answer.factor
            self.fixed = answer.factor is None and answer.after is not None and answer.before != answer.after
            self.marks.append(Mark(answer.step, f"rate {_short(answer.before)} → {_short(answer.after)}"))
        elif answer.do == "rewind":
            self.stop_asked = self.rewound = True
            self.marks.append(Mark(answer.step, f"back to the weights of validation loss {_short(answer.after)}"))
        elif answer.do == "undo" and answer.before is not None and answer.after is not None:
            if self.tick is not None:
                self.tick = replace(self.tick, step=int(answer.after))
            self._journal_step = int(answer.after)
            self.ghosts = [*self.ghosts[-9:], self.train.cut(int(answer.after))]
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
        self.health = [Health() for _ in self.layers]
        self._measured = (None, None)

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

    def window(self, seconds: float) -> list[Tick]:
        """The ticks of the last seconds of training."""
        if not self.recent:
            return []
        since = self.recent[-1].t - seconds
        return [tick for tick in self.recent if tick.t >= since]


def combined(norms: Optional[list[Optional[float]]], tensors: tuple[int, ...]) -> Optional[float]:
    """The L2 norm of several tensors together; None when none of them has one."""
    if norms is None:
        return None
    total, found = 0.0, 0
    for place in tensors:
        value = norms[place] if place < len(norms) else None
        if value is not None:
            total += value * value
            found += 1
    if total < 1e300:
        return math.sqrt(total) if found else None
    known = [value for value in (norms[place] for place in tensors if place < len(norms)) if value is not None]
    if any(value != value for value in known):
        return math.nan
    return math.hypot(*known)  # the squares were too large, or one is infinite


def layers_of(model: Model) -> list[Layer]:
    """The rows of a model: each module that owns parameters, then parameters that belong to no module."""
    found: list[Layer] = []
    claimed: set[int] = set()
    for module in model.modules:
        own = tuple(place for place in module.tensors if 0 <= place < len(model.tensors) and place not in claimed)
        if own:
            claimed.update(own)
            found.append(_layer(model, module, own))
    shared = _shared_prefix([layer.name for layer in found])
    found = [replace(layer, name=layer.name[len(shared) :]) for layer in found]
    for place, tensor in enumerate(model.tensors):
        if place not in claimed:
            size = math.prod(tensor.shape)
            shape = "×".join(map(str, tensor.shape))
            found.append(Layer(tensor.name, "", shape, (place,), place, size, tensor.trainable))
    return found


def _shared_prefix(names: list[str]) -> str:
    """The path that all names begin with, up to a dot: it tells none of them apart."""
    if len(names) < 2:
        return ""
    parts = [name.split(".") for name in names]
    length = 0
    while all(len(part) > length + 1 and part[length] == parts[0][length] for part in parts):
        length += 1
    return "".join(part + "." for part in parts[0][:length])


def _layer(model: Model, module: ModuleInfo, own: tuple[int, ...]) -> Layer:
    sizes = {place: math.prod(model.tensors[place].shape) for place in own}
    return Layer(
        name=module.path or model.name,
        kind=module.kind if module.path else "",
        detail=module.detail,
        tensors=own,
        main=max(own, key=lambda place: sizes[place]),
        weights=sum(sizes.values()),
        trainable=any(model.tensors[place].trainable for place in own),
    )


def _short(value: Union[float, None]) -> str:
    return "–" if value is None else f"{value:.3g}"
