"""Breakpoints: hold before an update when something has come true, and say which layer it was."""

from __future__ import annotations

import math
import statistics
from collections import deque
from typing import Optional

from ..run.events import BREAKS

RECENT = 100
"""Gradient norms whose median counts as usual."""
ENOUGH = 20
"""With fewer than this there is no usual norm yet."""


class Breaks:
    """The conditions that are set. Nothing is measured for them while there are none."""

    def __init__(self) -> None:
        self.conditions: dict[str, float] = {}
        """What to hold for, and the number that goes with it (0 where none does)."""
        self._recent: deque[float] = deque(maxlen=RECENT)

    def refusal(self, when: str, value: float) -> str:
        """Why a condition cannot be set, in words; "" when it can."""
        if when not in BREAKS:
            return f"there is no breakpoint {when[:40]!r}; there are: {', '.join(BREAKS)}"
        if when in ("norm", "times", "loss", "step") and not math.isfinite(value):
            return "the number is not finite"
        if when in ("norm", "times", "step") and value <= 0:
            return "the number must be above zero"
        return ""

    def set(self, when: str, value: float) -> None:
        """Sets one condition; "none" takes all away."""
        if when == "none":
            self.conditions.clear()
            self._recent.clear()
        else:
            self.conditions[when] = value

    @property
    def measures(self) -> bool:
        """Is the gradient of every step needed?"""
        return bool({"odd", "norm", "times"} & set(self.conditions))

    def hit(
        self, step: int, loss: Optional[float], norms: Optional[list[Optional[float]]], names: list[str]
    ) -> Optional[str]:
        """The reason to hold before update `step`, in words; None to go on. A condition that is met once is taken away
        where it would be met at every step from then on.

        Args:
            loss: of the batch in hand.
            norms: gradient norm of each tensor, where `measures` asked for them.
            names: of these tensors.
        """
        for when, value in list(self.conditions.items()):
            why = self._why(when, value, step, loss, norms or [], names)
            if why is not None:
                if when in ("step", "odd") or (when == "loss" and loss is not None and not math.isfinite(loss)):
                    del self.conditions[when]
                return why
        total = _total(norms)
        if total is not None and math.isfinite(total):
            self._recent.append(total)
        return None

    def odd(self, norms: list[Optional[float]], names: list[str]) -> Optional[str]:
        """The reason to hold before an update that is not counted as a step: a gradient that is not finite."""
        why = _odd(None, norms, names)
        if why is not None:
            del self.conditions["odd"]
        return why

    def _why(
        self,
        when: str,
        value: float,
        step: int,
        loss: Optional[float],
        norms: list[Optional[float]],
        names: list[str],
    ) -> Optional[str]:
        if when == "step":
            return f"update {step} comes next" if step >= value else None
        if when == "loss":
            return f"the loss is {loss:.4g}, above {value:g}" if loss is not None and not loss <= value else None
        if when == "odd":
            return _odd(loss, norms, names)
        total = _total(norms)
        if total is None or not math.isfinite(total):
            return None
        if when == "norm":
            return (
                f"the gradient norm is {total:.4g}, above {value:g}{_largest(norms, names)}" if total > value else None
            )
        if len(self._recent) < ENOUGH:
            return None
        usual = statistics.median(self._recent)
        if usual > 0 and total > value * usual:
            return f"the gradient norm is {total:.4g}, {total / usual:.0f} times its median{_largest(norms, names)}"
        return None


def _odd(loss: Optional[float], norms: list[Optional[float]], names: list[str]) -> Optional[str]:
    for name, norm in zip(names, norms):
        if norm is not None and not math.isfinite(norm):
            return f"the gradient of {name} is not finite"
    if loss is not None and not math.isfinite(loss):
        return f"the loss is {loss}"
    return None


def _largest(norms: list[Optional[float]], names: list[str]) -> str:
    known = [(norm, name) for norm, name in zip(norms, names) if norm is not None and math.isfinite(norm)]
    return f", most of it in {max(known)[1]}" if known else ""


def _total(norms: Optional[list[Optional[float]]]) -> Optional[float]:
    if not norms:
        return None
    return math.hypot(*(norm for norm in norms if norm is not None))
