"""What the program logs, and the beginnings of its epochs: small events that may come at any rate."""

from __future__ import annotations

from typing import Any, Callable, Union

import torch

from ..run.events import Epoch, Metric
from ..run.journal import SparserWithAge

MOST_NAMES = 1_000
START_BYTES = 500_000
"""What these events may come to at first; see `SparserWithAge`."""
ABOUT_BYTES = 90
"""Of one event's line, its name aside."""


class Logbook:
    """Passes events on while the journal may still grow; else it keeps the newest value of each name until it may."""

    def __init__(self) -> None:
        self._age = SparserWithAge(START_BYTES)
        self._bytes = 0
        self._waiting: dict[str, Metric] = {}
        self.newest: dict[str, float] = {}
        """The value of each name that was logged last."""

    def log(self, t: float, step: int, values: dict[str, Any]) -> None:
        """Takes in numbers given to `tui.log`; what is no number is left out."""
        for name, value in values.items():
            number = _number(value)
            if number is None or (name not in self._waiting and len(self._waiting) >= MOST_NAMES):
                continue
            if name in self.newest or len(self.newest) < MOST_NAMES:
                self.newest[name] = number
            self._waiting[str(name)[:200]] = Metric(t, step, str(name)[:200], number)

    def pass_on(self, age_s: float, say: Callable[[Metric], None]) -> None:
        """Says what waits, if it may be said at this age."""
        if self._waiting and self._age.allows(age_s, self._bytes):
            waiting, self._waiting = self._waiting, {}
            for metric in waiting.values():
                say(metric)
                self._spend(metric)

    def pass_on_all(self, say: Callable[[Metric], None]) -> None:
        """At the end: the last value of everything."""
        waiting, self._waiting = self._waiting, {}
        for metric in waiting.values():
            say(metric)

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


def _number(value: Any) -> Union[float, None]:
    try:
        return float(value.detach() if isinstance(value, torch.Tensor) else value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
