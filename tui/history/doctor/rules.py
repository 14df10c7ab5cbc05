"""The registry of the doctor: every rule once, and what they find together."""

from __future__ import annotations

from dataclasses import replace

from ..state import RunState
from . import (
    dead_units,
    fading,
    input_scale,
    not_cleared,
    not_finite,
    not_learning,
    not_shuffled,
    overfitting,
    starving,
    two_softmaxes,
    wrong_labels,
)
from .finding import ALARM, NOTICE, Finding, Rule

RULES: tuple[Rule, ...] = (
    not_finite.RULE,
    not_cleared.RULE,
    two_softmaxes.RULE,
    dead_units.RULE,
    not_learning.RULE,
    wrong_labels.RULE,
    not_shuffled.RULE,
    fading.RULE,
    overfitting.RULE,
    input_scale.RULE,
    starving.RULE,
)
"""In the order in which findings of one level are shown: the surest and most harmful first."""

LARGE = 1_000_000
"""Weights. The thresholds of most rules were measured on smaller models."""

EXPLAINED: dict[int, tuple[int, ...]] = {10: (1, 7, 14, 15, 17, 18, 19), 13: (1, 14), 14: (1, 15), 7: (1,), 9: (1,)}
"""A finding is left out when one of these is an alarm: it is what follows from them."""


def examine(state: RunState) -> list[Finding]:
    """What is wrong with a run, alarms first. Never raises for what a run's state holds."""
    found = [finding for finding in (_find(rule, state) for rule in RULES) if finding is not None]
    alarms = {finding.rule for finding in found if finding.level == ALARM}
    kept = [one for one in found if not _is_explained(one, alarms)]
    return sorted(kept, key=lambda one: one.level != ALARM)


def _find(rule: Rule, state: RunState) -> Finding | None:
    finding = rule.find(state)
    large = state.model is not None and state.model.weights > LARGE
    if finding is not None and large and not rule.any_size and finding.level == ALARM:
        return replace(finding, level=NOTICE)
    return finding


def _is_explained(one: Finding, alarms: set[int]) -> bool:
    return bool(alarms.intersection(EXPLAINED.get(one.rule, ()))) and not (one.rule == 10 and one.level == ALARM)


def waiting(state: RunState) -> list[tuple[str, str]]:
    """The rules that cannot look yet, and why."""
    found = [(rule.name, rule.waits(state)) for rule in RULES]
    return [(name, why) for name, why in found if why]
