"""The loss of a model that has one or two weights, over all values that they might have, and their path so far."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any, Optional

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
FAR = 20.0
"""The picture grows with the path up to this many times its first reach; what is beyond lies outside."""
RENEW_S = 10.0
"""Where every batch has another surface, it is computed for a new one this often."""


class Plane:
    """Of one model on the CPU. Its surface is computed in slices of time; what is finished is shown meanwhile."""

    def __init__(self, tree: Tree) -> None:
        self.of = tree.root
        self.names = list(tree.names)
        self._path: list[list[float]] = []
        self._since = 0
        self._reach = [0.0, 0.0]
        """How far from zero the path has come on each axis."""
        self._most: list[float] = []
        self._range: Optional[tuple[float, float, float, float]] = None
        self._replica: Optional[Replica] = None
        self._batch: Optional[tuple[Any, Any]] = None
        self._samples = 0
        self._values: list[float] = []
        self._finished: Optional[Surface] = None
        self._renew_at = 0.0
        self._refused = ""
        self._step = 0
        self._loss: tuple[list[float], Optional[float]] = ([], None)
        self._next: tuple[list[float], list[float]] = ([], [])

    @staticmethod
    def fits(tree: Tree) -> bool:
        """Is the model small enough, and where it can be read at no cost?"""
        tensors = tree.parameters(range(len(tree)))
        of_root = list(tree.root.parameters()) if tree.root is not None else []
        whole = len(of_root) == len(tensors) == len(tree)
        return whole and 1 <= tree.model.weights <= 2 and all(one.is_cpu for one in tensors)

    # ── the path ──

    def visit(self, parameters: list[torch.Tensor], step: int) -> None:
        """The weights are here now."""
        here = [float(f"{value:.6g}") for one in parameters for value in one.detach().reshape(-1).tolist()]
        here = [*here, 0.0][:2]
        self._step = step
        if self._path and self._path[-1] == here:
            return
        if not self._path:
            self._since = step
            self._most = [FAR * max(abs(value), 1.0) for value in here]
        self._path.append(here)
        if len(self._path) > PATH:  # the recent ones all, of those before every second
            kept = PATH // 3
            self._path = self._path[:-kept:2] + self._path[-kept:]
        for axis, value in enumerate(here):
            if abs(value) < self._most[axis]:
                self._reach[axis] = max(self._reach[axis], abs(value))

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
        if not self._values:
            self._values = self._all_at_once()
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
        """Zero in the middle, the path with a margin; anew when the path has left it."""
        if self._range is not None and self._reach[0] <= self._range[1] and self._reach[1] <= self._range[3]:
            return
        across, up = (1.4 * reach if reach > 1e-3 else 1.0 for reach in self._reach)
        self._range = (-across, across, -up, up)
        self._values = []

    def _all_at_once(self) -> list[float]:
        """All values; nothing where the model does not allow that, or where it does not give the same."""
        assert self._replica is not None
        rows, columns = self._shape()
        places = [self._point(row, column) for row in range(rows) for column in range(columns)]
        try:
            found = self._replica.losses(torch.tensor(places, dtype=torch.float64)[:, : len(self._flat())])
        except Exception as error:  # whatever the program's own code does not bear
            if is_foreign(error):
                raise
            return []
        checked = [(0, 0), (rows // 2, columns // 3), (rows - 1, columns - 1)]
        same = all(_alike(self._loss_at(row, column), found[row * columns + column]) for row, column in checked)
        return found if same else []

    def _point(self, row: int, column: int) -> tuple[float, float]:
        """The weights at a place of the map."""
        assert self._range is not None
        rows, columns = self._shape()
        left, right, bottom, top = self._range
        return left + (right - left) * column / (columns - 1), top - (top - bottom) * row / max(1, rows - 1)

    def _loss_at(self, row: int, column: int) -> float:
        assert self._replica is not None
        with torch.no_grad():
            for (tensor, place), value in zip(self._flat(), self._point(row, column)):
                tensor.view(-1)[place] = value
        return self._replica.loss()

    def surface(self) -> Optional[Surface]:
        """What is known now; while a new ground is computed, the one before it stays."""
        if not self._path:
            return None
        if self._replica is None:
            return Surface(kind="plane", step=self._step, refused=self._refused) if self._refused else None
        ground = self._ground()
        here = self._path[-1]
        return dataclasses.replace(
            ground,
            step=self._step,
            points=list(self._path),
            since=self._since,
            here=here,
            next=self._next[1] if self._next[0] == here else [],
            loss=self._loss[1] if self._loss[0] == here else None,
        )

    def _ground(self) -> Surface:
        rows, columns = self._shape()
        done = len(self._values) // columns
        if self._finished is not None and done < rows:
            return self._finished
        left, right, bottom, top = self._range or (0.0, 1.0, 0.0, 1.0)
        ground = Surface(
            kind="plane",
            rows=rows,
            columns=columns,
            done=done,
            values=[float(f"{value:.5g}") for value in self._values[: done * columns]],
            left=left,
            right=right,
            bottom=bottom,
            top=top,
            names=self._axes(),
            samples=self._samples,
        )
        if done == rows:
            self._finished = ground
        return ground

    def known(self, loss: Optional[float], next_: list[float]) -> None:
        """At the weights of now: the loss, and where the next update is going to put them."""
        if self._path:
            self._loss, self._next = (self._path[-1], loss), (self._path[-1], next_)

    def _axes(self) -> list[str]:
        """A name for each weight, without what all of them share."""
        assert self._replica is not None
        short = [name.rpartition(".")[2] for name in self.names]
        out = []
        for name, one in zip(short if len(set(short)) == len(short) else self.names, self._replica.parameters):
            out += [name] if one.numel() == 1 else [f"{name}[{place}]" for place in range(one.numel())]
        return out


def _alike(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-6) or (one != one and other != other)


def _equal(one: Any, other: Any) -> bool:
    """Do two nests of tensors hold the same?"""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.shape == other.shape and bool(torch.equal(one, other))
    if isinstance(one, (list, tuple)):
        return isinstance(other, (list, tuple)) and len(one) == len(other) and all(map(_equal, one, other))
    return bool(one is other or one == other)
