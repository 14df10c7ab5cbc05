"""Rule 17: the inputs are much larger or smaller than one."""

from __future__ import annotations

from typing import Optional

from ..state import RunState
from .evidence import no_looks, say
from .finding import ALARM, LIKELY, NOTICE, POSSIBLE, Finding, Rule

LOOKS, SAMPLES = 3, 8
LARGE, WIDE, HUGE = 3.0, 10.0, 30.0
NARROW, TINY = 0.05, 0.5
THRESHOLD = (
    f"mean magnitude of the inputs above {LARGE:g}, or standard deviation above {WIDE:g} (alarm: {HUGE:g}) or below "
    f"{NARROW:g}"
)
SOURCE = (
    "CS231n, data preprocessing; measured: inputs of 0 to 255 kill 96 % of the units at a rate that is fine otherwise"
)
ADVICE = "Standardise the inputs: subtract the mean and divide by the standard deviation of the training data."
CHECK = "Print x.mean() and x.std() of the tensor that goes into the first layer."


def find(state: RunState) -> Optional[Finding]:
    looks = state.checkups
    if not _seen(state) or looks.looks[-1].normalises or looks.looks[-1].samples < SAMPLES:
        return None
    mean = looks.middle(lambda look: look.input_mean, LOOKS, 20)
    std = looks.middle(lambda look: look.input_std, LOOKS, 20)
    high = looks.middle(lambda look: look.input_high, LOOKS, 20)
    if mean is None or std is None or high is None:
        return None
    words = f"The first layer is given numbers of mean magnitude {say(mean)}, standard deviation {say(std)}, up to "
    words += f"{say(high)}."
    if mean > LARGE or std > WIDE:
        huge = max(mean, std) > HUGE
        title = "The inputs are very large" if huge else "The inputs are large"
        level, confidence = (ALARM, LIKELY) if huge else (NOTICE, POSSIBLE)
        return Finding(17, level, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, confidence)
    if std < NARROW and high < TINY:
        title = "The inputs hardly differ"
        return Finding(17, NOTICE, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, POSSIBLE)
    return None


def _seen(state: RunState) -> bool:
    return len(state.checkups.values(lambda look: look.input_std)) >= LOOKS


def waits(state: RunState) -> str:
    if no_looks(state):
        return no_looks(state)
    if state.checkups.looks[-1].normalises:
        return "the first layer normalises what it is given: its scale does not matter"
    if _seen(state):
        return ""
    if state.checkups.values(lambda look: look.input_std):
        return "it looks at three batches first"
    return "the first layer is given no floating-point data"


RULE = Rule(17, "input scale", find, waits)
