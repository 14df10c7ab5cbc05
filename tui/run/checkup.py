"""What the doctor needs to know beyond the curves: a look at one batch, made now and then while somebody looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class Silence:
    """Units of one activation module that put out nothing above zero."""

    module: int = 0
    """Place in `Model.modules`."""
    before: bool = False
    """The activation is no module of its own: it stands right before this module, and its output is what came in."""
    units: int = 0
    silent: int = 0
    """Units without any output above zero over `samples` samples."""
    samples: int = 0
    off: Optional[float] = None
    """Share of single outputs that are zero or less: normal sparsity, not deadness."""


@dataclass(frozen=True)
class Checkup:
    """One look. A field is absent when it could not be measured."""

    t: float = 0.0
    step: int = 0
    samples: int = 0
    """Size of the batch looked at."""
    input_mean: Optional[float] = None
    """Mean magnitude of what the first layer with weights was given, where that is data in floating point."""
    input_std: Optional[float] = None
    input_high: Optional[float] = None
    """Largest magnitude of the same."""
    normalises: bool = False
    """That first layer is a normalisation: the scale of what it is given does not matter."""
    classes: int = 0
    """Width of the scores given to a classification loss; 0 for other losses."""
    accuracy: Optional[float] = None
    """Share of the batch's samples whose highest score is the true class."""
    labels: list[int] = field(default_factory=list)
    """How often each class (at most 64) came in the batch."""
    sums_to_one: Optional[bool] = None
    """The scores given to cross-entropy are no logits: each row is ≥ 0 and sums to 1 within 0.001."""
    silences: list[Silence] = field(default_factory=list)
    cosine: Optional[float] = None
    """Cosine between the gradient that this update uses and that of the update before, over sampled positions."""
    carried: Optional[bool] = None
    """The gradient of the update before was still there when the backward passes for this one began, and was never
    cleared between them: the new one was added to it."""
    weights_odd: Optional[int] = None
    """Parameter tensors that hold a value that is not finite, among those sampled."""
