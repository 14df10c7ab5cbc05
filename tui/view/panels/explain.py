"""Explain: what is happening now, in sentences whose every number comes from the run."""

from __future__ import annotations

import math
import statistics

from ...run.events import Tick
from ..draw.cells import Cell, Line, cut, wrap
from ..draw.numbers import count, duration, number, percent, rate
from ..scene import Scene
from .panel import Panel

Paragraph = list[Cell]

PHASE_WORDS = {
    "start": "Everything is ready. The first batch has not run yet.",
    "forward": "Forward: the batch went through the layers, first to last, and the last one put out its guess.",
    "loss": "Loss: the guess was compared with the truth, and one number says how wrong it was.",
    "backward": "Backward: every weight now has a gradient: which way and how strongly the loss changes with it. "
    "No weight has moved yet.",
    "update": "Update: the optimizer moved every weight a small step against its gradient.",
    "zero_grad": "Zero-grad: the gradients were cleared, so that they do not add up with those of the next batch.",
}


class Explain(Panel):
    NAME = "Explain"
    PERIOD_S = 3.0
    SHOWS = "What the run does now, in words. Every number was measured in this run; a sentence stays three seconds."
    HEALTHY = "Updates go on and the loss falls."
    TROUBLE = "It says so when the loss rises far above its start, or is no number any more."

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self._about: tuple[object, ...] = ()
        self._told: float | None = None
        """The loss that the sentences speak of."""

    def tell(self, now: float, force: bool = False) -> None:
        """A change of state is told at once; numbers alone wait."""
        scene = self.backlit.scene
        about: tuple[object, ...] = (
            scene.status,
            scene.state.phase if scene.paused or scene.opening else "",
            scene.guess,
            scene.away,
        )
        about = (*about, scene.state.step if scene.paused else 0, scene.state.factor)
        if scene.status == "starting":
            about = (*about, scene.source.output.last())
        force = force or about != self._about or _far(scene.loss, self._told)
        self._about = about
        if force or now >= self._next:
            self._told = scene.loss
        super().tell(now, force)

    def move(self, scene: Scene, lines: int) -> bool:
        scene.scroll["explain"] = max(0, scene.scroll.get("explain", 0) + lines)
        return True

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        roomy = height >= 9
        lines: list[Line] = []
        paragraphs = explain(scene)
        if scene.zoomed == self.id:
            paragraphs += more(scene)
        for paragraph in paragraphs:
            if lines and roomy:
                lines.append([])
            lines += wrap(paragraph, width)
        start = min(scene.scroll.get("explain", 0), max(0, len(lines) - height))
        scene.scroll["explain"] = start
        shown = lines[start : start + height]
        if start + height < len(lines) and shown:
            shown[-1] = [*cut(shown[-1], width - 4), (" … ↓", "dim")]
        return shown


def explain(scene: Scene) -> list[Paragraph]:
    """The paragraphs for what is true now, most important first."""
    status = scene.source.status
    paragraphs: list[Paragraph] = []
    if scene.away:
        paragraphs.append([(scene.away, "you")])
    if status == "starting":
        paragraphs += _starting(scene)
    elif scene.source.over or scene.source.ended:
        paragraphs += _ended(scene, status)
    elif status == "paused":
        paragraphs += _paused(scene)
    elif scene.opening:
        paragraphs += _opening(scene)
    else:
        paragraphs += _running(scene)
    return paragraphs


def more(scene: Scene) -> list[Paragraph]:
    """What there is room for in the zoom: the card's hints, what was done by hand, what the probe could not watch."""
    out: list[Paragraph] = []
    if scene.card is not None and scene.card.tries:
        out.append([("To try", "you")])
        out += [[(line, "ink")] for line in scene.card.tries.splitlines()]
    for mark in scene.state.marks[-8:]:
        out.append([(f"▼ step {count(mark.step)}: ", "you"), (mark.text, "ink")])
    for warning in scene.state.warnings[-4:]:
        out.append([("▲ ", "warning"), (warning, "ink")])
    return out


NOT_WATCHED = "backlit: this run is not being watched"
"""How the injector's sentence begins, in the program's output, when the probe could not be loaded."""


def _starting(scene: Scene) -> list[Paragraph]:
    last = scene.source.output.last()
    blind = next((line for line in scene.source.output.lines if line.startswith(NOT_WATCHED)), "")
    if blind:
        silent = "The program runs, its output is in the log; nothing else can be seen or steered."
        return [[("▲ ", "warning"), (blind.partition(": ")[2] + ".", "ink")], [(silent, "dim")]]
    words: Paragraph = [("Waiting for the first update. ", "ink")]
    words.append((f"{scene.program} has been started; importing torch alone takes seconds.", "dim"))
    out: list[Paragraph] = [words]
    if last:
        out.append([("It says: ", "dim"), (last[:300], "ink")])
    waits = scene.waits_long()
    if waits is not None:
        out.append([(f"{waits.text}: it is asked for and takes effect with the first update.", "dim")])
    return out


def _loss_now(scene: Scene, head: str = "") -> Paragraph:
    loss = scene.loss
    if loss is None:
        return []
    if not head:
        tick = scene.steady or scene.tick
        head = f"At step {count(tick.step)} the loss was " if tick is not None else "The loss is "
    words: Paragraph = [(head, "ink"), (number(loss), _style(loss)), (".", "ink")]
    model = scene.state.model
    if model is not None and model.loss == "cross-entropy" and 0 <= loss < 50:
        words[-1] = (": ", "ink")
        words.append((f"e^−{number(loss)} = {number(math.exp(-loss), 2)} is the typical probability", "ink"))
        words.append((" that it gives to the right answer.", "ink"))
    return words


def _moved(scene: Scene) -> Paragraph:
    """The layer that the last measured update moved most."""
    pairs = [
        (health.ratio, layer)
        for layer, health in zip(scene.state.layers, scene.state.health)
        if health.ratio is not None and math.isfinite(health.ratio)
    ]
    if not pairs:
        return []
    most, layer = max(pairs, key=lambda pair: pair[0])
    if most == 0:
        return []
    return [
        (
            f"Of all layers, {layer.title} moved most in the last measured update: by {percent(most, 2)} of its size.",
            "ink",
        )
    ]


def _opening(scene: Scene) -> list[Paragraph]:
    phase = scene.state.phase
    step = scene.state.step
    words = PHASE_WORDS.get(phase, "")
    if step <= 1 and words:
        out: list[Paragraph] = [[(words, "ink")]]
        if phase not in ("start", "forward"):
            out.append(_loss_now(scene, "The loss of this batch is "))
        return [*out, [("Slow for the first batches. Any key skips this.", "dim")]]
    return [
        [(f"Update {step} is made; each one uses another batch. ", "ink")],
        _loss_now(scene),
        [("Two a second for now. Any key goes on at full pace.", "dim")],
    ]


def _paused(scene: Scene) -> list[Paragraph]:
    step, phase = scene.state.step, scene.state.phase
    made = "No update has been made yet. " if step == 0 else f"Paused after {count(step)} updates. "
    out: list[Paragraph] = [[(made, "ink"), (_phase_words(scene, phase), "ink")]]
    if scene.state.gate is not None and scene.state.gate.why:
        out.insert(0, [("▲ ", "warning"), (f"A breakpoint holds it: {scene.state.gate.why}.", "ink")])
    live = scene.state.live
    taken_back = bool(_taken_back(scene))  # then what is known of the last update is of one that is undone
    if phase != "start" and not taken_back and (step > 0 or (live is not None and live.loss is not None)):
        in_hand = live is not None and live.loss is not None
        out.append(_loss_now(scene, "The loss of this batch is " if in_hand else "The loss of the last update was "))
    if live is not None and live.code:
        out.append([(live.line + "  ", "dim"), (live.code, "train")])
    if scene.steerable:
        out.append([("n runs one batch, p one phase, space goes on.", "dim")])
    if phase == "update" and not taken_back:
        out.insert(2, _moved(scene))
    return [paragraph for paragraph in out if paragraph]


def _taken_back(scene: Scene) -> str:
    """What an undo did, while training stands right behind it."""
    undone = scene.state.undone
    if undone is None or scene.state.phase != "update" or undone[1] != scene.state.step:
        return ""
    back = undone[0] - undone[1]
    made = "One update was taken back"
    if back != 1:
        made = f"{count(back)} updates were taken back, the last of them that of the batch in hand"
    return f"{made}: weights and optimizer are as they were after update {count(undone[1])}."


def _phase_words(scene: Scene, phase: str) -> str:
    taken_back = _taken_back(scene)
    if taken_back:
        return taken_back
    model = scene.state.model
    if phase == "update" and model is not None and not model.optimizers:
        return "Update: the program moved its weights by hand."
    return PHASE_WORDS.get(phase, "")


def _running(scene: Scene) -> list[Paragraph]:
    tick = scene.tick
    if tick is None:
        return [[("Training has begun.", "ink")]]
    if _diverging(scene):
        return _trouble(scene, tick)
    per_s = tick.steps_per_s or 0.0
    out: list[Paragraph] = []
    standing = scene.standing_s()
    if standing is not None:
        words = (
            f"No update for {duration(standing)}: the program does something else now. The last was {count(tick.step)}."
        )
        out.append([(words, "ink")])
        out.append(_loss_now(scene))
    elif 0 < per_s <= 2:
        out.append(
            [(f"Step {count(tick.step)} took {duration(1 / per_s) if per_s < 0.1 else f'{1 / per_s:.1f} s'}. ", "ink")]
        )
        out.append(_loss_now(scene))
    else:
        out.append(_lately(scene))
        out.append(_loss_now(scene))
    out.append(_moved(scene))
    if scene.steerable:
        out.append([("space pauses; then p walks through one batch, phase by phase.", "dim")])
    return [paragraph for paragraph in out if paragraph]


def _lately(scene: Scene) -> Paragraph:
    ticks = scene.state.window(3.0)
    if len(ticks) < 2:
        return []
    steps = ticks[-1].step - ticks[0].step
    third = max(1, len(ticks) // 3)
    before, after = _mean(ticks[:third]), _mean(ticks[-third:])
    seconds = ticks[-1].t - ticks[0].t
    words = f"Last {seconds:.0f} s: {count(steps)} updates"
    if before is not None and after is not None and len(ticks) >= 3:
        verb = "fell" if after < 0.98 * before else ("rose" if after > 1.02 * before else "stayed")
        change = f"at {number(after)}" if verb == "stayed" else f"from {number(before)} to {number(after)}"
        words += f"; the mean loss {verb} {change}"
    return [(words + ".", "ink")]


def _mean(ticks: list[Tick]) -> float | None:
    values = [tick.mean if tick.mean is not None else tick.loss for tick in ticks]
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.fmean(finite) if finite else None


def _diverging(scene: Scene) -> bool:
    """Not finite, or over the last seconds far above where it started (3 times, and above its best by as much)."""
    tick, state = scene.tick, scene.state
    if tick is None or tick.loss is None:
        return False
    if not math.isfinite(tick.loss):
        return True
    lately = _mean(state.window(3.0))
    first, best = state.first_loss, state.train.best
    return (
        lately is not None
        and first is not None
        and best is not None
        and state.step > 20
        and math.isfinite(first)
        and lately > 3 * abs(first)
        and lately > 3 * abs(best[1])
    )


def _trouble(scene: Scene, tick: Tick) -> list[Paragraph]:
    loss = tick.loss
    if loss is not None and not math.isfinite(loss):
        since = next((step for step, value in scene.state.train.recent if not math.isfinite(value)), None)
        words = f"The loss is {number(loss)}"
        words += f", first seen at step {count(since)}. " if since is not None else ". "
        out: list[Paragraph] = [
            [("✗ ", "bad"), (words, "ink"), ("Weights made of it stay so: this run will not recover.", "ink")]
        ]
    else:
        first = scene.state.first_loss
        out = [[("▲ ", "warning"), (f"Diverging: the loss is {number(loss)}, it began at {number(first)}.", "ink")]]
    if tick.rate is not None:
        lowers = ": − lowers it" if scene.steerable else ""
        out.append([(f"The learning rate is {rate(tick.rate)}. Most often it is too high{lowers}.", "ink")])
    return out


def _ended(scene: Scene, status: str) -> list[Paragraph]:
    state, source = scene.state, scene.source
    out: list[Paragraph] = []
    if status == "failed" and source.exit is not None:
        why = source.exit.error or _ending(source.exit.status, source.exit.signal)
        out.append([("✗ ", "bad"), (f"The program failed: {why}.", "ink")])
        last = source.output.last()
        if last:
            out.append([(last[:300], "bad")])
    elif status == "lost":
        out.append([("✗ ", "bad"), ("The program is gone and left no word of how it ended.", "ink")])
    else:
        words = {"finished": "Finished", "stopped": "Stopped"}.get(status, "This training is over; it ended")
        out.append([(f"{words} after {count(state.step)} updates.", "ink")])
    if state.step == 0 and status != "failed":
        out.append([(f"{source.unseen[0].upper()}{source.unseen[1:]}: there was nothing to watch.", "ink")])
    best = state.validation.best
    accuracy = state.accuracy.last
    if best is not None:
        words = f"Best validation loss {number(best[1])} at step {count(best[0])}"
        if accuracy is not None:
            words += f"; validation accuracy at the end {percent(accuracy, 1)}"
        out.append([(words + ".", "ink")])
    elif state.train.best is not None:
        low = state.train.best
        out.append([(f"Lowest training loss {number(low[1])} at step {count(low[0])}.", "ink")])
    closer = "" if scene.zoomed else "enter looks closer, "
    out.append([(f"{closer}l opens the lessons, q leaves.", "dim")])
    return out


def _ending(status: int | None, signal: int | None) -> str:
    return f"signal {signal}" if signal is not None else f"exit status {status}"


def _far(now: float | None, told: float | None) -> bool:
    """Is the loss another by more than a factor of two, or no number any more?"""
    if now is None or told is None:
        return now is not told
    if not math.isfinite(now) or not math.isfinite(told):
        return math.isfinite(now) != math.isfinite(told)
    return not 0.5 <= abs(now) / max(abs(told), 1e-12) <= 2.0


def _style(value: float | None) -> str:
    return "bad" if value is not None and not math.isfinite(value) else "train"
