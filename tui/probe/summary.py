"""What a tick says: counts of steps, samples and batches, speed, losses, norms and ratios since the last one."""

from __future__ import annotations

import dataclasses
import time
import weakref
from typing import Any, Optional, Sequence

import torch

from ..run.events import Epoch, Tick
from .clipping import Clips
from .dial import Dial
from .gauges import Gauges, not_finite, short
from .meter import Change, Losses, Readout, divide, norms, odd_entries
from .tree import Tree

ENDLESS = 10_000_000
"""Batches. A loader that promises more (a sampler of 10¹⁰) has no end that anybody waits for."""
MOST_FOUND = 256
"""Answers of a GradScaler that wait on the device before they are counted."""


class Summary:
    """The running account of one process's training. Times are time.perf_counter() seconds."""

    def __init__(self) -> None:
        self.step = 0
        """Updates made by the first optimizer."""
        self.losses = Losses()
        self.skipped = 0
        """Steps that a GradScaler skipped."""
        self._found: list[torch.Tensor] = []
        self.readouts: list[Readout] = []
        """Copies under way from a device."""
        self.measured = 0
        """How often the gradients were measured."""
        self.clips = Clips()
        self.gauges = Gauges()
        self.samples = 0
        self.batch_samples = 0
        """Of the batch that was loaded last."""
        self._epoch = 0
        self._batches: Optional[int] = None
        self.feed: tuple[int, int] = (0, 0)
        """Which loader yielded last, and how many batches it has yielded."""
        self.training_feed: tuple[int, int] = (0, 0)
        """The same at the last update."""
        self._iterator: Optional[weakref.ReferenceType[Any]] = None
        self._iterators: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._iterators_seen = 0
        self._waited_s = 0.0
        self._wait: Optional[float] = None
        self._recorded_step = 0
        self._speed_mark: Optional[_Mark] = None
        self._steps_per_s: Optional[float] = None
        self._samples_per_s: Optional[float] = None
        self._period: Optional[float] = None
        self._period_mark = (0, 0)

    # ── moments ──

    def loaded(self, iterator: Any, data: Any, waited_s: float = 0.0) -> None:
        """A loader's iterator yielded, after the program had waited for it so long."""
        self._waited_s += waited_s
        number = self._iterators.get(iterator)
        if number is None:
            self._iterators_seen += 1
            number = self._iterators[iterator] = self._iterators_seen
        self.feed = (number, getattr(iterator, "_num_yielded", self.feed[1] + 1))
        if self._iterator is None or self._iterator() is not iterator:
            self._iterator = weakref.ref(iterator)
        self.batch_samples = _samples(data)

    def updated_quietly(self) -> bool:
        """The first optimizer made an update. The loader that yielded last is the one that trains; False if a pass over
        it has just begun, which `new_epoch` is to be told."""
        self.step += 1
        losses = self.losses
        in_hand = losses.in_hand_now
        if len(in_hand) == 1 and type(in_hand[0]) is float:  # as on most steps
            losses.values.append(in_hand.pop())  # type: ignore[arg-type]
            losses.passes = 1
        else:
            losses.updated()
        self.samples += self.batch_samples
        feed, before = self.feed, self.training_feed
        if feed is before:
            return True
        self.training_feed = feed
        return feed[0] == 0 or (feed[0] == before[0] and feed[1] >= before[1])

    def scaled(self, updated: bool, found: Sequence[torch.Tensor]) -> None:
        """A GradScaler made an update, or skipped it.

        Args:
            updated: the optimizer's step was called.
            found: above 0 where it then skipped the update itself, one for each device; read when that waits for none.
        """
        if not updated:
            self.skipped += 1
            self.losses.updated()
        elif found:
            self._found.append(
                found[0] if len(found) == 1 else torch.stack([one.to(found[0].device) for one in found]).max()
            )
            if len(self._found) >= MOST_FOUND:
                self._count_skipped()

    def _count_skipped(self) -> None:
        if self._found:
            found, self._found = torch.stack([one.reshape(()) for one in self._found]), []

            def arrived(values: list[float]) -> None:
                self.skipped += sum(value > 0 for value in values)

            self.readouts.append(Readout(found, arrived))

    @property
    def pass_ends(self) -> bool:
        """Was the last update that of the last batch of a pass over the training loader?"""
        return self._batches is not None and self.training_feed[1] >= self._batches

    def new_epoch(self) -> None:
        """Counts a pass over the training loader."""
        self._epoch += 1
        batches = _length(self._iterator() if self._iterator is not None else None)
        self._batches = batches if batches is not None and batches < ENDLESS else None

    def epoch_event(self, t: float) -> Epoch:
        return Epoch(t, self.step, self._epoch, self._batches)

    def read_norms(
        self, tree: Tree, places: list[int], scale: Optional[torch.Tensor] = None, first: bool = True
    ) -> None:
        """Measures the gradient norms of these tensors, for the step about to be made.

        Args:
            scale: what the gradients are still multiplied with (a GradScaler with a fused optimizer).
            first: they are those of the optimizer that counts the steps; another's belong to the step that it made.
        """
        grads = [parameter.grad for parameter in tree.parameters(places)]
        with torch.no_grad():
            vector = norms([grad for grad in grads if grad is not None])
            if scale is not None:
                vector = vector / scale.to(vector.device, non_blocking=True)
        step, gauges = self.step + 1 if first else self.step, self.gauges

        def arrived(values: list[float]) -> None:
            gauges.norms.put(values, places, tree.owners, step)

        self.measured += first
        self.readouts.append(Readout(vector, arrived))
        self.collect()
        self._count_odd(tree, places)

    def _count_odd(self, tree: Tree, places: list[int]) -> None:
        """Counts the entries that are not finite in the gradients whose newest norm is not: on a CPU that is the norm
        of this step, on a device that of the measurement before. Of finite ones nothing is counted."""
        odd = not_finite(self.gauges.norms.values, places)
        self.gauges.odd.drop(sorted(set(places).difference(odd)) if odd else places)
        there = [place for place in odd if getattr(tree.parameter(place), "grad", None) is not None]
        if not there:
            return
        grads = [parameter.grad for parameter in tree.parameters(there)]
        with torch.no_grad():
            vector = odd_entries([grad for grad in grads if grad is not None])
        self.readouts.append(Readout(vector, lambda values: self.gauges.odd.put(values, there)))
        self.collect()

    def read_ratios(self, change: Change, places: list[int], tree: Tree) -> None:
        """Measures how far these tensors moved in the update just made."""
        with torch.no_grad():
            vector = change.ratios()
        step, gauges = self.step, self.gauges

        def arrived(values: list[float]) -> None:
            gauges.ratios.put(divide(values), places, tree.owners, step)

        self.readouts.append(Readout(vector, arrived))
        self.collect()

    def forget_tensors(self) -> None:
        """The list of tensors changed: what was measured belongs to the old one."""
        self.gauges = Gauges()
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
        self._count_skipped()
        self.clips.read(self.readouts)
        self.collect()
        self._measure_speed(now, waited_s, single)
        last, low, high, mean = self.losses.window()
        return Tick(
            **dial.told(),
            **self.clips.told(),
            **self.gauges.gradients(),
            **self.gauges.updates(),
            t=t,
            step=self.step,
            steps=self.step - self._recorded_step,
            loss=short(last),
            low=short(low),
            high=short(high),
            mean=short(mean),
            steps_per_s=short(self._steps_per_s),
            samples_per_s=short(self._samples_per_s),
            epoch=self._epoch or None,
            batch=self.training_feed[1] if self._epoch else None,
            batches=self._batches,
            cost=short(cost),
            period=short(self._period),
            wait=self._wait,
            skipped=self.skipped,
            passes=self.losses.passes,
        )

    def with_norms(self, tick: Optional[Tick]) -> Tick:
        """The tick with the newest norms: those of the batch in hand, while training is held."""
        tick = tick or Tick(step=self.step, steps=0)
        return dataclasses.replace(tick, **self.gauges.gradients())

    @property
    def unrecorded(self) -> int:
        """Updates made since the last recorded tick."""
        return self.step - self._recorded_step

    def recorded(self) -> None:
        """The tick went into the journal: the next one begins here."""
        self._recorded_step = self.step
        self.losses.forget()
        self.clips.forget()

    def _measure_speed(self, now: float, held_s: float, single: bool) -> None:
        """Over about half a second, or since the last tick where steps are slower. Time spent held does not count."""
        mark = self._speed_mark
        if mark is None:
            self._speed_mark = _Mark(self.step, self.samples, now, held_s, self._waited_s)
            return
        steps, wall = self.step - mark.step, now - mark.time - (held_s - mark.held_s)
        if steps <= 0 or (wall < 0.5 and self._steps_per_s is not None and not single):
            return
        if wall > 0:
            self._steps_per_s = steps / wall
            self._samples_per_s = (self.samples - mark.samples) / wall or None
            if self._iterators_seen:
                self._wait = round(min(1.0, (self._waited_s - mark.waited_s) / wall), 3)
        self._speed_mark = _Mark(self.step, self.samples, now, held_s, self._waited_s)
        made = self.measured - self._period_mark[1]
        if made > 0:
            self._period = max(1.0, (self.step - self._period_mark[0]) / made)
            self._period_mark = (self.step, self.measured)


class _Mark:
    """Where the account stood at one moment."""

    def __init__(self, step: int, samples: int, at: float, held_s: float, waited_s: float) -> None:
        self.step, self.samples, self.time, self.held_s, self.waited_s = step, samples, at, held_s, waited_s


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
