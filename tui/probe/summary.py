"""What a tick says: counts of steps, samples and batches, speed, losses, norms and ratios since the last one."""

from __future__ import annotations

import dataclasses
import time
import weakref
from typing import Any, Optional

import torch

from ..run.events import Epoch, Tick
from .dial import Dial
from .meter import Change, Losses, Readout, divide, norms
from .tree import Tree


class Summary:
    """The running account of one process's training. Times are time.perf_counter() seconds."""

    def __init__(self) -> None:
        self.step = 0
        """Updates made by the first optimizer."""
        self.losses = Losses()
        self.readouts: list[Readout] = []
        """Copies under way from a device."""
        self.measured = 0
        """How often the gradients were measured."""
        self._norms: Optional[list[Optional[float]]] = None
        self._norms_step: Optional[int] = None
        self._ratios: Optional[list[Optional[float]]] = None
        self._ratios_step: Optional[int] = None
        self._samples = 0
        self._batch_samples = 0
        self._epoch = 0
        self._batches: Optional[int] = None
        self._feed: tuple[int, int] = (0, 0)
        self._training_feed: tuple[int, int] = (0, 0)
        self._iterator: Optional[weakref.ReferenceType[Any]] = None
        self._iterators: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._iterators_seen = 0
        self._recorded_step = 0
        self._speed_mark: Optional[_Mark] = None
        self._steps_per_s: Optional[float] = None
        self._samples_per_s: Optional[float] = None
        self._period: Optional[float] = None
        self._period_mark = (0, 0)

    # ── moments ──

    def loaded(self, iterator: Any, data: Any) -> None:
        """A loader's iterator yielded."""
        number = self._iterators.get(iterator)
        if number is None:
            self._iterators_seen += 1
            number = self._iterators[iterator] = self._iterators_seen
        self._feed = (number, getattr(iterator, "_num_yielded", self._feed[1] + 1))
        if self._iterator is None or self._iterator() is not iterator:
            self._iterator = weakref.ref(iterator)
        self._batch_samples = _samples(data)

    def updated_quietly(self) -> bool:
        """The first optimizer made an update. The loader that yielded last is the one that trains; False if a pass over
        it has just begun, which `new_epoch` is to be told."""
        self.step += 1
        self.losses.updated()
        self._samples += self._batch_samples
        feed, before = self._feed, self._training_feed
        if feed is before:
            return True
        self._training_feed = feed
        return feed[0] == 0 or (feed[0] == before[0] and feed[1] >= before[1])

    @property
    def pass_ends(self) -> bool:
        """Was the last update that of the last batch of a pass over the training loader?"""
        return self._batches is not None and self._training_feed[1] >= self._batches

    def new_epoch(self) -> None:
        """Counts a pass over the training loader."""
        self._epoch += 1
        self._batches = _length(self._iterator() if self._iterator is not None else None)

    def epoch_event(self, t: float) -> Epoch:
        return Epoch(t, self.step, self._epoch, self._batches)

    def read_norms(self, tree: Tree, places: list[int], scale: Optional[torch.Tensor] = None) -> None:
        """Measures the gradient norms of these tensors, for the step about to be made.

        Args:
            scale: what the gradients are still multiplied with (a GradScaler with a fused optimizer).
        """
        grads = [parameter.grad for parameter in tree.parameters(places)]
        with torch.no_grad():
            vector = norms([grad for grad in grads if grad is not None])
            if scale is not None:
                vector = vector / scale.to(vector.device, non_blocking=True)
        step = self.step + 1

        def arrived(values: list[float]) -> None:
            self._norms, self._norms_step = _spread(values, places, len(tree)), step

        self.measured += 1
        self.readouts.append(Readout(vector, arrived))
        self.collect()

    def read_ratios(self, change: Change, places: list[int], tree: Tree) -> None:
        """Measures how far these tensors moved in the update just made."""
        with torch.no_grad():
            vector = change.ratios()
        step = self.step

        def arrived(values: list[float]) -> None:
            self._ratios, self._ratios_step = _spread(divide(values), places, len(tree)), step

        self.readouts.append(Readout(vector, arrived))
        self.collect()

    def forget_tensors(self) -> None:
        """The list of tensors changed: what was measured belongs to the old one."""
        self._norms = self._ratios = None
        self._norms_step = self._ratios_step = None
        self.readouts = []

    def collect(self) -> None:
        """Takes in what has arrived from the device."""
        self.readouts = [readout for readout in self.readouts if not readout.collect()]

    def collect_all(self, most_s: float = 2.0) -> None:
        """Waits for everything under way; only where waiting is harmless."""
        deadline = time.perf_counter() + most_s
        while self.readouts and time.perf_counter() < deadline:
            self.collect()

    # ── the tick ──

    def tick(self, t: float, now: float, waited_s: float, single: bool, dial: Dial, cost: Optional[float]) -> Tick:
        """The summary of the steps since the last recorded tick.

        Args:
            t: seconds since the stream began.
            waited_s: seconds that the gate has held or slowed training so far.
            single: a person looks at single steps; speed is then what the last step alone took.
            dial: for the rates of the last update.
            cost: share of the time that the probe takes.
        """
        self.losses.read(self.readouts)
        self.collect()
        self._measure_speed(now, waited_s, single)
        last, low, high, mean = self.losses.window()
        scheduled, effective = dial.scheduled, dial.effective
        return Tick(
            t=t,
            step=self.step,
            steps=self.step - self._recorded_step,
            loss=short(last),
            low=short(low),
            high=short(high),
            mean=short(mean),
            rate=effective,
            scheduled=scheduled if scheduled != effective else None,
            steps_per_s=short(self._steps_per_s),
            samples_per_s=short(self._samples_per_s),
            epoch=self._epoch or None,
            batch=self._training_feed[1] if self._epoch else None,
            batches=self._batches,
            norm=_total(self._norms),
            norms=self._norms,
            norms_step=self._norms_step,
            ratios=self._ratios,
            ratios_step=self._ratios_step,
            cost=short(cost),
            period=short(self._period),
        )

    def with_norms(self, tick: Optional[Tick]) -> Tick:
        """The tick with the newest norms: those of the batch in hand, while training is held."""
        tick = tick or Tick(step=self.step, steps=0)
        return dataclasses.replace(tick, norm=_total(self._norms), norms=self._norms, norms_step=self._norms_step)

    @property
    def unrecorded(self) -> int:
        """Updates made since the last recorded tick."""
        return self.step - self._recorded_step

    def recorded(self) -> None:
        """The tick went into the journal: the next one begins here."""
        self._recorded_step = self.step
        self.losses.forget()

    def _measure_speed(self, now: float, held_s: float, single: bool) -> None:
        """Over about half a second, or since the last tick where steps are slower. Time spent held does not count."""
        mark = self._speed_mark
        if mark is None:
            self._speed_mark = _Mark(self.step, self._samples, now, held_s)
            return
        steps, wall = self.step - mark.step, now - mark.time - (held_s - mark.held_s)
        if steps <= 0 or (wall < 0.5 and self._steps_per_s is not None and not single):
            return
        if wall > 0:
            self._steps_per_s = steps / wall
            self._samples_per_s = (self._samples - mark.samples) / wall or None
        self._speed_mark = _Mark(self.step, self._samples, now, held_s)
        made = self.measured - self._period_mark[1]
        if made > 0:
            self._period = max(1.0, (self.step - self._period_mark[0]) / made)
            self._period_mark = (self.step, self.measured)


class _Mark:
    """Where the account stood at one moment."""

    def __init__(self, step: int, samples: int, at: float, held_s: float) -> None:
        self.step, self.samples, self.time, self.held_s = step, samples, at, held_s


def short(value: Optional[float]) -> Optional[float]:
    """Six significant digits: what a journal needs, in few bytes."""
    return None if value is None else float(f"{value:.6g}")


def _spread(values: list[float], places: list[int], count: int) -> list[Optional[float]]:
    full: list[Optional[float]] = [None] * count
    for place, value in zip(places, values):
        full[place] = short(value)
    return full


def _total(values: Optional[list[Optional[float]]]) -> Optional[float]:
    """The L2 norm of everything, from the norms of the pieces."""
    if values is None:
        return None
    return short(sum(value * value for value in values if value is not None) ** 0.5)


def _samples(data: Any) -> int:
    """The size of a batch: the first dimension of the first tensor found in it; 0 when there is none."""
    for _ in range(4):
        if isinstance(data, torch.Tensor):
            return int(data.shape[0]) if data.dim() else 1
        if isinstance(data, dict):
            data = next(iter(data.values()), None)
        elif isinstance(data, (list, tuple)) and data:
            data = data[0]
        else:
            return 0
    return 0


def _length(iterator: Any) -> Optional[int]:
    try:
        return len(iterator)
    except Exception:  # a dataset without a length says so in many ways
        return None
