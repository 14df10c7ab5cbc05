"""Which optimizers are inside their step right now. The stack tells it; counting hooks would not, since a step that
raises never reaches its second hook."""

from __future__ import annotations

import inspect
import sys
import weakref
from types import CodeType
from typing import Any, Optional

from torch.optim.optimizer import Optimizer


def _code_around_a_step() -> Optional[CodeType]:
    """The function that torch puts around every `step`, and that calls the hooks; None if this torch has another."""
    around: Any = inspect.unwrap(Optimizer.profile_hook_step)
    for constant in around.__code__.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == "wrapper":
            return constant
    return None


_AROUND = _code_around_a_step()


_STACKED: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


def stacked(optimizer: Any) -> bool:
    """Are there several steps, one around the other, that torch calls its hooks for?"""
    kind = type(optimizer)
    known = _STACKED.get(kind, False)
    if not known:  # torch wraps a class's step when the first optimizer of that class is made: it may still come
        wrapped = [one for one in kind.__mro__ if getattr(one.__dict__.get("step"), "hooked", False)]
        known = _STACKED[kind] = len(wrapped) > 1
    return known


def inner_part(optimizer: Any) -> bool:
    """Does this hook belong to a `super().step()` inside the optimizer's own step? Then the outer one is the update."""
    return stacked(optimizer) and id(optimizer) in steps_under_way()[1:]


def steps_under_way() -> list[int]:
    """The ids of the optimizers whose step this thread is inside of, the innermost first; one that calls
    `super().step()` may stand here twice. In a hook, the step that the hook belongs to is the first of them."""
    found = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _AROUND:
            found.append(id(frame.f_locals.get("self")))
        frame = frame.f_back
    return found
