"""A race under way: its runs start in turn, are looked at on a screen or without one, and are told to end.

Also a program of its own: `python -m tui.racing` starts those that wait when the person who began the race has left.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from .history.race import Lane, Race
from .history.source import Source
from .run import launch
from .run.directory import RunDirectory

if TYPE_CHECKING:
    from .view.standings import Words

PACKAGE = Path(__file__).resolve().parent

EVERY_S = 10.0
"""Without a screen, how it stands is said so often."""


def begin(root: Path, lanes: list[Lane], at_once: int) -> Race:
    """The race, its first run started. Raises OSError or Unsafe when that cannot be."""
    race = Race(lanes, at_once, Starter(root, secrets.token_hex(6), os.getcwd()).start, send)
    race.start_next()
    return race


@dataclass(frozen=True)
class Starter:
    """Starts the runs of one race: ordinary runs, that share an id in their run.json."""

    root: Path
    race: str
    cwd: str

    def start(self, lane: Lane) -> RunDirectory:
        """Raises OSError or Unsafe."""
        about = {"command": lane.command, "cwd": self.cwd, "environment": lane.environment, "race": self.race}
        run = RunDirectory.create(self.root, lane.name, about)
        launch.start(run)
        return run


def send(run: RunDirectory, number: int) -> bool:
    """Sends a signal to the process group of a run's program, after making sure that it is still that program."""
    pid = run.about().get("pid")
    if not isinstance(pid, int) or run.alive() is not True:
        return False
    try:
        os.killpg(pid, number)
    except OSError:
        return False
    return True


def hand_over(race: Race) -> None:
    """Nobody looks any more: a process of its own starts those that wait, each in its turn. Raises OSError."""
    first = next(lane.source for lane in race.lanes if lane.source is not None)
    rest = {
        "root": str(first.run.path.parent),
        "race": first.run.about().get("race", ""),
        "cwd": first.run.about().get("cwd", ""),
        "at_once": race.at_once,
        "running": [str(lane.source.run.path) for lane in race.under_way if lane.source is not None],
        "waiting": [[lane.name, lane.command, lane.environment] for lane in race.waiting],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", f"{PACKAGE.name}.racing"],
        cwd=PACKAGE.parent,  # first on the path with -m, as in `launch.start`
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(json.dumps(rest).encode())


def go_on(rest: dict[str, Any]) -> None:
    """What `hand_over` asked for, to its end."""
    running = [Lane("", source=Source(RunDirectory(Path(path)))) for path in rest["running"]]
    waiting = [Lane(name, command=command, environment=wanted) for name, command, wanted in rest["waiting"]]
    starter = Starter(Path(rest["root"]), rest["race"], rest["cwd"])
    race = Race([*running, *waiting], rest["at_once"], starter.start, send)
    while race.waiting:
        race.poll()
        time.sleep(0.25)


# ── how it is looked at ──


def on_screen(race: Race, words: Words) -> int:
    """Shows the race until the person leaves; what still waits then has its turn all the same."""
    from .view.race import show

    status, metric = show(race, words)
    race.poll()
    if race.waiting:
        hand_over(race)
    return status or _tell(race, words, metric)


def plainly(race: Race, words: Words) -> int:
    """Without a screen: to the end of the race. Ctrl-C and SIGTERM go to all runs."""
    from .view.standings import how_it_stands

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    asked: list[int] = []
    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    told: list[Lane] = []
    _say(f"the same in all: {' · '.join(words.held)}")
    due = time.monotonic() + EVERY_S
    try:
        while not race.over:
            race.poll()
            while asked:
                race.stop(asked.pop(0))
            for lane in race.lanes:
                if lane.source is not None and not any(lane is one for one in told):
                    told.append(lane)
                    _say(f"{lane.label} is {lane.source.run.path.name}")
            if time.monotonic() >= due:
                due = time.monotonic() + EVERY_S
                _say(", ".join(how_it_stands(race)))
            time.sleep(0.05)
        race.poll()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return _tell(race, words, race.metrics()[0])


def _tell(race: Race, words: Words, metric: str) -> int:
    """What stays on the normal screen, and the status: 0 if every run finished."""
    from .view.standings import farewell

    try:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        for line in farewell(race, words, metric, width):
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output is gone
        pass
    return 0 if race.finished else 1


def _say(text: str) -> None:
    print(f"backlit: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    go_on(json.loads(sys.stdin.buffer.read()))
