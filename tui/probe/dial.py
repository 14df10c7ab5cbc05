"""The learning-rate dial: a factor on the scheduled rate, or a fixed value, under any scheduler.

Schedulers read and write `group["lr"]` between steps in ways that a change left standing would break: some compute the
next rate from it, some overwrite it. So the dial is turned right before the update and turned back right after it; the
program and its schedulers only ever see the scheduled rate. A factor acts on the rate of each group, a fixed value is
the rate of all of them. `optimizer.defaults` is turned along: a few optimizers read their rate there.
"""

from __future__ import annotations

import math
from typing import Any, Callable, NamedTuple, Optional

import torch

from .frames import is_foreign
from .meter import Readout
from .nesting import steps_under_way


class _Turned(NamedTuple):
    """One rate that is not the program's at the moment."""

    owner: int
    """The id of the optimizer whose step turned it."""
    holder: Any
    """The dict that holds the rate; where the rate is a tensor, that tensor: it was changed in place."""
    before: Any
    ours: Any


class Dial:
    """One dial for all optimizers of the process."""

    def __init__(self) -> None:
        self.factor: Optional[float] = None
        self.value: Optional[float] = None
        self.counts: Callable[[Any], bool] = lambda optimizer: True
        """Are this optimizer's updates the steps? Then its rates are the ones that are shown."""
        self.scheduled: Optional[float] = None
        """The first group's rate as the program set it, at the last update of the optimizer that counts the steps."""
        self.effective: Optional[float] = None
        """The first group's rate that this update used, read back."""
        self._scheduled_ends: Optional[list[float]] = None
        """Lowest and highest rate of all groups where they differ."""
        self._effective_ends: Optional[list[float]] = None
        self._turned: dict[int, _Turned] = {}
        """By the id of what holds the rate: a dict, or the tensor that it is."""
        self._own_hooks: dict[int, tuple[Any, Any]] = {}
        """By the id of an optimizer that has hooks of the program's: ours between them and the step."""
        self._begun: set[int] = set()
        """The ids of optimizers for whose step the dial was turned, or might have been."""
        self._asked = False
        """The setting is new: what the next update uses is read at once, also from a device."""
        self._readout: Optional[Readout] = None
        self._fault: Optional[Exception] = None

    # ── what people set ──

    def refusal(self, factor: Optional[float], value: Optional[float], optimizer: Any = None) -> str:
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
            return "a factor and a fixed rate cannot be set together"
        groups = getattr(optimizer, "param_groups", None) or ()
        if groups and all(_number(self._scheduled(group)) is None for group in groups):
            return "there is no learning rate here that could be turned"
        return ""

    def set(self, factor: Optional[float], value: Optional[float]) -> None:  # noqa: A003
        """Takes a setting that `refusal` found nothing against; a factor of 1 is the same as release."""
        self.factor = None if factor == 1.0 else factor
        self.value = value
        self._asked = True

    @property
    def turned(self) -> bool:
        """Is it on anything but the scheduled rate?"""
        return self.factor is not None or self.value is not None

    @property
    def at_rest(self) -> bool:
        """Is there nothing to turn, and nothing left to turn back?"""
        return self.factor is None and self.value is None and not self._turned and not self._own_hooks

    # ── what it says ──

    def wanted(self, scheduled: Optional[float]) -> Optional[float]:
        """The rate that the dial makes of a scheduled one."""
        if scheduled is None:
            return None
        if self.value is not None:
            return self.value
        return scheduled if self.factor is None else scheduled * self.factor

    def preview(self, optimizer: Any) -> tuple[Optional[float], Optional[float]]:
        """(scheduled, effective) rate of the first group as the next update will see them."""
        if not optimizer.param_groups:
            return None, None
        scheduled = _number(self._scheduled(optimizer.param_groups[0]))
        return scheduled, self.wanted(scheduled)

    def foresee(self, optimizer: Any) -> None:
        """Says what the next update will use: nothing happens before it."""
        scheduled = [_number(self._scheduled(group)) for group in optimizer.param_groups]
        self._take([*scheduled, *map(self.wanted, scheduled)])

    def read(self, optimizer: Any) -> None:
        """Reads the rates of an update: the scheduled ones and those that stand in the groups now."""
        groups = optimizer.param_groups
        rates = [*map(self._scheduled, groups), *(group.get("lr") for group in groups)]
        numbers: list[Optional[float]] = []
        distant = []
        for place, rate in enumerate(rates):
            if type(rate) is float:  # nearly always
                numbers.append(rate)
            elif isinstance(rate, torch.Tensor) and not rate.is_cpu and rate.numel() == 1 and not self._asked:
                distant.append(place)
                numbers.append(None)
            else:
                numbers.append(_number(rate))
        if not distant:
            self._take(numbers)
        elif self._readout is None or self._readout.collect():

            def arrived(values: list[float]) -> None:
                for place, value in zip(distant, values):
                    numbers[place] = value
                self._take(numbers)

            vector = torch.stack([rates[place].detach().reshape(()).float() for place in distant])
            self._readout = Readout(vector, arrived)
            if self._readout.collect():
                self._readout = None

    def ended(self, rate: Any) -> None:
        """Training is over. `rate`: what the first group held at the last update; a scheduler may have set another
        since."""
        if self.at_rest and isinstance(rate, (int, float)):
            self.scheduled = self.effective = float(rate)

    def told(self) -> dict[str, Any]:
        """What a tick says of the rates."""
        same = self.scheduled == self.effective and self._scheduled_ends == self._effective_ends
        return {
            "rate": self.effective,
            "scheduled": None if same else self.scheduled,
            "rates": self._effective_ends,
            "schedules": None if same else self._scheduled_ends,
            "factor": self.factor,
            "fixed": self.value is not None,
        }

    def _take(self, numbers: list[Optional[float]]) -> None:
        half = len(numbers) // 2
        scheduled, effective = numbers[:half], numbers[half:]
        self.scheduled, self.effective = (scheduled[0], effective[0]) if half else (None, None)
        self._scheduled_ends, self._effective_ends = _ends(scheduled), _ends(effective)

    # ── around an update ──

    def settle(self) -> None:
        """At the beginning of a step: what steps left turned that raised is turned back. A step that this one is part
        of (`super().step()`, a wrapper around an optimizer) goes on, and so does what it turned."""
        if self._begun:
            for owner in self._begun.difference(steps_under_way()[1:]):
                self._undo(owner)

    def turn(self, optimizer: Any) -> None:
        """After `settle`, right before an update; and again in the same step when somebody turned the dial during its
        closure. Rates that another optimizer's step around this one has turned are left as they are."""
        begun = id(optimizer) in self._begun
        self._begun.add(id(optimizer))
        self._turn_back_rates(id(optimizer))
        if self.turned and not begun and self._program_has_hooks(optimizer):
            self._turn_behind_its_hooks(optimizer)
            if self.counts(optimizer):
                self.foresee(optimizer)
        else:
            self._turn(optimizer)

    def turn_back(self, optimizer: Any) -> None:
        """Right after an update. Of steps inside each other the outermost one turns back what it turned."""
        if not self._turned and not self._own_hooks:
            self._begun.clear()
        elif id(optimizer) not in steps_under_way()[1:]:
            self._undo(id(optimizer))
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _turn(self, optimizer: Any) -> None:
        if self.turned:
            for holder in (*optimizer.param_groups, getattr(optimizer, "defaults", None)):
                if isinstance(holder, dict) and "lr" in holder:
                    self._turn_one(id(optimizer), holder)
        if self.counts(optimizer):
            self.read(optimizer)
            self._asked = False

    def _turn_one(self, owner: int, holder: Any) -> None:
        rate = holder["lr"]
        if type(rate) is not float and isinstance(rate, torch.Tensor):
            # groups and defaults often share one tensor; `.data`: a graph that saved the rate does not notice
            if id(rate) in self._turned or rate.numel() != 1 or not rate.is_floating_point():
                return
            before = rate.data.clone()
            if self.value is not None:
                rate.data.fill_(self.value)
            else:
                rate.data.mul_(1.0 if self.factor is None else self.factor)
            self._turned[id(rate)] = _Turned(owner, rate, before, rate.data.clone())
            return
        wanted = self.wanted(_number(rate))
        if wanted is not None and id(holder) not in self._turned:
            holder["lr"] = wanted
            self._turned[id(holder)] = _Turned(owner, holder, rate, wanted)

    def _undo(self, owner: int) -> None:
        """Turns back what this optimizer turned. A rate that is no longer the one we wrote is the program's, and is
        kept."""
        self._begun.discard(owner)
        for hook in self._own_hooks.pop(owner, ()):
            hook.remove()
        self._turn_back_rates(owner)

    def _turn_back_rates(self, owner: int) -> None:
        for key, (of, holder, before, ours) in list(self._turned.items()):
            if of != owner:
                continue
            del self._turned[key]
            if type(holder) is not dict and isinstance(holder, torch.Tensor):
                holder.data.copy_(torch.where(holder.data == ours, before, holder.data))
            else:
                now = holder.get("lr")
                if now is ours or (type(now) is type(ours) and now == ours):
                    holder["lr"] = before

    def _scheduled(self, group: Any) -> Any:
        """A group's rate as the program set it."""
        rate = group.get("lr")
        if not self._turned:
            return rate
        turned = self._turned.get(id(group if type(rate) is float or not isinstance(rate, torch.Tensor) else rate))
        return rate if turned is None else turned.before

    # ── an optimizer with hooks of the program's ──

    @staticmethod
    def _program_has_hooks(optimizer: Any) -> bool:
        return bool(
            getattr(optimizer, "_optimizer_step_pre_hooks", None)
            or getattr(optimizer, "_optimizer_step_post_hooks", None)
        )

    def _turn_behind_its_hooks(self, optimizer: Any) -> None:
        """An optimizer's own hooks run after the global ones before an update, and ahead of them after it. A schedule
        in such a hook is to see its own rates too: for this one step ours stands between them and the update."""

        def before(*step: Any) -> None:
            self._safely(lambda: self._turn(optimizer))

        def after(*step: Any) -> None:
            if id(optimizer) not in steps_under_way()[1:]:
                self._safely(lambda: self._turn_back_rates(id(optimizer)))

        pre, post = optimizer.register_step_pre_hook(before), optimizer.register_step_post_hook(after)
        optimizer._optimizer_step_post_hooks.move_to_end(post.id, last=False)
        self._own_hooks[id(optimizer)] = pre, post

    def _safely(self, act: Any) -> None:
        """Torch calls us here, not the probe's guard: it gets a fault of ours when the update is over."""
        try:
            act()
        except Exception as error:
            if is_foreign(error):
                raise
            self._fault = error


def _number(rate: Any) -> Optional[float]:
    """A rate as a float: of a number of any kind, or a tensor of one element."""
    if type(rate) is float:
        return float(rate)
    if isinstance(rate, torch.Tensor):
        return float(rate.detach().item()) if rate.numel() == 1 else None
    if isinstance(rate, (float, int)):
        return float(rate)
    if isinstance(rate, str) or not hasattr(rate, "__float__"):
        return None
    try:
        return float(rate)
    except (TypeError, ValueError):
        return None


def _ends(rates: list[Optional[float]]) -> Optional[list[float]]:
    """The lowest and the highest of several, or None when they are one and the same."""
    numbers = [rate for rate in rates if rate is not None]
    ends = [min(numbers), max(numbers)] if numbers else [0.0, 0.0]
    return ends if ends[0] != ends[1] else None
