"""Network: the module tree with sizes, weights, and the share of units that are on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ...run.events import Activation, Model, ModuleInfo
from ..draw.cells import Line, cut, fit, right, width_of, wrap
from ..draw.numbers import count, number, percent, size
from ..draw.sparkline import BLOCKS
from ..draw.units import Layered, diagram, fits
from ..scene import Scene
from .panel import Panel


@dataclass
class Node:
    """One module with what lies below it; `times` siblings of the same build stand behind a folded one."""

    name: str
    place: int
    info: ModuleInfo
    children: list[Node] = field(default_factory=list)
    times: int = 1
    last: str = ""

    def build(self) -> tuple[object, ...]:
        """What makes two modules the same: kind, sizes and everything below."""
        return (self.info.kind, self.info.detail, tuple(child.build() for child in self.children))


def tree_of(model: Model) -> Node | None:
    """The tree from the dotted paths; runs of three or more equal siblings are folded into one."""
    if not model.modules:
        return None
    nodes = {info.path: Node(info.path.rpartition(".")[2], place, info) for place, info in enumerate(model.modules)}
    for path, node in nodes.items():
        if path:
            parent = nodes.get(path.rpartition(".")[0])
            if parent is not None and parent is not node:
                parent.children.append(node)
    root = nodes.get("") or next(iter(nodes.values()))
    _fold(root)
    return root


def _fold(node: Node) -> None:
    for child in node.children:
        _fold(child)
    folded: list[Node] = []
    builds = [child.build() for child in node.children]
    place = 0
    while place < len(node.children):
        end = place
        while end + 1 < len(builds) and builds[end + 1] == builds[place]:
            end += 1
        first = node.children[place]
        if end - place >= 2:
            first.times, first.last = end - place + 1, node.children[end].name
            folded.append(first)
        else:
            folded.extend(node.children[place : end + 1])
        place = end + 1
    node.children = folded


class Network(Panel):
    NAME = "Network"
    PERIOD_S = 0.4
    SHOWS = (
        "The modules of the model in the order in which they were registered: name, kind, sizes, number of weights. "
        "Behind an activation function: the share of its outputs that are above zero for the last photographed batch. "
        "Modules of the same build in a row are folded into one line with ×. A tiny network is drawn as units and "
        "edges: a solid line is a positive weight, a dotted one a negative, a double one is large."
    )
    HEALTHY = "ReLU layers are 30 to 70 % on."
    TROUBLE = (
        "A layer that is 0 % on passes nothing on and learns nothing; 100 % on is no longer an activation function."
    )

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self._model: Model | None = None
        self._tree: Node | None = None
        self._phase: tuple[str, int] = ("", -1)
        self._phase_since = 0.0

    def notes(self, scene: Scene) -> list[str]:
        model = scene.state.model
        return [f"{count(model.weights)} weights"] if model is not None else []

    def move(self, scene: Scene, lines: int) -> bool:
        before = scene.scroll.get("network", 0)
        scene.scroll["network"] = max(0, before + lines)
        return True

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        model = scene.state.model
        if model is None:
            return waiting(scene, width)
        if model is not self._model:
            self._model, self._tree = model, tree_of(model)
        phase, now = scene.state.phase, time.monotonic()
        if (phase, scene.state.step) != self._phase:
            self._phase, self._phase_since = (phase, scene.state.step), now
        shown_s = now - self._phase_since
        drawn = _units(scene, model, width, height, shown_s)
        if drawn and scene.zoomed != self.id:
            return drawn
        lines = _tree_lines(scene, self._tree, model, width, roomy=height >= 12)
        if drawn and scene.zoomed == self.id:
            lines = [*lines, [], *_units(scene, model, min(width, 72), height - 2, shown_s)]
        most = max(0, len(lines) - height)
        start = min(scene.scroll.get("network", 0), most)
        scene.scroll["network"] = start
        shown = lines[start : start + height]
        if most and start < most and shown:
            shown[-1] = [(f"… {len(lines) - start - height + 1} more", "dim")]
        return shown


def layered(model: Model, values: list[list[float]]) -> Layered | None:
    """The model as layers of units, where it is a chain of linear layers that fit together; None for any other."""
    sizes: list[int] = []
    between: list[tuple[list[float], ...]] = []
    for module in model.modules:
        matrices = [place for place in module.tensors if len(model.tensors[place].shape) == 2]
        if not matrices:
            if any(len(model.tensors[place].shape) > 1 for place in module.tensors):
                return None
            continue
        place = matrices[0]
        outs, ins = model.tensors[place].shape
        if module.kind != "Linear" or (sizes and sizes[-1] != ins) or place >= len(values):
            return None
        flat = values[place]
        if len(flat) != outs * ins:
            return None
        sizes = [*(sizes or [ins]), outs]
        between.append(tuple(flat[row * ins : (row + 1) * ins] for row in range(outs)))
    return Layered(tuple(sizes), tuple(between)) if between else None


LAYER_S = 0.4
"""While a phase is looked at, it passes from one layer to the next in this time."""


def lit_layers(phase: str, layers: int, shown_s: float) -> list[str]:
    """Styles of the layers of units, first to last: what a phase has reached by now is lit. Forward runs from the input
    to the output, backward the other way, and stays when it is through; an update is everywhere at once.

    Args:
        shown_s: seconds since this phase is shown.
    """
    style = LIT.get(phase, "ink")
    if phase not in ("forward", "backward"):
        return [style] * layers if phase != "loss" else ["dim"] * (layers - 1) + [style]
    passed = min(layers, 1 + int(shown_s / LAYER_S))
    lit = [style] * passed + ["dim"] * (layers - passed)
    return lit if phase == "forward" else lit[::-1]


LIT = {"forward": "train.bold", "loss": "train.bold", "backward": "gradient.bold", "update": "you.bold"}


def _units(scene: Scene, model: Model, width: int, height: int, shown_s: float) -> list[Line]:
    """Units and edges, what they mean, and the loss; nothing where the network or the place is not made for it."""
    live = scene.state.live
    network = layered(model, live.values) if live is not None and live.values else None
    if network is None or height < 6 or not fits(network, width, height - 3):
        return []
    phase = scene.state.phase if scene.paused or scene.opening else ""
    top: Line = [("–".join(map(str, network.sizes)), "ink.bold"), (" units", "dim")]
    kinds = [info.kind for info in model.modules if not info.tensors and info.path and "." not in info.path.strip(".")]
    shown = [kind for kind in dict.fromkeys(kinds) if kind not in ("Flatten", "Sequential", "Identity")]
    top += [(f", {', '.join(shown)}", "dim")] if shown else []
    legend: Line = [("━ ", "validation"), ("+ ", "dim"), ("╍ ", "train"), ("− weight", "dim")]
    lines = diagram(network, width, height - 3, lit_layers(phase, len(network.sizes), shown_s))
    return [cut(top, width), *lines, cut(legend, width), _loss_line(model.loss, number(scene.loss), width)]


def waiting(scene: Scene, width: int) -> list[Line]:
    """Before the first step, in a narrow place."""
    words = "It appears with the first step." if not scene.source.over else "No training was seen."
    return wrap([(words, "dim")], width)


def _tree_lines(scene: Scene, root: Node | None, model: Model, width: int, roomy: bool) -> list[Line]:
    lines: list[Line] = []
    picture = next((tensor.picture for tensor in model.tensors if tensor.picture), None)
    first = next((info for info in model.modules if info.kind == "Linear"), None)
    if picture and first is not None and first.detail.startswith(f"{picture[1] * picture[2]}→"):
        lines.append([("input ", "ink"), (f"{picture[1]}×{picture[2]}", "dim")])
        if roomy:
            lines.append([("│", "line")])
    if root is None:
        for tensor in model.tensors:
            shape = "×".join(map(str, tensor.shape)) or "scalar"
            lines.append([(tensor.name + " ", "ink"), (shape, "dim")])
    else:
        shown = scene.activations
        if not root.children:
            lines.append(_node_line(root, shown, 0, width, scene))
        for child in root.children:
            _walk(child, shown, 0, width, scene, lines)
    lines.append(_loss_line(model.loss, number(scene.loss), width))
    return lines


LONGEST_NUMBER = 7


def _loss_line(kind: str, value: str, width: int) -> Line:
    """The kind of loss and its value. What words there are is decided by the width alone, so that they stay."""
    for words in (f"{kind} loss " if kind else "loss ", f"{kind} ", "loss "):
        if len(words) + LONGEST_NUMBER <= width:
            return [(words, "ink"), (value, "train")]
    return [(value, "train")]


def _walk(node: Node, shown: dict[int, Activation], depth: int, width: int, scene: Scene, lines: list[Line]) -> None:
    lines.append(_node_line(node, shown, depth, width, scene))
    for child in node.children:
        _walk(child, shown, depth + 1, width, scene, lines)


def _node_line(node: Node, shown: dict[int, Activation], depth: int, width: int, scene: Scene) -> Line:
    info = node.info
    seen = shown.get(node.place)
    left: Line = [(" " * min(depth, 6), "ink")]
    name = f"{node.name}…{node.last}" if node.times > 1 else node.name
    if info.tensors or node.children:
        focused = _focused(scene, info)
        left += [(name, "train" if focused else "ink"), (" " + info.kind, "ink" if info.tensors else "dim")]
        if info.detail:
            left.append((" " + info.detail, "dim"))
        if node.times > 1:
            left.append((f" ×{node.times}", "ink"))
        weights = info.weights * node.times
        tail: Line = [(size(weights), "dim")] if weights else []
    else:
        left += [(f"{name} {info.kind}" + (f" {info.detail}" if info.detail else ""), "dim")]
        tail = []
    if width >= 70:
        return [*fit(cut(left, width - 56), width - 56), *right(tail, 9), ("  ", "ink"), *_outputs(seen, scene, node)]
    if seen is not None and seen.odd:
        tail = [("✗ NaN", "bad")]
    elif seen is not None and seen.on is not None:
        style = "warning" if seen.on < 0.02 else "dim"
        tail = [(f"{percent(seen.on)} on", style)]
    room = width - width_of(tail) - 1
    if width_of(left) > room and info.detail:
        left = [cell for cell in left if cell[0].strip() != info.kind] if info.tensors else left
    return fit(cut(left, max(1, room)), room + 1) + right(tail, width_of(tail))


def _outputs(seen: Activation | None, scene: Scene, node: Node) -> Line:
    """In the zoom, of the last photographed batch: lowest output, histogram, highest; what is on, what is dead."""
    if seen is None:
        return []
    if seen.odd:
        return [("✗ not finite", "bad")]
    line: Line = []
    if seen.histogram and seen.low is not None and seen.high is not None:
        top = max(seen.histogram) or 1
        bars = "".join(BLOCKS[min(7, int(7.999 * value / top))] if value else " " for value in seen.histogram)
        line = [
            *right([(number(seen.low, 2), "dim")], 8),
            (" " + bars + " ", "ink"),
            (f"{number(seen.high, 2):<7}", "dim"),
        ]
    silence = scene.state.checkups.silences.get((node.place, False))
    if silence is not None and silence.silent and silence.samples >= ENOUGH:
        dead = silence.silent / max(1, silence.units)
        line.append((f"▲ {silence.silent}/{silence.units} dead" if dead > 0.3 else f"{silence.silent} dead", "warning"))
    elif seen.on is not None:
        line.append((f"{percent(seen.on)} on", "warning" if seen.on < 0.02 else "dim"))
    return line


ENOUGH = 1000
"""Samples for which a unit has to be silent to be called dead."""


def _focused(scene: Scene, info: ModuleInfo) -> bool:
    place = scene.shown_layer()
    return place is not None and bool(set(scene.state.layers[place].tensors) & set(info.tensors))
