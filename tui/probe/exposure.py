"""What the modules put out in one training step: shapes of all, statistics of some. Only while somebody looks."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import replace
from typing import Any, Callable, Iterable, Optional

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from ..run.events import Activation, Shapes
from .eyes import Eye
from .forms import real
from .frames import is_foreign
from .hooks import bystander
from .meter import Readout, local, readable
from .modes import beside
from .specimen import Specimen
from .tree import Tree

OUTPUT_BINS = 16
MOST_MODULES = 256
"""Statistics are taken of the outputs of at most this many modules in one photograph."""

_ACTIVATIONS = tuple(
    getattr(nn, name)
    for name in ("ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "PReLU", "Softplus")
    if hasattr(nn, name)
)


class Exposure:
    """Global forward hook for one training step: collects shapes and statistics of outputs, shows every output to the
    eyes that are open, and tells when the root is done.

    `look` runs each piece of the collecting, and takes in what it raises; without it nothing is collected.
    """

    def __init__(
        self,
        tree: Tree,
        look: Optional[Callable[..., None]],
        root_done: Callable[[], None],
        eyes: Iterable[Eye] = (),
        specimen: Optional[Specimen] = None,
        closely: bool = False,
        guard_eye: Optional[Callable[..., None]] = None,
    ) -> None:
        """closely: outputs get histograms, too. guard_eye: runs a call of one eye under the name of that eye."""
        self._guard_eye = guard_eye
        self._tree = tree
        self._closely = closely
        self._place = tree.module_index
        self._guard = look
        self._root_done = root_done
        self.eyes = list(eyes)
        self._specimen = specimen
        self._evaluating = any(eye.EVALUATES for eye in self.eyes)
        self.spent_s = 0.0
        """Seconds that looking at outputs has taken."""
        self._found: dict[int, tuple[torch.Tensor, list[int], bool]] = {}
        self._shapes: dict[int, torch.Size] = {}
        self._handle: Any = register_module_forward_hook(self._seen)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    @beside
    def _seen(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """Never returns anything: that would replace the output."""
        training = torch.is_grad_enabled()
        if not (training or self._evaluating) or bystander():
            return
        place = self._place.get(id(module))
        if not training:
            self._show("evaluated", place, module, inputs, output)
            return
        if place is not None and self._guard is not None:
            self._guard(self._look, place, module, output)
            if place == 0 and self._specimen is not None:
                self._guard(self._specimen.forward_done, inputs, output)
        elif place is None and self._guard is not None and self._specimen is not None:
            self._guard(self._specimen.beside, module, inputs, output)
        self._show("saw", place, module, inputs, output)
        if place == 0:
            self._root_done()

    def _show(self, moment: str, *what: Any) -> None:
        began = time.perf_counter()
        for eye in self.eyes:
            if self._guard_eye is not None and (moment == "saw" or eye.EVALUATES):
                self._guard_eye(eye.WHAT, getattr(eye, moment), self._tree, *what)
        self.spent_s += time.perf_counter() - began

    def _look(self, place: int, module: nn.Module, output: Any) -> None:
        began = time.perf_counter()
        try:
            tensor = first_tensor(output)
            if tensor is not None and not tensor.is_nested:
                self._shapes[place] = tensor.shape
                if not module._modules and len(self._found) < MOST_MODULES and readable(tensor):
                    self._measure(place, module, tensor)
        except Exception as error:  # this output is of an odd class; those of the other modules are not
            if is_foreign(error):
                raise
        self.spent_s += time.perf_counter() - began

    def _measure(self, place: int, module: nn.Module, output: torch.Tensor) -> None:
        with torch.no_grad():
            part = real(sample_output(local(output.detach())))
            switches = isinstance(module, _ACTIVATIONS)
            share = (part > 0).float().mean() if switches else torch.zeros((), device=part.device)
            seen = torch.stack([share, part.std(unbiased=False)])
            if self._closely:
                seen = torch.cat([seen, _spread_of(part)])
        self._found[place] = (seen, list(output.shape), switches)

    def shapes(self) -> Optional[Shapes]:
        """Of the outputs seen so far, by module; None when there were none."""
        if not self._shapes:
            return None
        kinds: dict[torch.Size, int] = {}
        of = [
            kinds.setdefault(shape, len(kinds)) if shape is not None else -1
            for shape in map(self._shapes.get, range(len(self._tree.model.modules)))
        ]
        return Shapes([_words(shape) for shape in kinds], " ".join(map(str, of)))

    def collect(self, readouts: list[Readout], then: Callable[[list[Activation]], None]) -> None:
        """Starts the copy of the statistics; `then` gets them as a list."""
        found = self._found
        if not found:
            return
        device = next(iter(found.values()))[0].device
        vector = torch.cat([seen.to(device, non_blocking=True) for seen, _, _ in found.values()])

        def arrived(numbers: list[float]) -> None:
            out = []
            first = 0
            for place, (seen, shape, switches) in found.items():
                share, std, *spread = numbers[first : first + seen.numel()]
                first += seen.numel()
                made = Activation(place, shape, share if switches else None, std, odd=not math.isfinite(std))
                if spread:
                    counts = [int(value) for value in spread[2:]]
                    steps = [now - before for before, now in zip([0, *counts], counts)]
                    made = replace(made, low=spread[0], high=spread[1], histogram=steps)
                out.append(made)
            then(out)

        readouts.append(Readout(vector, arrived))


def first_tensor(output: Any, depth: int = 4) -> Optional[torch.Tensor]:
    """The first tensor in what a module put out: itself, or in a tuple, a dict, a dataclass. No code of the program's
    runs for it."""
    if isinstance(output, torch.Tensor):
        return output
    if depth == 0:
        return None
    inside: Iterable[Any] = ()
    if isinstance(output, dict):
        inside = dict.values(output)
    elif isinstance(output, tuple):
        inside = tuple.__iter__(output)
    elif isinstance(output, list):
        inside = list.__iter__(output)
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        inside = getattr(output, "__dict__", {}).values()
    return next(filter(_is_there, (first_tensor(one, depth - 1) for one in inside)), None)


def _is_there(tensor: Optional[torch.Tensor]) -> bool:
    return tensor is not None


def _words(shape: torch.Size) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _spread_of(output: torch.Tensor) -> torch.Tensor:
    """(low, high, counts below each bin's upper edge) of at most 4,096 entries; those not finite are left out."""
    values = sample_output(output, 4096).float()
    finite = torch.isfinite(values)
    clean = torch.where(finite, values, torch.zeros_like(values))
    low, high = clean.amin(), clean.amax()
    edges = low + (high - low) * torch.linspace(0, 1, OUTPUT_BINS + 1, device=values.device)[1:]
    edges = torch.cat([edges[:-1], high.reshape(1)])
    below = ((clean[:, None] <= edges[None, :]) & finite[:, None]).sum(0)
    return torch.cat([torch.stack([low, high]), below.float()])


def sample_output(output: torch.Tensor, most: int = 65_536) -> torch.Tensor:
    """At most `most` entries of an output, evenly spread, as a 1-D view where strides allow one."""
    flat = output.reshape(-1)
    stride = -(-flat.numel() // most)
    return flat[::stride] if stride > 1 else flat
