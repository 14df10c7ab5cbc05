"""What the layer in focus put out for one sample: feature maps of a convolution, the values of any other module."""

from __future__ import annotations

import math
from typing import Any, Optional

import torch
from torch import nn

from ..run.events import Picture, Presence
from .camera import BINS, LETTERS, cells_of, first_choice
from .exposure import first_tensor
from .eyes import Eye
from .forms import absence
from .meter import local
from .tree import Tree

MODE = "output"


class Outputs(Eye):
    """Looks while the weights panel is in the mode "output"."""

    WHAT = "the output"
    PANELS = ("weights",)

    def __init__(self) -> None:
        super().__init__()
        self._wish = Presence()
        self._taken: Optional[tuple[torch.Tensor, torch.Tensor, dict[str, Any]]] = None
        self._picture: Optional[Picture] = None

    def wanted(self, wish: Presence, single: bool) -> bool:
        if wish.mode != MODE:
            self._picture = self._taken = None
        return wish.mode == MODE

    def opened(self, tree: Tree, wish: Presence) -> None:
        self._wish = wish

    def saw(self, tree: Tree, place: Optional[int], module: nn.Module, inputs: Any, output: Any) -> None:
        wanted = self._wish.tensor if 0 <= self._wish.tensor < len(tree) else first_choice(tree)
        if place is None or wanted not in tree.model.modules[place].tensors:
            return
        tensor = first_tensor(output)
        why = _absent(tensor)
        if tensor is None or why:
            self._taken, self._picture = None, Picture(tensor=wanted, mode=MODE, absent=why)
            return
        with torch.no_grad():
            batch = local(tensor.detach())
            if isinstance(module, nn.RNNBase) and batch.dim() == 3 and not module.batch_first:
                batch = batch.transpose(0, 1)
            one = batch[max(0, min(self._wish.sample, batch.shape[0] - 1))].clone()
            shape = [one.shape[0], one.shape[1], one.shape[2]] if one.dim() == 3 else []
            blank = Picture(tensor=wanted, mode=MODE, of_weights=one.numel())
            cells, made = cells_of(one.reshape(1, -1) if one.dim() == 1 else one, None, shape, blank, self._wish)
            self._taken = (cells, one.flatten().float(), made)

    def shows(self) -> dict[str, Any]:
        if self._taken is not None and self._wish.mode == MODE:
            self._picture, self._taken = self._finish(*self._taken), None
        if self._picture is None:
            return {}
        return {"picture": self._picture}

    @staticmethod
    def _finish(cells: torch.Tensor, values: torch.Tensor, made: dict[str, Any]) -> Picture:
        numbers, flat = cells.tolist(), values.tolist()
        finite = [value for value in flat if math.isfinite(value)]
        reach = max((abs(value) for value in finite), default=0.0) or 1.0
        counts = [0] * BINS
        for value in finite:
            counts[min(BINS - 1, int((value / reach + 1) / 2 * BINS))] += 1
        mean = sum(finite) / len(finite) if finite else math.nan
        spread = math.sqrt(sum((value - mean) ** 2 for value in finite) / len(finite)) if finite else math.nan
        made.update(
            scale=numbers[0],
            cells="".join(LETTERS[int(level)] for level in numbers[1:]),
            low=min(finite, default=None),
            high=max(finite, default=None),
            std=spread,
            odd=len(flat) - len(finite),
            sampled=len(flat),
            histogram=counts,
        )
        return Picture(**made)


def _absent(output: Optional[torch.Tensor]) -> str:
    """Why what a module put out cannot be drawn for one sample; "" when it can."""
    if output is None:
        return "this module puts out no tensor"
    why = absence(output)
    if not why and output.is_complex():
        why = "complex numbers, which are not drawn for one sample"
    if not why and output.dim() < 2:
        why = "no more than one number for a sample"
    return f"what this module puts out cannot be drawn: {why}" if why else ""
