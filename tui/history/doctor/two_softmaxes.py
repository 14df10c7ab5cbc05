"""Rule 18: the scores given to cross-entropy are probabilities already."""

from __future__ import annotations

import math
from typing import Optional

from ..state import RunState
from .evidence import no_looks, say
from .finding import ALARM, CERTAIN, Finding, Rule

LOOKS = 2
THRESHOLD = f"in {LOOKS} looks in a row all scores given to cross-entropy were ≥ 0 and each row summed to 1 (± 0.001)"
SOURCE = "measured: with ten classes the loss cannot fall below 1.461, and accuracy lags behind"
ADVICE = (
    "Give the loss the scores themselves and leave the softmax out: cross-entropy applies it. For showing "
    "probabilities, apply it outside of the training loss."
)
CHECK = "Look for a softmax at the end of the model, or between the model and the loss."


def find(state: RunState) -> Optional[Finding]:
    told = [look.sums_to_one for look in state.checkups.looks if look.sums_to_one is not None][-LOOKS:]
    if len(told) < LOOKS or not all(told):
        return None
    classes = state.checkups.classes
    words = "The scores given to cross-entropy are probabilities: no number below 0, and each row sums to 1."
    if classes >= 2:
        floor = math.log(math.e + classes - 1) - 1
        words += f" With {classes} classes the loss then cannot fall below {say(floor)}, however right the model is."
    title = "Softmax is applied twice"
    return Finding(18, ALARM, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, CERTAIN)


def waits(state: RunState) -> str:
    if no_looks(state):
        return no_looks(state)
    told = sum(1 for look in state.checkups.looks if look.sums_to_one is not None)
    if told >= LOOKS:
        return ""
    return "no cross-entropy over scores was seen" if not told else f"it looked {told} of {LOOKS} times"


RULE = Rule(18, "two softmaxes", find, waits, any_size=True)
