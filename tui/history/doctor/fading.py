"""Rule 7: the gradient fades away on its way back to the first layers."""

from __future__ import annotations

import math
import statistics
from typing import Optional

from ..layers import Health
from ..state import RunState
from .evidence import FEW_MEASURED, SPAN, chance, loss_lately, say, typical, weight_layers
from .finding import ALARM, LIKELY, NOTICE, POSSIBLE, Finding, Rule

NOTICED, ALARMING = 1e-2, 1e-3
STILL = 1e-5
"""A layer whose updates are smaller than this share of its weights stands still."""
NOTHING = 1e-7
LEAST_RATIOS = 5
THRESHOLD = (
    f"median gradient norm of the first layer below {NOTICED:g} of the last one's (alarm: {ALARMING:g}), and its "
    f"update below {STILL:g} of its weights; or all gradients below {NOTHING:g} a weight while the loss is high"
)
SOURCE = "AutoTrainer (ICSE 2021): ratio below 1e-3; Amazon SageMaker Debugger: mean magnitude below 1e-7"
ADVICE = (
    "Use ReLU-like activations with He initialisation, normalisation layers, skip connections, or fewer layers. A "
    "higher learning rate does not help: the last layers would tear first."
)
CHECK = "Compare the bars of the gradient norms: they shrink from the last layer to the first."


def find(state: RunState) -> Optional[Finding]:
    layers = weight_layers(state)
    if len(layers) < 3 or state.step < SPAN:
        return None
    (row, first, near), (_, last, far) = layers[0], layers[-1]
    small, large = typical(near), typical(far)
    if small is None or large is None:
        return None
    moved = _moves(near)
    if small > 0 and large > 0 and small / large < NOTICED and moved is not None and moved < STILL:
        words = (
            f"The gradient of {first.title} is {say(small)}, that of {last.title} {say(large)}: "
            f"{say(small / large)} of it arrives. An update moves {first.title} by {say(moved)} of its size."
        )
        level = ALARM if small / large < ALARMING else NOTICE
        return _finding(level, "The first layers get no gradient", words, LIKELY, row)
    if small / math.sqrt(first.weights) >= NOTHING:
        return None
    sizes = [(typical(health), layer.weights) for _, layer, health in layers]
    largest = max((norm / math.sqrt(count) for norm, count in sizes if norm is not None and count), default=0.0)
    known, loss = chance(state), loss_lately(state)
    if 0 < largest < NOTHING and known is not None and loss is not None and loss > 0.1 * known:
        words = f"The largest gradient of any layer is {say(largest)} a weight, while the loss is {say(loss)}."
        return _finding(ALARM, "All gradients are next to nothing", words, POSSIBLE, row)
    return None


def _moves(health: Health) -> Optional[float]:
    finite = [value for value in health.ratios if math.isfinite(value)]
    return statistics.median(finite) if len(finite) >= LEAST_RATIOS else None


def _finding(level: str, title: str, words: str, confidence: str, row: int) -> Finding:
    return Finding(7, level, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, confidence, "", row)


def waits(state: RunState) -> str:
    layers = weight_layers(state)
    if len(layers) < 3:
        return "the model has fewer than three layers of weights"
    if typical(layers[0][2]) is None or typical(layers[-1][2]) is None:
        return f"gradients were measured {len(layers[0][2].recent)} of {FEW_MEASURED} times"
    if state.step < SPAN:
        return f"step {state.step} of {SPAN}"
    if _moves(layers[0][2]) is None:
        return f"updates were measured {len(layers[0][2].ratios)} of {LEAST_RATIOS} times"
    return ""


RULE = Rule(7, "fading gradient", find, waits)
