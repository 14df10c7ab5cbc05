"""Header: which program, what state, how far, how fast, loss, accuracy, rate, and what watching costs."""

from __future__ import annotations

import math

from ..draw.cells import Cell, Line, cut, shorten, width_of
from ..draw.numbers import count, duration, number, percent, rate, speed
from ..scene import Scene
from .panel import Panel

STATES: dict[str, Cell] = {
    "starting": ("… STARTING", "dim"),
    "running": ("● RUNNING", "ink.bold"),
    "pausing": ("❚❚ PAUSING…", "warning"),
    "stopping": ("■ STOPPING…", "warning"),
    "paused": (" ❚❚ PAUSED ", "warning.reverse"),
    "finished": ("■ FINISHED", "ink.bold"),
    "stopped": ("■ STOPPED", "warning"),
    "failed": (" ✗ FAILED ", "bad.reverse"),
    "lost": (" ✗ LOST ", "bad.reverse"),
}


class Header(Panel, can_focus=False):
    PERIOD_S = 0.125

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        return [_first(scene, width), _second(scene, width)]


def _join(parts: list[Line], gap: str, width: int) -> Line:
    """As many of the parts as fit, in order of importance as they come."""
    line: Line = []
    for part in parts:
        wanted = [(gap, "ink"), *part] if line else part
        if width_of(line) + width_of(wanted) > width:
            continue
        line += wanted
    return cut(line, width)


def _first(scene: Scene, width: int) -> Line:
    tick, state = scene.tick, scene.state
    compact = scene.size == "compact"
    parts: list[Line] = [] if compact else [[("backlit", "ink.bold")]]
    status = STATES[scene.status]
    name = shorten(scene.program, max(1, min(40, width // 3, width - width_of([status]) - 2)))
    parts.append([(name, "ink.bold" if compact else "dim"), ("  ", "ink"), status])
    if tick is not None:
        where: list[str] = []
        if tick.epoch is not None and not (state.total_steps is not None and tick.batches == 1):
            total = f"/{state.total_epochs}" if state.total_epochs is not None else ""
            where.append(f"epoch {tick.epoch}{total}")
            if tick.batch is not None:
                where.append(f"batch {tick.batch}" + (f"/{tick.batches}" if tick.batches else ""))
        of = f"/{count(state.total_steps)}" if state.total_steps is not None else ""
        where.append(f"step {count(tick.step)}{of}")
        parts.append([((" " if compact else " · ").join(where), "ink")])
        if not scene.source.over and not scene.paused:
            slowed = " (slowed)" if scene.speed is not None else ""
            unit = "/s" if compact else " steps/s"
            parts.append([(f"{speed(tick.steps_per_s)}{unit}{slowed}", "dim")])
            left = state.seconds_left()
            if left is not None and not scene.opening:
                known = state.total_epochs is not None or state.total_steps is not None
                of = "" if known else " of this epoch"
                parts.append([(f"{duration(left)} left{of if not compact else ''}", "dim")])
    elif scene.source.over and scene.source.exit is not None:
        parts.append([("no training was seen", "dim")])
    if scene.source.alive is None and not scene.source.over:
        parts.append([(f"other host, last heard {duration(scene.source.silent_s())} ago", "warning")])
    return _join(parts, "  ", width)


def _second(scene: Scene, width: int) -> Line:
    state = scene.state
    parts: list[Line] = []
    loss = scene.loss
    parts.append(
        [("loss ", "dim"), (number(loss), "bad" if loss is not None and not math.isfinite(loss) else "train.bold")]
    )
    if len(state.validation):
        last = state.validation.last
        odd = last is not None and not math.isfinite(last)
        parts.append([("val ", "dim"), (number(last), "bad" if odd else "validation.bold")])
    if len(state.accuracy):
        parts.append([("accuracy ", "dim"), (percent(state.accuracy.last, 1), "ink.bold")])
    parts.append(_rate(scene))
    line = _join(parts, "   ", width)
    cost = _cost(scene) if scene.size != "compact" else []
    progress = state.progress()
    room = width - width_of(line) - (width_of(cost) + 3 if cost else 0) - 3
    if progress is not None and room >= 8:
        done = int(progress * room + 0.5)
        line += [("   ", "ink"), ("━" * done, "train"), ("─" * (room - done), "line")]
    elif cost:
        line += [(" " * max(0, room + 3), "ink")]
    if cost:
        line += [("   ", "ink"), *cost]
    return cut(line, width)


def _rate(scene: Scene) -> Line:
    tick = scene.tick
    if tick is None:
        return [("lr ", "dim"), ("–", "ink")]
    line: Line = [("lr ", "dim"), (rate(tick.rate), "ink.bold")]
    if tick.scheduled is not None:
        if scene.state.factor is not None:
            line.append((f" = {rate(tick.scheduled)} × {scene.state.factor:g}", "you"))
        else:
            line.append((f" (scheduled {rate(tick.scheduled)})", "you"))
    asked = next((one for one in scene.pending.values() if one.do == "lr"), None)
    if asked is not None:
        line.append((" " + asked.text + "…", "warning"))
    return line


def _cost(scene: Scene) -> Line:
    tick, model = scene.tick, scene.state.model
    words = []
    if model is not None and model.device:
        words.append(model.device)
    if tick is not None and tick.cost is not None:
        words.append(f"probe {percent(tick.cost, 1)} of the time")
    return [(" · ".join(words), "dim")] if words else []
