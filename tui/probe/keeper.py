"""The copy of the weights that had the lowest validation loss, kept on the CPU, and the way back to it."""

from __future__ import annotations

import math
from typing import Any, Optional

import torch
from torch import nn

from ..run.events import Best
from .meter import local

METRIC = "val_loss"
"""The name under which programs log the loss that decides."""
MOST_BYTES = 1 << 30
"""A model larger than this is not copied."""


class Keeper:
    """One copy, made whenever the program logs a validation loss below all before."""

    def __init__(self) -> None:
        self.best: Optional[Best] = None
        """What is kept, or why nothing is; None before the first validation loss."""
        self._kept: list[tuple[str, torch.Tensor]] = []

    def logged(self, value: float, step: int, root: Optional[nn.Module]) -> None:
        """The program logged a validation loss."""
        if not math.isfinite(value) or root is None:
            return
        if self.best is not None and (self.best.refused or value >= self.best.loss):
            return
        tensors = _state(root)
        size = sum(local(tensor).numel() * tensor.element_size() for _, tensor in tensors)
        if size > MOST_BYTES:
            self.best = Best(step, value, size, f"the model is too large for a copy ({size >> 20:,} MB)")
            return
        with torch.no_grad():
            if len(self._kept) == len(tensors) and all(
                kept.shape == local(tensor).shape for (_, kept), (_, tensor) in zip(self._kept, tensors)
            ):
                for (_, kept), (_, tensor) in zip(self._kept, tensors):
                    kept.copy_(local(tensor.detach()))
            else:
                self._kept = [(path, local(tensor.detach()).to("cpu", copy=True)) for path, tensor in tensors]
        self.best = Best(step, value, size)

    def refusal(self) -> str:
        """Why there is nothing to go back to, in words; "" when there is."""
        if self.best is None:
            return "the program has logged no validation loss yet (tui.log(val_loss=…)), so no weights were kept"
        return self.best.refused

    def put_back(self, root: Optional[nn.Module]) -> None:
        """Every weight and buffer as it was when the copy was made, in place. Raises ValueError if the model is no
        longer the same."""
        now = dict(_state(root)) if root is not None else {}
        if [path for path, _ in self._kept] != list(now):
            raise ValueError("the model is no longer the one that was copied")
        with torch.no_grad():
            for path, kept in self._kept:
                local(now[path].detach()).copy_(kept)


def _state(root: Any) -> list[tuple[str, torch.Tensor]]:
    """Parameters and buffers by path, each once."""
    return [*root.named_parameters(), *root.named_buffers()]
