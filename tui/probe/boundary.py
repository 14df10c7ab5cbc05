"""What a model of two inputs says all over its plane: asked of a copy of it, with the data seen lately on top."""

from __future__ import annotations

import math
import time
import weakref
from typing import Any, Callable, Optional

import torch
from torch import nn

from ..run.sights import Surface
from .answers import Manner
from .frames import is_foreign
from .meter import Readout
from .pace import Pace
from .samples import Vector
from .specimen import copied, untouched

SIDE = 36
"""Values along each edge."""
POINTS = 300
MOST_WEIGHTS = 200_000
MARGIN = 0.08
"""Of the data's range, on each side."""


class Boundary:
    """The plane of one model's two inputs."""

    def __init__(self) -> None:
        self.surface: Optional[Surface] = None
        self._pace = Pace(share=0.005, every_s=0.5)
        self._points: dict[tuple[float, float], float] = {}
        """The last data, each once: its target by its coordinates, NaN where that is unknown."""
        self._low = [math.inf, math.inf]
        self._high = [-math.inf, -math.inf]
        self._of: Callable[[], Optional[nn.Module]] = lambda: None
        """A weak reference to the model that the copy is of."""
        self._twin: Optional[nn.Module] = None
        self._readouts: list[Readout] = []
        self._asked_in_vain = False

    def feed(self, x: Any, target: Any) -> None:
        """A batch that the model was trained with.

        Args:
            x: its input; anything but (samples, 2) floats is no plane.
            target: (samples,) classes or values, (samples, classes) of probabilities, or None.
        """
        if not isinstance(x, torch.Tensor) or x.dim() != 2 or x.shape[1] != 2 or not x.is_floating_point():
            return
        if not isinstance(target, torch.Tensor) or target.shape[:1] != x.shape[:1]:
            target = torch.full_like(x[:, 0], math.nan)
        elif target.numel() != x.shape[0]:
            target = target.detach().argmax(1)
        x, target = x.detach()[-POINTS:], target.detach().reshape(-1)[-POINTS:]
        if x.is_cpu and target.is_cpu:
            for (first, second), true in zip(x.tolist(), target.tolist()):
                self._take(first, second, float(true))
            return
        told = Vector()
        told.put(x, target.to(x.device))

        def arrived(numbers: list[float]) -> None:
            places, targets = told.take(numbers), told.take(numbers)
            for first, second, true in zip(places[::2], places[1::2], targets):
                self._take(first, second, true)

        self._readouts.append(Readout(told.whole(), arrived))

    def _take(self, first: float, second: float, true: float) -> None:
        if not (math.isfinite(first) and math.isfinite(second)):
            return
        points = self._points
        points.pop((first, second), None)  # the last come last
        points[first, second] = true
        if len(points) > POINTS:
            del points[next(iter(points))]
        low, high = self._low, self._high
        if first < low[0] or first > high[0] or second < low[1] or second > high[1]:
            self._low = [min(low[0], first), min(low[1], second)]
            self._high = [max(high[0], first), max(high[1], second)]

    def refresh(self, root: Optional[nn.Module], manner: Optional[Manner], step: int, always: bool = False) -> None:
        """Asks again, when it is time, or `always`."""
        began = time.perf_counter()
        if self._asked_in_vain or not self._points or root is None or not (always or self._pace.due(began)):
            return
        if sum(parameter.numel() for parameter in root.parameters()) > MOST_WEIGHTS:
            return
        try:
            with untouched(), torch.no_grad():
                self._ask(self._twin_of(root), manner, step)
        except Exception as error:  # a model that cannot be copied, or that minds being asked
            if is_foreign(error):
                raise
            self._asked_in_vain = True
        self.collect()
        self._pace.done(began, time.perf_counter() - began)

    def collect(self) -> None:
        """Takes in what has arrived from the device."""
        self._readouts = [one for one in self._readouts if not one.collect()]

    def forget(self) -> None:
        """The model is another one."""
        self.__init__()  # type: ignore[misc]

    def _twin_of(self, root: nn.Module) -> nn.Module:
        """A copy with the weights of now; the copy of before is used again."""
        if self._twin is None or self._of() is not root:
            self._twin, self._of = copied(root), weakref.ref(root)
        else:
            for mine, its in zip(_tensors(self._twin), _tensors(root)):
                mine.copy_(its)
        return self._twin.eval()

    def _ask(self, twin: nn.Module, manner: Optional[Manner], step: int) -> None:
        low, high = [], []
        for bottom, top in zip(self._low, self._high):
            margin = max(top - bottom, 1e-6) * MARGIN
            low.append(bottom - margin)
            high.append(top + margin)
        xs = torch.linspace(low[0], high[0], SIDE, dtype=torch.float64)
        ys = torch.linspace(high[1], low[1], SIDE, dtype=torch.float64)
        grid = torch.stack([xs.repeat(SIDE), ys.repeat_interleave(SIDE)], 1)
        points = list(self._points.items())
        places = torch.tensor([place for place, _ in points], dtype=torch.float64)
        like = next((one for one in twin.parameters() if one.is_floating_point()), grid)
        output = twin(torch.cat([grid, places]).to(like.device, like.dtype))
        if not isinstance(output, torch.Tensor) or output.shape[:1] != (SIDE * SIDE + len(points),):
            return
        values, classes, level = _as_heights(output.reshape(output.shape[0], -1), manner)
        told = Vector()
        told.put(values[: SIDE * SIDE], _sides(values[SIDE * SIDE :], classes, level))
        true = [_class_of(target, manner, classes) for _, target in points]

        def arrived(numbers: list[float]) -> None:
            values, sides = told.take(numbers), told.take(numbers)
            self.surface = Surface(
                kind="boundary",
                step=step,
                rows=SIDE,
                columns=SIDE,
                done=SIDE,
                values=[round(value, 3) for value in values] if classes else [_short(value) for value in values],
                left=low[0],
                right=high[0],
                bottom=low[1],
                top=high[1],
                names=["first input", "second input"],
                points=[[_short(place[0]), _short(place[1]), true[n], sides[n]] for n, (place, _) in enumerate(points)],
                classes=classes,
                level=level,
            )

        self._readouts.append(Readout(told.whole(), arrived))


def _class_of(target: float, manner: Optional[Manner], classes: int) -> float:
    """The class from zero that a target means; -1 where it means none."""
    if math.isnan(target) or (manner is None and not classes) or (manner is not None and manner.kind == "values"):
        return -1.0
    if manner is not None and manner.kind == "sides":
        return float(target > manner.middle)
    return target if 0 <= target < max(1, classes) else -1.0


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def _as_heights(output: torch.Tensor, manner: Optional[Manner]) -> tuple[torch.Tensor, int, float]:
    """(one value a point, number of classes or 0, the level at which two sides part or NaN)."""
    if output.shape[1] >= 2 and (manner is None or manner.kind == "classes"):
        chance, place = output.float().softmax(1).max(1)
        return place + chance.clamp(max=0.999), output.shape[1], 0.0
    if manner is None or manner.kind == "values":
        return output[:, 0], 0, math.nan if manner is not None else 0.0
    return output[:, 0], 0, manner.level


def _sides(values: torch.Tensor, classes: int, level: float) -> torch.Tensor:
    """The class that the model says for each of these values; -1 where it says none."""
    if classes:
        said = values.floor()
    elif math.isnan(level):
        return torch.full_like(values, -1)
    else:
        said = (values > level).to(values.dtype)
    return torch.where(values.isnan(), torch.full_like(values, -1), said)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
