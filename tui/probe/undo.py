"""The last updates, kept so that they can be taken back: weights, the optimizer's state, buffers of the model."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any, List, Optional, Tuple

import torch
from torch import nn

from .meter import local

BUDGET_BYTES = 256 << 20
"""What the ring may hold in all."""
OBJECT_BYTES = 650
"""What a copied tensor takes besides its numbers (measured with Adam on a model of two weights, torch 2.15)."""

Kept = List[Tuple["weakref.ReferenceType[torch.Tensor]", torch.Tensor]]
"""Tensors of the program, each with a copy of it."""


class Moment:
    """Everything that one optimizer's next update is going to change, as it is right before it."""

    def __init__(self, optimizer: Any, buffers: Kept, step: int) -> None:
        """buffers: as they were before the forward pass of the batch whose update follows."""
        self.step = step
        """Updates made before this moment."""
        self.optimizer = weakref.ref(optimizer)
        self._weights: Kept = []
        self._state: dict[int, dict[Any, Any]] = {}
        self._buffers = buffers
        with torch.no_grad():
            for parameter in _parameters(optimizer):
                self._weights.append((weakref.ref(parameter), _copy(parameter)))
                if parameter in optimizer.state:
                    self._state[id(parameter)] = {name: _copy(one) for name, one in optimizer.state[parameter].items()}
        copies = [kept for _, kept in (*self._weights, *self._buffers)]
        self.bytes = _size(copies) + sum(_size(state) for state in self._state.values())

    def come_back(self) -> str:
        """Puts everything back in place; "" when done, else the reason why nothing was touched."""
        optimizer = self.optimizer()
        if optimizer is None:
            return "the optimizer of that update is gone"
        weights = [(reference(), kept) for reference, kept in self._weights]
        buffers = [(reference(), kept) for reference, kept in self._buffers]
        if any(now is None or local(now).shape != kept.shape for now, kept in (*weights, *buffers)):
            return "the model is no longer the one that was updated"
        with torch.no_grad():
            for now, kept in (*weights, *buffers):
                assert now is not None
                local(now.detach()).copy_(kept)
            for now, _ in weights:
                assert now is not None
                self._restore_state(optimizer, now)
        return ""

    def _restore_state(self, optimizer: Any, parameter: torch.Tensor) -> None:
        before = self._state.get(id(parameter))
        if before is None:
            optimizer.state.pop(parameter, None)  # the first update made it
            return
        state = optimizer.state[parameter]
        for name in [name for name in state if name not in before]:
            del state[name]
        for name, kept in before.items():
            now = state.get(name)
            if isinstance(kept, torch.Tensor) and isinstance(now, torch.Tensor) and now.shape == kept.shape:
                now.copy_(kept)
            else:
                state[name] = _copy(kept)


class Ring:
    """The newest moments that fit into the budget, the newest last."""

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self.budget = budget
        self.armed = False
        """Kept while training runs, too, and not only while a person steps."""
        self.refused = ""
        """Why nothing is kept, in words."""
        self.bytes = 0
        """What the moments take in all."""
        self._moments: deque[Moment] = deque()
        self._buffers: tuple[int, Kept] = (-1, [])
        """The model's buffers as they were after an update (so many had been made): the next forward pass changes
        them."""

    def __len__(self) -> int:
        return len(self._moments)

    def keep(self, optimizer: Any, root: Optional[nn.Module], step: int) -> None:
        """An update is about to be made."""
        then, buffers = self._buffers
        moment = Moment(optimizer, buffers if then == step else buffers_of(root), step)
        if moment.bytes > self.budget:
            self.refused = (
                f"one update takes {moment.bytes >> 20:,} MB, more than the {self.budget >> 20:,} MB for undo"
            )
            self.forget()
            return
        self._moments.append(moment)
        self.bytes += moment.bytes
        while self.bytes > self.budget:
            self.bytes -= self._moments.popleft().bytes

    def updated(self, root: Optional[nn.Module], step: int) -> None:
        """An update was made, the `step`-th, and the next one is going to be kept."""
        self._buffers = (step, buffers_of(root))

    def forget(self) -> None:
        """Updates were made that were not kept: what lies before them cannot be reached one by one any more."""
        self._moments.clear()
        self.bytes = 0

    def take(self, count: int = 1) -> Optional[Moment]:
        """The moment before the last `count` updates, which are forgotten; None when so many were not kept."""
        if len(self._moments) < count:
            return None
        taken = [self._moments.pop() for _ in range(count)]
        self.bytes -= sum(moment.bytes for moment in taken)
        return taken[-1]


def buffers_of(root: Optional[nn.Module]) -> Kept:
    """The model's buffers, copied."""
    with torch.no_grad():
        return [(weakref.ref(one), _copy(one)) for one in (root.buffers() if root is not None else ())]


def _parameters(optimizer: Any) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _copy(value: Any) -> Any:
    """A copy of what an optimizer keeps: tensors, numbers, and lists and dicts of them (LBFGS keeps its history so)."""
    if isinstance(value, torch.Tensor):
        return local(value.detach()).clone()
    if isinstance(value, dict):
        return {name: _copy(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copy(one) for one in value)
    return value


def _size(value: Any) -> int:
    if isinstance(value, (dict, list, tuple)):
        return sum(_size(one) for one in (value.values() if isinstance(value, dict) else value))
    return value.numel() * value.element_size() + OBJECT_BYTES if isinstance(value, torch.Tensor) else 8
