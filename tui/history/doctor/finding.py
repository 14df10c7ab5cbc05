"""What a rule of the doctor is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from ..state import RunState

ALARM, NOTICE = "alarm", "notice"
CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run, or may be. Texts are true of any program."""

    rule: int
    level: str
    """"alarm" (training is harmed) or "notice" (worth a look)."""
    title: str
    """A few plain words."""
    evidence: str
    """A sentence with the numbers of this run."""
    advice: str
    check: str
    """How a person can see for himself whether it is so."""
    threshold: str
    """When the rule speaks."""
    source: str
    """Where the threshold comes from."""
    confidence: str = LIKELY
    """"certain" (it was seen to be so), "likely" or "possible"."""
    key: str = ""
    """Name of the action that helps, or ""."""
    layer: Optional[int] = None
    """Row of `RunState.layers`."""


@dataclass(frozen=True)
class Rule:
    """One rule: two pure functions of a run's state."""

    number: int
    name: str
    find: Callable[[RunState], Optional[Finding]]
    waits: Callable[[RunState], str]
    """Why it cannot look yet, in words; "" when it can."""
    any_size: bool = False
    """Its thresholds hold for models of any size. The others were measured on small ones, and only ever notice
    something in a model of more than a million weights."""
