"""Doctor: what its rules found in this run, with evidence and advice; else what they watch, and what they wait for."""

from __future__ import annotations

import time

from ...history.doctor.finding import ALARM, Finding
from ...history.doctor.rules import RULES, examine, waiting
from ...history.state import RunState
from ..actions import BY_NAME
from ..draw.cells import Cell, Line, cut, width_of, wrap
from ..draw.numbers import count
from ..scene import Scene
from .panel import Panel

EXAMINE_S = 1.0
SIGNS = {ALARM: ("✗", "bad"), "notice": ("▲", "warning")}
INDENT = "  "


class Doctor(Panel):
    NAME = "Doctor"
    PERIOD_S = 1.0
    SHOWS = (
        "Rules that look for what commonly goes wrong in a training. Each finding tells the numbers of this run and "
        "what may help; ↑ ↓ choose one, and the zoom adds when the rule speaks, where that threshold comes from, and "
        "how to check it yourself. Batches are looked at about twice a second while somebody watches."
    )
    HEALTHY = "Nothing found. Rules that cannot look yet say why: no validation loss is logged, the model has no ReLU."
    TROUBLE = "✗ harms the training. ▲ is worth a look, and may be as you want it: small networks set the thresholds."

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self._state: RunState | None = None
        self._known: tuple[object, ...] = ()
        self._found: list[Finding] = []
        self._due = 0.0

    def findings(self, scene: Scene) -> list[Finding]:
        """What is found now; examined once a second at most, and only when something is new."""
        state, now = scene.state, time.monotonic()
        known = (state.step, state.checkups.count, len(state.validation.recent), scene.source.over)
        if state is not self._state or (known != self._known and now >= self._due):
            self._state, self._known, self._due = state, known, now + EXAMINE_S
            self._found = examine(state)
        return self._found

    def label(self, scene: Scene) -> str:
        found = self.findings(scene)
        return f"{SIGNS[found[0].level][0]}{len(found)} {self.NAME}" if found else self.NAME

    def names(self, scene: Scene) -> list[str]:
        found = self.findings(scene)
        alarms = sum(1 for one in found if one.level == ALARM)
        parts = [_several(alarms, "alarm"), _several(len(found) - alarms, "notice")]
        words = ", ".join(part for part in parts if part)
        return [f"{self.NAME} · {words}" if words else self.NAME]

    def notes(self, scene: Scene) -> list[str]:
        looks = scene.state.checkups.count
        words = f"{count(scene.state.step)} steps, {_several(looks, 'look') or 'no look'} at batches"
        return [f"{len(RULES)} rules · {words}", words] if scene.state.model is not None else []

    def move(self, scene: Scene, lines: int) -> bool:
        last = len(self.findings(scene)) - 1
        scene.scroll["doctor"] = max(0, min(last, scene.scroll.get("doctor", 0) + lines))
        return True

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        if scene.state.model is None:
            words = "No training was seen." if scene.source.over else "The doctor looks at the first steps."
            return wrap([(words, "dim")], width)
        found = self.findings(scene)
        zoomed = scene.zoomed == self.id
        if not found:
            return _calm(scene, width, height)
        chosen = min(scene.scroll.get("doctor", 0), len(found) - 1)
        blocks = [_block(scene, one, width, zoomed) for one in found]
        gap = 1 if height >= 9 else 0
        blocks = _opened(blocks, chosen, height, gap)
        lines: list[Line] = []
        top = 0
        for place, block in enumerate(blocks):
            if place == chosen:
                top = len(lines)
                if len(blocks) > 1:
                    block = [[("▸", "you"), *block[0][1:]], *block[1:]]
            lines += block
            lines += [[]] * gap if len(block) > 1 and place < len(blocks) - 1 else []
        room = height - len(lines)
        if zoomed and room > 3:
            lines += [[], *_waiting(scene, width)][:room]
        start = max(0, min(top, len(lines) - height))
        shown = lines[start : start + height]
        if start + height < len(lines) and shown:
            more = " … ↓" if chosen < len(found) - 1 else " …"
            shown[-1] = [*cut(shown[-1], width - len(more)), (more, "dim")]
        return shown


def _block(scene: Scene, one: Finding, width: int, whole: bool) -> list[Line]:
    """A finding: its title, then what stands behind it."""
    sign, style = SIGNS[one.level]
    head: Line = [(" ", "ink"), (f"{sign} {one.title}", style)]
    level = f"  {one.level}, {one.confidence}"
    if width_of([*head, (level, "dim")]) <= width:
        head.append((level, "dim"))
    paragraphs: list[list[Cell]] = [[(one.evidence, "ink")], [("→ ", "you"), (one.advice, "ink"), *_key(scene, one)]]
    if whole:
        paragraphs.append([("How to check  ", "dim"), (one.check, "ink")])
        paragraphs.append([("When it speaks  ", "dim"), (f"{one.threshold}.", "ink")])
        paragraphs.append([("Where that comes from  ", "dim"), (f"{one.source}.", "ink")])
    body = [[(INDENT, "ink"), *line] for words in paragraphs for line in wrap(words, max(1, width - len(INDENT)))]
    return [cut(head, width), *body]


def _opened(blocks: list[list[Line]], chosen: int, height: int, gap: int) -> list[list[Line]]:
    """The one chosen is whole, the others too as far as there is room for them: else their titles."""
    room = height - len(blocks) - (len(blocks[chosen]) - 1 + gap)
    out = []
    for place, block in enumerate(blocks):
        if place != chosen:
            more = len(block) - 1 + gap
            block, room = (block, room - more) if more <= room else (block[:1], room)
        out.append(block)
    return out


def _key(scene: Scene, one: Finding) -> list[Cell]:
    """The key that helps, where it still can."""
    action = BY_NAME.get(one.key)
    if action is None or not scene.steerable or not action.valid(scene):
        return []
    return [("  Key ", "dim"), (action.shown, "you"), (f": {action.label}", "dim")]


def _calm(scene: Scene, width: int, height: int) -> list[Line]:
    """Nothing was found: what has been watched, and what waits for what."""
    words = f"{len(RULES)} rules watch; nothing found in {_several(scene.state.step, 'step') or '0 steps'}."
    lines = wrap([("● ", "ink"), (words, "ink")], width)
    waits = _waiting(scene, width)
    if waits and height - len(lines) - len(waits) >= 1:
        lines.append([])
    return [*lines, *waits]


def _waiting(scene: Scene, width: int) -> list[Line]:
    """The rules that cannot look yet, those that wait for the same thing together."""
    reasons: dict[str, list[str]] = {}
    for name, why in waiting(scene.state):
        reasons.setdefault(why, []).append(name)
    lines: list[Line] = []
    if reasons:
        lines.append([("Not looked for yet" if not scene.source.over else "Not looked for", "dim")])
    for why, names in reasons.items():
        lines += wrap([("… ", "dim"), (", ".join(names), "ink"), (f": {why}", "dim")], width)
    return lines


def _several(number: int, word: str) -> str:
    """ "1 alarm", "1,200 steps", or nothing."""
    return f"{count(number)} {word}{'' if number == 1 else 's'}" if number else ""
