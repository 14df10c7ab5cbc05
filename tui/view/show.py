"""Shows one run on this terminal until the person leaves, and says in a few plain lines how it stands."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..history.source import Source
from ..run.directory import RunDirectory, read_object, replace_bytes
from .app import BacklitApp
from .draw.cells import clean
from .draw.numbers import count, duration, number, percent
from .driver import Driver
from .learning import Progress
from .scene import Card, Scene


@dataclass
class Wishes:
    """How a run is to be shown."""

    readonly: bool = False
    asks: bool = True
    """Ask once before the first key that steers."""
    exits: bool = False
    lesson: bool = False
    card: Card | None = None
    """The card of the lesson that runs."""
    cards: list[Card] = field(default_factory=list)
    start_lesson: Callable[[str, list[str]], RunDirectory] | None = None
    edit_lesson: Callable[[str, bool], Path] | None = None
    again: Callable[[dict[str, Any]], RunDirectory] | None = None
    starts: bool = True
    """A lesson whose question is answered starts at once."""
    question: bool = False
    """The card's question is asked before anything runs."""
    arguments: tuple[str, ...] = ()
    """What the lesson was started with."""
    stream: int | None = None
    """The number of the stream that was asked for."""
    progress: Path | None = None
    """The file that remembers what the learner has done."""


def show(run: RunDirectory, wishes: Wishes) -> int:
    """Runs the app. Returns the program's own exit status when it is over, 0 when the person detached, the app's own
    status when the app failed."""
    _yield_the_processor()
    scene = Scene(Source(run, wishes.stream), readonly=wishes.readonly, asks=wishes.asks, card=wishes.card)
    scene.arguments = wishes.arguments
    scene.source.poll()
    scene.away = _away(run, scene)
    if scene.source.over and scene.picture is not None:
        scene.mode = scene.picture.mode  # the only picture that there is
    app = BacklitApp(
        scene,
        exits=wishes.exits,
        lesson=wishes.lesson,
        cards=wishes.cards,
        start_lesson=wishes.start_lesson,
        edit_lesson=wishes.edit_lesson,
        again=wishes.again,
        question=wishes.question,
        starts=wishes.starts,
        progress=Progress(wishes.progress),
        driver_class=Driver,
    )
    app.run()
    scene = app.scene
    app.desk.leave(pause_stays=app.detached and scene.source.holds)
    _remember_leaving(scene)
    if app.return_code:
        return int(app.return_code)
    scene.source.poll()
    for line in farewell(scene, app.stopped_at_leaving):
        print(clean(line))
    exit_ = scene.source.exit
    if exit_ is not None:
        return exit_.code
    return 1 if scene.source.status == "lost" else 0


def _yield_the_processor() -> None:
    """Training wins: the viewer is content with what is left."""
    try:
        os.nice(5)
    except OSError:
        pass


def farewell(scene: Scene, stopped: bool = False) -> list[str]:
    """What stays on the normal screen: result, numbers, time, directory, exit status. `stopped`: leaving ended it."""
    source, state = scene.source, scene.state
    status = source.status
    words = {
        "finished": "finished",
        "stopped": "stopped",
        "failed": "failed",
        "lost": "is gone",
        "paused": "stays paused",
    }.get(status, "was stopped" if stopped else "goes on")
    lines = [f"backlit: {scene.program} {words} after {count(state.step)} steps"]
    if len(source.streams) > 1 and source.shown is not None:
        of = f"{source.streams.title(source.shown)} of {len(source.streams)} streams"
        lines = [f"backlit: {scene.program} {words}; {of} made {count(state.step)} steps"]
    values = [f"loss {number(state.tick.loss)}" if state.tick is not None else "no training was seen"]
    if len(state.validation):
        values.append(f"validation loss {number(state.validation.last)}")
    if len(state.accuracy):
        values.append(f"accuracy {percent(state.accuracy.last, 1)}")
    lines.append("  " + " · ".join(values))
    began = source.run.created()
    ended = source.exit.time if source.exit is not None else time.time()
    lines.append(f"  time {duration(max(0.0, ended - began))}")
    lines.append(f"  directory {source.run.path}")
    if source.exit is not None:
        lines.append(f"  exit status {source.exit.code}" + (f" ({source.exit.error})" if source.exit.error else ""))
    elif status == "paused":
        lines.append("  backlit attach shows it again; space there lets it go on")
    elif not source.over:
        lines.append("  backlit attach shows it again")
    else:
        lines.append("  how it ended is not known")
    if status == "failed" and source.output.last():
        lines[1] = "  " + source.output.last()
    return lines


def _remember_leaving(scene: Scene) -> None:
    tick = scene.tick
    left = {"time": time.time(), "step": scene.state.step, "loss": tick.loss if tick is not None else None}
    left["stream"] = scene.source.shown
    try:
        replace_bytes(scene.source.run.viewers / "left", json.dumps(left).encode())
    except (OSError, ValueError):
        pass


def _away(run: RunDirectory, scene: Scene) -> str:
    """What happened since somebody last looked, if that is over a minute ago."""
    left = read_object(run.viewers / "left")
    when, step, loss = left.get("time"), left.get("step"), left.get("loss")
    if not isinstance(when, (int, float)) or not isinstance(step, int) or time.time() - when < 60:
        return ""
    if left.get("stream", 0) != scene.source.shown:
        return ""  # another training than the one that was looked at
    made = scene.state.step - step
    if made <= 0:
        return ""
    words = f"You were away {duration(time.time() - when)}: {count(made)} steps"
    now = scene.tick.loss if scene.tick is not None else None
    if isinstance(loss, (int, float)) and now is not None:
        words += f", loss {number(float(loss))} → {number(now)}"
    return words + "."
