"""A race in words and cells: the table of its runs, for the screen and for plain lines. Imports nothing of Textual."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from ..history.race import TRAIN, Lane, Race, higher_is_better
from .draw.cells import Line, clean, cut, fit, right, shorten, width_of
from .draw.numbers import count, duration, number, percent
from .draw.race import SIGNS, style


@dataclass
class Words:
    """What is said about a race."""

    program: str
    names: list[str]
    """What varies."""
    held: list[str] = field(default_factory=list)
    """What is the same in all runs."""
    attach: str = "backlit attach"
    """The command that shows a run again."""


LEADS = "◂"

STATES = {
    "waits": ("waits", "dim"),
    "starting": ("starting", "dim"),
    "running": ("running", "ink"),
    "paused": ("❚❚ paused", "warning"),
    "finished": ("finished", "ink"),
    "stopped": ("stopped", "warning"),
    "failed": ("✗ failed", "bad"),
    "lost": ("✗ is gone", "bad"),
    "not started": ("not started", "warning"),
}


def words_for(metric: str) -> str:
    """What a metric is called."""
    return {TRAIN: "train loss", "val_loss": "val loss", "val_accuracy": "val accuracy"}.get(metric, metric)


def standings(
    race: Race, names: list[str], metric: str, width: int | None, selected: int = -1, runs: bool = False
) -> list[Line]:
    """The table: a head, and one line a run.

    Args:
        names: what varies.
        width: cells at most; None for as many as it takes.
        selected: the run that is marked as chosen.
        runs: with the names of the run directories.
    """
    leaders = race.leaders(metric)
    heads = [*names, "state", "steps", "last", "best", "time"]
    rows = [_texts(lane, metric) for lane in race.lanes]
    wide = [max(len(head), *(width_of([row[place]]) for row in rows)) for place, head in enumerate(heads)]
    varied = len(names)
    if width is not None:  # what varies may be a long path: it gives way first
        rest = sum(wide[varied:]) + 2 * len(wide) + 5
        most = max(4, (width - rest) // max(1, varied))
        wide[:varied] = [min(size, most) for size in wide[:varied]]
        heads[:varied] = [shorten(head, size) for head, size in zip(names, wide)]
    lines = [[("     ", "dim"), *_row([(head, "dim") for head in heads], wide, varied)]]
    if runs:
        lines[0].append(("  run", "dim"))
    for place, (lane, row) in enumerate(zip(race.lanes, rows)):
        leads = place in leaders
        shown = [(shorten(text, size), look) for (text, look), size in zip(row[:varied], wide)] + row[varied:]
        if leads:
            shown[varied + 2] = (shown[varied + 2][0], "ink.bold")
        line: Line = [(" ▸ " if place == selected else "   ", "ink.bold"), (SIGNS[place] + " ", style(place))]
        line += _row(shown, wide, varied, LEADS if leads else "")
        if runs and lane.source is not None:
            line.append(("  " + lane.source.run.path.name, "ink"))
        lines.append(line)
    return lines if width is None else [cut(line, width) for line in lines]


def _texts(lane: Lane, metric: str) -> list[tuple[str, str]]:
    state, look = STATES.get(lane.status, (lane.status, "ink"))
    progress = lane.progress()
    if lane.status == "running" and progress is not None:
        state += f" {percent(progress)}"
    if lane.status == "failed" and lane.source is not None and lane.source.exit is not None:
        state += f" {lane.source.exit.code}"
    return [
        *((clean(value), "ink") for value in lane.values),
        (state, look),
        (count(lane.step), "ink"),
        _number(lane.last(metric)),
        _number(lane.best(metric)),
        (duration(lane.seconds(time.time())), "ink"),
    ]


def _number(value: float | None) -> tuple[str, str]:
    return number(value, 4), "bad" if value is not None and not math.isfinite(value) else "ink"


def _row(texts: list[tuple[str, str]], wide: list[int], varied: int, mark: str = "") -> Line:
    """Cells under their heads: words to the left, numbers to the right, the leader's mark behind the last value."""
    line: Line = []
    for place, (text, size) in enumerate(zip(texts, wide)):
        line += fit([text], size) if place <= varied else right([text], size)
        behind = mark if place == varied + 2 else ""
        line.append((behind.ljust(2) if place < len(wide) - 1 else "", "ink.bold"))
    return line


def how_it_stands(race: Race) -> list[str]:
    """2 running · 1 waits: how many are in which state."""
    found: dict[str, int] = {}
    for lane in race.lanes:
        found[lane.status] = found.get(lane.status, 0) + 1
    words = {"waits": "wait" if found.get("waits", 0) > 1 else "waits", "lost": "gone"}
    return [f"{found[status]} {words.get(status, status)}" for status in STATES if status in found]


def verdict(race: Race, metric: str) -> str:
    """Who ended best, in words; "" before the end."""
    leaders = race.leaders(metric)
    if not leaders:
        return ""
    who = " and ".join(race.lanes[place].label for place in leaders)
    value = race.lanes[leaders[0]].last(metric)
    rank = "highest" if higher_is_better(metric) else "lowest"
    return f"{rank} {words_for(metric)} at the end: {number(value, 4)} with {who}"


def farewell(race: Race, words: Words, metric: str, width: int = 0) -> list[str]:
    """What stays on the normal screen: how it stands, the table, how to see a run again. The names of the directories
    stand in the table, or below it where that would be wider than `width` cells."""
    table = standings(race, words.names, metric, None, runs=True)
    below: list[str] = []
    if width and max(map(width_of, table)) > width:
        table = standings(race, words.names, metric, None)
        started = [(sign, lane.source) for sign, lane in zip(SIGNS, race.lanes) if lane.source is not None]
        below = [f"  {sign} {source.run.path.name}" for sign, source in started]
    lines = [f"backlit: {words.program}: {', '.join(how_it_stands(race))}; {words_for(metric)}"]
    lines += ["".join(text for text, _ in line).rstrip()[1:] for line in table]
    lines += below
    if race.leaders(metric):
        lines.append(f"  {LEADS} {verdict(race, metric)}")
    if race.waiting:
        lines.append("  those that wait start when there is room for them")
    failed = [lane for lane in race.lanes if lane.status in ("failed", "not started") and lane.last_words()]
    lines += [f"  {lane.name}: {lane.last_words()}" for lane in failed]
    lines.append(f"  {words.attach} RUN shows one again")
    return [clean(line) for line in lines]
