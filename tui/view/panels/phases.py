"""Phases: one batch walked through, phase by phase, with the numbers of one sample."""

from __future__ import annotations

from ...run.events import PHASES, Command, Live, Model, Nudge, TryWeight, Walk
from ..draw.backward import backward, backward_short
from ..draw.cells import Line, cut
from ..draw.formula import rule, sentence
from ..draw.forward import Focus, forward, forward_short
from ..draw.judgement import loss, loss_short
from ..draw.layers import title
from ..draw.nudge import Handle, box, handles, next_rung, steepest
from ..draw.numbers import count
from ..draw.update import update
from ..scene import Scene
from .panel import Panel

WORDS = {"forward": "forward", "loss": "loss", "backward": "backward", "update": "update", "zero_grad": "zero-grad"}
STYLES = {"forward": "train", "loss": "train", "backward": "gradient", "update": "you", "zero_grad": "ink"}
HEADS = {
    "forward": "the sample goes through the layers",
    "loss": "how wrong the output is",
    "backward": "the gradient walks back: chain rule",
    "update": "the optimizer moves the weights",
    "zero_grad": "the gradients are cleared",
}
PAGE = 10
"""`move` by so many lines is a page."""


class Phases(Panel):
    NAME = "Phases"
    PERIOD_S = 0.25
    SHOWS = (
        "One batch, phase by phase: p goes to the end of the next phase. The strip shows where training stands, below "
        "it the line of the program that runs. Then the numbers of one sample: each neuron's w·x + b, the activations, "
        "the loss, the gradient on its way back (∂w is short for ∂L/∂w), and old weight, step, new weight. Large "
        "layers show what contributes most. ← and → move one weight of a copy, and compare what its gradient foretold "
        "with what came."
    )
    HEALTHY = "Each number follows from the ones before it."
    TROUBLE = "✗ marks a value that is no number; all that is computed from it is none either."

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self._about: tuple[object, ...] = ()
        """What the lines speak of: when it changes, they are read from their beginning."""
        self._scroll = 0
        """Lines scrolled from where the current phase begins to show."""
        self._page = 1
        self._cursor: int | None = None
        """Which of the walk's weights is in hand."""
        self._by = 0.0
        self._tries: dict[float, Nudge] = {}
        self._follow = False
        """The weight in hand is to be in sight."""

    # ── keys ──

    def move(self, scene: Scene, lines: int) -> bool:
        """Up and down scroll; with a weight in hand they take another one, and a page key lets go of it."""
        if self._cursor is None or abs(lines) >= PAGE:
            self._cursor = None
            self._scroll += lines if abs(lines) < PAGE else (self._page if lines > 0 else -self._page)
            return True
        found = self._handles(scene)
        if found:
            self._take(max(0, min(len(found) - 1, self._cursor + lines)))
        return True

    def sideways(self, scene: Scene, way: int) -> bool | Command:
        """Moves the weight in hand by one rung, on a copy; the first press takes the one of largest gradient."""
        found = self._handles(scene)
        if not found or not scene.steerable:
            return False
        if self._cursor is None or self._cursor >= len(found):
            self._take(steepest(found))
        assert self._cursor is not None
        self._by = next_rung(self._by, way)
        if self._by == 0.0:
            self._by = next_rung(0.0, way)
        handle = found[self._cursor]
        return TryWeight(tensor=handle.tensor, index=handle.index, by=self._by)

    def _take(self, cursor: int) -> None:
        self._cursor, self._by, self._follow = cursor, 0.0, True
        self._tries = {}

    def _handles(self, scene: Scene) -> list[Handle]:
        """The weights that can be tried now: the loss of this batch is known, its update not made."""
        walk = _walk(scene)
        if walk is None or not scene.paused or walk.verdict is None or "update" in walk.passed:
            return []
        return handles(walk, scene.state.model)

    # ── drawing ──

    def notes(self, scene: Scene) -> list[str]:
        walk = _walk(scene)
        if walk is None:
            return []
        batch = f"update {count(walk.step)}"
        return [f"{batch} · sample {walk.sample + 1} of {walk.of}", batch] if walk.of > 1 else [batch]

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        live, walk = scene.state.live, _walk(scene)
        phase = scene.state.phase if scene.paused or scene.opening else ""
        about = (phase, walk.step if walk is not None else -1, scene.source.run, scene.source.shown)
        if about != self._about:
            self._about, self._scroll, self._cursor, self._tries, self._by = about, 0, None, {}, 0.0
        head = _strip(live, walk, phase, width, height)
        if walk is None:
            return _within(head + _nothing(scene, phase, width), width, height)
        self._learn(walk)
        found = self._handles(scene)
        handle = found[self._cursor] if self._cursor is not None and self._cursor < len(found) else None
        foot = self._foot(scene, walk, handle, bool(found), width, height)
        focus = (handle.stage, handle.unit, handle.column) if handle is not None else None
        body, first, last = _sections(scene, walk, phase, width, focus)
        room = max(1, height - len(head) - len(foot))
        self._page = max(1, room - 2)
        return _within(head + self._window(body, first, last, room, focus is not None) + foot, width, height)

    def _learn(self, walk: Walk) -> None:
        """A try that was answered stays in the table."""
        nudge = walk.nudge
        if nudge is not None and self._cursor is not None and nudge.by == self._by:
            self._tries[nudge.by] = nudge

    def _window(self, body: list[Line], first: int, last: int, room: int, focused: bool) -> list[Line]:
        """The lines in sight: the current phase, as far as nobody scrolls."""
        top = max(0, min(first, last - room))
        most = max(0, len(body) - room)
        if focused and self._follow:
            self._follow = False
            place = next((y for y, line in enumerate(body) if any(style == "you.reverse" for _, style in line)), None)
            if place is not None and not top + self._scroll <= place < top + self._scroll + room:
                self._scroll = place - room // 2 - top
        self._scroll = max(-top, min(most - top, self._scroll))
        start = max(0, min(most, top + self._scroll))
        shown = body[start : start + room]
        return shown + [[]] * (room - len(shown))

    def _foot(self, scene: Scene, walk: Walk, handle: Handle | None, can: bool, width: int, height: int) -> list[Line]:
        """The weight in hand, and the keys."""
        if height < 10:
            return []
        keys = "↑ ↓ PgUp PgDn scroll"
        model = scene.state.model
        if handle is not None and model is not None:
            stage = walk.stages[handle.stage]
            dtype = model.tensors[handle.tensor].dtype
            tries = [one for one in self._tries.values() if (one.tensor, one.index) == (handle.tensor, handle.index)]
            lines = box(handle, title(stage, model), dtype, tries, self._by, width, max(3, height // 3))
            return [*lines, cut([("← → move it   ↑ ↓ another weight   PgUp PgDn let go of it", "dim")], width)]
        if can:
            keys += "   ← → nudge a weight"
        if scene.paused and scene.steerable:
            keys += "   p next phase   n next batch"
        return [cut([(keys, "dim")], width)]


def _within(lines: list[Line], width: int, height: int) -> list[Line]:
    """The lines in their place."""
    return [cut(line, width) for line in lines[:height]]


def _walk(scene: Scene) -> Walk | None:
    """The newest walk, if it has something to show."""
    live = scene.state.live
    if live is None or live.walk is None or live.walk.absent:
        return None
    return live.walk


def _strip(live: Live | None, walk: Walk | None, phase: str, width: int, height: int) -> list[Line]:
    """The phases in the program's order, ✓ those that are over, the current one lit; the line that runs."""
    order = live.order if live is not None and live.order else list(PHASES)
    line: Line = []
    for place, name in enumerate(order):
        word = WORDS.get(name, name)
        if place:
            line.append((" ─▸ " if width >= 74 else "→", "line"))
        if name == phase:
            line.append((f"▸{word}◂", STYLES.get(name, "ink") + ".reverse"))
        elif walk is not None and name in walk.passed:
            line.append((f"✓ {word}", "ink"))
        else:
            line.append((f"· {word}", "dim"))
    if height < 3:
        return []
    lines = [cut(line, width)]
    if live is not None and live.code and phase:
        code: Line = [(live.line + "  ", "dim"), (live.code, "train")]
        if height < 10:
            return lines + [cut(code, width)] if height >= 5 else lines
        lines.append(cut(code, width))
    return lines + ([[]] if height >= 20 else [])


def _nothing(scene: Scene, phase: str, width: int) -> list[Line]:
    """Why there are no numbers, and what brings them."""
    live = scene.state.live
    absent = live.walk.absent if live is not None and live.walk is not None else ""
    if scene.source.over:
        return sentence("The run is over. This view follows a batch while training is held.", width)
    if phase and absent:
        lines = sentence(absent[0].upper() + absent[1:] + ".", width)
        if phase != "start":
            lines += sentence("Its numbers are those of one batch from beginning to end.", width)
        return lines
    if scene.paused:
        return sentence("No numbers of this batch are there yet: p goes to the next phase.", width)
    if scene.source.status == "starting":
        return sentence("Waiting for the first batch. Then p walks through it, phase by phase.", width)
    words = "This view walks one sample through the five phases, number by number. Training runs too fast for that:"
    return [*sentence(words, width), *sentence("space pauses it, then each p runs one phase.", width)]


def _sections(scene: Scene, walk: Walk, phase: str, width: int, focus: Focus | None) -> tuple[list[Line], int, int]:
    """(all lines, where the current phase begins, where it ends): it in full, the others short."""
    live, model = scene.state.live, scene.state.model
    order = live.order if live is not None and live.order else list(PHASES)
    names: list[str] = [name for name in ("forward", "loss", "backward", "update") if name in walk.passed]
    if "zero_grad" in walk.passed and phase == "zero_grad":
        names.append("zero_grad")
    current = phase if phase in names else ""
    body: list[Line] = []
    first = last = 0
    for name in names:
        if body:
            body.append([])
        begins = len(body)
        here = name == current
        mark = "▸ " if here else "✓ "
        head: Line = [(mark + WORDS[name].capitalize(), STYLES[name] + ".bold"), ("  " + HEADS[name], "dim")]
        body.append(rule(head, width))
        body += _full(name, walk, model, width, _rate(scene, walk), focus) if here else _short(name, walk, model, width)
        if here:
            first, last = begins, len(body)
    following = [name for name in order if name not in walk.passed]
    if scene.paused and scene.steerable and following and current and current != "zero_grad":
        body += [[], [(f"· {WORDS.get(following[0], following[0])} comes next: p", "dim")]]
    return body, first, last or len(body)


def _rate(scene: Scene, walk: Walk) -> float | None:
    """The rate that the update took: the dial stands in the tick of that update."""
    tick = scene.state.live.tick if scene.state.live is not None else None
    if tick is not None and tick.step == walk.step and tick.rate is not None:
        return tick.rate
    return walk.rate


def _full(
    name: str, walk: Walk, model: Model | None, width: int, rate: float | None, focus: Focus | None
) -> list[Line]:
    if name == "forward":
        return forward(walk, model, width, focus)
    if name == "loss":
        return loss(walk, width)
    if name == "backward":
        return backward(walk, model, width, focus)
    if name == "update":
        return update(walk, model, width, rate)
    words = "Every gradient is set to 0: backward adds to what is there, and the next batch begins anew."
    return sentence(words, width)


def _short(name: str, walk: Walk, model: Model | None, width: int) -> list[Line]:
    if name == "forward":
        return forward_short(walk, model, width)
    if name == "loss":
        return loss_short(walk, width)
    if name == "backward":
        return backward_short(walk, model, width)
    moved = [term for stage in walk.stages for unit in stage.units for term in unit.terms if term.after is not None]
    most = max((abs((term.after or 0.0) - term.w) for term in moved), default=0.0)
    return sentence(f"{walk.optimizer}: of the weights listed the largest step was {most:.3g}", width)
