"""Many entries as few cells: of each patch the entry of largest magnitude stays, with its sign, and what is no number.

A large tensor is read slab by slab, so that nothing as large as itself is ever made.
"""

from __future__ import annotations

from typing import Optional

import torch

from .forms import real

AT_ONCE = 1 << 18
"""Entries of a slab on a CPU: as many as its cache holds. Elsewhere each slab costs launches, and may be larger."""
AT_ONCE_ELSEWHERE = 1 << 23
MOST_READ = 1 << 26
"""Of a tensor of more entries than this only every second, third … is looked at."""

_POOLED_AS_THEY_ARE = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def difference(values: torch.Tensor, start: Optional[torch.Tensor]) -> torch.Tensor:
    """What is to be drawn of some entries: real, the start taken away."""
    if start is None:
        return values if values.dtype in _POOLED_AS_THEY_ARE else real(values)
    return (values - start).abs().float() if values.is_complex() else values.float() - start.float()


def pool(block: torch.Tensor, tall: int, broad: int) -> torch.Tensor:
    """The entry of largest magnitude of each tall x broad patch, its sign kept. block: [units, height, width]."""
    if tall == 1 and broad == 1:
        return block
    down, right = -block.shape[1] % tall, -block.shape[2] % broad
    if down or right:
        block = torch.nn.functional.pad(block, (0, right, 0, down))
    units, high, wide = block.shape
    patches = block.reshape(units, high // tall, tall, wide // broad, broad)
    # one dimension at a time: both at once take twenty times as long
    top, bottom = patches.amax(2).amax(3), patches.amin(2).amin(3)
    return torch.where(top >= -bottom, top, bottom)  # a NaN is both, and larger than nothing


def pool_matrix(
    values: torch.Tensor, start: Optional[torch.Tensor], rows: int, columns: int
) -> tuple[torch.Tensor, int, int]:
    """At least two dimensions as a matrix (the first down, the rest across) in at most rows x columns cells.

    Returns:
        ([1, height, width], entries of a cell, of how many entries one was looked at)
    """
    every = -(-values.numel() // MOST_READ)
    if every > 1:
        by_rows = values.shape[0] >= every * rows
        values = values[::every] if by_rows else values[..., ::every]
        start = None if start is None else (start[::every] if by_rows else start[..., ::every])
    high = values.shape[0]
    wide = values.numel() // high
    tall, broad = -(-high // rows), -(-wide // columns)

    def strip(first: int, last: int) -> torch.Tensor:
        slab = values[first:last].reshape(1, -1, wide)
        return difference(slab, start[first:last].reshape(1, -1, wide) if start is not None else None)

    deep = max(1, _at_once(values) // wide)
    parts = []
    if deep >= tall:
        deep = deep // tall * tall
        parts = [pool(strip(row, min(high, row + deep)), tall, broad) for row in range(0, high, deep)]
    else:
        for row in range(0, high, tall):
            last = min(high, row + tall)
            pieces = [_row(strip(one, min(last, one + deep)), broad) for one in range(row, last, deep)]
            parts.append(pool(torch.cat(pieces, 1), len(pieces), 1))
    return torch.cat(parts, 1).float(), tall * broad * every, every


def pool_run(values: torch.Tensor, start: Optional[torch.Tensor], cells: int) -> tuple[torch.Tensor, int, int]:
    """A vector, or a scalar, in at most so many cells: neighbours share one.

    Returns:
        ([cells], entries of a cell, of how many entries one was looked at)
    """
    every = -(-values.numel() // MOST_READ)
    flat = values.reshape(-1)[::every]
    before = start.reshape(-1)[::every] if start is not None else None
    size = flat.numel()
    broad = -(-size // cells)
    long = max(1, _at_once(values) // broad) * broad
    parts = []
    for first in range(0, size, long):
        last = min(size, first + long)
        slab = difference(flat[first:last], before[first:last] if before is not None else None)
        slab = torch.nn.functional.pad(slab, (0, -len(slab) % broad)) if len(slab) % broad else slab
        top, bottom = slab.reshape(-1, broad).amax(1), slab.reshape(-1, broad).amin(1)
        parts.append(torch.where(top >= -bottom, top, bottom))
    return torch.cat(parts).float(), broad * every, every


def _row(slab: torch.Tensor, broad: int) -> torch.Tensor:
    """A slab pooled to a single row."""
    return pool(slab, slab.shape[1], broad)


def _at_once(values: torch.Tensor) -> int:
    return AT_ONCE if values.device.type == "cpu" else AT_ONCE_ELSEWHERE
