"""Rule 26: training waits for its data."""

from __future__ import annotations

from typing import Optional

from ..state import RunState
from .evidence import SILENT_STEPS, percent, say
from .finding import CERTAIN, LIKELY, NOTICE, Finding, Rule

WINDOW_S = 30.0
HIGH = 0.20
"""Share of the time. TensorFlow's profiler calls a step "highly input-bound" from here on."""
LOST_S = 10.0
"""Less waiting than this, all in all, is not worth a restart: starting worker processes takes as long."""
THRESHOLD = (
    f"more than {percent(HIGH)} of the last {WINDOW_S:.0f} seconds went into waiting for the loader, and {LOST_S:.0f} "
    "seconds or more since the start"
)
SOURCE = (
    "TensorFlow's profiler: 5 % of a step spent on input is moderately, 20 % highly input-bound "
    "(kHighlyInfeedBoundThresholdInPercent)"
)
ADVICE = (
    "Let worker processes prepare the batches (num_workers and persistent_workers of DataLoader), or more of them; do "
    "once, before training, what is done to every sample each time."
)
CHECK = "Train on one batch again and again: the steps per second that it reaches then are what the loader costs you."


def starving(state: RunState) -> Optional[float]:
    """Share of the time that training waits for its loader, where that is worth doing something about; else None."""
    share = state.data_wait(WINDOW_S)
    return share if share is not None and share > HIGH and state.waited_s >= LOST_S else None


def find(state: RunState) -> Optional[Finding]:
    share, tick = starving(state), state.tick
    if share is None or tick is None or state.step < SILENT_STEPS:
        return None
    words = f"In the last {WINDOW_S:.0f} seconds {percent(share)} of the time went into waiting for the loader"
    if tick.steps_per_s and tick.steps_per_s > 0:
        step_ms = 1000 / tick.steps_per_s
        words += f", about {say(share * step_ms)} of the {say(step_ms)} ms of a step"
    words += f". So far {say(state.waited_s)} seconds went that way."
    gpu = state.model is not None and state.model.device.startswith("cuda")
    if gpu:
        words += " The GPU may have been busy meanwhile with what was queued: its use in the header tells."
    title = "Training waits for its data"
    return Finding(26, NOTICE, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, LIKELY if gpu else CERTAIN)


def waits(state: RunState) -> str:
    if state.data_wait(WINDOW_S) is None:
        return "no loader of PyTorch has been seen"
    return ""


RULE = Rule(26, "data starved", find, waits, any_size=True)
