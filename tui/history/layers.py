"""The layers of a model as rows, and the gradient norm of each over time; singly, and put together by block."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Optional

from ..run.events import Model, ModuleInfo, Tick
from .blocks import partitions


@dataclass(frozen=True)
class Layer:
    """A module that owns parameters, as one row: its tensors belong together. Or a block of several, as one row."""

    name: str
    """The path in the model without what all layers' paths share; the tensor's own name where there is no module."""
    kind: str
    detail: str
    tensors: tuple[int, ...]
    main: int
    """The tensor that is shown for it: the largest."""
    weights: int
    trainable: bool
    optimizers: tuple[int, ...] = (0,)
    """Places in `Model.optimizers` of those that update it."""

    @property
    def title(self) -> str:
        """Name and kind, for a narrow place: "0 Linear"."""
        return f"{self.name} {self.kind}".strip()


@dataclass
class Health:
    """The gradient norm of one layer over time."""

    now: Optional[float] = None
    step: int = 0
    ratio: Optional[float] = None
    """‖weight change‖ / ‖weight‖ of the last measured update."""
    ratio_step: Optional[int] = None
    ratios: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    """The same of the last ones."""
    odd: Optional[tuple[int, int]] = None
    """How many entries of the gradient are NaN and how many infinite, where that was counted."""
    odd_since: Optional[int] = None
    """The step at which its gradient was first not finite."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    low: float = math.inf
    high: float = 0.0
    """Extremes of all time, finite ones, for the full range."""
    _medians: dict[int, tuple[int, Optional[float]]] = field(default_factory=dict)
    """(how many, median) of so many last norms, as far as they were asked for since the newest came."""

    def add(self, value: float, step: int) -> None:
        self.now, self.step = value, step
        self._medians.clear()
        self.recent.append(value)
        if self.odd_since is None and not math.isfinite(value):
            self.odd_since = step
        if 0 < value < self.low:
            self.low = value
        if self.high < value < math.inf:
            self.high = value

    def moved(self, ratio: float, step: Optional[int]) -> None:
        """A ratio measured at a step; one that was known already is not counted twice."""
        self.ratio = ratio
        if step != self.ratio_step:
            self.ratio_step = step
            self.ratios.append(ratio)

    @property
    def finite(self) -> bool:
        """Is the newest norm a number, or not known yet?"""
        return self.now is None or math.isfinite(self.now)

    def typical(self, last: int = 256) -> Optional[float]:
        """The median of its last finite norms; None when there are none."""
        if last not in self._medians:
            known = [value for value in list(self.recent)[-last:] if math.isfinite(value)]
            self._medians[last] = (len(known), statistics.median(known) if known else None)
        return self._medians[last][1]

    def times_median(self) -> Optional[float]:
        """How many times its recent median the norm is now; None without enough history."""
        middle = self.typical()
        if self.now is None or not math.isfinite(self.now) or self._medians[256][0] < 20 or not middle:
            return None
        return self.now / middle


@dataclass(frozen=True)
class Level:
    """One way to list a model's layers: each by itself, or those of a block as one row."""

    layers: list[Layer]
    health: list[Health]
    """One for each row. A layer that stands for itself has the same one at every level."""
    members: list[tuple[int, ...]]
    """For each row the places of its layers in the finest level."""

    def take(self, tick: Tick, besides: Sequence[Health] = ()) -> None:
        """The norms and ratios of a tick, for the rows whose health is not among those seen to already."""
        known = set(map(id, besides))
        counted = {place: (nan, infinite) for place, nan, infinite in zip(*[iter(tick.odd)] * 3)}
        for layer, health, members in zip(self.layers, self.health, self.members):
            if id(health) in known:
                continue
            step = _at(tick.norms_at, layer, tick.norms_step)
            norm = combined(tick.norms, layer.tensors)
            if norm is not None and step is not None and step > health.step:
                health.add(norm, step)
            if tick.norms is not None:
                odd = [counted[place] for place in layer.tensors if place in counted] if counted else []
                health.odd = (sum(one for one, _ in odd), sum(two for _, two in odd)) if odd else None
            ratio = _ratio(tick.ratios, layer, len(members))
            if ratio is not None:
                health.moved(ratio, _at(tick.ratios_at, layer, tick.ratios_step))


def _at(steps: list[int], layer: Layer, else_: Optional[int]) -> Optional[int]:
    """The step at which something of a layer was measured last."""
    known = [steps[place] for place in layer.optimizers if 0 <= place < len(steps)]
    return max(known) if known else else_


def _ratio(ratios: Optional[list[Optional[float]]], layer: Layer, layers: int) -> Optional[float]:
    """Of a layer that of its largest tensor, of a block the largest; NaN is larger than all."""
    if ratios is None:
        return None
    if layers == 1:
        return ratios[layer.main] if layer.main < len(ratios) else None
    known = [value for value in (ratios[place] for place in layer.tensors if place < len(ratios)) if value is not None]
    return max(known, key=lambda value: math.inf if value != value else value, default=None)


def combined(norms: Optional[list[Optional[float]]], tensors: tuple[int, ...]) -> Optional[float]:
    """The L2 norm of several tensors together; None when none of them has one."""
    if norms is None:
        return None
    total, found = 0.0, 0
    for place in tensors:
        value = norms[place] if place < len(norms) else None
        if value is not None:
            total += value * value
            found += 1
    if total < 1e300:
        return math.sqrt(total) if found else None
    known = [value for value in (norms[place] for place in tensors if place < len(norms)) if value is not None]
    if any(value != value for value in known):
        return math.nan
    return math.hypot(*known)  # the squares were too large, or one is infinite


def levels_of(layers: list[Layer]) -> list[Level]:
    """The ways to list these layers, the finest first: each by itself; then by block, where the model has blocks."""
    finest = Level(layers, [Health() for _ in layers], [(place,) for place in range(len(layers))])
    levels = [finest]
    for way in partitions([layer.name for layer in layers]):
        level = Level([], [], [])
        for path, own in way:
            alone = len(own) == 1
            level.layers.append(layers[own[0]] if alone else _block(path, [layers[place] for place in own]))
            level.health.append(finest.health[own[0]] if alone else Health())
            level.members.append(own)
        levels.append(level)
    return levels


def _block(path: str, layers: list[Layer]) -> Layer:
    largest = max(layers, key=lambda layer: layer.weights)
    return Layer(
        name=path,
        kind=f"({len(layers)})",
        detail=f"{len(layers)} layers",
        tensors=tuple(place for layer in layers for place in layer.tensors),
        main=largest.main,
        weights=sum(layer.weights for layer in layers),
        trainable=any(layer.trainable for layer in layers),
        optimizers=tuple(sorted({one for layer in layers for one in layer.optimizers})),
    )


def layers_of(model: Model) -> list[Layer]:
    """The rows of a model: each module that owns parameters, then what belongs to none of its modules: layers of
    further models, under the name of the model that they are in, and single parameters."""
    found: list[Layer] = []
    claimed: set[int] = set()
    for module in model.modules:
        own = tuple(place for place in module.tensors if 0 <= place < len(model.tensors) and place not in claimed)
        if own:
            claimed.update(own)
            found.append(_layer(model, module, own))
    shared = _shared_prefix([layer.name for layer in found])
    others: dict[str, dict[str, list[int]]] = {}
    single = []
    for place, tensor in enumerate(model.tensors):
        title, _, path = tensor.name.rpartition(".")[0].partition(".")
        if place not in claimed and title:
            others.setdefault(title, {}).setdefault(path, []).append(place)
        elif place not in claimed:
            single.append(_further(model, tensor.name, [place]))
    front = f"{model.name}." if others and model.name else ""
    found = [replace(layer, name=front + layer.name[len(shared) :]) for layer in found]
    for title, paths in others.items():
        shared = _shared_prefix(list(paths))
        for path, places in paths.items():
            found.append(_further(model, f"{title}.{path[len(shared) :]}".rstrip("."), places))
    return found + single


def _further(model: Model, name: str, places: list[int]) -> Layer:
    """A layer of which nothing is known but its tensors."""
    tensors = [model.tensors[place] for place in places]
    sizes = {place: math.prod(tensor.shape) for place, tensor in zip(places, tensors)}
    return Layer(
        name=name,
        kind="",
        detail=" + ".join("×".join(map(str, tensor.shape)) or "1" for tensor in tensors),
        tensors=tuple(places),
        main=max(places, key=lambda place: sizes[place]),
        weights=sum(sizes.values()),
        trainable=any(tensor.trainable for tensor in tensors),
        optimizers=_owners(model, tuple(places)),
    )


def _shared_prefix(names: list[str]) -> str:
    """The path that all names begin with, up to a dot: it tells none of them apart."""
    if len(names) < 2:
        return ""
    parts = [name.split(".") for name in names]
    length = 0
    while all(len(part) > length + 1 and part[length] == parts[0][length] for part in parts):
        length += 1
    return "".join(part + "." for part in parts[0][:length])


def _layer(model: Model, module: ModuleInfo, own: tuple[int, ...]) -> Layer:
    sizes = {place: math.prod(model.tensors[place].shape) for place in own}
    return Layer(
        name=module.path or model.name,
        kind=module.kind if module.path else "",
        detail=module.detail,
        tensors=own,
        main=max(own, key=lambda place: sizes[place]),
        weights=sum(sizes.values()),
        trainable=any(model.tensors[place].trainable for place in own),
        optimizers=_owners(model, own),
    )


def _owners(model: Model, tensors: tuple[int, ...]) -> tuple[int, ...]:
    """The optimizers of these tensors; without any that is trained, those of none."""
    owners = {model.tensors[place].optimizer for place in tensors}
    return tuple(sorted(owner for owner in owners if 0 <= owner < max(1, len(model.optimizers)))) or (-1,)
