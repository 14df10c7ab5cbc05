"""From an optimizer's parameters to the named module tree, found in the program's memory without asking the program."""

from __future__ import annotations

import gc
import math
import weakref
from collections import Counter
from typing import Any, Iterable, Optional

import torch
from torch import nn

from ..run.events import Model, TensorInfo
from .forms import bytes_of, form_of, initialised, shape_of, size_of
from .outline import Outline, pictures_of

_WRAPPERS = {
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "FullyShardedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
}

MOST_MODELS = 8
"""So many models beside the first are looked for."""

HELD_BYTES = 16 << 20
"""A model whose parameters come to no more than this counts as small."""


class Tree:
    """The model found. Of a large model only weak references are kept: a program that drops it gets the memory back.
    The parameters of a small one are held on to, so that they can still be pictured when the program is at its end."""

    def __init__(self, root: Optional[nn.Module], optimizers: list[Any], t: float) -> None:
        self.has_root = root is not None
        self._root = weakref.ref(root) if root is not None else None
        named: dict[int, tuple[str, torch.Tensor]] = {}
        if root is not None:
            named = {id(parameter): (name, parameter) for name, parameter in root.named_parameters()}
            named.update(_elsewhere([one for one in all_parameters(optimizers) if id(one) not in named]))
        for number, parameter in enumerate(all_parameters(optimizers)):
            if id(parameter) not in named:
                named[id(parameter)] = (f"parameter {number}", parameter)
        parameters = [parameter for _, parameter in named.values()]
        self._parameters = [weakref.ref(parameter) for parameter in parameters]
        self._held = parameters if sum(map(bytes_of, parameters)) <= HELD_BYTES else []
        self._lazy = [weakref.ref(parameter) for parameter in parameters if not initialised(parameter)]
        self.names = [name for name, _ in named.values()]
        self.index = {id(parameter): place for place, parameter in enumerate(parameters)}
        """Place in `model.tensors` by id of the parameter."""
        self.owners = _owners(optimizers, self.index)
        """Place of each tensor's optimizer in `model.optimizers`; -1 for none."""
        outline = Outline(root, self.index) if root is not None else None
        self.module_index = outline.places if outline is not None else {}
        """Place in `model.modules` by id of the module."""
        pictured = pictures_of(outline.modules, self.index) if outline is not None else {}
        device = _main_device(parameters)
        self.model = Model(
            t=t,
            name=type(root).__name__ if root is not None else "",
            weights=sum(map(size_of, parameters)),
            tensors=[
                TensorInfo(
                    name=name,
                    shape=shape_of(parameter),
                    dtype=str(parameter.dtype).replace("torch.", ""),
                    trainable=bool(parameter.requires_grad),
                    picture=pictured.get(place, []),
                    optimizer=self.owners[place],
                    device="" if str(parameter.device) == device else str(parameter.device),
                    form=form_of(parameter),
                )
                for place, (name, parameter) in enumerate(named.values())
            ],
            modules=outline.infos if outline is not None else [],
            optimizers=[type(one).__name__ for one in optimizers if isinstance(one, torch.optim.Optimizer)],
            device=device,
        )

    def __len__(self) -> int:
        """How many parameter tensors there are."""
        return len(self._parameters)

    @property
    def root(self) -> Optional[nn.Module]:
        """The outermost module, or None if there is none or the program has dropped it."""
        return self._root() if self._root is not None else None

    def parameter(self, place: int) -> Optional[torch.Tensor]:
        """The tensor at a place of `model.tensors`, or None if the program has dropped it."""
        return self._parameters[place]()

    def place(self, parameter: torch.Tensor) -> Optional[int]:
        """Its place in `model.tensors`; None if it is not one of these (another may have had its id before)."""
        place = self.index.get(id(parameter))
        return place if place is not None and self._parameters[place]() is parameter else None

    def is_other(self, parameters: Iterable[torch.Tensor]) -> bool:
        """Are these parameters not the ones that it knows, or has one been frozen or set free since, or has that of a
        lazy layer got its shape?"""
        for parameter in parameters:
            place = self.place(parameter)
            if place is None or self.model.tensors[place].trainable != bool(parameter.requires_grad):
                return True
        return any(parameter is not None and initialised(parameter) for parameter in (one() for one in self._lazy))

    def main_tensors(self) -> list[int]:
        """The largest tensor of each module that has parameters of its own."""
        shapes = [math.prod(tensor.shape) for tensor in self.model.tensors]
        return [max(module.tensors, key=lambda place: shapes[place]) for module in self.model.modules if module.tensors]

    def parameters(self, places: Iterable[int]) -> list[torch.Tensor]:
        """The tensors at these places that are still alive, without those of lazy layers that have no shape yet."""
        found = (self._parameters[place]() for place in places)
        return [parameter for parameter in found if parameter is not None and initialised(parameter)]


def _main_device(parameters: list[torch.Tensor]) -> str:
    """That of most weights."""
    weights: Counter[str] = Counter()
    for parameter in parameters:
        weights[str(parameter.device)] += size_of(parameter)
    return max(weights, key=weights.__getitem__, default="")


def all_parameters(optimizers: Iterable[Any]) -> list[torch.Tensor]:
    """Every parameter that the optimizers step, each once, in group order."""
    found: dict[int, torch.Tensor] = {}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                found.setdefault(id(parameter), parameter)
    return list(found.values())


def living(kind: type[Any]) -> list[Any]:
    """Every object of a class that the collector knows. Looks at types only: some objects warn when touched."""
    return [thing for thing in gc.get_objects() if kind in type(thing).__mro__]


def _elsewhere(parameters: list[torch.Tensor]) -> dict[int, tuple[str, torch.Tensor]]:
    """Names, by id, for parameters of further models, with the model's class in front: "Generator.net.0.bias"."""
    named: dict[int, tuple[str, torch.Tensor]] = {}
    titles: list[str] = []
    while parameters and len(titles) < MOST_MODELS:
        root = find_root(parameters)
        if root is None:
            break
        kind = type(root).__name__
        same = sum(title.rstrip("0123456789") == kind for title in titles)
        titles.append(f"{kind}{same + 1}" if same else kind)
        found = {id(parameter): (f"{titles[-1]}.{name}", parameter) for name, parameter in root.named_parameters()}
        named.update((key, value) for key, value in found.items() if key not in named)
        parameters = [parameter for parameter in parameters if id(parameter) not in named]
    return named


def _owners(optimizers: list[Any], index: dict[int, int]) -> list[int]:
    """For each tensor the first optimizer that has it."""
    owners = [-1] * len(index)
    for number, optimizer in reversed(list(enumerate(optimizers))):
        for parameter in all_parameters([optimizer]):
            owners[index[id(parameter)]] = number
    return owners


def find_optimizers() -> list[Any]:
    """The optimizers alive in this process that hold parameters."""
    return [one for one in living(torch.optim.Optimizer) if getattr(one, "param_groups", None)]


def find_root(parameters: list[torch.Tensor]) -> Optional[nn.Module]:
    """The outermost module that holds most of these parameters, or None: loops without a module exist."""
    wanted = {id(parameter) for parameter in parameters}
    modules = living(nn.Module)
    inner: set[int] = set()
    for module in modules:
        children = module.__dict__.get("_modules")
        if children:
            inner.update(id(child) for child in children.values() if child is not None)
    best: Optional[nn.Module] = None
    most = (0, 0)
    for module in modules:
        if id(module) in inner or "_parameters" not in module.__dict__:
            continue
        own = {id(parameter) for parameter in module.parameters()}
        score = (len(own & wanted), -len(own))
        if score[0] > 0 and score > most:
            best, most = module, score
    while best is not None and type(best).__name__ in _WRAPPERS:
        inside = getattr(best, _WRAPPERS[type(best).__name__], None)
        if not isinstance(inside, nn.Module):
            break
        best = inside
    return best
