"""One sample on its way through the network and back, number by number: what the phase view shows.

Records like those of `events`. Everything here was read from the program; whatever follows from it by arithmetic is
left to the viewer, which shows the formula.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class Term:
    """One input of a unit: w·x is what it adds."""

    place: int = 0
    """Which input."""
    x: float = 0.0
    w: float = 0.0
    """The weight in the forward pass."""
    grad: Optional[float] = None
    """Gradient of the batch's loss by this weight; absent before the backward pass."""
    after: Optional[float] = None
    """The weight after the update."""


@dataclass(frozen=True)
class Unit:
    """One neuron of a linear layer: out = Σ w·x + b."""

    place: int = 0
    out: float = 0.0
    bias: Optional[float] = None
    bias_grad: Optional[float] = None
    bias_after: Optional[float] = None
    terms: list[Term] = field(default_factory=list)
    """All inputs of small layers; of large ones those that add most, the largest first."""
    rest: float = 0.0
    """What the inputs not listed add."""
    of: int = 0
    """How many inputs there are."""
    delta: Optional[float] = None
    """∂loss/∂out for this sample (its share of the batch's loss); absent before the backward pass."""


@dataclass(frozen=True)
class Stage:
    """One module that the sample passed, in the order in which it ran; or what the program's own code did between two
    of them."""

    module: int = 0
    """Place in `Model.modules`; -1 for code between two modules."""
    kind: str = ""
    """The module's class; "" for code between two modules."""
    position: Optional[int] = None
    """Of a layer that does the same at several positions of a sample (tokens, steps in time): the one shown."""
    shape: list[int] = field(default_factory=list)
    """Of its output for one sample."""
    places: list[int] = field(default_factory=list)
    """Which outputs (flattened) are listed; empty: all, in order."""
    inputs: list[float] = field(default_factory=list)
    """What came in at those places, where as many numbers come in as out; for linear layers the first inputs."""
    outputs: list[float] = field(default_factory=list)
    deltas: list[float] = field(default_factory=list)
    """∂loss/∂output at those places; empty before the backward pass."""
    units: list[Unit] = field(default_factory=list)
    """For linear layers."""
    weights: list[Term] = field(default_factory=list)
    """For other modules with weights, once there are gradients: a few of the largest gradient, by their place in the
    flattened tensor `weight`."""


@dataclass(frozen=True)
class Verdict:
    """The loss of the sample."""

    kind: str = ""
    """As in `Model.loss`: "cross-entropy", "mean squared error" …; or "half squared error", "hinge", "perceptron",
    "absolute error", where the numbers of the batch say so; "" when nothing tells."""
    how: str = ""
    """What the program does to the mean of that kind: "" nothing, "scaled", "mixed" with other terms."""
    name: str = ""
    """Class of the loss module, where there is one."""
    places: list[int] = field(default_factory=list)
    """Which scores are listed; empty: all, in order."""
    of: int = 0
    """How many scores there are."""
    position: Optional[int] = None
    """Where a sample has scores at several positions: the one shown."""
    scores: list[float] = field(default_factory=list)
    """The model's output for it (at most 20): logits, or values."""
    chances: list[float] = field(default_factory=list)
    """Probabilities, where the kind has them."""
    target: list[float] = field(default_factory=list)
    """The true class as one number, or the true values."""
    loss: Optional[float] = None
    """Of the whole batch, as the program computed it."""
    deltas: list[float] = field(default_factory=list)
    """∂loss/∂scores for this sample; empty before the backward pass."""


@dataclass(frozen=True)
class Nudge:
    """A weight moved by hand, on a copy: what the gradient foretold and what came of it."""

    tensor: int = 0
    index: int = 0
    """Place in the flattened tensor."""
    by: float = 0.0
    weight: float = 0.0
    """As it is in the program, which is not touched."""
    grad: Optional[float] = None
    before: Optional[float] = None
    """The loss of the batch as it is."""
    after: Optional[float] = None
    """The loss with the weight moved."""
    steady: bool = True
    """The copy computes exactly what the program does: neither dropout nor statistics of the batch."""


@dataclass(frozen=True)
class Walk:
    """The newest walk: grows from phase to phase of one step."""

    step: int = 0
    """The update that this batch leads to (1 is the first)."""
    sample: int = 0
    """Which sample of the batch."""
    of: int = 0
    """How many samples the batch has."""
    input: list[float] = field(default_factory=list)  # noqa: A003
    """The sample itself, flattened; at most 64 values."""
    shape: list[int] = field(default_factory=list)
    """Of the sample."""
    picture: str = ""
    """The sample as letters of `WEIGHT_LEVELS` where it is an image (at most 28 x 28), lowest to
    highest value, its rows parted by "/"."""
    stages: list[Stage] = field(default_factory=list)
    skipped: int = 0
    """Modules that are left out in the middle, before `stages[skipped_at]`."""
    skipped_at: int = 0
    verdict: Optional[Verdict] = None
    optimizer: str = ""
    """The optimizer's class, with what makes its update more than rate x gradient, e.g. "SGD, momentum 0.9"."""
    rate: Optional[float] = None
    passed: list[str] = field(default_factory=list)
    """The phases of this step that are over."""
    nudge: Optional[Nudge] = None
    absent: str = ""
    """Why there is nothing to show, in words."""
