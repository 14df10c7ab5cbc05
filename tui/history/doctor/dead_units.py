"""Rule 9: units behind a ReLU that never put out anything."""

from __future__ import annotations

from typing import Optional

from ...run.events import Silence
from ..state import RunState
from .evidence import no_looks, percent
from .finding import ALARM, CERTAIN, NOTICE, Finding, Rule

SAMPLES = 1000
FEW_UNITS = 4
NOTICED, ALARMING = 0.3, 0.5
THRESHOLD = (
    f"more than {percent(NOTICED)} of a layer's units (alarm: {percent(ALARMING)}) with no output above zero for "
    f"{SAMPLES:,} samples"
)
SOURCE = (
    "CS231n: “as much as 40 % dead” when the rate is too high; Amazon SageMaker Debugger: more than 50 % of a layer"
)
ADVICE = (
    "Dead units seldom come back, for no gradient passes them: start again with a lower learning rate, He "
    "initialisation, or an activation that leaks (LeakyReLU, GELU)."
)
CHECK = (
    "(x <= 0).all(0) over the outputs of the activation for a thousand samples. Single zeros are no sign: 20 to 70 % "
    "are normal."
)


def find(state: RunState) -> Optional[Finding]:
    known = [one for one in state.checkups.silences.values() if one.samples >= SAMPLES and one.units >= FEW_UNITS]
    worst = max(known, key=_share, default=None)
    if worst is None or _share(worst) <= NOTICED:
        return None
    words = f"{worst.silent:,} of the {worst.units:,} units of {place_of(state, worst)} put out nothing above zero for "
    words += f"{worst.samples:,} samples."
    others = sum(1 for one in known if one is not worst and _share(one) > NOTICED)
    if others:
        words += f" {others} more {'layer is' if others == 1 else 'layers are'} like this."
    level = ALARM if _share(worst) > ALARMING else NOTICE
    title = "Most units are dead" if level == ALARM else "Many units are dead"
    return Finding(9, level, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, CERTAIN, "rate_down", _row(state, worst))


def _share(one: Silence) -> float:
    return one.silent / one.units


def place_of(state: RunState, one: Silence) -> str:
    """The layer in words: the activation's path and kind."""
    modules = state.model.modules if state.model is not None else []
    if not 0 <= one.module < len(modules):
        return "a ReLU"
    module = modules[one.module]
    name = f"{module.path} {module.kind}".strip()
    return f"the ReLU before {name}" if one.before else name


def _row(state: RunState, one: Silence) -> Optional[int]:
    """The layer that feeds the activation: the last with weights that stands before it."""
    modules = state.model.modules if state.model is not None else []
    tensors = {place for module in modules[: one.module] for place in module.tensors}
    rows = [row for row, layer in enumerate(state.layers) if tensors.intersection(layer.tensors)]
    return rows[-1] if rows else None


def waits(state: RunState) -> str:
    silences = state.checkups.silences
    if no_looks(state):
        return no_looks(state)
    if not silences:
        return "no ReLU was seen in the model"
    most = max(one.samples for one in silences.values())
    return "" if most >= SAMPLES else f"{most:,} of {SAMPLES:,} samples were looked at"


RULE = Rule(9, "dead units", find, waits)
