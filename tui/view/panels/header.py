"""Header: which program, what state, how far, how fast, loss, accuracy, rate, the machine, and what watching costs."""

from __future__ import annotations

import math

from ...history.doctor.starving import starving
from ..draw.cells import Cell, Line, cut, shorten, width_of
from ..draw.load import graphics, idle, processor, waiting
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
    "ended": ("■ ENDED", "ink.bold"),
    "stopped": ("■ STOPPED", "warning"),
    "failed": (" ✗ FAILED ", "bad.reverse"),
    "lost": (" ✗ LOST ", "bad.reverse"),
}


MACHINE_GAP = 3
"""Cells at least between what is said of the run and of the machine."""


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
    stream = scene.stream(short=width < 100)
    if stream:
        parts.append([(stream, "ink")])
    if tick is not None:
        where: list[str] = []
        if tick.epoch is not None and not (state.total_steps is not None and tick.batches == 1):
            total = f"/{state.total_epochs}" if state.total_epochs is not None else ""
            where.append(f"epoch {tick.epoch}{total}")
            if tick.batch is not None:
                where.append(f"batch {tick.batch}" + (f"/{tick.batches}" if tick.batches else ""))
        of = f"/{count(state.total_steps)}" if state.total_steps is not None else ""
        what = state.model.counts if state.model is not None and state.model.counts else "step"
        where.append(f"{what} {count(tick.step)}{of}")
        parts.append([((" " if compact else " · ").join(where), "ink")])
        if tick.skipped:
            parts.append([(f"{count(tick.skipped)} skipped", "warning")])
        if not scene.source.over and not scene.source.ended and not scene.paused:
            slowed = " (slowed)" if scene.speed is not None else ""
            unit = "/s" if compact else " steps/s"
            standing = scene.standing_s()
            if standing is not None:
                parts.append([(f"no {'update' if what == 'step' else 'pass'} for {duration(standing)}", "dim")])
            else:
                parts.append([(f"{speed(tick.steps_per_s)}{unit}{slowed}", "dim")])
            left = state.seconds_left() if standing is None else None
            if left is not None and not scene.opening:
                known = state.total_epochs is not None or state.total_steps is not None
                of = "" if known else " of this epoch"
                parts.append([(f"{duration(left)} left{of if not compact else ''}", "dim")])
    elif scene.source.over and scene.source.exit is not None:
        parts.append([("no training was seen", "dim")])
    if scene.source.alive is None and not scene.source.over:
        parts.append([(f"other host, last heard {duration(scene.source.silent_s())} ago", "warning")])
    line = _join(parts, "  ", width)
    room = width - width_of(line) - MACHINE_GAP
    words = next((words for words in _machine(scene) if width_of([(words, "dim")]) <= room), "")
    if words:
        line += [(" " * (room + MACHINE_GAP - width_of([(words, "dim")])), "ink"), (words, "dim")]
    return line


def _machine(scene: Scene) -> list[str]:
    """What the machine does, the fullest words first: the GPU before the processor, for that is where training is."""
    load = scene.machine
    if load is None or scene.size == "compact":
        return []
    gpu, cpu = graphics(load.gpus), processor(load)
    if not gpu:
        return [cpu]
    return [f"{gpu[0]} · {cpu}", *gpu[:2], *gpu[2:]]


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
    line = _join(parts, "   ", width)
    line = _join([line, _rate(scene, width - width_of(line) - 3), *_starving(scene)], "   ", width)
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


def _rate(scene: Scene, room: int) -> Line:
    """The rate that the last update used, what the dial made it of, what was asked; less of it where room is short."""
    tick = scene.tick
    if tick is None:
        return [("lr ", "dim"), ("–", "ink")]
    line: Line = [("lr ", "dim"), (_rates(tick.rate, tick.rates), "ink.bold")]
    scheduled = _rates(tick.scheduled, tick.schedules)
    factor = tick.factor if tick.factor is not None else scene.state.factor
    whole = brief = ""
    if tick.fixed:
        brief = " fixed"
        whole = brief + (f" (scheduled {scheduled})" if tick.scheduled is not None or tick.schedules else "")
    elif factor is not None and tick.scheduled is not None:
        whole, brief = f" = {scheduled} × {factor:g}", f" × {factor:g}"
    elif tick.scheduled is not None:
        whole = f" (scheduled {scheduled})"
    asked: Line = [(f" {one.text}…", "warning") for one in scene.pending.values() if one.do == "lr"][-1:]
    lines: list[Line] = [[*line, (made, "you"), *asked] if made else [*line, *asked] for made in (whole, brief)]
    return next((one for one in lines if width_of(one) <= room), line)


def _starving(scene: Scene) -> list[Line]:
    """A warning where training waits for its data, and its processors with it."""
    share = starving(scene.state) if not (scene.source.over or scene.paused) else None
    return [[(f"▲ {waiting(share)}", "warning")]] if share is not None and idle(scene.machine) else []


def _rates(first: float | None, ends: list[float] | None) -> str:
    """The rate of the first parameter group, or the range of all of them where they differ."""
    return rate(first) if ends is None else "…".join(map(rate, ends))


def _memory(size: int) -> str:
    return f"{size / (1 << 20):.1f} MB" if size < 10 << 20 else f"{size >> 20:,} MB"


def _cost(scene: Scene) -> Line:
    tick, model = scene.tick, scene.state.model
    words = []
    if model is not None and model.device:
        words.append(model.device)
    live = scene.state.live
    kept = live.kept if live is not None else None
    if kept is not None and not scene.source.over:
        words.append(f"undo {kept.updates} · {_memory(kept.bytes)} of {_memory(kept.budget)}")
    if tick is not None and tick.cost is not None:
        words.append(f"probe {percent(tick.cost, 1)} of the time")
    return [(" · ".join(words), "dim")] if words else []
