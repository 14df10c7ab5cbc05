"""Losses of one sample as formulas: values, slopes, and both in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...run.walk import Verdict
from .formula import factor, short
from .layers import close


def labels(verdict: Verdict) -> list[int]:
    """Which class or output each listed score is."""
    return verdict.places or list(range(len(verdict.scores)))


@dataclass(frozen=True)
class Value:
    """A loss that compares an output with a value."""

    formula: str
    each: Callable[[float, float], float]
    words: Callable[[float, float], str]
    slope: str
    slope_each: Callable[[float, float], float]
    """The derivative by the output, but for a factor that is the same for all outputs."""


def _sign(value: float) -> float:
    return (value > 0) - (value < 0) if value == value else value


VALUES: dict[str, Value] = {
    "mean squared error": Value(
        "(output − y)²",
        lambda o, y: (o - y) ** 2,
        lambda o, y: f"({short(o)} − {factor(y)})²",
        "2·(output − y)",
        lambda o, y: 2 * (o - y),
    ),
    "half squared error": Value(
        "(output − y)² / 2",
        lambda o, y: (o - y) ** 2 / 2,
        lambda o, y: f"({short(o)} − {factor(y)})² / 2",
        "output − y",
        lambda o, y: o - y,
    ),
    "absolute error": Value(
        "|output − y|",
        lambda o, y: abs(o - y),
        lambda o, y: f"|{short(o)} − {factor(y)}|",
        "the sign of output − y",
        lambda o, y: _sign(o - y),
    ),
    "perceptron": Value(
        "max(0, −y·output)   nothing where the sign is right",
        lambda o, y: max(0.0, -y * o),
        lambda o, y: f"max(0, −{factor(y)}·{factor(o)})",
        "−y where the sign is wrong, else 0",
        lambda o, y: -y if y * o < 0 else 0.0,
    ),
    "hinge": Value(
        "max(0, 1 − y·output)",
        lambda o, y: max(0.0, 1 - y * o),
        lambda o, y: f"max(0, 1 − {factor(y)}·{factor(o)})",
        "−y inside the margin, else 0",
        lambda o, y: -y if y * o < 1 else 0.0,
    ),
}


def chance_of_truth(verdict: Verdict) -> float | None:
    """The probability that the model gave to the true class."""
    if not verdict.target or not verdict.chances or not math.isfinite(verdict.target[0]):
        return None
    true = int(verdict.target[0])
    return next((p for place, p in zip(labels(verdict), verdict.chances) if place == true), None)


def loss_of_sample(verdict: Verdict) -> float | None:
    """The loss of the sample alone, where its formula is known."""
    if verdict.kind == "cross-entropy":
        p = chance_of_truth(verdict)
        return None if p is None else (minus_log(p))
    if verdict.kind == "binary cross-entropy" and len(verdict.chances) == len(verdict.target):
        each = [minus_log(p if y > 0.5 else 1 - p) for p, y in zip(verdict.chances, verdict.target)]
        return sum(each) / len(each) if each else None
    value = VALUES.get(verdict.kind)
    if value is None or not verdict.target or len(verdict.target) != len(verdict.scores):
        return None
    return sum(value.each(out, y) for out, y in zip(verdict.scores, verdict.target)) / len(verdict.target)


def minus_log(p: float) -> float:
    return p if p != p else (math.inf if p <= 0 else -math.log(p))


def bases(verdict: Verdict) -> tuple[list[float], str, list[str]]:
    """(the derivative of each output's loss, its formula, the same with numbers)."""
    if verdict.kind == "cross-entropy" and verdict.chances and verdict.target:
        true = int(verdict.target[0]) if math.isfinite(verdict.target[0]) else -1
        ys = [1.0 if place == true else 0.0 for place in labels(verdict)]
        return [p - y for p, y in zip(verdict.chances, ys)], "p − y", _minus(verdict.chances, ys)
    if verdict.kind == "binary cross-entropy" and verdict.chances and verdict.target:
        pairs = list(zip(verdict.chances, verdict.target))
        if all(close(p, s) for p, s in zip(verdict.chances, verdict.scores)):
            slopes = [(p - y) / max(p * (1 - p), 1e-12) for p, y in pairs]
            return (
                slopes,
                "(p − y) / (p·(1 − p))",
                [f"({short(p)} − {factor(y)}) / {short(p * (1 - p))}" for p, y in pairs],
            )
        return [p - y for p, y in pairs], "p − y", _minus(verdict.chances, verdict.target)
    value = VALUES.get(verdict.kind)
    if value is None or len(verdict.target) != len(verdict.scores):
        return [], "", []
    slopes = [value.slope_each(o, y) for o, y in zip(verdict.scores, verdict.target)]
    if verdict.kind == "mean squared error":
        parts = [f"2·({short(o)} − {factor(y)})" for o, y in zip(verdict.scores, verdict.target)]
    elif verdict.kind == "half squared error":
        parts = _minus(verdict.scores, verdict.target)
    else:
        parts = [short(one) for one in slopes]
    return slopes, value.slope, parts


def _minus(left: Sequence[float], right: Sequence[float]) -> list[str]:
    return [f"{short(a)} − {factor(b)}" for a, b in zip(left, right)]
