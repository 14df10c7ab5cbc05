"""Rule 19: gradients are never cleared, so that they add up from step to step."""

from __future__ import annotations

from typing import Optional

from ..state import RunState
from .evidence import no_looks, say
from .finding import ALARM, CERTAIN, LIKELY, Finding, Rule

LOOKS = 3
ALIKE = 0.9
THRESHOLD = (
    f"in {LOOKS} looks in a row the gradient of the update before was still there when the next backward pass began, "
    "and was never cleared until the update"
)
SOURCE = "PyTorch accumulates into .grad; measured: cosine 0.988 between updates where it is 0.066 otherwise"
ADVICE = "Call optimizer.zero_grad() once in every step, before the backward pass."
CHECK = "Print a parameter's .grad right before loss.backward(): it should be None or zero."


def find(state: RunState) -> Optional[Finding]:
    told = [look for look in state.checkups.looks if look.carried is not None][-LOOKS:]
    if len(told) < LOOKS or not all(look.carried for look in told):
        return None
    words = (
        "The gradient of each update is added to all those before it: it was still there when the next backward pass "
    )
    words += "began."
    cosine = state.checkups.middle(lambda look: look.cosine, LOOKS, 40)
    if cosine is not None:
        words += f" Two updates in a row point the same way (cosine {say(cosine)}; 1 is the same direction)."
    grown = _grown(state)
    if grown is not None and grown > 1.5:
        words += f" The gradient has grown {say(grown)} times."
    confidence = CERTAIN if cosine is None or cosine > ALIKE else LIKELY
    title = "Gradients are never cleared"
    return Finding(19, ALARM, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, confidence)


def _grown(state: RunState) -> Optional[float]:
    """The last gradient norms against the first ones."""
    means = [bucket.mean for bucket in state.norm.buckets if bucket.mean == bucket.mean and bucket.mean > 0]
    if len(means) < 6:
        return None
    return sum(means[-3:]) / sum(means[:3])


def waits(state: RunState) -> str:
    if no_looks(state):
        return no_looks(state)
    told = sum(1 for look in state.checkups.looks if look.carried is not None)
    return "" if told >= LOOKS else f"gradients of two updates in a row were seen {told} of {LOOKS} times"


RULE = Rule(19, "clearing gradients", find, waits, any_size=True)
