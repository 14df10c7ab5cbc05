"""Gradient norms: one row a layer or block, on a logarithmic axis, with trend and update/weight ratio."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from ...history.state import Clipping
from ..draw.bars import decades, tick_row
from ..draw.cells import Line, width_of
from ..draw.norms import axis_values, fit_text, named, norm_bar, norm_style, short_title, trend, trouble
from ..draw.numbers import brief, number, percent, rate, ratio, size
from ..ranking import SPIKE, Table, level_for, ranked
from ..scene import Scene
from .panel import Panel

MORE = 2 + 14 + 9 + 9 + 9
"""Width of the columns that a wide panel adds."""
ENOUGH = 10
"""Cells that a bar should have, before names are shortened."""
OWNER = 14
"""Width of the column that says which optimizer updates a layer."""
MOST_NAMED = 9
"""Of more optimizers than these it is not said which updates a layer: such programs have one for each parameter."""


@dataclass(frozen=True)
class Columns:
    """Widths in cells; 0 is not there."""

    mark: int
    """The optimizer's number, before the name."""
    names: int
    bars: int
    trend: int
    more: bool
    owner: int


class Gradients(Panel):
    NAME = "Gradient norms"
    PERIOD_S = 0.33
    SHOWS = (
        "For every layer the length (L2 norm) of the gradient of its parameters: how strongly the last batch asks them "
        "to change; where the program clips gradients, after that. The axis is logarithmic: each labelled step is ten "
        "times the one before. upd/w is the size of the last measured update against the size of the weights. Many "
        "layers are put together by block: h.0 (6) is the norm of six layers together, √Σ‖g‖², with the largest of "
        "their upd/w; g takes blocks apart. x sorts: the model's order, the largest, the worst first. a switches "
        "between recent values and all time."
    )
    HEALTHY = "Layers within a factor of ten of each other; upd/w between 1e-3 and 1e-1 in small networks."
    TROUBLE = (
        "Bars that shrink towards the first layers vanish on the way back; ▲ is a norm far above its own median; "
        "✗ is NaN or infinite, with the number of such entries. upd/w above 0.1 tears, below 1e-5 stands still. "
        "Clipped in most steps: the limit, not the gradient, says how long a step is."
    )

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self._room = 8
        """Rows at the last drawing."""
        self._layer: int | None = None
        self._listed: tuple[str, int] = ("model", 0)
        self._follows = False
        """The rows are those around the layer in focus, not the first ones."""

    # ── words ──

    def names(self, scene: Scene) -> list[str]:
        clipping = scene.state.clipping()
        return [*(f"{self.NAME} · {words}" for words in _clipped(clipping)), self.NAME] if clipping else [self.NAME]

    def notes(self, scene: Scene) -> list[str]:
        tick = scene.tick
        often = tick.period if tick is not None else None
        rare = often is not None and often > 1.5 and not scene.paused
        words = {
            "filter": f"/{scene.filter}" if scene.filter else "",
            "order": {"largest": "largest first", "worst": "worst first"}.get(scene.order, ""),
            "blocks": "by block" if scene.state.layers and self.table(scene).blocks else "",
            "often": f"measured every {often:,.0f} steps" if rare else "",
            "range": "all time" if scene.full_range else "recent",
        }
        found = []
        for least in ("", "often", *(() if scene.full_range else ("range",)), "blocks", "range", "order"):
            words.pop(least, "")
            found.append(" · ".join(word for word in words.values() if word))
        return found

    # ── rows ──

    def table(self, scene: Scene) -> Table:
        """The rows as they are listed in the place that the panel has."""
        return ranked(scene, self._room)

    def regroup(self, scene: Scene) -> bool:
        """Blocks put together the next way, or taken apart; False where there is only one way."""
        ways = len(scene.state.levels)
        if ways < 2:
            return False
        scene.level = (level_for(scene, self._room) + 1) % ways
        return True

    def move(self, scene: Scene, lines: int) -> bool:
        if not scene.state.layers:
            return False
        table = self.table(scene)
        if not table.rows:
            return False
        here = table.row_of(scene.shown_layer()) or 0
        row = table.rows[max(0, min(len(table.rows) - 1, here + lines))]
        main = table.layer(row).main
        members = table.level.members[row]
        scene.layer = next((place for place in members if main in scene.state.layers[place].tensors), members[0])
        scene.first_unit = 0
        return True

    # ── drawing ──

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        state = scene.state
        if not state.layers:
            words = "No training was seen." if scene.source.over else "They come with the first step."
            if state.model is not None:
                words = "This model has no parameters."
            return [[(words, "dim")]]
        room = self._room = max(1, height - 2)
        table = self.table(scene)
        headed = _headed(scene, table, room, width)
        columns = _columns(scene, table, width, headed)
        low, high = decades(axis_values(map(table.health, table.rows), scene.full_range))
        start = self._start(scene, table, room)
        shown = table.rows[start : start + room]
        lines = [_head(columns, low, high)]
        before: tuple[int, ...] | None = None
        for row in shown:
            owners = table.layer(row).optimizers
            if headed and owners != before:
                lines.append([(fit_text(f"─ {_owner(scene, owners)} ", width).rstrip(), "dim")])
                before = owners
            lines.append(_row(scene, table, row, columns, low, high))
        if len(lines) < height:
            lines.append(_foot(scene, table, shown, columns, width))
        return lines

    def _start(self, scene: Scene, table: Table, room: int) -> int:
        """The first row to show: around the layer in focus when that was moved to, else the top of the order."""
        listed = (scene.order, len(table.level.layers))
        if scene.layer != self._layer:
            self._follows = True
        elif listed != self._listed:
            self._follows = scene.order == "model"
        self._layer, self._listed = scene.layer, listed
        at = table.row_of(scene.shown_layer())
        if scene.layer is None or at is None or not self._follows:
            return 0
        return max(0, min(len(table.rows) - room, at - room // 2))


def _clipped(clipping: Clipping) -> list[str]:
    share = percent(clipping.share) if clipping.share == 0 or clipping.share >= 0.005 else "under 1 %"
    words = f"clipped {share} of steps"
    long = f"entries clipped in {share} of steps" if clipping.by_value else words
    return [f"{long} at {rate(clipping.limit)}", long, words, f"clipped {share}"]


def _several(scene: Scene) -> bool:
    """Are there several optimizers, and not so many that their numbers say nothing?"""
    model = scene.state.model
    return model is not None and 1 < len(model.optimizers) <= MOST_NAMED


def _owner(scene: Scene, owners: tuple[int, ...]) -> str:
    """The optimizers of a layer, numbered: "2 AdamW"."""
    names = scene.state.model.optimizers if scene.state.model is not None else []
    return " + ".join(f"{one + 1} {names[one]}" for one in owners if 0 <= one < len(names)) or "no optimizer"


def _headed(scene: Scene, table: Table, room: int, width: int) -> bool:
    """Do the rows stand under the names of their optimizers? Where everything fits, and there is no column for it."""
    owners = [table.layer(row).optimizers for row in table.rows]
    runs = sum(one != before for one, before in zip(owners, [None, *owners]))
    return _several(scene) and width < 100 and runs == len(set(owners)) and len(owners) + runs <= room


def _columns(scene: Scene, table: Table, width: int, headed: bool) -> Columns:
    several, more = _several(scene), width >= 100
    mark = 2 if several and not headed and not more else 0
    owner = OWNER if several and more else 0
    most = 24 if width >= 90 else (20 if width >= 70 else 14)
    curve = 12 if width >= 60 else (8 if width >= 40 else 0)
    left = width - mark - 1 - 1 - 7 - (curve + 1 if curve else 0) - 7 - (MORE if more else 0) - owner
    layers = [table.layer(row) for row in table.rows]
    full = max((cell_len(layer.title) for layer in layers), default=0)
    if min(most, full) > left - ENOUGH:  # the bars matter more than what class a layer is of
        full = max((cell_len(short_title(layer)) for layer in layers), default=0)
    names = max(5, min(most, full))
    return Columns(mark, names, max(6, left - names), curve, more, owner)


def _head(columns: Columns, low: int, high: int) -> Line:
    words = " " * columns.mark + fit_text("layer", columns.names) + " " + tick_row(columns.bars, low, high)
    words += " " + "now".rjust(6)
    words += " " + "trend".ljust(columns.trend) if columns.trend else ""
    words += "  upd/w"
    if columns.more:
        words += "  " + "sizes".ljust(14) + "weights".rjust(9) + "median".rjust(9) + "highest".rjust(9)
    return [(words + ("  optimizer" if columns.owner else ""), "dim")]


def _row(scene: Scene, table: Table, row: int, columns: Columns, low: int, high: int) -> Line:
    layer, health = table.layer(row), table.health(row)
    focused = scene.shown_layer() in table.level.members[row]
    mark = "".join(str(one + 1) for one in layer.optimizers if one >= 0)[: columns.mark].ljust(columns.mark)
    line: Line = [(mark, "dim")] if mark else []
    line += [(fit_text(named(layer, columns.names), columns.names), "train" if focused else "ink"), (" ", "ink")]
    if not layer.trainable:
        return [*line, ("frozen", "dim")]
    if health.now is None and layer.optimizers == (-1,):
        return [*line, ("in no optimizer", "dim")]
    counted = not health.finite and health.odd is not None  # its words have the place of the number, too
    line += norm_bar(health, layer.weights, columns.bars + (7 if counted else 0), low, high)
    line += [] if counted else [(" " + brief(health.now).rjust(6), norm_style(health.now))]
    if columns.trend:
        curve = trend(health, columns.trend, SPIKE)
        line += [(" ", "ink"), *curve, (" " * (columns.trend - width_of(curve)), "ink")]
    line.append(trouble(health) or ("  " + ratio(health.ratio).rjust(5), "dim"))
    if columns.more:
        highest = health.high if health.high > 0 else None
        words = "  " + fit_text(layer.detail, 14) + size(layer.weights).rjust(9)
        line.append((words + brief(health.typical()).rjust(9) + brief(highest).rjust(9), "dim"))
    if columns.owner:
        line.append(("  " + _owner(scene, layer.optimizers), "dim"))
    return line


def _foot(scene: Scene, table: Table, shown: list[int], columns: Columns, width: int) -> Line:
    """The norm of everything, how many rows there are, and what stands below that should not be overlooked."""
    tick = scene.tick
    norm = tick.norm if tick is not None else None
    clipping = scene.state.clipping()
    line: Line = [(fit_text("all", columns.mark + columns.names) + " ‖g‖ ", "dim"), (number(norm), norm_style(norm))]
    hidden = set(table.rows).difference(shown)
    odd = sum(not table.health(row).finite for row in hidden)
    extras: list[tuple[list[str], str]] = []  # what there may be room for: words, the fullest first, and their style
    if clipping is not None and clipping.share > 0:
        entries = "entries " if clipping.by_value else ""
        extras.append(([f" after clipping {entries}at {rate(clipping.limit)}", " after clipping"], "dim"))
    if odd:
        extras.append(([f"   ✗ {odd} hidden" + ("" if scene.order == "worst" else ": x")], "bad"))
    if hidden:
        rows = f"   {len(shown)} of {len(table.rows)}"
        extras.append(([f"{rows} shown", rows], "dim"))
    if columns.mark and scene.state.model is not None:
        names = [_owner(scene, (place,)) for place in range(len(scene.state.model.optimizers))]
        extras.append((["   " + " · ".join(names)], "dim"))
    optimizers = len(scene.state.model.optimizers) if scene.state.model is not None else 0
    if optimizers > MOST_NAMED:
        extras.append(([f"   {optimizers} optimizers"], "dim"))
    for words, style in extras:
        line += next(([(text, style)] for text in words if width_of([*line, (text, style)]) <= width), [])
    return line
