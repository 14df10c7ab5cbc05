"""Units of rectified layers that stay silent: an account over the batches that were looked at, kept on the device."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import nn

from ..run.events import Silence
from .meter import local, readable

WINDOW = 1000
"""So many samples without any output above zero make a unit silent."""
MOST_ENTRIES = 1 << 18
"""Of an output larger than this the first samples are looked at."""
MOST_PLACES = 64
SHOWN = 12
"""The most silent ones are said."""

RECTIFIERS = (nn.ReLU, nn.ReLU6)
_PASS_ON = ("MaxPool1D", "MaxPool2D", "MaxPool3D", "NativeDropout")
Key = tuple[int, bool]


class Silences:
    """For each rectified layer the number of samples since each unit was last above zero."""

    def __init__(self) -> None:
        self._accounts: dict[Key, _Account] = {}
        self._looked: list[Key] = []
        self._nodes: list[Any] = []
        """Of the graph in hand: outputs of rectifiers that are modules. Forgotten before the backward pass."""

    def saw(self, place: int, module: nn.Module, inputs: Any, output: Any, convolved: bool) -> None:
        """A module of the model ran. `convolved`: the layer before was a convolution, so that channels come second."""
        if isinstance(module, RECTIFIERS):
            if isinstance(output, torch.Tensor):
                self._nodes.append(output.grad_fn)
                self._add((place, False), output, convolved)
        elif module._parameters and inputs and isinstance(inputs[0], torch.Tensor):
            node = _rectified(inputs[0].grad_fn)
            if node is not None and all(node is not known for known in self._nodes):
                self._nodes.append(node)
                self._add((place, True), inputs[0], convolved)

    def judged(self) -> None:
        """The backward pass is about to free the graph."""
        self._nodes.clear()

    def _add(self, key: Key, output: torch.Tensor, convolved: bool) -> None:
        part = local(output.detach())
        if part.dim() < 2 or not readable(part) or (key not in self._accounts and len(self._accounts) >= MOST_PLACES):
            return
        part = part[: max(1, MOST_ENTRIES // max(1, part[0].numel()))]
        with torch.no_grad():
            on = part > 0
            if on.dim() >= 4 or (convolved and on.dim() == 3):
                each = on.flatten(2).any(2)
            else:
                each = on.reshape(-1, on.shape[-1])
            account = self._accounts.get(key)
            if account is None or account.last.shape[0] != each.shape[1] or account.last.device != each.device:
                account = self._accounts[key] = _Account(each)
            account.add(each, on)
        self._looked.append(key)

    def read(self) -> Optional[tuple[torch.Tensor, list[tuple[Key, int, int]]]]:
        """(silent units and share of outputs off for each layer looked at, as one vector on the device; the layers with
        their number of units and of samples), or None. Ends the look."""
        looked, self._looked = self._looked, []
        self._nodes.clear()
        if not looked:
            return None
        accounts = [self._accounts[key] for key in looked]
        device = accounts[0].last.device
        with torch.no_grad():
            vector = torch.cat([account.numbers().to(device, non_blocking=True) for account in accounts])
        return vector, [
            (key, account.last.shape[0], min(account.samples, WINDOW)) for key, account in zip(looked, accounts)
        ]


class _Account:
    """Of one layer. `last` is the number of samples seen when the unit was last above zero."""

    def __init__(self, each: torch.Tensor) -> None:
        self.samples = 0
        self.last = torch.zeros(each.shape[1], dtype=torch.int64, device=each.device)
        self.off = torch.zeros((), device=each.device)

    def add(self, each: torch.Tensor, on: torch.Tensor) -> None:
        """each: (samples, units), on: all outputs, both bool."""
        self.samples += each.shape[0]
        self.last = self.last.masked_fill(each.any(0), self.samples)
        self.off = 1 - on.float().mean()

    def numbers(self) -> torch.Tensor:
        silent = (self.last <= max(0, self.samples - WINDOW)).sum()
        return torch.stack([silent.float(), self.off])


def said(numbers: list[float], layers: list[tuple[Key, int, int]]) -> list[Silence]:
    """The most silent layers, in the order of the model."""
    found = [
        Silence(place, before, units, int(numbers[2 * number]), samples, round(numbers[2 * number + 1], 4))
        for number, ((place, before), units, samples) in enumerate(layers)
    ]
    found.sort(key=lambda one: -one.silent / max(1, one.units))
    return sorted(found[:SHOWN], key=lambda one: (one.module, one.before))


def _rectified(node: Any) -> Any:
    """The rectifier's node when a tensor is its result, perhaps pooled; else None."""
    for _ in range(3):
        name = type(node).__name__.partition("Backward")[0]
        if name in ("Relu", "Hardtanh", "ClampMin"):
            return node if name == "Relu" else None
        if not name.startswith(_PASS_ON) or not node.next_functions:
            return None
        node = node.next_functions[0][0]
    return None
