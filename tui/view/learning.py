"""What a learner has predicted, reached and done: the arithmetic behind the cards, and the file that remembers."""

from __future__ import annotations

import contextlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..run.directory import read_object, replace_bytes
from .draw.numbers import number, percent
from .scene import Arm, Card, Scene

KEPT = 20
"""So many results of each lesson are remembered."""


@dataclass(frozen=True)
class Result:
    """What one run of a lesson came to."""

    arguments: tuple[str, ...]
    value: float


class Progress:
    """The file of one user: which lessons are done, what was predicted, what the runs came to. Without a path nothing
    is remembered; a damaged file counts as empty."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._all: dict[str, Any] = read_object(path) if path is not None else {}

    def done(self, lesson: str) -> bool:
        """Has a run of it ended under the learner's eyes?"""
        return bool(self._of(lesson).get("done"))

    def guess(self, lesson: str) -> str:
        """The letter that was predicted last."""
        return str(self._of(lesson).get("guess", ""))

    def results(self, lesson: str) -> list[Result]:
        """The newest last."""
        found = []
        for one in self._of(lesson).get("results", []):
            with contextlib.suppress(TypeError, ValueError, KeyError):
                found.append(Result(tuple(map(str, one["arguments"])), float(one["value"])))
        return found

    def remember(self, lesson: str, guess: str, arguments: tuple[str, ...], value: float | None) -> None:
        """A run of a lesson has ended."""
        about = dict(self._of(lesson))
        about["done"] = about.get("done") or time.time()
        if guess:
            about["guess"] = guess
        if value is not None:
            shown = value if math.isfinite(value) else str(value)
            results = [one for one in about.get("results", []) if isinstance(one, dict)]
            about["results"] = [*results, {"arguments": list(arguments), "value": shown}][-KEPT:]
        self._all[lesson] = about
        if self.path is not None:
            with contextlib.suppress(OSError):  # a full disk must not take the reveal away
                self.path.parent.mkdir(parents=True, exist_ok=True)
                replace_bytes(self.path, json.dumps(self._all).encode())

    def next(self, cards: list[Card]) -> str:
        """The lesson to take next: the short path first, then by number; "" when all are done."""
        order = [*short_path(cards), *(card.lesson for card in cards)]
        return next((name for name in order if not self.done(name)), "")

    def _of(self, lesson: str) -> dict[str, Any]:
        about = self._all.get(lesson)
        return about if isinstance(about, dict) else {}


def short_path(cards: list[Card]) -> list[str]:
    """The lessons of the short path, in its order."""
    return [card.lesson for card in sorted(cards, key=lambda card: card.path) if card.path]


def arm_of(card: Card, arguments: tuple[str, ...]) -> Arm | None:
    """The arm that was run: the lesson as shipped, one of the card's arms, or None for arguments of the learner's own.
    Seed, threads and where the data lies do not count."""
    given = _without(arguments, ("--seed", "--threads", "--root"))
    if not given:
        return Arm((), "as shipped", card.metric, card.expect)
    return next((arm for arm in card.arms if sorted(arm.arguments) == sorted(given)), None)


def outcome(scene: Scene, metric: str) -> float | None:
    """The newest value of a lesson's metric in this run; None before there is one."""
    state = scene.state
    known = {"val_accuracy": state.accuracy, "val_loss": state.validation}
    series = known.get(metric) or state.metrics.get(metric)
    return series.last if series is not None and len(series) else None


def inside(value: float, expect: tuple[float, float]) -> bool:
    """Does it lie in the range that was measured over several seeds? NaN lies in the range of NaN."""
    low, high = expect
    if math.isnan(low):
        return math.isnan(value)
    return low <= value <= high


def shown(metric: str, value: float) -> str:
    """A value of a metric as a person writes it: accuracies in per cent."""
    if metric.endswith("accuracy") and math.isfinite(value):
        return percent(value, 1)
    return number(value)


def shown_range(metric: str, expect: tuple[float, float]) -> str:
    """A range of a metric."""
    low, high = expect
    if math.isnan(low):
        return "NaN"
    if shown(metric, low) == shown(metric, high):
        return shown(metric, low)
    return f"{shown(metric, low)} to {shown(metric, high)}"


def words_of(metric: str) -> str:
    """The name of a metric in words."""
    return {"val_accuracy": "validation accuracy", "val_loss": "validation loss"}.get(metric, metric.replace("_", " "))


def answer_of(card: Card, arguments: tuple[str, ...]) -> str:
    """The right letter; for a card whose answer depends on --case, that of the case."""
    if not card.answers:
        return card.answer
    case = "1"
    for place, word in enumerate(arguments):
        if word == "--case" and place + 1 < len(arguments):
            case = arguments[place + 1]
        elif word.startswith("--case="):
            case = word.partition("=")[2]
    return card.answers.get(case, "")


def _without(arguments: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    left: list[str] = []
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word in names:
            skip = True
        elif word.partition("=")[0] not in names:
            left.append(word)
    return left
