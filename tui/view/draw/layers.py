"""What the modules of a network do, as formulas: titles, names of results, activation functions and their slopes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...run.events import Model
from ...run.walk import Stage, Walk
from .formula import factor, short, sub


@dataclass(frozen=True)
class Activation:
    """A function of one number."""

    name: str
    formula: str
    slope: str
    """Its derivative, as a formula."""
    value: Callable[[float], float]
    slope_at: Callable[[float, float], float]
    """The derivative from z and a."""
    slope_words: Callable[[float, float], str]
    """The derivative with numbers."""


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


ACTIVATIONS: dict[str, Activation] = {
    "ReLU": Activation(
        "ReLU",
        "a = max(0, z)",
        "1 where z > 0, else 0",
        lambda z: max(0.0, z),
        lambda z, a: 1.0 if z > 0 else 0.0,
        lambda z, a: "1" if z > 0 else "0",
    ),
    "Tanh": Activation(
        "tanh",
        "a = tanh(z)",
        "1 − a²",
        math.tanh,
        lambda z, a: 1 - a * a,
        lambda z, a: f"(1 − {factor(a)}²)",
    ),
    "Sigmoid": Activation(
        "σ",
        "a = σ(z) = 1 / (1 + e^−z)",
        "a·(1 − a)",
        _sigmoid,
        lambda z, a: a * (1 - a),
        lambda z, a: f"{short(a)}·(1 − {short(a)})",
    ),
}

FORMULAS = {
    "LeakyReLU": "a = z where z > 0, else a small share of z",
    "GELU": "a = z · Φ(z)",
    "SiLU": "a = z · σ(z)",
    "ELU": "a = z where z > 0, else α(e^z − 1)",
    "Softplus": "a = ln(1 + e^z)",
    "Softmax": "e^z / Σ e^z",
    "LogSoftmax": "z − ln Σ e^z",
    "Flatten": "the same numbers, in one row",
    "Dropout": "some set to 0, the others divided by what share is kept",
    "Identity": "nothing",
    "Embedding": "each token's row of a table",
}
PREFIXES = (
    ("Conv", "sums of w·x over a window that moves"),
    ("BatchNorm", "(x − mean) / √variance · γ + β, over the batch"),
    ("LayerNorm", "(x − mean) / √variance · γ + β, over the sample"),
    ("MaxPool", "the largest of each window"),
    ("AvgPool", "the mean of each window"),
    ("Dropout", FORMULAS["Dropout"]),
    ("LSTM", "one step after another, with a memory"),
    ("GRU", "one step after another, with a memory"),
    ("RNN", "one step after another"),
)


ONE_BY_ONE = ("LeakyReLU", "GELU", "SiLU", "ELU", "Softplus", "Dropout", "Identity", "BatchNorm1d", "BatchNorm2d")
"""Classes that make each output of the input at its place, besides `ACTIVATIONS`."""


def formula_of(kind: str) -> str:
    """What a module of this class computes, short; "" when that is not known here."""
    if kind == "Linear":
        return "z = w·x + b"
    if kind in ACTIVATIONS:
        return ACTIVATIONS[kind].formula
    return FORMULAS.get(kind) or next((words for prefix, words in PREFIXES if kind.startswith(prefix)), "")


def kind_of(stage: Stage) -> str:
    """The class of a stage; for code between two modules what its numbers say that it did, or ""."""
    if stage.kind:
        return stage.kind
    if not stage.inputs or len(stage.inputs) != len(stage.outputs):
        return ""
    if all(_close(a, b) for a, b in zip(stage.inputs, stage.outputs)):
        return "Flatten"
    for kind, activation in ACTIVATIONS.items():
        if all(_close(_safe(activation.value, z), a) for z, a in zip(stage.inputs, stage.outputs)):
            return kind
    return ""


def _safe(function: Callable[[float], float], value: float) -> float:
    try:
        return function(value)
    except (ValueError, OverflowError):
        return math.nan


def _close(one: float, two: float, rel: float = 1e-4) -> bool:
    return math.isclose(one, two, rel_tol=rel, abs_tol=1e-6) or (one != one and two != two)


def close(one: float, two: float) -> bool:
    """The same number, as far as float32 and three shown digits go."""
    return math.isclose(one, two, rel_tol=2e-3, abs_tol=1e-7)


def title(stage: Stage, model: Model | None) -> str:
    """Path, class and sizes: "layers.1 Linear 4→3"."""
    info = model.modules[stage.module] if model is not None and 0 <= stage.module < len(model.modules) else None
    if info is None:
        kind = kind_of(stage)
        return f"{kind}, in the program's code" if kind else "the program's code"
    return " ".join(word for word in (info.path, info.kind, info.detail) if word)


def is_flat(stage: Stage) -> bool:
    return kind_of(stage) == "Flatten"


def shape_words(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "1"


def symbol(walk: Walk, place: int) -> str:
    """What the outputs of a stage are called: x, z, a, and for the last one logits or output."""
    stage = walk.stages[place]
    kind = kind_of(stage)
    if kind == "Linear":
        return "z"
    if kind in ACTIVATIONS or kind in FORMULAS and FORMULAS[kind].startswith("a ="):
        return "a"
    return "x" if kind in ("Flatten", "Dropout", "Identity") and place == 0 else "a"


def place_words(stage: Stage, place: int) -> str:
    """Which output of a stage: ₃, or [channel,row,column] of an image, counted from 1."""
    if len(stage.shape) < 2 or stage.position is not None:
        return sub(place)
    out: list[int] = []
    for size in reversed(stage.shape):
        place, here = divmod(place, max(1, size))
        out.append(here + 1)
    return "[" + ",".join(map(str, reversed(out))) + "]"
