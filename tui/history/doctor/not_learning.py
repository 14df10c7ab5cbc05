"""Rule 10: after two epochs the loss is still that of guessing."""

from __future__ import annotations

import math
from typing import Optional

from ..state import RunState
from .evidence import chance, epochs_done, loss_lately, no_looks, percent, say, typical, weight_layers
from .finding import ALARM, LIKELY, NOTICE, POSSIBLE, Finding, Rule

EPOCHS, STEPS = 2, 500
"""Not before so many epochs, or steps where a program has no loader."""
NEAR = 0.03
SILENT = 0.99
THRESHOLD = f"mean loss within {percent(NEAR)} of that of guessing after {EPOCHS} epochs (or {STEPS} steps)"
SOURCE = "measured on small networks: after a rate that is far too high the loss stays at ln C for ever"
CHECK = "−log(1/C) is the loss of guessing among C classes: 0.693 for 2, 2.303 for 10, 4.605 for 100."


def find(state: RunState) -> Optional[Finding]:
    known, loss = chance(state), loss_lately(state)
    if known is None or loss is None or _early(state) or abs(loss - known) > NEAR * known:
        return None
    labels = state.checkups.labels()
    accuracy = state.checkups.middle(lambda look: look.accuracy, 8, 40)
    if accuracy is not None and accuracy > max(labels, default=0) / max(1, sum(labels)) + 0.1:
        return None
    classes = state.checkups.classes
    words = f"The mean loss of the last epoch is {say(loss)}; guessing among {classes} classes gives {say(known)}"
    words += f", and {percent(accuracy)} of the samples in the last batches are right." if accuracy is not None else "."
    if cut_off(state):
        words += " No gradient reaches the first layer: every unit in between is off."
        advice = "Nothing will bring it back: start again with a lower learning rate."
        title = "The network is dead: it only guesses"
        return Finding(10, ALARM, title, words, advice, CHECK, THRESHOLD, SOURCE, LIKELY, "restart")
    words += " Gradients do reach the first layer."
    advice = (
        "Try to learn ten samples by heart: if that fails, look for labels that do not belong to the inputs, inputs of "
        "the wrong scale, and a learning rate that is far too low or too high. A very hard task also begins like this."
    )
    return Finding(10, NOTICE, "Nothing is learned yet", words, advice, CHECK, THRESHOLD, SOURCE, POSSIBLE, "rate")


def cut_off(state: RunState) -> bool:
    """Does no gradient at all reach the first layer?"""
    layers = weight_layers(state)
    norm = typical(layers[0][2]) if layers else None
    if norm is not None and len(layers) >= 2:
        return norm == 0
    shares = [one.silent / one.units for one in state.checkups.silences.values() if one.units and one.samples >= 1000]
    return max(shares, default=0.0) >= SILENT


def _early(state: RunState) -> bool:
    done = epochs_done(state)
    return state.step < STEPS if done is None else (done < EPOCHS or state.step < 50)


def waits(state: RunState) -> str:
    if no_looks(state):
        return no_looks(state)
    if chance(state) is None:
        loss = state.model.loss if state.model is not None else ""
        return f"what guessing costs is known of a cross-entropy only, not of this loss{f' ({loss})' if loss else ''}"
    if _early(state):
        done = epochs_done(state)
        return (
            f"step {state.step} of {STEPS}" if done is None else f"epoch {done + 1}: it waits for {EPOCHS} whole ones"
        )
    return (
        "" if loss_lately(state) is not None and math.isfinite(loss_lately(state) or 0) else "too few losses are known"
    )


RULE = Rule(10, "no learning", find, waits, any_size=True)
