"""The loss of a model that has one or two weights, over all values that they might have, and their path so far."""

from __future__ import annotations

import math
import time
from typing import Any, Callable, Optional

import torch
from torch import nn

from ..run.sights import Surface
from .frames import is_foreign
from .specimen import Replica, Specimen
from .tree import Tree

ROWS, COLUMNS = 28, 36
LINE = 72
"""Points of the curve of a single weight."""
PATH = 300
FAR = 1e6
"""Positions beyond this are not drawn into the picture's range."""
RENEW_S = 10.0
"""Where every batch has another surface, it is computed for a new one this often."""


class Plane:
    """Of one model on the CPU. Its surface is computed in slices of time; what is finished is shown meanwhile."""

    def __init__(self, tree: Tree) -> None:
        self.of = tree.root
        self.names = list(tree.names)
        self.surface: Optional[Surface] = None
        self._path: list[list[float]] = []
        self._since = 0
        self._low = [math.inf, math.inf]
        self._high = [-math.inf, -math.inf]
        self._range: Optional[tuple[float, float, float, float]] = None
        self._replica: Optional[Replica] = None
        self._batch: Optional[tuple[Any, Any]] = None
        self._samples = 0
        self._values: list[float] = []
        self._finished: Optional[Surface] = None
        self._renew_at = 0.0
        self._refused = ""
        self._step = 0

    @staticmethod
    def fits(tree: Tree) -> bool:
        """Is the model small enough, and where it can be read at no cost?"""
        tensors = tree.parameters(range(len(tree)))
        return tree.has_root and 1 <= tree.model.weights <= 2 and all(one.is_cpu for one in tensors)

    # ── the path ──

    def visit(self, parameters: list[torch.Tensor], step: int) -> None:
        """The weights are here now."""
        here = [float(value) for one in parameters for value in one.detach().reshape(-1).tolist()]
        here = [*here, 0.0][:2]
        self._step = step
        if self._path and self._path[-1] == here:
            return
        if not self._path:
            self._since = step
        self._path.append(here)
        if len(self._path) > PATH:  # the recent ones all, of those before every second
            recent = self._path[-PATH // 3 :]
            self._path = self._path[: -PATH // 3 : 2] + recent
        for axis, value in enumerate(here):
            if abs(value) < FAR:
                self._low[axis], self._high[axis] = min(self._low[axis], value), max(self._high[axis], value)

    # ── the surface ──

    def judge(self, root: nn.Module, specimen: Specimen) -> None:
        """A batch with its loss, the weights being those that it was computed with."""
        now = time.perf_counter()
        if self._replica is not None and (now < self._renew_at or self._same_batch(specimen)):
            return
        self._renew_at = now + RENEW_S
        try:
            kept = specimen.keep()
            self._replica, self._refused = Replica(root, kept), ""
        except Exception as error:
            if is_foreign(error):
                raise
            self._refused = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            return
        self._batch = (kept.inputs, kept.target if kept.criterion is None else kept.further)
        first = kept.inputs[0] if kept.inputs else None
        self._samples = first.shape[0] if isinstance(first, torch.Tensor) and first.dim() else 0
        self._values, self._range = [], None

    def _same_batch(self, specimen: Specimen) -> bool:
        now = (specimen.inputs, specimen.target if specimen.criterion is None else specimen.further)
        return self._batch is not None and _equal(now, self._batch)

    def work(self, seconds: float) -> bool:
        """Goes on for about so long; False when there is nothing left to compute."""
        if self._replica is None or not self._path:
            return False
        self._fit_range()
        rows, columns = self._shape()
        if len(self._values) >= rows * columns:
            return False
        end = time.perf_counter() + seconds
        while len(self._values) < rows * columns and time.perf_counter() < end:
            row, column = divmod(len(self._values), columns)
            self._values.append(self._loss_at(row, column))
        return True

    def _shape(self) -> tuple[int, int]:
        return (ROWS, COLUMNS) if len(self._flat()) == 2 else (1, LINE)

    def _flat(self) -> list[tuple[torch.Tensor, int]]:
        """Every single weight of the copy: its tensor and its place there."""
        assert self._replica is not None
        return [(one, place) for one in self._replica.parameters for place in range(one.numel())]

    def _fit_range(self) -> None:
        """The path with a margin; anew when the path has left it."""
        if self._range is not None and not self._left(self._range):
            return
        spans = [_around(low, high) for low, high in zip(self._low, self._high)]
        self._range = (*spans[0], *spans[1])
        self._values = []

    def _left(self, range_: tuple[float, float, float, float]) -> bool:
        left, right, bottom, top = range_
        return self._low[0] < left or self._high[0] > right or self._low[1] < bottom or self._high[1] > top

    def _loss_at(self, row: int, column: int) -> float:
        assert self._replica is not None and self._range is not None
        rows, columns = self._shape()
        left, right, bottom, top = self._range
        at = [left + (right - left) * column / (columns - 1), top - (top - bottom) * row / max(1, rows - 1)]
        with torch.no_grad():
            for (tensor, place), value in zip(self._flat(), at):
                tensor.view(-1)[place] = value
        return self._replica.loss()

    def show(self, loss: Optional[float], next_: list[float]) -> None:
        """Makes the surface of what is known now.

        Args:
            loss: at the weights of now, where it is known.
            next_: where the next update is going to put them.
        """
        if not self._path:
            return
        if self._replica is None:
            self.surface = Surface(kind="plane", step=self._step, refused=self._refused or "")
            return
        rows, columns = self._shape()
        done = len(self._values) // columns
        ground = self._finished
        if done == rows or ground is None:
            ground = Surface(
                kind="plane",
                rows=rows,
                columns=columns,
                done=done,
                values=[float(f"{value:.5g}") for value in self._values[: done * columns]],
                names=[name.rpartition(".")[2] if len(self.names) > 1 else name for name in self._axes()],
                samples=self._samples,
                **dict(zip(("left", "right", "bottom", "top"), self._range or (0.0, 1.0, 0.0, 1.0))),
            )
            self._finished = ground if done == rows else None
        how = {**ground.__dict__, "step": self._step, "here": self._path[-1], "next": next_, "loss": loss}
        path = [[float(f"{value:.5g}") for value in one] for one in self._path]
        self.surface = Surface(**{**how, "points": path, "since": self._since})

    def _axes(self) -> list[str]:
        """A name for each weight."""
        assert self._replica is not None
        out = []
        for name, one in zip(self.names, self._replica.parameters):
            out += [name] if one.numel() == 1 else [f"{name}[{place}]" for place in range(one.numel())]
        return out


def _around(low: float, high: float) -> tuple[float, float]:
    """The range of an axis: what was visited, and as much again around it at the least a quarter of its own size."""
    if low > high:
        return -1.0, 1.0
    middle, half = (low + high) / 2, (high - low) / 2
    half = max(1.4 * half, 0.5 * abs(middle), 0.05)
    return middle - half, middle + half


def _equal(one: Any, other: Any) -> bool:
    """Do two nests of tensors hold the same?"""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.shape == other.shape and bool(torch.equal(one, other))
    if isinstance(one, (list, tuple)):
        return isinstance(other, (list, tuple)) and len(one) == len(other) and all(map(_equal, one, other))
    return bool(one is other or one == other)


Landing = Callable[[], Optional[dict[int, torch.Tensor]]]
