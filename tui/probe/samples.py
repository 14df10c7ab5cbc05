"""Samples as pictures, and numbers that leave the device together."""

from __future__ import annotations

import math
from typing import Any, Optional

import torch
from torch.nn import functional as F

from ..run.events import WEIGHT_LEVELS

EDGE = 28
"""A sample's picture is at most this many cells high and wide."""


class Vector:
    """Numbers collected on the device, and taken apart again in the same order."""

    def __init__(self) -> None:
        self._parts: list[torch.Tensor] = []
        self._sizes: list[int] = []
        self._place = 0

    def put(self, *tensors: torch.Tensor) -> None:
        for tensor in tensors:
            self._parts.append(tensor.detach().reshape(-1).double())
            self._sizes.append(tensor.numel())

    def whole(self) -> torch.Tensor:
        return torch.cat(self._parts)

    def take(self, numbers: list[float]) -> list[float]:
        """The next part of the vector's numbers."""
        size = self._sizes.pop(0)
        self._place += size
        return numbers[self._place - size : self._place]


def split(numbers: list[float], width: int) -> list[list[float]]:
    return [numbers[place : place + width] for place in range(0, len(numbers), width)] if width else []


def pictures_of(inputs: Any, side: int = 0) -> Optional[torch.Tensor]:
    """A model's input as (samples, height, width), where it is one that reads as pictures.

    Args:
        side: rows of plain features are square pictures of this side; 0: they are none.
    """
    if not isinstance(inputs, torch.Tensor) or not inputs.is_floating_point() or inputs.shape[0] == 0:
        return None
    inputs = inputs.detach()
    if inputs.dim() == 4 and inputs.shape[1] in (1, 3):
        grey = inputs[:, 0] if inputs.shape[1] == 1 else inputs.mean(1)
    elif inputs.dim() == 3 and inputs.shape[1] == inputs.shape[2]:
        grey = inputs
    elif inputs.dim() == 2 and side and inputs.shape[1] == side * side:
        grey = inputs.reshape(-1, side, side)
    else:
        return None
    return grey if min(grey.shape[1:]) >= 2 else None


def put_pictures(told: Vector, pictures: Optional[torch.Tensor], picked: torch.Tensor) -> tuple[int, int, int]:
    """Puts the levels (0 to 15, each picture over its own range) of those picked; their count, height and width."""
    if pictures is None or picked.numel() == 0:
        return 0, 0, 0
    chosen = pictures[picked].float()
    scale = -(-max(chosen.shape[1:]) // EDGE)
    if scale > 1:
        step = max(1, scale // 3)  # of very large ones not every pixel
        chosen = chosen[:, ::step, ::step]
        scale = -(-max(chosen.shape[1:]) // EDGE)
        chosen = F.avg_pool2d(chosen[:, None], scale, ceil_mode=True, count_include_pad=False)[:, 0]
    flat = chosen.reshape(chosen.shape[0], -1)
    finite = flat.isfinite()
    low = torch.where(finite, flat, torch.full_like(flat, math.inf)).amin(1, keepdim=True)
    high = torch.where(finite, flat, torch.full_like(flat, -math.inf)).amax(1, keepdim=True)
    levels = ((flat - low) / (high - low).clamp(min=1e-12) * 15).round()
    told.put(torch.where(finite, levels.clamp(0, 15), torch.full_like(flat, 16)))
    return chosen.shape[0], chosen.shape[1], chosen.shape[2]


def letters_of(told: Vector, numbers: list[float], shape: tuple[int, int, int]) -> list[str]:
    count, height, width = shape
    if not count:
        return []
    letters = WEIGHT_LEVELS + "n"
    rows = split(told.take(numbers), height * width)
    return ["".join([letters[int(level)] for level in row]) for row in rows]
