"""The short way: what is done on the many steps on which nothing is due and nobody asks for anything.

On such a step only the loss is read and the update counted, in as few Python frames as can be: with cold caches every
function and every object costs. The hook before the update is taken away for as long.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Callable

import torch

MEASURED_EVERY = 64
"""Steps, of which one is timed for all: the probe counts what it costs itself."""
SHARE = 0.2
"""What is timed here is about this share of what a quiet step costs; the rest are the loss and the calls that lead
here (measured one by one on a CPU: 0.55 of 2.9 µs, warm)."""

_clock = time.perf_counter
_thread = threading.get_ident
_graph_task: Callable[[], int] = getattr(torch._C, "_current_graph_task_id", lambda: -1)
_dispatch_modes: Callable[[], int] = getattr(torch._C, "_len_torch_dispatch_stack", lambda: 0)


class Quiet:
    """Until when nothing is due, and what may be done meanwhile without asking anybody."""

    def __init__(self) -> None:
        self.until = 0.0
        """In seconds of time.perf_counter(); 0: something may be due at any moment."""
        self.optimizer = 0
        """The id of the optimizer that counts the steps."""
        self.groups = 0
        self.others: set[int] = set()
        """The ids of those that update besides: what was in hand then was their loss."""
        self.thread = 0
        self.requests: deque[Any] = deque()
        """What was asked and not been taken yet."""
        self.in_hand: list[Any] = []
        """Losses whose update has not been made yet."""
        self.count: Callable[[], bool] = lambda: True
        """Counts an update; False when a pass over the loader has begun with it."""
        self.new_epoch: Callable[[], None] = lambda: None
        self.fault: Callable[[str, Exception], None] = lambda what, error: None
        self.updates = 0
        """Updates counted here since somebody looked."""
        self.rate: Any = None
        """The first group's rate at the last of them."""
        self.stepped = False
        """Was any update made since somebody looked?"""
        self.spend: Callable[[float], None] = lambda seconds: None
        self.left = 0
        """Steps until one is timed again."""

    def begin(self, until: float, optimizer: Any, others: list[Any]) -> None:
        """Nothing is due before `until`, as long as it is this optimizer that updates, or one of the others."""
        self.optimizer, self.groups = id(optimizer), len(optimizer.param_groups)
        self.others = {id(one) for one in others}
        self.thread = _thread()
        self.until = until

    def loss(self, root: Any) -> bool:
        """Takes a loss, if it is that simple. `root`: what backward was called with."""
        if (
            type(root) is not torch.Tensor
            or _clock() >= self.until
            or _thread() != self.thread
            or _graph_task() != -1  # checkpointing enters again
            or _dispatch_modes()
            or not root.is_cpu
            or root.numel() != 1
        ):
            return False
        value = root.item()
        if type(value) is not float or len(self.in_hand) > 4096:
            return False
        self.in_hand.append(value)
        return True

    def update(self, optimizer: Any) -> bool:
        """Counts an update, if it is that simple. False ends the quiet."""
        began = _clock()
        groups = optimizer.param_groups
        if id(optimizer) in self.others and began < self.until and _thread() == self.thread:
            self.stepped = True
            self.in_hand.clear()
            return True
        if (
            began >= self.until
            or id(optimizer) != self.optimizer
            or len(groups) != self.groups
            or _thread() != self.thread
            or getattr(optimizer, "found_inf", None) is not None
        ):
            self.until = 0.0
            return False
        self.stepped = True
        self.updates += 1
        self.rate = groups[0].get("lr")
        try:
            if not self.count():
                self.new_epoch()
        except Exception as error:
            self.fault("the step", error)
        if self.requests:  # looked at after counting: whoever asked before sees a step that is not further than told
            self.until = 0.0
        self.left -= 1
        if self.left < 0:
            self.left = MEASURED_EVERY
            self.spend(MEASURED_EVERY / SHARE * (_clock() - began))
        return True
