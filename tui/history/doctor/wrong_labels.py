"""Rule 14: what is learned from the training labels is of no use on the validation data."""

from __future__ import annotations

import math
from typing import Optional

from ..state import RunState
from .evidence import chance, guessing, loss_lately, no_looks, percent, say
from .finding import ALARM, LIKELY, NOTICE, POSSIBLE, Finding, Rule

LEARNED, FALLEN, ABOVE = 0.9, 0.95, 1.005
EVALUATIONS = 3
THRESHOLD = (
    f"training accuracy above {percent(LEARNED)} with validation accuracy no better than guessing; or validation loss "
    "above that of guessing and rising while the training loss falls"
)
SOURCE = "after Zhang et al. 2017 (a network learns random labels by heart); measured: training 100 %, validation 11 %"
ADVICE = (
    "Look at ten samples with their labels. Check that inputs and labels are shuffled and joined together, and that "
    "training and validation number the classes alike."
)
CHECK = "Print a few training samples beside their labels; compare the class lists of both parts of the data."


def find(state: RunState) -> Optional[Finding]:
    classes, known = state.checkups.classes, chance(state)
    if classes < 2 or known is None:
        return None
    right = state.accuracy.recent[-1][1] if state.accuracy.recent else None
    learned = state.checkups.middle(lambda look: look.accuracy, 5, 20)
    loss, first = loss_lately(state), state.first_loss
    values = [value for _, value in state.validation.recent if math.isfinite(value)]
    falls = loss is not None and first is not None and loss < FALLEN * min(first, known)
    useless = right is not None and right < guessing(classes)
    if useless and learned is not None and learned > LEARNED:
        words = (
            f"{percent(learned)} of the training samples looked at are right, but only {percent(right or 0)} of the "
        )
        words += f"validation data; guessing among {classes} classes gives {percent(1 / classes)}."
        return _finding(ALARM, words, LIKELY)
    if not falls or not _climbs(values, known) or not (useless or right is None):
        return None
    words = f"The training loss fell from {say(first or 0)} to {say(loss or 0)}, while the validation loss rose to "
    words += f"{say(values[-1])}; guessing gives {say(known)}."
    if learned is not None and right is not None:
        words += (
            f" {percent(learned)} of the training samples looked at are right, {percent(right)} of the validation data."
        )
    sure = useless and learned is not None and learned > guessing(classes)
    return _finding(ALARM if sure else NOTICE, words, LIKELY if sure else POSSIBLE)


def _climbs(values: list[float], known: float) -> bool:
    """Are the last validation losses above that of guessing, and above the first ones?"""
    if len(values) < 2 * EVALUATIONS:
        return False
    last, first = (sum(part) / EVALUATIONS for part in (values[-EVALUATIONS:], values[:EVALUATIONS]))
    return last > ABOVE * known and last > first


def _finding(level: str, words: str, confidence: str) -> Finding:
    title = "The labels may have nothing to do with the inputs"
    return Finding(14, level, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, confidence)


def waits(state: RunState) -> str:
    if no_looks(state):
        return no_looks(state)
    if chance(state) is None:
        return "it looks at losses that compare classes only"
    if not state.validation.recent and not state.accuracy.recent:
        return "neither a validation loss nor an accuracy was logged (val_loss, val_accuracy)"
    return ""


RULE = Rule(14, "labels", find, waits)
