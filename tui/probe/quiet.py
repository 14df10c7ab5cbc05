"""The short way: what is done on the many steps on which nothing is due and nobody asks for anything.

On such a step only the loss is read and the update counted, in as few Python frames as can be: with cold caches every
function and every object costs. The hook before the update is taken away for as long.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Callable, Optional

import torch

from .dynamo import left_alone
from .modes import dispatch_modes, function_modes
from .seams import hidden, seam

MEASURED_EVERY = 64
"""Steps, of which one is timed for all: the probe counts what it costs itself."""
SHARE = 0.35
"""What is timed here is about this share of what a quiet step costs; the rest are the loss and the calls that lead here
(measured on a CPU between steps of half a millisecond: 3.7 to 5.6 µs, of about 12 that leaving all of it out saved)."""

_clock = time.perf_counter
_thread = threading.get_ident
_graph_task: Callable[[], int] = getattr(torch._C, "_current_graph_task_id", lambda: -1)
_Tensor = torch.Tensor


class Quiet:
    """Until when nothing is due, and what may be done meanwhile without asking anybody.

    There is one for as long as the process lives: the hooks hold it. With cold caches it matters that it is one small
    object, and that as few others as can be are touched."""

    __slots__ = (
        "until",
        "before",
        "thread",
        "optimizer",
        "alone",
        "groups",
        "others",
        "fused",
        "requests",
        "in_hand",
        "scaled",
        "summary",
        "new_epoch",
        "fault",
        "spend",
        "updates",
        "rate",
        "stepped",
        "left",
    )

    def __init__(self) -> None:
        self.until = 0.0
        """In seconds of time.perf_counter(); 0: something may be due at any moment."""
        self.before = False
        """Is something due then before an update, not behind one?"""
        self.thread = 0
        self.optimizer = 0
        """The id of the optimizer that counts the steps."""
        self.alone = 0
        """The id of the only optimizer in use, if it is the only one: what it clears is all that is in hand."""
        self.groups = 0
        self.others: set[int] = set()
        """The ids of those that update besides: what was in hand then was their loss."""
        self.fused = False
        """May it find by itself that gradients are not finite, and then update nothing?"""
        self.requests: deque[Any] = deque()
        """What was asked and not been taken yet."""
        self.in_hand: list[Any] = []
        """Losses whose update has not been made yet."""
        self.scaled: Optional[tuple[torch.Tensor, torch.Tensor]] = None
        """The newest (scaled, true) loss of a GradScaler: what backward gets is the scaled one."""
        self.summary: Any = None
        """Where updates are counted."""
        self.new_epoch: Callable[[], None] = lambda: None
        self.fault: Callable[[str, Exception], None] = lambda what, error: None
        self.spend: Callable[[float], None] = lambda seconds: None
        self.updates = 0
        """Updates counted here since somebody looked."""
        self.rate: Any = None
        """The first group's rate at the last of them."""
        self.stepped = False
        """Was any update made since somebody looked?"""
        self.left = 0
        """Steps until one is timed again."""

    def begin(self, until: float, before: bool, optimizer: Any, others: list[Any]) -> None:
        """Nothing is due before `until`, as long as it is this optimizer that updates, or one of the others.

        Args:
            before: what is due then is to be done before an update.
        """
        self.before = before
        self.optimizer, self.groups = id(optimizer), len(optimizer.param_groups)
        self.fused = bool(getattr(optimizer, "_step_supports_amp_scaling", False))
        self.others = {id(one) for one in others}
        self.thread = _thread()
        self.until = until


def listening(quiet: Quiet, backward: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """`backward`, which takes the loss on its way if it is simple to have; where it is not, `otherwise` is called."""

    @hidden
    def watched(cls: Any, /, tensors: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if (
                quiet.until
                and type(tensors) is _Tensor
                and quiet.scaled is None
                and not function_modes()
                and tensors.is_cpu
                and _thread() == quiet.thread
                and _graph_task() == -1  # checkpointing enters again
                and not dispatch_modes()
                and tensors.numel() == 1
            ):
                value = tensors.item()
                if type(value) is float:
                    quiet.in_hand.append(value)
                    return backward(tensors, *args, **kwargs)
            return otherwise(tensors, *args, **kwargs)
        except BaseException as error:
            return raising(error)

    made, raising = seam(backward, left_alone(watched, callees=False), otherwise)
    return made  # type: ignore[no-any-return]


def counting(quiet: Quiet, ended: Callable[[], None], otherwise: Callable[[Any], None]) -> Callable[..., None]:
    """The hook behind an update, which counts it if nothing is due.

    Args:
        ended: called when the quiet is over: something was asked meanwhile, or is due before the next update.
        otherwise: called with the optimizer where more than counting is to be done.
    """

    @left_alone
    def after(optimizer: Any, args: Any, kwargs: Any) -> None:
        if not quiet.until:
            return otherwise(optimizer)
        began = _clock()
        groups = optimizer.param_groups
        if (
            (began >= quiet.until and not quiet.before)
            or _thread() != quiet.thread
            or id(optimizer) != quiet.optimizer
            or len(groups) != quiet.groups
            or (quiet.fused and getattr(optimizer, "found_inf", None) is not None)
        ):
            if id(optimizer) in quiet.others and began < quiet.until and _thread() == quiet.thread:
                quiet.stepped = True
                quiet.in_hand.clear()
                return None
            quiet.until = 0.0
            return otherwise(optimizer)
        quiet.stepped = True
        quiet.updates += 1
        quiet.rate = groups[0].get("lr")
        summary, in_hand = quiet.summary, quiet.in_hand
        if len(in_hand) == 1 and type(in_hand[0]) is float and summary.feed is summary.training_feed:
            summary.step += 1  # these four lines are what `updated_quietly` would do, without a frame of its own
            summary.losses.values.append(in_hand.pop())
            summary.losses.passes = 1
            summary.samples += summary.batch_samples
        else:
            try:
                if not summary.updated_quietly():
                    quiet.new_epoch()
            except Exception as error:
                quiet.fault("the step", error)
        quiet.left -= 1
        if quiet.left <= 0:
            quiet.left = MEASURED_EVERY
            quiet.spend(MEASURED_EVERY / SHARE * (_clock() - began))
        # looked at after counting: whoever asked before sees a step that is not further than told
        if quiet.requests or began >= quiet.until:
            quiet.until = 0.0
        if not quiet.until:
            ended()
        return None

    return after
