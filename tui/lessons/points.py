"""Generated points in a plane for the lessons; of networks and loops it knows nothing.

The shapes follow TensorFlow Playground's data sets. The same seed gives the same points, whatever else is random.
"""

from __future__ import annotations

import math

import torch

Points = tuple[torch.Tensor, torch.Tensor]
"""float32 of shape (points, 2) and int64 of shape (points,), the classes, from 0."""


def blobs(count: int, centres: list[tuple[float, float]], seed: int) -> Points:
    """Draw round clouds, one class each, which take turns: a standard normal around every centre.

    Args:
        count: points, all clouds together.
        centres: where the clouds are; in units of a cloud's standard deviation.
        seed: of the standard-normal numbers.
    """
    y = torch.arange(count) % len(centres)
    return torch.tensor(centres)[y] + _normal(count, seed), y


def xor(count: int, seed: int) -> Points:
    """Draw a round cloud, cut along the axes and pulled apart a little; opposite quarters are of one class."""
    noise = _normal(count, seed)
    return 2 * noise + 0.8 * noise.sign(), (noise[:, 0] * noise[:, 1] > 0).long()


def circle(count: int, seed: int) -> Points:
    """Draw a round cloud (class 0) in the middle of a ring of radius about 4 (class 1)."""
    y = torch.arange(count) % 2
    noise = _normal(count, seed)
    ring = 3.5 * noise / noise.norm(dim=1, keepdim=True) + 0.5 * noise
    return torch.where(y[:, None] == 0, 0.8 * noise, ring), y


def spiral(count: int, seed: int) -> Points:
    """Draw two arms that wind one and three quarter times around each other, out to radius 5."""
    y = torch.arange(count) % 2
    share = torch.arange(count) / count  # 0 in the middle, 1 at the end
    angle = share * 3.5 * math.pi + y * math.pi
    arms = 5 * share[:, None] * torch.stack([angle.sin(), angle.cos()], 1)
    return arms + _normal(count, seed) / 10, y


def _normal(count: int, seed: int) -> torch.Tensor:
    """Draw standard-normal numbers of shape (count, 2)."""
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
