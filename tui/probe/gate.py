"""The gate: the only place that blocks the thread that trains. Pause, single steps, single phases, pace.

It waits in short sleeps, outside every try, so that Ctrl-C and the program's own signal handlers work while it holds.
It never takes a lock.
"""

from __future__ import annotations

import time
from typing import Callable, Optional

SLEEP_S = 0.005
"""How long one sleep of a wait is: a command takes effect within this time while training is held."""


class Opening:
    """The first minute of a beginner: the first batch phase by phase, ten steps at two a second, then as asked."""

    PHASE_S = 1.2
    STEP_S = 0.5
    SLOW_STEPS = 10

    def dwell(self, phase: str, step: int) -> float:
        """Seconds to stay at this phase; `step` counts the updates made."""
        if step == 0 or (step == 1 and phase in ("update", "zero_grad")):
            return self.PHASE_S
        return self.STEP_S if phase == "update" and step <= self.SLOW_STEPS else 0.0

    def over(self, step: int) -> bool:
        return step > self.SLOW_STEPS


class Gate:
    """What a person asked for, and the waiting that follows from it."""

    def __init__(self, attend: Callable[[], None], speed: Optional[float] = None, opening: bool = False) -> None:
        self.attend = attend
        """Called all the while as it waits: takes commands, publishes. It must not raise."""
        self.speed = speed
        """Steps per second that training is slowed to; None is full speed."""
        self.opening: Optional[Opening] = Opening() if opening else None
        self.held = False
        self.phase = ""
        """The phase after which it waits, or dwells."""
        self.pausing = False
        """Hold before the next update."""
        self.phase_wanted = False
        """Hold at the end of the next phase, whichever it is."""
        self.to_go: Optional[int] = None
        """Updates to make before holding; None: no such count."""
        self.held_s = 0.0
        """Seconds it has held training so far."""
        self.slowed_s = 0.0
        """Seconds it has slowed training so far, by pace or opening."""
        self._due = 0.0
        self._released = False

    # ── what people ask ──

    def pause(self) -> None:
        self.to_go = None
        self.pausing = True
        self.opening = None

    def resume(self) -> None:
        self.pausing = self.phase_wanted = False
        self.to_go = None
        self._released = True

    def step(self, n: int) -> None:
        self.pausing = self.phase_wanted = False
        self.opening = None
        self.to_go = n
        self._released = True

    def next_phase(self) -> None:
        """From a run: hold before the update. From a hold: on to the end of the next phase."""
        self.opening = None
        self.to_go = None
        self.pausing = False
        self.phase_wanted = True
        self._released = True

    def set_speed(self, steps_per_s: Optional[float]) -> None:
        self.speed = steps_per_s
        self.opening = None
        self._due = 0.0

    @property
    def by_phase(self) -> bool:
        """Does somebody watch single phases, so that every one of them has to be announced?"""
        return self.phase_wanted or self.opening is not None

    @property
    def calm(self) -> bool:
        """Does nobody ask for anything: full speed, no hold to come?"""
        return not (self.pausing or self.phase_wanted) and (
            self.to_go is None and self.opening is None and self.speed is None
        )

    @property
    def single(self) -> bool:
        """Is a person looking at every single step? Then everything is measured at each."""
        few = self.to_go is not None and self.to_go <= 3
        return self.held or self.pausing or self.by_phase or few or (self.speed is not None and self.speed <= 2)

    @property
    def unhurried(self) -> bool:
        """Are steps so slow that a tick for each of them is not too much?"""
        return self.single or (self.speed is not None and self.speed <= 25)

    # ── where training passes ──

    def holds_before_update(self, held_at_backward: bool) -> bool:
        """Is training held before this update? Who steps by phases and stood at the end of the backward pass of this
        step already goes on to the update."""
        return self.pausing or self.to_go == 0 or (self.phase_wanted and not held_at_backward)

    def updated(self) -> None:
        """An update was made."""
        if self.to_go is not None:
            self.to_go = max(0, self.to_go - 1)

    def hold(self, phase: str) -> None:
        """Waits until somebody lets go. Whatever a signal handler raises passes straight through."""
        self.held, self.phase = True, phase
        self.phase_wanted = False
        self._released = False
        began = time.perf_counter()
        try:
            while not self._released:
                self.attend()
                time.sleep(0.0 if self._released else SLEEP_S)
        finally:
            self.held = False
            self.held_s += time.perf_counter() - began
            self._due = 0.0

    def dwell(self, phase: str, step: int) -> None:
        """The opening's pace: stays a while at a phase; any command that ends the opening ends the wait."""
        if self.opening is None:
            return
        if self.opening.over(step):
            self.opening = None
            return
        self.phase = phase
        self._wait(self.opening.dwell(phase, step), lambda: self.opening is None)

    def slow_down(self) -> None:
        """After an update: waits until the next one is due at this speed."""
        speed = self.speed
        if speed is None or self.opening is not None or self.to_go == 0:
            self._due = 0.0
            return
        now = time.perf_counter()
        due = self._due if self._due > now - 0.25 else now
        self._due = due + 1.0 / speed
        if self._due > now:
            self._wait(self._due - now, lambda: self.speed != speed or self.pausing or self.by_phase)

    def _wait(self, seconds: float, until: Callable[[], bool]) -> None:
        began = time.perf_counter()
        end = began + seconds
        try:
            while True:
                left = end - time.perf_counter()
                if left <= 0 or until():
                    break
                time.sleep(min(left, SLEEP_S))
                self.attend()
        finally:
            self.slowed_s += time.perf_counter() - began
