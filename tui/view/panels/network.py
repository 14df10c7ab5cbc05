"""Network: the module tree with sizes, weights, shapes of outputs, and the share of units that are on."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ...history.modules import Modules, modules_of, shapes_by_module
from ...run.events import Activation, Model, Shapes
from ..draw.cells import Line, cut, wrap
from ..draw.numbers import count, number, percent
from ..draw.tree import COLUMNS_FROM, FROZEN, Columns, Seen, columns, head, narrow_line, wide_line
from ..draw.units import Layered, diagram, fits
from ..scene import Scene
from .panel import Panel


class Network(Panel):
    NAME = "Network"
    PERIOD_S = 0.4
    SHOWS = (
        "The modules of the model in the order in which they were registered: name, kind, sizes, number of weights. "
        "Behind an activation function: the share of its outputs that are above zero for the last photographed batch. "
        "Modules of the same build in a row are folded into one line with ×, and below it stands the first. "
        "○ is frozen: its weights are not trained. Alone on the screen (Enter): the shape of each module's output, its "
        "share of all weights, and data type and device where they are not those in the title; ↑ ↓ scroll. A tiny "
        "network is drawn as units and edges: a solid line is a positive weight, a dotted one a negative, a double one "
        "is large."
    )
    HEALTHY = "ReLU layers are 30 to 70 % on."
    TROUBLE = (
        "A layer that is 0 % on passes nothing on and learns nothing; 100 % on is no longer an activation function."
    )

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self._model: Model | None = None
        self._modules: Modules | None = None
        self._columns: tuple[int, Columns] = (0, Columns(0, {}))
        """For the width at which the panel was drawn last."""
        self._shapes: Shapes | None = None
        self._shape_of: dict[int, str] = {}
        self._phase: tuple[str, int] = ("", -1)
        self._phase_since = 0.0

    def names(self, scene: Scene) -> list[str]:
        modules = self._modules
        if modules is None or scene.state.model is None:
            return [self.NAME]
        home = " ".join(filter(None, (modules.dtype, f"on {modules.device}" if modules.device else "")))
        full = " · ".join(filter(None, (self.NAME, modules.name, home)))
        return [full, " · ".join(filter(None, (self.NAME, modules.name)))]

    def notes(self, scene: Scene) -> list[str]:
        model = scene.state.model
        if model is None:
            return []
        words, modules = f"{count(model.weights)} weights", self._modules
        if modules is None or not modules.frozen:
            return [words]
        digits = 0 if 0.01 < modules.frozen < 0.99 else 1
        frozen = f"{percent(modules.frozen, digits)} {FROZEN} frozen"
        return [f"{words}, {frozen}", frozen, words]

    def move(self, scene: Scene, lines: int) -> bool:
        before = scene.scroll.get("network", 0)
        scene.scroll["network"] = max(0, before + lines)
        return True

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        model = scene.state.model
        if model is None:
            return waiting(scene, width)
        modules = self._take_in(scene, model)
        phase, now = scene.state.phase, time.monotonic()
        if (phase, scene.state.step) != self._phase:
            self._phase, self._phase_since = (phase, scene.state.step), now
        shown_s = now - self._phase_since
        zoomed = scene.zoomed == self.id
        drawn = _units(scene, model, width, height, shown_s)
        if drawn and not zoomed:
            return drawn
        top = _input_lines(model, roomy=height >= 12)
        under: list[Line] = [_loss_line(model.loss, number(scene.loss), width)]
        if drawn:
            under += [[], *_units(scene, model, min(width, 72), height - 2, shown_s)]
        if width < COLUMNS_FROM:
            return self._window(scene, modules, top, under, width, height)
        if self._columns[0] != width:
            self._columns = (width, columns(modules, width))
        if not zoomed or height < 4:
            return self._window(scene, modules, top, under, width, height)
        return [head(self._columns[1]), *self._window(scene, modules, top, under, width, height - 1)]

    def _take_in(self, scene: Scene, model: Model) -> Modules:
        """The rows of the model, and the shapes that its modules put out; both only when they are others."""
        if model is not self._model or self._modules is None:
            self._model, self._modules = model, modules_of(model)
            self._columns, self._shapes, self._shape_of = (0, Columns(0, {})), None, {}
        live = scene.state.live
        shapes = live.shapes if live is not None else None
        if shapes != self._shapes:
            self._shapes, self._shape_of = shapes, shapes_by_module(shapes)
        return self._modules

    def _window(
        self, scene: Scene, modules: Modules, top: list[Line], under: list[Line], width: int, height: int
    ) -> list[Line]:
        """The lines in sight; only these are made. The last one says how many are below it."""
        total = len(top) + len(modules.rows) + len(under)
        most = max(0, total - height)
        start = min(scene.scroll.get("network", 0), most)
        scene.scroll["network"] = start
        end = min(total, start + height)
        first, last = max(0, start - len(top)), max(0, end - len(top))
        shown = top[start:end]
        shown += self._rows(scene, modules, range(first, min(last, len(modules.rows))), width)
        shown += under[max(0, first - len(modules.rows)) : max(0, last - len(modules.rows))]
        if end < total and shown:
            shown[-1] = [(f"… {total - end + 1:,} more", "dim")]
        return shown

    def _rows(self, scene: Scene, modules: Modules, places: range, width: int) -> Iterator[Line]:
        """The lines of some rows."""
        outputs: dict[int, list[Activation]] = {}
        for module, activation in scene.activations.items():
            if 0 <= module < len(modules.row_of):
                outputs.setdefault(modules.row_of[module], []).append(activation)
        silences = scene.state.checkups.silences
        focused = _focused(scene)
        for place in places:
            row = modules.rows[place]
            seen = Seen(
                self._shape_of.get(row.place, ""),
                outputs.get(place, []),
                silences.get((row.place, False)),
                not focused.isdisjoint(row.tensors),
            )
            yield narrow_line(row, seen, width) if width < COLUMNS_FROM else wide_line(row, seen, self._columns[1])


def _focused(scene: Scene) -> frozenset[int]:
    """The tensors of the layer whose weights are shown."""
    place = scene.shown_layer()
    return frozenset(scene.state.layers[place].tensors) if place is not None else frozenset()


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


def _input_lines(model: Model, roomy: bool) -> list[Line]:
    """What goes in, where the first layer reads pictures."""
    picture = next((tensor.picture for tensor in model.tensors if tensor.picture), None)
    first = next((info for info in model.modules if info.kind == "Linear"), None)
    if picture is None or first is None or not first.detail.startswith(f"{picture[1] * picture[2]}→"):
        return []
    line: Line = [("input ", "ink"), (f"{picture[1]}×{picture[2]}", "dim")]
    return [line, [("│", "line")]] if roomy else [line]


LONGEST_NUMBER = 7


def _loss_line(kind: str, value: str, width: int) -> Line:
    """The kind of loss and its value. What words there are is decided by the width alone, so that they stay."""
    for words in (f"{kind} loss " if kind else "loss ", f"{kind} ", "loss "):
        if len(words) + LONGEST_NUMBER <= width:
            return [(words, "ink"), (value, "train")]
    return [(value, "train")]
