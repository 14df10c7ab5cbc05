"""Rule 1: a loss, a gradient or a weight is NaN or infinite."""

from __future__ import annotations

import math
from collections import deque
from typing import Optional

from ..state import RunState
from .evidence import say
from .finding import ALARM, CERTAIN, NOTICE, Finding, Rule

LEAST = 20
"""Gradients alone must have been so in this many measurements in a row: with loss scaling single ones are normal."""
THRESHOLD = f"any loss or weight that is not finite; gradients alone in {LEAST} measurements in a row"
SOURCE = "Amazon SageMaker Debugger, ExplodingTensor"
ADVICE = (
    "Start again with a lower learning rate or gradient clipping; look for a log of zero, a division by zero and for "
    "NaN in the data."
)
CHECK = "torch.isfinite(x).all() on one batch of inputs, then on the output of each layer in turn."


def find(state: RunState) -> Optional[Finding]:
    loss = state.tick.loss if state.tick is not None else None
    now = loss is not None and not math.isfinite(loss)
    since, weights = state.checkups.odd_since, state.checkups.odd_weights
    if now or weights:
        title = "The loss is not a number" if now and loss != loss else "The loss is infinite"
        words = _since(state, loss) if now else "The loss is still finite."
        if weights:
            words += (
                f" {weights} weight {'tensors hold' if weights > 1 else 'tensor holds'} values that are not finite."
            )
        title = title if now else "Weights are not finite"
        more = " What is computed from such weights stays so: this run will not recover." if weights else ""
        return _finding(ALARM, title, words + _where(state), ADVICE + more, CERTAIN)
    if since is not None:
        words = (
            f"At step {since:,} a loss was not finite; the losses since are, and so are the weights that were checked."
        )
        return _finding(NOTICE, "One batch gave no finite loss", words, ADVICE, CERTAIN)
    odd = [row for row, health in enumerate(state.health) if _odd(health.recent)]
    if odd:
        words = f"The gradient of {state.layers[odd[0]].title} was not finite in its last {LEAST} measurements."
        return _finding(NOTICE, "Gradients are not finite", words, ADVICE, CERTAIN, odd[0])
    return None


def _odd(values: deque[float]) -> bool:
    """Is none of the last ones finite? Mostly the very last tells."""
    if len(values) < LEAST or math.isfinite(values[-1]):
        return False
    return not any(map(math.isfinite, list(values)[-LEAST:]))


def _since(state: RunState, loss: Optional[float]) -> str:
    since, sound = state.checkups.odd_since, state.checkups.sound_until
    words = f"It is {say(loss if loss is not None else math.nan)}"
    words += f", first seen at step {since:,}" if since is not None else ""
    return words + (f"; at step {sound[0]:,} it was {say(sound[1])}." if sound is not None else ".")


def _where(state: RunState) -> str:
    """The layer whose gradient went first, if one did before the others."""
    steps = [health.odd_since for health in state.health if health.odd_since is not None]
    first = min(steps, default=None)
    names = [layer.title for layer, health in zip(state.layers, state.health) if health.odd_since == first]
    if first is None or len(names) > max(1, len(state.layers) // 2):
        return ""
    return f" The gradient of {names[-1]} went first, at step {first:,}."


def _finding(
    level: str, title: str, evidence: str, advice: str, confidence: str, layer: Optional[int] = None
) -> Finding:
    return Finding(1, level, title, evidence, advice, CHECK, THRESHOLD, SOURCE, confidence, "rate_down", layer)


def waits(state: RunState) -> str:
    return "" if state.tick is not None else "no step has been seen yet"


RULE = Rule(1, "not a number", find, waits, any_size=True)
