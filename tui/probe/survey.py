"""The loss on a plane through the weights of a model that has many: along two random directions, on a copy.

Each direction is filter-normalised (Li et al. 2018): every filter of it has the length of the filter of weights that it
moves, so that slices of different networks can be compared. Biases and other vectors do not move.
"""

from __future__ import annotations

import math
import time
from typing import Optional

import torch
from torch import nn

from ..run.sights import Surface
from .specimen import Replica, Specimen

SEED = 20_18
"""Of the directions: the same at every survey, so that two of them can be compared."""
LEAST, MOST = 3, 101
"""Points a side."""


class Slice:
    """One survey: worked off in slices of time, row by row, the top one first."""

    def __init__(
        self,
        root: nn.Module,
        specimen: Specimen,
        factor: float,
        side: int,
        span: float,
        step: int,
        move: Optional[dict[int, torch.Tensor]],
    ) -> None:
        """
        Args:
            specimen: kept, so that it stays as it is.
            factor: of the loss, as an earlier replica found it.
            move: what the next update adds to each parameter, by its id.
        """
        self._replica = Replica(root, specimen, factor)
        self.side, self.span, self.step = side, span, step
        generator = torch.Generator().manual_seed(SEED)
        with torch.no_grad():
            self._first = [direction(one, generator) for one in self._replica.start]
            self._second = [direction(one, generator) for one in self._replica.start]
            self._next = self._projected(root, move)
        self._loss = self._replica.loss()
        self._values: list[float] = []
        inputs = specimen.inputs[0] if specimen.inputs else None
        self._samples = inputs.shape[0] if isinstance(inputs, torch.Tensor) and inputs.dim() else 0

    @property
    def done(self) -> bool:
        return len(self._values) == self.side * self.side

    def work(self, seconds: float) -> None:
        """Goes on for about so long."""
        end = time.perf_counter() + seconds
        while not self.done and time.perf_counter() < end:
            row, column = divmod(len(self._values), self.side)
            across = self.span * (2 * column / (self.side - 1) - 1)
            up = self.span * (1 - 2 * row / (self.side - 1))
            self._values.append(self._loss_at(across, up))

    def surface(self) -> Surface:
        """As far as it is computed."""
        rows = len(self._values) // self.side
        return Surface(
            kind="slice",
            step=self.step,
            rows=self.side,
            columns=self.side,
            done=rows,
            values=[float(f"{value:.5g}") for value in self._values[: rows * self.side]],
            left=-self.span,
            right=self.span,
            bottom=-self.span,
            top=self.span,
            names=["first direction", "second direction"],
            here=[0.0, 0.0],
            next=self._next,
            loss=self._loss,
            samples=self._samples,
        )

    def _loss_at(self, across: float, up: float) -> float:
        with torch.no_grad():
            for one, start, first, second in zip(
                self._replica.parameters, self._replica.start, self._first, self._second
            ):
                one.copy_(start + across * first + up * second)
        return self._replica.loss()

    def _projected(self, root: nn.Module, move: Optional[dict[int, torch.Tensor]]) -> list[float]:
        """Where the next update lands: how far along each of the two directions it goes."""
        if not move:
            return []
        moved = [move.get(id(parameter)) for parameter in root.parameters()]
        out = []
        for directions in (self._first, self._second):
            along = sum(float((m * d).sum()) for m, d in zip(moved, directions) if m is not None)
            square = sum(float((d * d).sum()) for d in directions)
            out.append(along / square if square > 0 else math.nan)
        return out


def direction(weight: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A random direction for one tensor of weights: each of its filters (rows) as long as the weights' own."""
    drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float32).to(weight.device, weight.dtype)
    if weight.dim() < 2 or not weight.is_floating_point():
        return torch.zeros_like(weight)
    rows = drawn.reshape(weight.shape[0], -1)
    wanted = weight.reshape(weight.shape[0], -1).norm(dim=1, keepdim=True)
    scaled: torch.Tensor = rows * (wanted / (rows.norm(dim=1, keepdim=True) + 1e-10))
    return scaled.reshape(weight.shape)
