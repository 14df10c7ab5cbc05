"""What the doctor needs beyond the curves: the last looks at single batches, and the last losses step by step."""

from __future__ import annotations

import math
import statistics
from collections import deque
from typing import Callable, Optional

from ..run.events import Checkup, Silence, Tick


class Checkups:
    """Folds checkups and ticks; bounded."""

    LOOKS = 240
    """Two a second: the last two minutes."""
    LOSSES = 4096

    def __init__(self) -> None:
        self.looks: deque[Checkup] = deque(maxlen=self.LOOKS)
        self.count = 0
        """Looks taken in since the beginning."""
        self.losses: deque[tuple[int, float]] = deque(maxlen=self.LOSSES)
        """(step, loss of exactly that step) as far as the journal has them, finite ones."""
        self.silences: dict[tuple[int, bool], Silence] = {}
        """The newest account of every activation, by module and whether it stands before it."""
        self.odd_since: Optional[int] = None
        """The step at which (or shortly before which) a loss was first not finite."""
        self.sound_until: Optional[tuple[int, float]] = None
        """(step, loss) of the last finite loss before that."""
        self.odd_weights: int = 0
        """Parameter tensors that held a value that is not finite, at the last look."""
        self.ticks: deque[tuple[int, int, float]] = deque(maxlen=512)
        """(step, steps summed up, their mean loss), finite ones."""

    def add(self, look: Checkup) -> None:
        self.looks.append(look)
        self.count += 1
        for silence in look.silences:
            if len(self.silences) < 512 or (silence.module, silence.before) in self.silences:
                self.silences[silence.module, silence.before] = silence
        if look.weights_odd is not None:
            self.odd_weights = look.weights_odd

    def tick(self, tick: Tick) -> None:
        loss = tick.loss
        if loss is None:
            return
        mean = tick.mean if tick.mean is not None else loss
        if all(math.isfinite(value) for value in (loss, mean)):
            if self.odd_since is None:
                self.sound_until = (tick.step, loss)
            if abs(loss) < 1e100:  # squares of it are finite, too
                self.losses.append((tick.step, loss))
            self.ticks.append((tick.step, max(1, tick.steps), mean))
        elif self.odd_since is None:
            self.odd_since = tick.step

    # ── reading ──

    def values(self, of: Callable[[Checkup], Optional[float]], most: int = LOOKS) -> list[float]:
        """One finite number of each of the last looks that have it, oldest first."""
        found = [of(look) for look in list(self.looks)[-most:]]
        return [value for value in found if value is not None and math.isfinite(value)]

    def middle(self, of: Callable[[Checkup], Optional[float]], least: int, most: int = LOOKS) -> Optional[float]:
        """The median of these; None where there are fewer than `least`."""
        found = self.values(of, most)
        return statistics.median(found) if len(found) >= least else None

    @property
    def classes(self) -> int:
        """Width of the scores of the classification loss; 0 when there is none."""
        return next((look.classes for look in reversed(self.looks) if look.classes), 0)

    def labels(self) -> list[int]:
        """How often each class came in all the batches looked at lately, together."""
        total: list[int] = []
        for look in self.looks:
            total += [0] * (len(look.labels) - len(total))
            for place, count in enumerate(look.labels):
                total[place] += count
        return total

    def lately(self, steps: int, until: Optional[int] = None) -> Optional[float]:
        """Mean loss of at least `steps` steps: the last ones, or those up to a step; None where fewer are known."""
        total, seen = 0.0, 0
        for step, count, mean in reversed(self.ticks):
            if until is not None and step > until:
                continue
            total += mean * count
            seen += count
            if seen >= steps:
                return total / seen
        return None
