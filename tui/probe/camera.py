"""Snapshots: pictures and statistics of one tensor, and what the modules put out. Only while somebody looks.

Every picture is made on the device, in as many cells as the viewer can show, and read as one vector.
"""

from __future__ import annotations

import math
import time
import weakref
from dataclasses import replace
from typing import Any, Callable, Iterable, Optional

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from ..run.events import WEIGHT_LEVELS, Activation, Picture, Presence
from .eyes import Eye
from .hooks import bystander
from .meter import Readout, local, readable, sample
from .specimen import Specimen
from .tree import Tree

BINS = 24
OUTPUT_BINS = 16
MOST_CELLS = 512
"""A panel is at most this many cells high or wide, whatever a viewer says."""
KEPT_BYTES = 16 << 20
"""Copies of the start are kept for whole tensors up to this many bytes in all, so that change can be drawn."""
MOST_MODULES = 256
"""Outputs of at most this many modules are looked at in one photograph."""
LETTERS = WEIGHT_LEVELS + "n."


class Starts:
    """The weights as they were when training began: whole for small tensors, at fixed positions for all."""

    def __init__(self, tree: Tree) -> None:
        self._whose: dict[int, weakref.ReferenceType[torch.Tensor]] = {}
        self._samples: dict[int, torch.Tensor] = {}
        self._whole: dict[int, torch.Tensor] = {}
        left = KEPT_BYTES
        with torch.no_grad():
            for parameter in tree.parameters(range(len(tree))):
                if not readable(parameter):
                    continue
                self._whose[id(parameter)] = weakref.ref(parameter)
                self._samples[id(parameter)] = sample(parameter).clone()
                part = local(parameter.detach())
                size = part.numel() * part.element_size()
                if size <= left:
                    left -= size
                    self._whole[id(parameter)] = part.clone()

    def extend(self, tree: Tree) -> None:
        """Parameters that came later start where they were first seen."""
        now = Starts(tree)
        for key, reference in now._whose.items():
            known = self._whose.get(key)
            if known is not None and known() is reference():
                now._samples[key] = self._samples[key]
                now._whole.pop(key, None)
                if key in self._whole:
                    now._whole[key] = self._whole[key]
        self._whose, self._samples, self._whole = now._whose, now._samples, now._whole

    def whole(self, parameter: torch.Tensor) -> Optional[torch.Tensor]:
        """All of it as it was, where that is kept."""
        return _of_size(self._whole.get(id(parameter)), local(parameter.detach()).numel())

    def samples(self, parameter: torch.Tensor) -> Optional[torch.Tensor]:
        """The entries at the positions of `sample`, as they were."""
        return _of_size(self._samples.get(id(parameter)), sample(parameter).numel())


def _of_size(kept: Optional[torch.Tensor], size: int) -> Optional[torch.Tensor]:
    """A program may give a parameter other data, of another size: it has no start then."""
    return kept if kept is not None and kept.numel() == size else None


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
    """Pictures the tensor in focus; `then` gets it when it has arrived."""
    if not len(tree):
        return
    place = wish.tensor if 0 <= wish.tensor < len(tree) else first_choice(tree)
    parameter = tree.parameter(place)
    if parameter is None:
        return
    info = tree.model.tensors[place]
    blank = Picture(tensor=place, mode=wish.mode, of_weights=parameter.numel())
    absent = _absent(parameter, starts, wish.mode)
    if absent:
        then(Picture(**{**blank.__dict__, "absent": absent}))
        return
    with torch.no_grad():
        values, start = _values(parameter, starts, wish.mode)
        cells, made = cells_of(values, start, info.picture, blank, wish)
        statistics, counted = _statistics(parameter, starts, wish.mode)
        vector = torch.cat([cells, statistics])

    def arrived(numbers: list[float]) -> None:
        then(_finish(made, numbers, counted))

    readouts.append(Readout(vector, arrived))


def _absent(parameter: torch.Tensor, starts: Starts, mode: str) -> str:
    if not readable(parameter):
        return f"this tensor cannot be shown ({parameter.dtype}, {parameter.layout})"
    if mode == "gradient" and not readable(parameter.grad):
        return "no gradient at this moment: it has been cleared, it is frozen, or the loss does not reach it"
    if mode == "change" and starts.whole(parameter) is None:
        return "too large for a copy of its start: m shows the weights"
    return ""


def _values(parameter: torch.Tensor, starts: Starts, mode: str) -> tuple[torch.Tensor, Optional[torch.Tensor]]:
    """The tensor to draw, and what to subtract from the part of it that is drawn."""
    if mode == "gradient" and parameter.grad is not None:
        return local(parameter.grad.detach()), None
    return local(parameter.detach()), starts.whole(parameter) if mode == "change" else None


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
    """(levels with their scale in front, the fields of the picture that are known already)."""
    rows, columns = _within(wish.rows or 24), _within(wish.columns or 40)
    if picture and values.numel() == picture[0] * picture[1] * picture[2]:
        of, high, wide = picture
        edge, across, down = grid_of(of, high, wide, rows, columns)
        first = max(0, min(wish.first, of - 1))
        units = min(across * down, of - first)
        block = _rows(values, (of, high, wide), first, units, start)
        pooled = _pool(block, edge, edge)
        fields = {"first": first, "units": units, "of": of, "per_cell": edge * edge}
    else:
        shape = _as_matrix(values.shape, columns)
        block = _rows(values, (1, *shape), 0, 1, start)
        tall, broad = -(-shape[0] // rows), -(-shape[1] // columns)
        pooled = _pool(block, tall, broad)
        fields = {"first": 0, "units": 1, "of": 1, "per_cell": tall * broad}
    finite = torch.isfinite(pooled)
    scale = torch.where(finite, pooled.abs(), torch.zeros_like(pooled)).amax()
    scale = _round_up(scale)
    levels = ((pooled / scale) * 7.5 + 7.5).round().clamp(0, 15)
    levels = torch.where(finite, levels, torch.full_like(levels, 16.0))
    made = {**blank.__dict__, **fields, "height": pooled.shape[1], "width": pooled.shape[2]}
    return torch.cat([scale.reshape(1), levels.reshape(-1)]), made


def _within(cells: int) -> int:
    return max(2, min(cells, MOST_CELLS))


def _rows(
    values: torch.Tensor, shape: tuple[int, ...], first: int, units: int, start: Optional[torch.Tensor]
) -> torch.Tensor:
    """The units drawn, float32, the start already subtracted; padded with zeros where a 1-D tensor was wrapped."""

    def cut(tensor: torch.Tensor) -> torch.Tensor:
        flat = tensor.reshape(-1)
        total = math.prod(shape)
        if flat.numel() < total:
            flat = torch.nn.functional.pad(flat, (0, total - flat.numel()))
        return flat.reshape(shape)[first : first + units].float()

    return cut(values) if start is None else cut(values) - cut(start)


def _as_matrix(shape: torch.Size, columns: int) -> tuple[int, int]:
    """Any shape as rows and columns: the first dimension down, the rest across; a vector is wrapped."""
    if len(shape) >= 2:
        return shape[0], math.prod(shape[1:])
    size = math.prod(shape)
    wide = max(1, min(size, columns))
    return -(-size // wide), wide


def _pool(block: torch.Tensor, tall: int, broad: int) -> torch.Tensor:
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
    return torch.where(top >= -bottom, top, bottom) + 0 * (top + bottom)  # a NaN in a patch stays one


def _round_up(scale: torch.Tensor) -> torch.Tensor:
    """Up to the next of 1, 1.5, 2, 3, 5, 7 times a power of ten: cells stay still while the largest weight creeps."""
    steps = torch.tensor([1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0], device=scale.device)
    scale = scale.float().clamp(min=1e-30)
    power = 10.0 ** torch.floor(torch.log10(scale))
    ladder = steps * power
    return torch.where(ladder >= scale * 0.9999, ladder, torch.full_like(ladder, math.inf)).amin()


def _statistics(parameter: torch.Tensor, starts: Starts, mode: str) -> tuple[torch.Tensor, int]:
    """(low, high, std, moved, odd, counts below each bin's upper edge) over the sampled positions of what is shown."""
    now = sample(parameter).float()
    start = starts.samples(parameter)
    if start is not None and start.shape == now.shape:
        moved = torch.linalg.vector_norm(now - start) / torch.linalg.vector_norm(start.float())
    else:
        moved = torch.full((), math.nan, device=now.device)
    shown = now
    if mode == "gradient" and parameter.grad is not None:
        shown = sample(parameter.grad).float()
    elif mode == "change" and start is not None:
        shown = now - start
    finite = torch.isfinite(shown)
    odd = (~finite).sum()
    clean = torch.where(finite, shown, torch.zeros_like(shown))
    low, high = clean.amin(), clean.amax()
    reach = torch.maximum(low.abs(), high.abs()).clamp(min=1e-30)  # symmetric: zero stands in the middle
    edges = torch.linspace(-1, 1, BINS + 1, device=now.device)[1:] * reach
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


# ── what the modules put out ──────────────────────────────────────────────────────────────────────────────────────────

_ACTIVATIONS = tuple(
    getattr(nn, name)
    for name in ("ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "PReLU", "Softplus")
    if hasattr(nn, name)
)


class Exposure:
    """Global forward hook for one training step: collects statistics of outputs, shows every output to the eyes that
    are open, and tells when the root is done.

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
        self._handle: Any = register_module_forward_hook(self._seen)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

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
        if module._modules or len(self._found) >= MOST_MODULES or not isinstance(output, torch.Tensor):
            return
        if not readable(output):
            return
        began = time.perf_counter()
        with torch.no_grad():
            part = sample_output(local(output.detach()))
            switches = isinstance(module, _ACTIVATIONS)
            share = (part > 0).float().mean() if switches else torch.zeros((), device=part.device)
            seen = torch.stack([share, part.float().std(unbiased=False)])
            if self._closely:
                seen = torch.cat([seen, _spread_of(part)])
        self._found[place] = (seen, list(output.shape), switches)
        self.spent_s += time.perf_counter() - began

    def collect(self, readouts: list[Readout], then: Callable[[list[Activation]], None]) -> None:
        """Starts the copy of what was found; `then` gets the list."""
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
