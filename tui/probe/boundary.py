"""What a model of two inputs says all over its plane: asked of a copy of it, with the data seen lately on top."""

from __future__ import annotations

import math
import time
from typing import Any, Callable, Optional

import torch
from torch import nn

from ..run.sights import Surface
from .answers import Manner, Vector
from .frames import is_foreign
from .meter import Readout
from .pace import Pace
from .specimen import copied, untouched

SIDE = 40
"""Values along each edge."""
POINTS = 400
MOST_WEIGHTS = 200_000
MARGIN = 0.08
"""Of the data's range, on each side."""


class Boundary:
    """The plane of one model's two inputs."""

    def __init__(self) -> None:
        self.surface: Optional[Surface] = None
        self._pace = Pace(share=0.01, every_s=0.5)
        self._points: Optional[torch.Tensor] = None
        """(points, 3): two coordinates and the true class, -1 where it is unknown."""
        self._low: Optional[torch.Tensor] = None
        self._high: Optional[torch.Tensor] = None
        self._of: Optional[nn.Module] = None
        self._twin: Optional[nn.Module] = None
        self._readouts: list[Readout] = []
        self._asked_in_vain = False

    def feed(self, inputs: tuple[Any, ...], classes: Optional[torch.Tensor]) -> None:
        """A batch that the model was trained with.

        Args:
            inputs: the model's positional arguments.
            classes: true classes (samples,), or None.
        """
        if len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor):
            return
        x = inputs[0].detach()
        if x.dim() != 2 or x.shape[1] != 2 or not x.is_floating_point() or x.shape[0] == 0:
            return
        x = x[:POINTS].double()
        known = classes is not None and classes.shape[:1] == inputs[0].shape[:1]
        label = classes[:POINTS].reshape(-1, 1).double() if known and classes is not None else torch.full_like(x, -1)
        points = torch.cat([x, label[:, :1].to(x.device)], 1)
        finite = torch.where(x.isfinite(), x, torch.zeros_like(x))
        low, high = finite.amin(0), finite.amax(0)
        if self._points is not None and self._low is not None and self._high is not None:
            points = torch.cat([self._points, points])[-POINTS:]
            low, high = torch.minimum(low, self._low), torch.maximum(high, self._high)
        self._points, self._low, self._high = points, low, high

    def refresh(self, root: Optional[nn.Module], manner: Optional[Manner], step: int, always: bool = False) -> None:
        """Asks again, when it is time, or `always`."""
        began = time.perf_counter()
        if self._asked_in_vain or self._points is None or root is None or not (always or self._pace.due(began)):
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
        if self._twin is None or self._of is not root:
            self._twin, self._of = copied(root), root
        else:
            for mine, its in zip(_tensors(self._twin), _tensors(root)):
                mine.copy_(its)
        return self._twin.eval()

    def _ask(self, twin: nn.Module, manner: Optional[Manner], step: int) -> None:
        assert self._points is not None and self._low is not None and self._high is not None
        points = self._points
        margin = (self._high - self._low).clamp(min=1e-6) * MARGIN
        low, high = self._low - margin, self._high + margin
        across = torch.linspace(0, 1, SIDE, device=points.device, dtype=points.dtype)
        xs, ys = low[0] + (high[0] - low[0]) * across, high[1] + (low[1] - high[1]) * across
        grid = torch.stack([xs.repeat(SIDE), ys.repeat_interleave(SIDE)], 1)
        dtype = next((one.dtype for one in twin.parameters() if one.is_floating_point()), torch.float32)
        output = twin(torch.cat([grid, points[:, :2]]).to(dtype))
        if not isinstance(output, torch.Tensor) or output.shape[:1] != (SIDE * SIDE + len(points),):
            return
        values, classes, level = _as_heights(output.reshape(output.shape[0], -1), manner)
        told = Vector()
        told.put(low, high, values[: SIDE * SIDE], points, _sides(values[SIDE * SIDE :], classes, level))
        self._readouts.append(Readout(told.whole(), self._arrived(told, classes, level, step)))

    def _arrived(self, told: Vector, classes: int, level: float, step: int) -> Callable[[list[float]], None]:
        def arrived(numbers: list[float]) -> None:
            low, high, values, points, sides = (told.take(numbers) for _ in range(5))
            self.surface = Surface(
                kind="boundary",
                step=step,
                rows=SIDE,
                columns=SIDE,
                done=SIDE,
                values=[_short(value, 4) for value in values],
                left=low[0],
                right=high[0],
                bottom=low[1],
                top=high[1],
                names=["first input", "second input"],
                points=[
                    [_short(points[3 * n], 4), _short(points[3 * n + 1], 4), points[3 * n + 2], side]
                    for n, side in enumerate(sides)
                ],
                classes=classes,
                level=level,
            )

        return arrived


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


def _short(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
