"""What the lessons' cards promise, and what their scripts do: cards are read, scripts run, nothing is asserted."""

from __future__ import annotations

import functools
import json
import math
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LESSONS = PROJECT / "tui" / "lessons"
SUBSETS = PROJECT.parent / "shared" / "data"
NEED_ROOT = ("mnist", "fashion")  # their images do not come with the install
LIMIT_S = 180.0  # for one run

# Runs a lesson as `python -m` does, with a stand-in for log() that writes each call as a line of JSON.
LISTENING = """
import json, runpy, sys
import tui
tui.log = lambda **values: print("LOG", json.dumps({name: float(value) for name, value in values.items()}))
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


class RunFailed(RuntimeError):
    """A lesson that ended with a status other than 0; the text is the last line that it wrote."""


@dataclass(frozen=True)
class Arm:
    """A run that a card makes a promise about: the lesson as shipped (no arguments), or one of its alternatives."""

    lesson: str
    arguments: tuple[str, ...]
    words: str
    metric: str
    low: float
    high: float  # both NaN when the outcome is to be NaN
    near: bool = False  # the card says that it may end like the lesson as shipped

    def holds(self, value: float) -> bool:
        """Say whether a measured outcome is what the card promises."""
        if math.isnan(self.low):
            return math.isnan(value)
        return self.low <= value <= self.high

    def overlaps(self, other: Arm) -> bool:
        """Say whether one and the same outcome could be either's."""
        return self.metric == other.metric and self.low <= other.high and other.low <= self.high


def lessons() -> list[str]:
    """List the lessons that have both a script and a card."""
    return sorted(path.stem for path in LESSONS.glob("*.md") if path.with_suffix(".py").exists())


def arms(lesson: str) -> list[Arm]:
    """Read a card's header: first the lesson as shipped, then its `arm:` lines."""
    fields, lines = header((LESSONS / f"{lesson}.md").read_text("utf-8"))
    low, high = map(float, fields["expect"].split())
    found = [Arm(lesson, (), "as shipped", fields["metric"], low, high)]
    for line in lines:
        arguments, words, promise, *marks = (part.strip() for part in line.split("|"))
        *other, low_text, high_text = promise.split()
        metric = other[0] if other else fields["metric"]
        arm = Arm(
            lesson, tuple(shlex.split(arguments)), words, metric, float(low_text), float(high_text), "near" in marks
        )
        found.append(arm)
    return found


def header(text: str) -> tuple[dict[str, str], list[str]]:
    """Split a card's header into its fields and its `arm:` lines; ` #` begins a comment."""
    start, head, _ = text.split("---\n", 2)
    if start:
        raise ValueError("a card begins with a line of ---")
    pairs = [line.partition(" #")[0].partition(":") for line in head.splitlines()]
    fields = {name.strip(): value.strip() for name, _, value in pairs if name.strip() != "arm"}
    return fields, [value.strip() for name, _, value in pairs if name.strip() == "arm"]


def outcome(lesson: str, args: Sequence[str], seed: int, root: Path = SUBSETS) -> dict[str, float]:
    """Run a lesson in a process of its own and return the last value of everything that it logged.

    The same run is made once: its outcome is kept for the life of this process.

    Args:
        lesson: its id.
        args: its arguments, without --seed.
        seed: 0 and up.
        root: the folder with the images of the lessons in NEED_ROOT.

    Raises:
        RunFailed: it ended with a status other than 0, or not in time.
    """
    extra = ("--root", str(root)) if lesson in NEED_ROOT else ()
    return dict(_outcome(lesson, (*args, "--seed", str(seed), *extra)))


@functools.cache
def _outcome(lesson: str, args: tuple[str, ...]) -> dict[str, float]:
    command = [sys.executable, "-c", LISTENING, f"tui.lessons.{lesson}", *args]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, cwd=PROJECT)
    except subprocess.TimeoutExpired:
        raise RunFailed(f"not done after {LIMIT_S:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise RunFailed(lines[-1])
    last: dict[str, float] = {}
    for line in done.stdout.splitlines():
        if line.startswith("LOG "):
            last.update(json.loads(line[4:]))
    return last
