"""The list of runs, as plain lines."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..history.source import Source
from ..history.streams import Streams
from ..run.directory import RunDirectory
from ..run.events import BadRecord, Did, decode_event
from .draw.cells import clean
from .draw.numbers import count, number

MOST = 50


def listing(root: Path) -> list[str]:
    """One line a run, newest first: name, state, step, loss, trainings, when it started, host. At most `MOST` of them.

    Of a run with several trainings step and loss are of the one that `attach` shows."""
    runs = list(RunDirectory.all(root))
    if not runs:
        return [f"no runs yet in {root}"]
    lines = [f"{'run':<44} {'state':<9} {'step':>11} {'loss':>9} {'streams':>7}  {'started':<17} host"]
    lines += [_line(run) for run in runs[:MOST]]
    if len(runs) > MOST:
        lines.append(f"… and {len(runs) - MOST} older ones in {root}")
    return lines


def _line(run: RunDirectory) -> str:
    source = Source(run)
    source.poll()
    state = source.state
    status = source.status
    if source.alive is None:
        status = f"heard {_age(run)}"
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created()))
    loss = number(state.tick.loss) if state.tick is not None else "–"
    host = str(source.about.get("host", ""))
    numbers = f"{count(state.step):>11} {loss:>9} {len(source.streams):>7}"
    return f"{run.path.name:<44} {status:<9} {numbers}  {started:<17} {host}"


def _age(run: RunDirectory) -> str:
    """How long ago a run of another host last wrote anything."""
    newest = 0.0
    for stream in run.streams():
        try:
            newest = max(newest, os.stat(run.events_file(stream)).st_mtime)
        except OSError:
            continue
    return f"{max(0, time.time() - newest):.0f} s ago" if newest else "never"


def deeds(run: RunDirectory, stream: int | None = None) -> list[Did]:
    """Every intervention that took effect in a run, or in one of its streams, in its order."""
    found: list[Did] = []
    for one in run.streams() if stream is None else [stream]:
        try:
            content = run.events_file(one).read_bytes()
        except OSError:
            continue
        for line in content.splitlines():
            if b'"did"' not in line:
                continue
            try:
                event = decode_event(line)
            except BadRecord:
                continue
            if isinstance(event, Did):
                found.append(event)
    return found


def deeds_in_words(run: RunDirectory) -> list[str]:
    """The interventions, one a line; of several streams each under its name."""
    streams = Streams(run)
    streams.look(None)
    if len(streams) < 2:
        return [said(deed) for deed in deeds(run)]
    lines: list[str] = []
    for one in streams.all:
        done = deeds(run, one.number)
        if done:
            lines += [clean(streams.title(one.number)), *(f"  {said(deed)}" for deed in done)]
    return lines


def said(deed: Did) -> str:
    """One intervention in words."""
    if deed.do == "rate":
        if deed.value is not None:
            what = f"rate {deed.value:g}"
        else:
            what = f"rate × {deed.factor:g}" if deed.factor is not None else "rate released"
        return f"from update {deed.step:>8,}   {what}"
    words = {"undo": f"undo, back to {deed.to or 0:,} updates", "back": "best weights put back", "stop": "stop"}
    return f"after update {deed.step:>7,}   {words.get(deed.do, deed.do)}"
