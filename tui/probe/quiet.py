"""The short way: what is done on the many steps on which nothing is due and nobody asks for anything.

On such a step only the loss is read and the update counted, in as few Python frames as can be: with cold caches every
function and every object costs. The hook before the update is taken away for as long.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Callable, Optional

MEASURED_EVERY = 64
"""Steps, of which one is timed for all: the probe counts what it costs itself."""


class Quiet:
    """Until when nothing is due, and what may be done meanwhile without asking anybody."""

    __slots__ = ("until", "optimizer", "groups", "thread", "requests", "in_hand", "updated", "stepped", "spend", "left")

    def __init__(self) -> None:
        self.until = 0.0
        """In seconds of time.perf_counter(); 0: something may be due at any moment."""
        self.optimizer = 0
        """The id of the optimizer that counts the steps."""
        self.groups = 0
        self.thread = 0
        self.requests: deque[Any] = deque()
        """What was asked and not been taken yet."""
        self.in_hand: list[Any] = []
        """Losses whose update has not been made yet."""
        self.updated: Callable[[Any], None] = _nothing
        """Counts an update."""
        self.stepped = False
        """Was any update made since somebody looked?"""
        self.spend: Callable[[float], None] = _nothing
        self.left = 0
        """Steps until one is timed again."""

    def begin(self, until: float, optimizer: Any) -> None:
        """Nothing is due before `until`, as long as it is this optimizer that updates."""
        self.optimizer, self.groups = id(optimizer), len(optimizer.param_groups)
        self.thread = threading.get_ident()
        self.until = until

    def loss(self, root: Any) -> bool:
        """Takes a loss, if it is that simple. `root`: what backward was called with."""
        if time.perf_counter() >= self.until or threading.get_ident() != self.thread:
            return False
        value = root.item()
        if type(value) is not float or len(self.in_hand) > 4096:
            return False
        self.in_hand.append(value)
        return True

    def update(self, optimizer: Any) -> bool:
        """Counts an update, if it is that simple. False ends the quiet."""
        began = time.perf_counter()
        if (
            began >= self.until
            or id(optimizer) != self.optimizer
            or len(optimizer.param_groups) != self.groups
            or threading.get_ident() != self.thread
            or getattr(optimizer, "found_inf", None) is not None
        ):
            self.until = 0.0
            return False
        self.updated(optimizer)
        if self.requests:  # looked at after counting: whoever asked before sees a step that is not further than told
            self.until = 0.0
        self.left -= 1
        if self.left < 0:
            self.left = MEASURED_EVERY
            self.spend(3 * MEASURED_EVERY * (time.perf_counter() - began))  # the loss and the wrappers cost as much twice
        return True


def _nothing(*ignored: Optional[Any]) -> None:
    pass
