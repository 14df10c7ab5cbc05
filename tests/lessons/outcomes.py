"""What the lessons' cards promise, and what their scripts do: cards are read, scripts run, nothing is asserted."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LESSONS = PROJECT / "tui" / "lessons"
SUBSETS = PROJECT.parent / "shared" / "data"
NEED_ROOT = ("mnist", "fashion")  # their images do not come with the install


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
