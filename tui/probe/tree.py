"""From an optimizer's parameters to the named module tree, found in the program's memory without asking the program."""

from __future__ import annotations

import gc
import math
import weakref
from typing import Any, Iterable, Optional

import torch
from torch import nn

from ..run.events import Model, ModuleInfo, TensorInfo

_WRAPPERS = {
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "FullyShardedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
}

MOST_MODULES = 20_000
"""A tree larger than this is cut, with a warning in the module list's last entry."""


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
        for number, parameter in enumerate(all_parameters(optimizers)):
            if id(parameter) not in named:
                named[id(parameter)] = (f"parameter {number}", parameter)
        parameters = [parameter for _, parameter in named.values()]
        self._parameters = [weakref.ref(parameter) for parameter in parameters]
        size = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
        self._held = parameters if size <= HELD_BYTES else []
        self.names = [name for name, _ in named.values()]
        self.index = {id(parameter): place for place, parameter in enumerate(parameters)}
        """Place in `model.tensors` by id of the parameter."""
        modules: list[nn.Module] = []
        infos = []
        if root is not None:
            for path, module in root.named_modules():
                modules.append(module)
                infos.append(_describe(path, module, self.index))
                if len(infos) >= MOST_MODULES:
                    break
        self.module_index = {id(module): place for place, module in enumerate(modules)}
        """Place in `model.modules` by id of the module."""
        pictured = _pictures(modules, parameters, self.index)
        self.model = Model(
            t=t,
            name=type(root).__name__ if root is not None else "",
            weights=sum(parameter.numel() for parameter in parameters),
            tensors=[
                TensorInfo(
                    name=name,
                    shape=list(parameter.shape),
                    dtype=str(parameter.dtype).replace("torch.", ""),
                    trainable=bool(parameter.requires_grad),
                    picture=pictured.get(place, []),
                )
                for place, (name, parameter) in enumerate(named.values())
            ],
            modules=infos,
            optimizers=[type(optimizer).__name__ for optimizer in optimizers],
            device=str(parameters[0].device) if parameters else "",
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

    def main_tensors(self) -> list[int]:
        """The largest tensor of each module that has parameters of its own."""
        shapes = [math.prod(tensor.shape) for tensor in self.model.tensors]
        return [max(module.tensors, key=lambda place: shapes[place]) for module in self.model.modules if module.tensors]

    def parameters(self, places: Iterable[int]) -> list[torch.Tensor]:
        """The tensors at these places that are still alive."""
        found = (self._parameters[place]() for place in places)
        return [parameter for parameter in found if parameter is not None]


def all_parameters(optimizers: Iterable[Any]) -> list[torch.Tensor]:
    """Every parameter that the optimizers step, each once, in group order."""
    found: dict[int, torch.Tensor] = {}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                found.setdefault(id(parameter), parameter)
    return list(found.values())


def _living(kind: type[Any]) -> list[Any]:
    """Every object of a class that the collector knows. Looks at types only: some objects warn when touched."""
    return [thing for thing in gc.get_objects() if kind in type(thing).__mro__]


def find_optimizers() -> list[Any]:
    """The optimizers alive in this process that hold parameters."""
    return [one for one in _living(torch.optim.Optimizer) if getattr(one, "param_groups", None)]


def find_root(parameters: list[torch.Tensor]) -> Optional[nn.Module]:
    """The outermost module that holds most of these parameters, or None: loops without a module exist."""
    wanted = {id(parameter) for parameter in parameters}
    modules = _living(nn.Module)
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


def _describe(path: str, module: nn.Module, index: dict[int, int]) -> ModuleInfo:
    own = [index[id(p)] for p in module._parameters.values() if p is not None and id(p) in index]
    return ModuleInfo(
        path=path,
        kind=type(module).__name__,
        detail=_detail(module),
        weights=sum(parameter.numel() for parameter in module.parameters()),
        tensors=own,
    )


def _detail(module: nn.Module) -> str:
    """The sizes that matter, short."""
    get = module.__dict__.get
    if isinstance(module, nn.Linear):
        return f"{get('in_features')}→{get('out_features')}"
    if isinstance(module, nn.modules.conv._ConvNd):
        kernel = "×".join(str(size) for size in module.kernel_size)
        return f"{get('in_channels')}→{get('out_channels')} {kernel}"
    if isinstance(module, nn.Embedding):
        return f"{get('num_embeddings')}→{get('embedding_dim')}"
    if isinstance(module, nn.RNNBase):
        return f"{get('input_size')}→{get('hidden_size')} ×{get('num_layers')}"
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return str(get("num_features"))
    if isinstance(module, nn.LayerNorm):
        return "×".join(str(size) for size in module.normalized_shape)
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return f"p {get('p')}"
    return ""


def _pictures(modules: list[nn.Module], parameters: list[torch.Tensor], index: dict[int, int]) -> dict[int, list[int]]:
    """Which tensors read as pictures, one a unit: convolution kernels, and a first layer on square images."""
    found: dict[int, list[int]] = {}
    first = True
    for module in modules:
        weight = module._parameters.get("weight")
        if weight is None or id(weight) not in index or weight.dim() < 2:
            continue
        place, shape = index[id(weight)], weight.shape
        if isinstance(module, nn.Conv2d) and shape[2] * shape[3] > 1:
            found[place] = [shape[0] * shape[1], shape[2], shape[3]]
        elif first and weight.dim() == 2 and isinstance(module, nn.Linear):
            side = math.isqrt(shape[1])
            if side * side == shape[1] and side >= 4:
                found[place] = [shape[0], side, side]
        first = False
    return found
