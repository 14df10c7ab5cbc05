"""Rule 13: the validation loss rises while the training loss goes on falling."""

from __future__ import annotations

import math
from typing import Optional

from ..state import RunState
from .evidence import loss_lately, say, steps_per_epoch
from .finding import ALARM, LIKELY, NOTICE, Finding, Rule

NOTICED, ALARMING = 1.15, 1.5
WORSE, HOLDS = 0.03, 0.01
LEAST_RISE = 0.01
"""A rise by less than this share of the loss at the start is noise: near zero any ratio is reached."""
EVALUATIONS = 3
THRESHOLD = (
    f"validation loss above {NOTICED:g} times its best in {EVALUATIONS} evaluations while the training loss falls; "
    f"alarm: above {ALARMING:g} times, or accuracy {100 * WORSE:.0f} points below its best"
)
SOURCE = (
    "Google's Deep Learning Tuning Playbook: overfitting is a validation error that rises. A gap alone is none: in "
    "healthy runs the validation loss was 1.5 to 31 times the training loss"
)
ADVICE = (
    "Stop here and go back to the best weights, or train again with more data, augmentation, dropout, weight decay, or "
    "a smaller network."
)
CHECK = "The two curves part: validation has its lowest point behind it."


def find(state: RunState) -> Optional[Finding]:
    found = _past_its_best(state)
    if found is None:
        return None
    step, best, lately, falls = found
    ratio = min(lately) / best
    lost = _accuracy_lost(state)
    words = (
        f"The validation loss was {say(best)} at step {step:,} and is {say(lately[-1])} now, {say(lately[-1] / best)} "
        f"times that; the training loss fell from {say(falls[0])} to {say(falls[1])} meanwhile."
    )
    if lost is not None:
        words += (
            f" The accuracy is {100 * lost:.1f} points below its best."
            if lost >= HOLDS
            else " The accuracy holds: it is the confidence that suffers."
        )
    bad = (lost is not None and lost >= WORSE) or (ratio > ALARMING and (lost is None or lost >= HOLDS))
    title = "It learns the training data by heart" if bad else "The validation loss rises"
    level = ALARM if bad else NOTICE
    return Finding(13, level, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, LIKELY, "early")


def _past_its_best(state: RunState) -> Optional[tuple[int, float, list[float], tuple[float, float]]]:
    """(step and value of the best validation loss, the last ones, training loss then and now), when it applies."""
    best = state.validation.best
    recent = [one for one in state.validation.recent if math.isfinite(one[1])]
    last = recent[-EVALUATIONS:]
    if best is None or len(last) < EVALUATIONS or best[1] <= 0 or last[0][0] <= best[0]:
        return None
    values = [value for _, value in last]
    least = LEAST_RISE * state.first_loss if state.first_loss is not None and state.first_loss > 0 else 0.0
    if min(values) <= NOTICED * best[1] or min(values) - best[1] < least:
        return None
    then = state.checkups.lately(min(50, steps_per_epoch(state) or 50), until=best[0])
    if then is None:
        then = next((one.mean for one in reversed(state.train.buckets) if one.first <= best[0]), None)
    now = loss_lately(state)
    if then is None or now is None or now >= then:
        return None
    return best[0], best[1], values, (then, now)


def _accuracy_lost(state: RunState) -> Optional[float]:
    """How far the best of the last accuracies lies below the best of all."""
    values = [value for _, value in state.accuracy.recent if math.isfinite(value)]
    if len(values) <= EVALUATIONS:
        return None
    return max(values) - max(values[-EVALUATIONS:])


def waits(state: RunState) -> str:
    seen = len(state.validation.recent)
    if not seen:
        return "no validation loss was logged (val_loss)"
    return "" if seen > EVALUATIONS else f"{seen} of {EVALUATIONS + 1} validation losses were logged"


RULE = Rule(13, "overfitting", find, waits)
