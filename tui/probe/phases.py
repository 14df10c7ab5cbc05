"""In which order this program runs the phases of a step: learned by watching one step go by."""

from __future__ import annotations

from ..run.events import PHASES


class Phases:
    """Collects what a step passes between two updates: "batch" and the names of `PHASES`."""

    def __init__(self) -> None:
        self.order: list[str] = []
        """The phases in this program's order; empty until a step has passed."""
        self._passed: list[str] = []

    def passed(self, what: str) -> bool:
        """Notes it; False if this step has passed it already (several backwards, a loader read twice)."""
        if what == "update":
            if not self.order or "forward" in self._passed:
                self._learn()
            self._passed = ["update"]
            return True
        if what in self._passed:
            return False
        self._passed.append(what)
        return True

    def _learn(self) -> None:
        """zero_grad stands last when it follows the update at once, first when it comes before the forward pass, and
        between loss and backward when it comes there. Without a forward hook in place the forward pass is not seen:
        then only first and last can be told apart, and the better view is kept."""
        seen = self._passed
        if "loss" not in seen and "backward" not in seen:
            return
        if "forward" not in seen and self.order:
            return
        middle = [phase for phase in PHASES if phase not in ("zero_grad",)]
        if "zero_grad" not in seen:
            if seen[0] == "update":  # the very first step is seen from its middle on
                self.order = self.order or middle
            return
        zero = seen.index("zero_grad")
        begins = seen.index("batch") if "batch" in seen else (1 if seen[0] == "update" else 0)
        if "forward" in seen and zero > seen.index("forward"):
            self.order = ["forward", "loss", "zero_grad", "backward", "update"]
        elif seen[0] == "update" and (zero < begins or "batch" not in seen):
            self.order = [*middle, "zero_grad"]
        else:
            self.order = ["zero_grad", *middle]
