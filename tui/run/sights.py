"""What a snapshot shows besides numbers of the run: pictures of tensors, outputs of modules, predictions, the valley.

Records like those of `events`, which imports them and encodes them; they stand here because they are only ever seen
while somebody looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class Picture:
    """One tensor as levels of `WEIGHT_LEVELS`, at most as many cells as the viewer said it can show."""

    tensor: int = 0
    mode: str = "weight"
    """"weight", "change" (since the first step), "gradient", or "output" (what the module put out for one sample)."""
    first: int = 0
    """The first unit shown; `units` of `of` follow, each `height` x `width` cells."""
    units: int = 0
    of: int = 0
    height: int = 0
    width: int = 0
    cells: str = ""
    """units x height x width letters, row by row."""
    per_cell: int = 1
    """How many weights one cell stands for: the one of largest magnitude is shown."""
    scale: float = 0.0
    """The magnitude of level 15."""
    absent: str = ""
    """Why there is no picture, in words."""
    note: str = ""
    """What is shown, in words, where it is not simply the tensor: a part of it, magnitudes …"""
    std: Optional[float] = None
    low: Optional[float] = None
    high: Optional[float] = None
    moved: Optional[float] = None
    """‖now - start‖ / ‖start‖."""
    sampled: int = 0
    """Over how many weights the statistics and the histogram were taken."""
    of_weights: int = 0
    histogram: list[int] = field(default_factory=list)
    """Counts of the finite ones in equal bins from -m to m; m is the larger magnitude of `low` and `high`."""
    odd: int = 0
    """Weights (of those sampled) that are not finite."""


@dataclass(frozen=True)
class Activation:
    """What one module put out for the photographed batch."""

    module: int = 0
    shape: list[int] = field(default_factory=list)
    on: Optional[float] = None
    """Share of outputs above zero, for activation functions."""
    std: Optional[float] = None
    odd: bool = False
    low: Optional[float] = None
    high: Optional[float] = None
    histogram: list[int] = field(default_factory=list)
    """Counts in equal bins from `low` to `high`; only while somebody looks at the layers closely."""
    units: int = 0
    """Outputs for one sample that are told apart: channels of images, else the last dimension."""
    silent: list[int] = field(default_factory=list)
    """Units (at most 512 are named) that put out nothing above zero for any of the last `seen` samples."""
    seen: int = 0


@dataclass(frozen=True)
class Shapes:
    """The shape of what each module put out for the photographed batch: of a tuple or dict that of its first tensor."""

    kinds: list[str] = field(default_factory=list)
    """The shapes that there are: "64×10"."""
    of: str = ""
    """For each of `Model.modules` its place in `kinds`, -1 where it did not run; with blanks between."""


@dataclass(frozen=True)
class Sample:
    """One sample, what is true of it and what the model says."""

    place: int = 0
    """Its place in the batch."""
    height: int = 0
    width: int = 0
    cells: str = ""
    """height x width letters of `WEIGHT_LEVELS`, lowest to highest value; empty where it is no picture."""
    truth: Optional[float] = None
    """The true class, or the true value."""
    guess: Optional[float] = None
    """The class of the highest score, or the value predicted; NaN where the scores are none."""
    chances: list[float] = field(default_factory=list)
    """Probability of each class (at most 20 classes); empty for values."""
    sure: Optional[float] = None
    """Probability of the class guessed, where the loss is one that makes scores into probabilities."""


@dataclass(frozen=True)
class Predictions:
    """What the model says of some samples, at one step."""

    step: int = 0
    source: str = ""
    """"validation" (the last pass without gradients) or "training batch"."""
    kind: str = "classes"
    """"classes" or "values"."""
    classes: int = 0
    count: int = 0
    """Samples looked at."""
    right: int = 0
    """Of those with a known truth, how many have the right class."""
    known: int = 0
    """Samples whose truth is known."""
    confusion: list[list[int]] = field(default_factory=list)
    """Row: true class, column: predicted class; at most 20 x 20, else empty."""
    samples: list[Sample] = field(default_factory=list)
    """Some of them: wrong ones first."""
    pairs: list[list[float]] = field(default_factory=list)
    """[true, predicted] of at most 300 samples, for values."""
    error: Optional[float] = None
    """Mean of |true - predicted| over all of them, for values."""
    odd: int = 0
    """Samples whose scores or values are NaN."""
    names: list[str] = field(default_factory=list)
    """How the program writes its classes, where it is not 0, 1, 2 …: "−1", "+1"."""


@dataclass(frozen=True)
class Surface:
    """Heights over a plane, as letters: the prediction over two inputs, or the loss over two directions of weights."""

    kind: str = ""
    """"boundary" (what the model says over its two inputs), "plane" (the loss over a model's two weights) or "slice"
    (the loss over two filter-normalised random directions around the weights)."""
    step: int = 0
    rows: int = 0
    columns: int = 0
    done: int = 0
    """Rows that are computed so far."""
    values: list[float] = field(default_factory=list)
    """rows x columns, row by row, the highest second coordinate first; not finite where the loss is not."""
    left: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    top: float = 0.0
    """What the edges stand for: coordinates, or multiples of the direction."""
    names: list[str] = field(default_factory=list)
    """Of the two axes."""
    here: list[float] = field(default_factory=list)
    """Where the weights are."""
    next: list[float] = field(default_factory=list)  # noqa: A003
    """Where the next update is going to put them, projected."""
    points: list[list[float]] = field(default_factory=list)
    """Of a boundary the data, as [first, second, true class, class that the model says now] (-1 where it is unknown);
    of a plane the path so far, as [first, second]."""
    classes: int = 0
    """For a boundary: the number of classes, each value then being a class plus its probability (below 1); 0 when
    `values` are one score."""
    level: float = 0.0
    """For a boundary of one score: the value at which the two sides part; NaN where there are no sides."""
    loss: Optional[float] = None
    """The loss at `here`."""
    samples: int = 0
    """Size of the batch that the loss is of; 0 for a model that takes no batch."""
    since: int = 0
    """Updates made before the path begins."""
    refused: str = ""
    """Why there is none, in words."""
