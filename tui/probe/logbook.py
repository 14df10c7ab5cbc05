"""What the program logs, and the beginnings of its epochs: small events that may come at any rate."""

from __future__ import annotations

import numbers
import time
from collections import deque
from typing import Any, Callable, Optional, Union

import torch

from ..run.events import Epoch, Metric
from ..run.journal import SparserWithAge
from .hooks import bystander
from .meter import Readout, local

MOST_NAMES = 1_000
MOST_READ = 1_000
"""Values on their way from a device, should it not answer."""
LONGEST_NAME = 200
START_BYTES = 500_000
"""What these events may come to at first; see `SparserWithAge`."""
ABOUT_BYTES = 90
"""Of one event's line, its name aside."""


class Logbook:
    """Passes events on while the journal may still grow; else it keeps the newest value of each name until it may.

    The same number under the same name at the same step counts once, however many ways it came. A value on a device is
    copied without waiting for it, and taken in when it has arrived. For the training thread, but for `leave`.
    """

    def __init__(self) -> None:
        self._age = SparserWithAge(START_BYTES)
        self._bytes = 0
        self._waiting: dict[str, Metric] = {}
        self._reading: list[Readout] = []
        self._left: deque[tuple[float, int, dict[str, Any]]] = deque(maxlen=MOST_NAMES)
        self._last: dict[str, tuple[int, str]] = {}
        self.newest: dict[str, float] = {}
        """The value of each name that was logged last."""

    def leave(self, t: float, step: int, values: dict[str, Any]) -> None:
        """The same as `log`, from any thread: taken in with the next tick."""
        self._left.append((t, step, values))

    def log(self, t: float, step: int, values: dict[str, Any]) -> None:
        """Takes in numbers that the program logs; what is no number is left out."""
        for name, value in values.items():
            name = str(name)[:LONGEST_NAME]
            if isinstance(value, torch.Tensor) and not value.is_cpu:
                self._read(t, step, name, value)
                continue
            number = number_of(value)
            if number is not None:
                self._take(t, step, name, number)

    def _read(self, t: float, step: int, name: str, value: torch.Tensor) -> None:
        """Starts the copy of a value that lies on a device: reading it here would make training wait for the device."""
        if value.numel() != 1 or value.is_complex() or len(self._reading) >= MOST_READ or bystander():
            return

        def arrived(values: list[float]) -> None:
            self._take(t, step, name, float(values[0]))

        with torch.no_grad():
            self._reading.append(Readout(local(value.detach()).reshape(1).float(), arrived))

    def _take(self, t: float, step: int, name: str, number: float) -> None:
        known = name in self.newest
        if not known and len(self.newest) >= MOST_NAMES:
            return
        said = (step, repr(number))  # as text: NaN is equal to NaN
        if self._last.get(name) == said:
            return
        self._last[name] = said
        self.newest[name] = number
        self._waiting[name] = Metric(t, step, name, number)

    def pass_on(self, age_s: float, say: Callable[[Metric], None]) -> None:
        """Says what waits, if it may be said at this age."""
        self._collect()
        if self._waiting and self._age.allows(age_s, self._bytes):
            waiting, self._waiting = self._waiting, {}
            for metric in waiting.values():
                say(metric)
                self._spend(metric)

    def pass_on_all(self, say: Callable[[Metric], None], most_s: float = 1.0) -> None:
        """At the end: the last value of everything. Waits for what is still on a device."""
        deadline = time.perf_counter() + most_s
        self._collect()
        while self._reading and time.perf_counter() < deadline:
            self._collect()
        waiting, self._waiting = self._waiting, {}
        for metric in waiting.values():
            say(metric)

    def _collect(self) -> None:
        while self._left:
            self.log(*self._left.popleft())
        if self._reading:
            self._reading = [readout for readout in self._reading if not readout.collect()]

    def may_say(self, age_s: float, epoch: Epoch) -> bool:
        """May the beginning of an epoch be recorded? Every tick says the number of the epoch anyhow."""
        allowed = self._age.allows(age_s, self._bytes)
        if allowed:
            self._spend(epoch)
        return allowed

    def allows(self, age_s: float) -> bool:
        """May an event of a few hundred bytes be recorded? It counts as recorded then."""
        allowed = self._age.allows(age_s, self._bytes)
        self._bytes += 4 * ABOUT_BYTES if allowed else 0
        return allowed

    def _spend(self, event: Union[Metric, Epoch]) -> None:
        self._bytes += ABOUT_BYTES + (len(event.name.encode("utf-8", "replace")) if isinstance(event, Metric) else 0)


def number_of(value: Any) -> Optional[float]:
    """A number of Python or numpy, or the element of a tensor or array that has one; None for all else. Of a tensor on
    a device it waits for the device."""
    try:
        if isinstance(value, torch.Tensor):
            if value.numel() != 1 or bystander():
                return None
            return float(local(value.detach()).item())
        if isinstance(value, numbers.Number):
            return float(value)  # type: ignore[arg-type]  # a complex one raises
        if getattr(value, "size", None) == 1 and callable(getattr(value, "item", None)):
            return float(value.item())
    except (TypeError, ValueError, OverflowError, RuntimeError):
        pass
    return None
