"""The modules of a model as records: paths, kinds, sizes, which parameters they own, and how many weights are below."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import Optional

import torch
from torch import nn

from ..run.events import ModuleInfo
from .forms import initialised, size_of

MOST_MODULES = 20_000
"""A tree larger than this is cut; its last entry says so."""
MOST_TIES = 1 << 17
"""So many owners of tied weights are followed up to the root."""


class Outline:
    """The modules in registration order, each once; one that is met again under another path is named there."""

    def __init__(self, root: nn.Module, index: dict[int, int]) -> None:
        """index: places in `Model.tensors` by id of the parameter."""
        self._index = index
        self.modules: list[Optional[nn.Module]] = []
        self.infos: list[ModuleInfo] = []
        self._above: list[int] = []
        """The place of the module above each."""
        self._met: dict[int, int] = {}
        self._left_out = 0
        self._walk(root)
        self.places = {id(module): place for place, module in enumerate(self.modules) if module is not None}
        """Place by id of the module."""
        for place, weights in enumerate(self._weights()):
            self.infos[place] = replace(self.infos[place], weights=weights)
        if self._left_out:
            self.infos.append(ModuleInfo("…", f"and {self._left_out:,} more modules, which are not listed"))
            self.modules.append(None)

    def _walk(self, root: nn.Module) -> None:
        """Not by recursion: it has no limit of its own, whatever the model."""
        waiting: list[tuple[str, nn.Module, int]] = [("", root, -1)]
        while waiting:
            path, module, above = waiting.pop()
            place, known = len(self.infos), self._met.get(id(module))
            if place >= MOST_MODULES:
                self._left_out += known is None
                self._met.setdefault(id(module), -1)
            elif known is not None:
                first = self.infos[known]
                self.infos.append(ModuleInfo(path, first.kind, first.detail, same=first.path))
                self.modules.append(None)
                self._above.append(above)
                continue
            else:
                self._met[id(module)] = place
                own = [self._index[id(parameter)] for parameter in _own(module, self._index)]
                self.infos.append(ModuleInfo(path, kind_of(module), detail_of(module), tensors=own))
                self.modules.append(module)
                self._above.append(above)
            below = path + "." if path else ""
            children = [(below + name, child, place) for name, child in module._modules.items() if child is not None]
            if known is None:
                waiting.extend(reversed(children))

    def _weights(self) -> list[int]:
        """Weights of each module and all below it, tied ones once. From the end: what is below comes behind."""
        sizes: dict[int, int] = {}
        owners: dict[int, list[int]] = defaultdict(list)
        for place, (module, info) in enumerate(zip(self.modules, self.infos)):
            for tensor, parameter in zip(info.tensors, _own(module, self._index)):
                sizes[tensor] = size_of(parameter)
                owners[tensor].append(place)
        self._add_ties(owners)
        weights = [0] * len(self.infos)
        for tensor, places in owners.items():
            if len(places) == 1:
                weights[places[0]] += sizes[tensor]
        for place in range(len(weights) - 1, 0, -1):
            weights[self._above[place]] += weights[place]
        for tensor, places in owners.items():
            if len(places) > 1:
                for place in self._with_all_above(places):
                    weights[place] += sizes[tensor]
        return weights

    def _add_ties(self, owners: dict[int, list[int]]) -> None:
        """A module that stands in the tree twice owns what is below it twice."""
        first = {info.path: place for place, info in enumerate(self.infos) if not info.same}
        ties = 0
        for place, info in enumerate(self.infos):
            if info.same:
                start = first[info.same]
                for below in range(start, self._end_of(start)):
                    ties += len(self.infos[below].tensors)
                    if ties > MOST_TIES:
                        return
                    for tensor in self.infos[below].tensors:
                        owners[tensor].append(place)

    def _end_of(self, place: int) -> int:
        """One more than the last place below a module."""
        end = place + 1
        while end < len(self._above) and self._above[end] >= place:
            end += 1
        return end

    def _with_all_above(self, places: list[int]) -> set[int]:
        found: set[int] = set()
        for place in places:
            while place >= 0 and place not in found:
                found.add(place)
                place = self._above[place]
        return found


def _own(module: Optional[nn.Module], index: dict[int, int]) -> list[torch.Tensor]:
    """In the order of `ModuleInfo.tensors`."""
    if module is None:
        return []
    return [parameter for parameter in module._parameters.values() if parameter is not None and id(parameter) in index]


def kind_of(module: nn.Module) -> str:
    """The name of its class; of a scripted module of that which was scripted."""
    scripted = isinstance(module, torch.jit.ScriptModule)
    return str(module.original_name) if scripted else type(module).__name__


def own_parameter(module: nn.Module, name: str) -> Optional[torch.Tensor]:
    """A parameter as it is stored: reading the attribute could compute it anew, and change the program by that."""
    stored = module._parameters
    return stored[name] if name in stored else None  # noqa: SIM401 (that of a scripted module has no `get`)


def detail_of(module: nn.Module) -> str:
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


def pictures_of(modules: list[Optional[nn.Module]], index: dict[int, int]) -> dict[int, list[int]]:
    """Which tensors read as pictures, one a unit: convolution kernels, and a first layer on square images.

    Returns:
        [units, height, width] by place in `Model.tensors`.
    """
    found: dict[int, list[int]] = {}
    first = True
    for module in modules:
        weight = own_parameter(module, "weight") if module is not None else None
        if weight is None or id(weight) not in index or not initialised(weight) or weight.dim() < 2:
            own = module._parameters.values() if module is not None else ()
            first = first and all(one is None or (initialised(one) and one.dim() < 2) for one in own)  # not an LSTM
            continue
        place, shape = index[id(weight)], weight.shape
        if isinstance(module, nn.Conv2d) and weight.dim() == 4 and shape[2] * shape[3] > 1:
            found[place] = [shape[0] * shape[1], shape[2], shape[3]]
        elif first and weight.dim() == 2 and isinstance(module, nn.Linear):
            side = math.isqrt(shape[1])
            if side * side == shape[1] and side >= 4:
                found[place] = [shape[0], side, side]
        first = False
    return found
