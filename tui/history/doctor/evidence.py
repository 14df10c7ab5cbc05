"""What several rules look at: numbers of a run, and how they read in a sentence."""

from __future__ import annotations

import math
import statistics
from typing import Optional

from ..layers import Health, Layer
from ..state import RunState

SILENT_STEPS = 20
"""No rule but those about single facts speaks in the first steps: they are like no others."""
FEW_MEASURED, SPAN = 20, 50
"""Medians of gradient norms are taken over at least so many measurements, and not before so many steps."""


def say(value: float) -> str:
    """Three significant digits."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        decimals = max(0, 2 - math.floor(math.log10(abs(value))))
        return f"{value:,.{decimals}f}".replace("-", "−")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace(".0e", "e")


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def steps_per_epoch(state: RunState) -> Optional[int]:
    tick = state.tick
    return tick.batches if tick is not None and tick.epoch else None


def epochs_done(state: RunState) -> Optional[int]:
    """Whole passes over the training data; None where the program has no loader."""
    tick = state.tick
    return tick.epoch - 1 if tick is not None and tick.epoch else None


def loss_lately(state: RunState) -> Optional[float]:
    """Mean over the last epoch, or the last 50 steps where epochs are short, long or unknown."""
    return state.checkups.lately(max(50, min(steps_per_epoch(state) or 50, 500)))


def chance(state: RunState) -> Optional[float]:
    """The cross-entropy of somebody who knows how often each class comes and nothing else; ln C before many labels
    were seen. None when the loss is no plain cross-entropy."""
    model, classes = state.model, state.checkups.classes
    if model is None or model.loss not in ("cross-entropy", "binary cross-entropy") or classes < 2:
        return None
    counts = [count for count in state.checkups.labels() if count]
    total = sum(counts)
    if total >= 200 and len(counts) >= 2:
        found = -sum(count / total * math.log(count / total) for count in counts)
        return min(math.log(classes), found + (len(counts) - 1) / (2 * total))  # Miller 1955: samples look too even
    return math.log(classes)


def guessing(classes: int) -> float:
    """An accuracy that is not clearly better than guessing among so many classes."""
    return min(2 / classes, 1 / classes + 0.1)


def weight_layers(state: RunState) -> list[tuple[int, Layer, Health]]:
    """The trainable layers with a matrix or kernels, in the order of the model: (row, layer, its gradient)."""
    model = state.model
    found = []
    for row, (layer, health) in enumerate(zip(state.layers, state.health)):
        shape = model.tensors[layer.main].shape if model is not None else []
        if layer.trainable and len(shape) >= 2 and "Embedding" not in layer.kind and "Norm" not in layer.kind:
            found.append((row, layer, health))
    return found


def typical(health: Health) -> Optional[float]:
    """The median of a layer's last gradient norms; None while too few were measured."""
    finite = [value for value in list(health.recent)[-100:] if math.isfinite(value)]
    return statistics.median(finite) if len(finite) >= FEW_MEASURED else None


def no_looks(state: RunState) -> str:
    """Why there is no look at a batch yet."""
    return "" if state.checkups.looks else "no batch has been looked at yet"
