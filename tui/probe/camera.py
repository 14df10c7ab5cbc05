"""Pictures of one tensor with its statistics. Only while somebody looks, or at the end of a run.

Every picture is made on the device, in as many cells as the viewer can show, and read as one vector. What a tensor is,
and whether it can be drawn at all, `forms` says; a tensor that nobody can read is named with the reason.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Callable, Optional

import torch

from ..run.events import WEIGHT_LEVELS, Picture, Presence
from .forms import Sight, absence, initialised, is_plain, real, sight_of, size_of
from .frames import is_foreign
from .meter import Readout, sample
from .pool import difference, pool, pool_matrix, pool_run
from .starts import Starts
from .tree import Tree

BINS = 24
MOST_CELLS = 512
"""A panel is at most this many cells high or wide, whatever a viewer says."""
LETTERS = WEIGHT_LEVELS + "n."
ODD, NOTHING = 16.0, 17.0
"""Levels that stand for "not finite" and "no value here"."""


def first_choice(tree: Tree) -> int:
    """The tensor to show when nobody has chosen: the first that reads as pictures, else the first matrix."""
    for place, info in enumerate(tree.model.tensors):
        if info.picture:
            return place
    for place, info in enumerate(tree.model.tensors):
        if len(info.shape) >= 2:
            return place
    return 0


def photograph(
    tree: Tree, starts: Starts, wish: Presence, readouts: list[Readout], then: Callable[[Picture], None]
) -> None:
    """Pictures the tensor in focus; `then` gets it when it has arrived, or the reason why there is none."""
    if not len(tree):
        return
    place = wish.tensor if 0 <= wish.tensor < len(tree) else first_choice(tree)
    blank = Picture(tensor=place, mode=wish.mode)
    parameter = tree.parameter(place)
    if parameter is None:
        then(replace(blank, absent="the program has dropped this tensor"))
        return
    try:
        why = _absent(parameter, starts, wish.mode)
        if not why:
            readouts.append(_develop(parameter, starts, tree.model.tensors[place].picture, blank, wish, then))
    except Exception as error:  # tensors come in more classes than anybody knows; this one is odd, the others are not
        if is_foreign(error):
            raise
        reason = str(error).strip().partition("\n")[0][:120]
        why = f"it could not be read ({type(error).__name__}: {reason})"
    if why:
        then(replace(blank, of_weights=size_of(parameter), absent=why))


def _absent(parameter: torch.Tensor, starts: Starts, mode: str) -> str:
    """Why there is no picture in this mode; "" when there is one."""
    if mode == "gradient":
        if initialised(parameter) and not parameter.requires_grad:
            return "frozen: no gradient is computed for it"
        if parameter.grad is None:
            return "no gradient at this moment: it has been cleared, or the loss does not reach it"
        return absence(parameter.grad)
    why = absence(parameter)
    if mode == "change" and not why and starts.whole(parameter) is None:
        why = "too large for a copy of its start" if is_plain(parameter) else "of such a tensor no start is kept"
        why += ": m shows the weights"
    return why


def _develop(
    parameter: torch.Tensor,
    starts: Starts,
    picture: list[int],
    blank: Picture,
    wish: Presence,
    then: Callable[[Picture], None],
) -> Readout:
    """Makes the picture on the device; the copy of it is under way when this returns."""
    of_gradient = wish.mode == "gradient" and parameter.grad is not None
    source = parameter.grad if of_gradient else parameter
    assert source is not None
    blank = replace(blank, of_weights=source.numel())
    with torch.no_grad():
        sight = sight_of(source, _within(wish.rows or 24))
        start = starts.whole(parameter) if wish.mode == "change" else None
        cells, made = cells_of(sight.values, start, picture, blank, wish)
        made["per_cell"] *= sight.each
        made["note"] = ", ".join(filter(None, (sight.note, made.get("note", ""))))
        statistics, counted = _statistics(parameter, starts, wish.mode, sight)
        vector = torch.cat([cells, statistics])
    return Readout(vector, lambda numbers: then(_finish(made, numbers, counted)))


def grid_of(units: int, height: int, width: int, rows: int, columns: int) -> tuple[int, int, int]:
    """How pictures of units are laid out in a panel: (weights along a cell's edge, units in a row, rows of units).

    Between units there is one cell, between rows of units two (a text row is two cells high). The smallest pooling that
    shows three units, or all of them, is taken.
    """
    edge = 1
    while True:
        high, wide = -(-height // edge), -(-width // edge)
        across = max(0, (columns + 1) // (wide + 1))
        down = max(0, (rows + 2) // (high + high % 2 + 2))
        if across * down >= min(units, 3) or (high <= 2 and wide <= 2):
            return edge, max(1, across), max(1, down)
        edge += 1


def cells_of(
    values: torch.Tensor, start: Optional[torch.Tensor], picture: list[int], blank: Picture, wish: Presence
) -> tuple[torch.Tensor, dict[str, Any]]:
    """(levels with their scale in front, the fields of the picture that are known already).

    Args:
        start: what is subtracted from what is drawn; of the shape of `values`.
        picture: see `TensorInfo.picture`.
    """
    rows, columns = _within(wish.rows or 24), _within(wish.columns or 40)
    unit = _unit(values, picture)
    fields: dict[str, Any] = {"first": 0, "units": 1, "of": 1}
    if unit is not None:
        of, high, wide = unit
        edge, across, down = grid_of(of, high, wide, rows, columns)
        first = max(0, min(wish.first, of - 1))
        units = min(across * down, of - first)
        block = values.reshape(unit)[first : first + units]
        before = start.reshape(unit)[first : first + units] if start is not None else None
        pooled = pool(difference(block, before), edge, edge).float()
        fields = {"first": first, "units": units, "of": of, "per_cell": edge * edge}
    elif values.dim() >= 2:
        pooled, fields["per_cell"], every = pool_matrix(values, start, rows, columns)
    else:
        pooled, fields["per_cell"], every = pool_run(values, start, rows * columns)
    if unit is None and every > 1:
        fields["note"] = f"1 in {every} weights was looked at"
    finite = torch.isfinite(pooled)
    scale = _round_up(torch.where(finite, pooled.abs(), torch.zeros_like(pooled)).amax())
    levels = ((pooled / scale) * 7.5 + 7.5).round().clamp(0, 15)
    levels = torch.where(finite, levels, torch.full_like(levels, ODD))
    if pooled.dim() == 1:  # a run of entries: wrapped, with nothing behind its end
        wide = min(len(pooled), columns)
        high = -(-len(pooled) // wide)
        levels = torch.nn.functional.pad(levels, (0, high * wide - len(pooled)), value=NOTHING)
    else:
        high, wide = pooled.shape[1:]
    made = {**blank.__dict__, **fields, "height": high, "width": wide}
    return torch.cat([scale.reshape(1), levels.reshape(-1)]), made


def _unit(values: torch.Tensor, picture: list[int]) -> Optional[tuple[int, int, int]]:
    """(units here, height, width) where the tensor reads as pictures: of a part of a tensor, whole ones only."""
    if not picture or values.dim() < 2:
        return None
    _, high, wide = picture
    whole = list(values.shape[1:]) == [high * wide] or list(values.shape[-2:]) == [high, wide]
    return (values.numel() // (high * wide), high, wide) if whole else None


def _within(cells: int) -> int:
    return max(2, min(cells, MOST_CELLS))


def _round_up(scale: torch.Tensor) -> torch.Tensor:
    """Up to the next of 1, 1.5, 2, 3, 5, 7 times a power of ten: cells stay still while the largest weight creeps."""
    steps = torch.tensor([1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0], device=scale.device)
    scale = scale.float().clamp(min=1e-30)
    power = 10.0 ** torch.floor(torch.log10(scale))
    ladder = steps * power
    return torch.where(ladder >= scale * 0.9999, ladder, torch.full_like(ladder, math.inf)).amin()


def _statistics(parameter: torch.Tensor, starts: Starts, mode: str, sight: Sight) -> tuple[torch.Tensor, int]:
    """(low, high, std, moved, odd, counts below each bin's upper edge) over the sampled positions of what is shown."""
    entries = sample(sight.entries if sight.entries is not None else sight.values).contiguous()  # they lie far apart
    shown = real(entries)
    moved = torch.full((), math.nan, device=shown.device)
    start = starts.samples(parameter)
    if start is not None:
        change = difference(entries if mode != "gradient" else sample(parameter), start)
        moved = torch.linalg.vector_norm(change) / torch.linalg.vector_norm(real(start))
        shown = change if mode == "change" else shown
    finite = torch.isfinite(shown)
    odd = (~finite).sum()
    clean = torch.where(finite, shown, torch.zeros_like(shown))
    low, high = clean.amin(), clean.amax()
    reach = torch.maximum(low.abs(), high.abs()).clamp(min=1e-30)  # symmetric: zero stands in the middle
    edges = torch.linspace(-1, 1, BINS + 1, device=shown.device)[1:] * reach
    if shown.device.type == "cpu":
        places = torch.bucketize(shown[finite].contiguous(), edges)
        below = torch.bincount(places, minlength=BINS)[:BINS].cumsum(0)
    else:  # no counting with atomics, which programs that ask for determinism forbid
        below = ((shown[:, None] <= edges[None, :]) & finite[:, None]).sum(0)
    head = torch.stack([low, high, clean.std(unbiased=False), moved, odd.float()])
    return torch.cat([head, below.float()]), shown.numel()


def _finish(made: dict[str, Any], numbers: list[float], counted: int) -> Picture:
    size = made["units"] * made["height"] * made["width"]
    levels, rest = numbers[1 : 1 + size], numbers[1 + size :]
    low, high, std, moved, odd = rest[:5]
    below = [int(value) for value in rest[5:]]
    made.update(
        scale=numbers[0],
        cells="".join(LETTERS[int(level)] for level in levels),
        low=low,
        high=high,
        std=std,
        moved=None if moved != moved else moved,
        odd=int(odd),
        sampled=counted,
        histogram=[now - before for before, now in zip([0, *below], below)],
    )
    return Picture(**made)
