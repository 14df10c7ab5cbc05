"""The learning-rate dial: a factor on the scheduled rate, or a fixed value, under any scheduler.

Schedulers read and write `group["lr"]` between steps in ways that a change left standing would break: some compute the
next rate from it, some overwrite it. So the dial is turned right before the update and turned back right after it; the
program and its schedulers only ever see the scheduled rate.
"""

from __future__ import annotations

import math
from typing import Any, Optional

import torch


class Dial:
    """One dial for all optimizers of the process."""

    def __init__(self) -> None:
        self.factor: Optional[float] = None
        self.value: Optional[float] = None
        self.scheduled: Optional[float] = None
        """The first group's rate as the program set it, at the last update."""
        self.effective: Optional[float] = None
        """The first group's rate that the last update used, read back."""
        self._turned: dict[int, list[tuple[Any, Any, Any]]] = {}
        """By the optimizer (its id) that is in its step now: (group, rate before, our rate)."""

    def refusal(self, factor: Optional[float], value: Optional[float]) -> str:
        """Why a setting cannot be taken, or ""."""
        for what, number in (("factor", factor), ("rate", value)):
            if number is None:
                continue
            if number != number:
                return f"the {what} is not a number"
            if math.isinf(number):
                return f"the {what} is infinite"
            if number < 0:
                return f"the {what} is negative"
        if factor is not None and value is not None:
            return "a factor and a fixed rate together"
        return ""

    def set(self, factor: Optional[float], value: Optional[float]) -> None:  # noqa: A003
        """Takes a setting that `refusal` found nothing against; a factor of 1 is the same as release."""
        self.factor = None if factor == 1.0 else factor
        self.value = value

    @property
    def turned(self) -> bool:
        """Is it on anything but the scheduled rate?"""
        return self.factor is not None or self.value is not None

    @property
    def at_rest(self) -> bool:
        """Is there nothing to turn, and nothing left to turn back?"""
        return self.factor is None and self.value is None and not self._turned

    def read(self, optimizer: Any) -> None:
        """Reads the rates of an update that was made with the dial at rest."""
        self.scheduled = self.effective = self.preview(optimizer)[0]

    def preview(self, optimizer: Any) -> tuple[Optional[float], Optional[float]]:
        """(scheduled, effective) rate of the first group as the next update will see them."""
        if not optimizer.param_groups:
            return None, None
        scheduled = _number(optimizer.param_groups[0].get("lr"))
        return scheduled, self.wanted(scheduled)

    def wanted(self, scheduled: Optional[float]) -> Optional[float]:
        """The rate that the dial makes of a scheduled one."""
        if scheduled is None:
            return None
        if self.value is not None:
            return self.value
        return scheduled if self.factor is None else scheduled * self.factor

    def turn(self, optimizer: Any) -> None:
        """Right before an update. A turn that was never undone (the step raised) is undone first. An optimizer that
        steps inside another's step and shares its groups finds them turned already."""
        self.settle(optimizer)
        groups = optimizer.param_groups
        already = {id(group): before for entries in self._turned.values() for group, before, _ in entries}
        turned = self._turned[id(optimizer)] = []
        if groups:
            self.scheduled = _number(already.get(id(groups[0]), groups[0].get("lr")))
        if self.turned:
            for group in groups:
                if id(group) not in already:
                    self._turn_group(group, turned)
        if groups:
            self.effective = _number(groups[0].get("lr"))

    def _turn_group(self, group: Any, turned: list[tuple[Any, Any, Any]]) -> None:
        if "lr" not in group:
            return
        before = group["lr"]
        wanted = self.wanted(_number(before))
        if wanted is None:
            return
        if isinstance(before, torch.Tensor):
            kept = before.detach().clone()
            with torch.no_grad():
                before.fill_(wanted)
            turned.append((group, kept, before.detach().clone()))
        else:
            group["lr"] = wanted
            turned.append((group, before, wanted))

    def turn_back(self, optimizer: Any) -> None:
        """Right after an update."""
        self.settle(optimizer)

    def settle(self, optimizer: Any) -> None:
        """Undoes what was turned for this optimizer, if anything still is."""
        for group, before, ours in self._turned.pop(id(optimizer), ()):
            now = group.get("lr")
            if isinstance(now, torch.Tensor) and isinstance(before, torch.Tensor):
                if torch.equal(now.detach(), ours):
                    with torch.no_grad():
                        now.copy_(before)
            elif type(now) is type(ours) and now == ours:
                group["lr"] = before
            # else: the program set a rate of its own meanwhile, and keeps it


def _number(rate: Any) -> Optional[float]:
    if isinstance(rate, torch.Tensor):
        return float(rate.detach().item()) if rate.numel() == 1 else None
    return float(rate) if isinstance(rate, (int, float)) else None
