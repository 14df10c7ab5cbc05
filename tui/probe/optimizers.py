"""Which optimizers are in use, and whose updates are the steps that a person counts."""

from __future__ import annotations

import weakref
from typing import Any, Optional

PATIENCE = 16
"""Updates. An optimizer that counted and lets others update so often in a row is done: the next model has begun. Where
several take turns (some programs have one for each parameter), each may update twice meanwhile."""


def searches(optimizer: Any) -> bool:
    """Does its step evaluate the loss at several places, so that weights have moved when its gradients are there?"""
    return any(kind.__name__ == "LBFGS" for kind in type(optimizer).__mro__)


class Optimizers:
    """The first optimizer counts the steps. Another takes its place when it is gone or done: a program may train one
    model after another, and what it trained before often stays in memory."""

    def __init__(self) -> None:
        self._known: dict[int, weakref.ReferenceType[Any]] = {}
        self._done: set[int] = set()
        self._first: Optional[int] = None
        self.updates = 0
        """Updates of the one that counts, since it does."""
        self._updates_of_others = 0
        self._groups = 0
        """Parameter groups of the one that counts: with a new one the model may have grown."""

    def is_news(self, optimizer: Any) -> bool:
        """Is it another than the one that counts, or has that one been given parameters?"""
        return id(optimizer) != self._first or len(optimizer.param_groups) != self._groups

    def made(self, updates: int) -> None:
        """The one that counts has made so many updates that nobody met it at."""
        self.updates += updates
        self._updates_of_others = 0

    def meet(self, optimizer: Any) -> bool:
        """It is about to update. True if those in use are others than before."""
        key = id(optimizer)
        reference = self._known.get(key)
        new = reference is None or reference() is not optimizer
        if new:
            self._known[key] = weakref.ref(optimizer)
        changed = new or key in self._done
        if key == self._first:
            changed = changed or len(optimizer.param_groups) != self._groups
            self._groups = len(optimizer.param_groups)
        self._done.discard(key)
        if key == self._first and not new:
            self.updates += 1
            self._updates_of_others = 0
            return changed
        self._updates_of_others += 1
        first = self._known.get(self._first) if self._first is not None else None
        patience = max(PATIENCE, 2 * (len(self._known) - len(self._done)))
        done = self._updates_of_others >= patience or (new and self.updates >= PATIENCE)
        if first is None or first() is None or key == self._first or done:
            self._done = {other for other in self._known if other != key} if self._first is not None else set()
            self._first, self.updates, self._updates_of_others = key, 1, 0
            self._groups = len(optimizer.param_groups)
            return True
        return changed

    def counts(self, optimizer: Any) -> bool:
        """Are its updates the steps?"""
        return id(optimizer) == self._first

    def name(self, optimizer: Any) -> str:
        """What it is called: its class, with its number where several are in use."""
        there = self.in_use()
        place = next((number for number, one in enumerate(there, 1) if one is optimizer), 0)
        return f"{type(optimizer).__name__} {place}" if len(there) > 1 and place else type(optimizer).__name__

    def in_use(self) -> list[Any]:
        """Those alive that have not been done with, in the order in which they were met."""
        alive = [reference() for key, reference in self._known.items() if key not in self._done]
        return [optimizer for optimizer in alive if optimizer is not None]
