"""The modules of a model as rows of a tree, repeated blocks folded into one: made once, however large the model is."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from ..run.events import Model, ModuleInfo, Shapes, TensorInfo

_NUMBERED = re.compile(r"(.*?)(\d+)")
_HOLDERS = ("ModuleList", "ModuleDict", "Sequential")
"""Kinds that only hold others: with a single line below them they need none of their own."""


@dataclass
class Row:
    """One line of the tree: a module, or a tensor that belongs to none. Of equal siblings the first stands for all."""

    place: int
    """In `Model.modules`; -1 for a tensor."""
    depth: int
    name: str
    """"wte"; of several "h.0…h.11"."""
    short: str
    """"h.0…11"."""
    kind: str
    detail: str
    tensors: tuple[int, ...]
    """Its own, not those of what is below it."""
    leaf: bool
    """Nothing is below it."""
    times: int
    weights: int
    """Of one of them, with all below it."""
    share: float
    """Of all weights of the model: those of all `times` together."""
    trains: bool
    """Some weights of it are trained."""
    frozen: float
    """Share of its weights that are not."""
    tied: str
    """The module whose weights these are, where it stands in the tree before; they are counted there."""
    dtype: str
    """With a word on its form, where that is not plain; "" for the type of most weights of the model."""
    device: str
    """"" for the device of the model."""


class Modules:
    """The rows of a model, and what is the same for most of them."""

    def __init__(self, rows: list[Row], row_of: list[int], model: Model, dtype: str) -> None:
        self.rows = rows
        self.row_of = row_of
        """For each of `Model.modules` the row that stands for it; -1 for none."""
        self.name, self.weights, self.dtype, self.device = model.name, model.weights, dtype, model.device
        self.frozen = sum(_size(one) for one in model.tensors if not one.trainable) / max(1, model.weights)
        """Share of all weights that are frozen."""


@dataclass
class _Node:
    """One module on the way to its row."""

    info: ModuleInfo
    name: str
    build: int = 0
    """Equal for modules that are built alike: kinds, sizes, and all below."""
    total: int = 0
    frozen: int = 0
    trains: bool = False
    freezes: bool = False
    dtypes: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()


def modules_of(model: Model) -> Modules:
    """The rows of a model: the outermost module's own tensors, the modules in it, and tensors that belong to none."""
    infos, tensors = model.modules, model.tensors
    main = _main_type(tensors)
    nodes = [_Node(info, info.path.rpartition(".")[2]) for info in infos]
    below = _children(infos)
    ties = _ties(model)
    builds: dict[object, int] = {}
    for place in sorted(range(len(infos)), key=lambda one: -_depth(infos[one].path)):
        _take_in(nodes, place, below[place], ties[place], model, main, builds)
    root = next((place for place, info in enumerate(infos) if not info.path), -1)
    own = [one for one in infos[root].tensors if 0 <= one < len(tensors)] if root >= 0 and below[root] else []
    rows = [_loose(place, model, main) for place in own]
    row_of = [-1] * len(infos)
    waiting: list[tuple[list[int], int, str]] = []
    if infos:
        top = _folded(nodes, below[root]) if root >= 0 and below[root] else [[max(0, root)]]
        waiting = [(run, 0, "") for run in reversed(top)]
    while waiting:
        run, depth, before = waiting.pop()
        node, inside = nodes[run[0]], _folded(nodes, below[run[0]])
        name = before + node.name
        for place in run:
            row_of[place] = len(rows)
        if node.info.kind in _HOLDERS and not node.info.tensors and len(inside) == 1 and len(run) == 1 and node.name:
            waiting.append((inside[0], depth, f"{name}."))
            continue
        last = nodes[run[-1]].name if len(run) > 1 else ""
        names = (f"{name}…{before}{last}", f"{name}…{_number(last)}") if last else (name, name)
        rows.append(_row(run, depth, names, node, not inside, ties[run[0]], model))
        waiting += [(one, depth + 1, "") for one in reversed(inside)]
    _point_to_first(nodes, below, row_of)
    claimed = {tensor for info in infos for tensor in info.tensors}
    rows += [_loose(place, model, main) for place in range(len(tensors)) if place not in claimed]
    return Modules(rows, row_of, model, main)


def shapes_by_module(shapes: Optional[Shapes]) -> dict[int, str]:
    """The shape of what each module put out, by its place in `Model.modules`."""
    if shapes is None:
        return {}
    found = {}
    for place, kind in enumerate(shapes.of.split()):
        if kind.isdigit() and int(kind) < len(shapes.kinds):
            found[place] = shapes.kinds[int(kind)]
    return found


def _size(tensor: TensorInfo) -> int:
    return 0 if tensor.form == "not initialised" else math.prod(tensor.shape)


def _main_type(tensors: Iterable[TensorInfo]) -> str:
    """The data type of most weights."""
    weights: Counter[str] = Counter()
    for tensor in tensors:
        weights[tensor.dtype] += _size(tensor)
    return max(weights, key=weights.__getitem__, default="")


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0


def _children(infos: list[ModuleInfo]) -> list[list[int]]:
    """For each module those right below it; one whose parent is missing hangs below the nearest that is there."""
    at: dict[str, int] = {}
    for place, info in enumerate(infos):
        at.setdefault(info.path, place)
    below: list[list[int]] = [[] for _ in infos]
    for place, info in enumerate(infos):
        path = info.path
        while path:
            path = path.rpartition(".")[0]
            above = at.get(path)
            if above is not None:
                below[above].append(place)
                break
    return below


def _ties(model: Model) -> list[str]:
    """For each module the earlier one whose weights it shares, or that it is; "" for most."""
    first: dict[int, str] = {}
    found = []
    for info in model.modules:
        tied = info.same
        if info.tensors:
            own = [one for one in info.tensors if 0 <= one < len(model.tensors)]
            largest = max(own, key=lambda one: _size(model.tensors[one]), default=-1)
            tied = tied or first.get(largest, "")
            for tensor in own:
                first.setdefault(tensor, info.path or model.name)
        found.append(tied)
    return found


def _take_in(
    nodes: list[_Node], place: int, below: list[int], tied: str, model: Model, main: str, builds: dict[object, int]
) -> None:
    """What is true of a module with all below it, from what is true of those; they have been here before."""
    node = nodes[place]
    own = [model.tensors[one] for one in node.info.tensors if 0 <= one < len(model.tensors)]
    for tensor in own:
        size = _size(tensor)
        node.total += size
        node.frozen += 0 if tensor.trainable else size
        node.trains |= tensor.trainable
        node.freezes |= not tensor.trainable
    node.dtypes = frozenset(_type(one, main) for one in own)
    node.devices = frozenset(one.device for one in own)
    for one in below:
        child = nodes[one]
        node.total += child.total
        node.frozen += child.frozen
        node.trains |= child.trains
        node.freezes |= child.freezes
        node.dtypes |= child.dtypes
        node.devices |= child.devices
    key = (
        node.info.kind,
        node.info.detail,
        tied,
        tuple((tuple(one.shape), one.trainable, one.dtype, one.device, one.form) for one in own),
        tuple((nodes[one].name, nodes[one].build) for one in below),
    )
    node.build = builds.setdefault(key, len(builds))


def _type(tensor: TensorInfo, main: str) -> str:
    """ "" for a plain tensor of the main type."""
    return " ".join(filter(None, (tensor.form, "" if tensor.dtype == main else tensor.dtype)))


def _folded(nodes: list[_Node], places: list[int]) -> list[list[int]]:
    """Siblings in runs: equal ones numbered one after the other are one. Two are enough where each has several lines,
    else it takes three."""
    runs: list[list[int]] = []
    for place in places:
        if runs and nodes[runs[-1][-1]].build == nodes[place].build and _follows(nodes[runs[-1][-1]], nodes[place]):
            runs[-1].append(place)
        else:
            runs.append([place])
    out: list[list[int]] = []
    for run in runs:
        fold = len(run) >= 3 or not nodes[run[0]].info.tensors
        out += [run] if fold else [[place] for place in run]
    return out


def _follows(one: _Node, other: _Node) -> bool:
    """Is the number in the second's name one more than that in the first's, and the rest the same?"""
    first, second = _NUMBERED.fullmatch(one.name), _NUMBERED.fullmatch(other.name)
    return bool(first and second and first[1] == second[1] and int(second[2]) - int(first[2]) == 1)


def _number(name: str) -> str:
    """The number at the end of a name."""
    found = _NUMBERED.fullmatch(name)
    return found[2] if found else name


def _row(run: list[int], depth: int, names: tuple[str, str], node: _Node, leaf: bool, tied: str, model: Model) -> Row:
    info = node.info
    dtypes, devices = set(node.dtypes), set(node.devices)
    return Row(
        place=run[0],
        depth=depth,
        name=names[0] or model.name,
        short=names[1] or model.name,
        kind=info.kind if names[0] else "",
        detail=info.detail,
        tensors=tuple(info.tensors),
        leaf=leaf,
        times=len(run),
        weights=info.weights,
        share=0.0 if tied and leaf else len(run) * info.weights / max(1, model.weights),
        trains=node.trains,
        frozen=_share(node.frozen, node.total, node.freezes and not node.trains),
        tied=tied,
        dtype=dtypes.pop() if len(dtypes) == 1 else "",
        device=devices.pop() if len(devices) == 1 else "",
    )


def _share(part: int, whole: int, all_: bool) -> float:
    return 1.0 if all_ else part / max(1, whole)


def _loose(place: int, model: Model, main: str) -> Row:
    """A tensor as a row of its own."""
    tensor = model.tensors[place]
    size = _size(tensor)
    shape = "×".join(map(str, tensor.shape)) or "scalar"
    return Row(
        place=-1,
        depth=0,
        name=tensor.name,
        short=tensor.name,
        kind="",
        detail=shape,
        tensors=(place,),
        leaf=True,
        times=1,
        weights=size,
        share=size / max(1, model.weights),
        trains=tensor.trainable,
        frozen=0.0 if tensor.trainable else 1.0,
        tied="",
        dtype=_type(tensor, main),
        device=tensor.device,
    )


def _point_to_first(nodes: list[_Node], below: list[list[int]], row_of: list[int]) -> None:
    """What is below the second, third … of equal siblings is shown by the rows below the first."""
    for place in range(len(nodes)):
        for run in _folded(nodes, below[place]):
            for other in run[1:]:
                pairs = [(run[0], other)]
                while pairs:
                    first, same = pairs.pop()
                    row_of[same] = row_of[first]
                    pairs += zip(below[first], below[same])
