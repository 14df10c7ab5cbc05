"""When a measurement is due, and what it may cost.

The measurements together may take about one per cent of the program's time. Each kind has a share: it is due when
enough time has passed for its last costs to stay within that share, and never more often than a person can read.
"""

from __future__ import annotations

import time
from typing import Optional


class Pace:
    """When one kind of measurement is due. Costs are seconds in the training thread."""

    def __init__(self, share: float, every_s: float) -> None:
        self.share = share
        """Share of the wall time that this kind may take."""
        self.every_s = every_s
        """At most once in this many seconds while steps are fast."""
        self.cost_s = 0.0
        self._started = False
        self._began = 0.0
        self._before_s = self._whole_s = 0.0
        self.at = 0.0
        """When it is due, in seconds of time.perf_counter()."""

    def due(self, now: float) -> bool:
        """Is it time? `now` is time.perf_counter()."""
        return now >= self.at

    def done(self, began: float, cost_s: float, more: bool = False) -> None:
        """It was made, beginning at `began`, in so much time of this thread's own (time.thread_time(): that the
        processor was given to somebody else meanwhile is no cost of ours). The first time costs many times what it
        costs later (torch sets itself up) and tells nothing.

        Args:
            more: this was a further part of the one before.
        """
        if not self._started:
            self._started, self._began = True, began
            self.at = began + self.every_s
            return
        if not more:
            self._began, self._before_s, self._whole_s = began, self.cost_s, 0.0
        self._whole_s += cost_s
        before, whole = self._before_s, self._whole_s
        self.cost_s = whole if before == 0.0 else min(0.7 * before + 0.3 * whole, 4 * before)
        self.at = self._began + max(self.every_s, self.cost_s / self.share)

    def hurry(self) -> None:
        """Due at the next opportunity: what was measured before belongs to another model."""
        self.at = 0.0


class Cost:
    """What the probe itself costs: its seconds over the wall seconds in which training ran, lately."""

    WINDOW_S = 2.0

    def __init__(self) -> None:
        self.share: Optional[float] = None
        """None until training has been watched for two seconds: the first steps are like no others."""
        self._spent = 0.0
        self._waited = 0.0
        self._waited_before = 0.0
        self._since = time.perf_counter()

    def restart(self) -> None:
        """Forgets what has been spent so far."""
        self._spent, self._since = 0.0, time.perf_counter()

    def spend(self, seconds: float) -> None:
        """The probe took this long in the training thread."""
        self._spent += seconds

    def waited(self, total_s: float) -> None:
        """The gate has held or slowed training for so long in all: neither cost nor training."""
        self._waited = total_s

    def update(self, now: float) -> Optional[float]:
        """The share, renewed every two seconds."""
        wall = now - self._since - (self._waited - self._waited_before)
        if wall >= self.WINDOW_S:
            self.share = min(1.0, self._spent / wall)
            self._spent = 0.0
            self._since, self._waited_before = now, self._waited
        return self.share
