"""What a model's scores say: read as classes, as two sides or as values, and counted against the truth.

Everything is computed on the device and leaves it as one vector, so that nothing here waits for a GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Callable, Optional

import torch

from ..run.sights import Sample
from .samples import Vector, letters_of, put_pictures, split

SAMPLES = 24
"""So many samples are shown one by one."""
LARGE = 256
"""Of pictures with more pixels than this half as many."""
CLASSES = 20
"""Of so many classes the confusions and all probabilities are told."""
PAIRS = 300
MOST_SCORES = 2_000_000
"""Of a batch with more scores than this only the first samples are read."""
MOST_CHOSEN = 1024
"""The samples shown are chosen among so many."""


@dataclass(frozen=True)
class Manner:
    """How scores are to be read."""

    kind: str = "values"
    """"classes" (a score for each), "sides" (one score) or "values"."""
    chances: str = ""
    """What makes scores into probabilities: "softmax", "sigmoid", "given", or nothing does."""
    level: float = 0.0
    """For sides: at which score they part."""
    middle: float = 0.5
    """For sides: at which target they part."""
    names: tuple[str, ...] = ()


CRITERIA = {
    "CrossEntropyLoss": "cross-entropy",
    "NLLLoss": "cross-entropy",
    "BCEWithLogitsLoss": "binary logits",
    "BCELoss": "binary chances",
    "MSELoss": "values",
    "L1Loss": "values",
    "SmoothL1Loss": "values",
    "HuberLoss": "values",
    "GaussianNLLLoss": "values",
    "PoissonNLLLoss": "values",
}
"""What the classes of losses compare. Of any other the scores and targets themselves must tell."""


def manner_of(
    kind: str, scores: torch.Tensor, target: Optional[torch.Tensor], values: Optional[set[float]] = None
) -> Optional[Manner]:
    """How to read the scores of a batch; None where that cannot be told.

    Args:
        kind: one of the values of `CRITERIA`, or "" for a loss that is not known.
        target: what the loss compared them with, where that is known.
        values: all values that targets have had so far; by default those of this batch. See `values_of`.
    """
    single = scores.dim() <= 1 or scores.numel() == scores.shape[0]
    if kind == "cross-entropy":
        return None if single else Manner("classes", "softmax")
    if kind == "binary logits":
        return Manner("sides", "sigmoid")
    if kind == "binary chances":
        return Manner("sides", "given", level=0.5)
    if target is None:
        return None
    if kind == "" and not single and target.shape == scores.shape[:1] and not target.is_floating_point():
        return Manner("classes")
    if target.numel() != scores.numel():
        return None
    values = values_of(target) if values is None else values
    return (_sides(kind, scores, values) if single else None) or Manner()


def values_of(target: torch.Tensor) -> set[float]:
    """Some of the values of a target, so many that two sides can be told from more; none where that would wait."""
    if not target.is_cpu:
        return set()
    found = target.reshape(-1)
    if found.numel() > 64:
        found = torch.cat([found[:32], found.amin().reshape(1), found.amax().reshape(1)])
    return set(found.double().tolist())


def _sides(kind: str, scores: torch.Tensor, values: set[float]) -> Optional[Manner]:
    """One score, compared with nothing but -1 and 1, or 0 and 1: two classes."""
    if values == {-1.0, 1.0}:
        return Manner("sides", "", 0.0, 0.0, ("−1", "+1"))
    if values != {0.0, 1.0}:
        return None
    chance = kind == "values" or bool(((scores >= 0) & (scores <= 1)).all())
    return Manner("sides", "", 0.5 if chance else 0.0)


@dataclass
class Reading:
    """What was read of one batch, or of several added up."""

    kind: str = "classes"
    classes: int = 0
    count: int = 0
    known: int = 0
    right: int = 0
    odd: int = 0
    off: float = 0.0
    """Sum of |true - predicted| over `known`, for values."""
    confusion: list[list[int]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    pairs: list[list[float]] = field(default_factory=list)
    names: tuple[str, ...] = ()

    def add(self, other: Reading) -> None:
        """Another batch of the same pass: its counts; the samples stay those of the first."""
        self.count += other.count
        self.known += other.known
        self.right += other.right
        self.odd += other.odd
        self.off += other.off
        if self.confusion and len(self.confusion) == len(other.confusion):
            self.confusion = [[a + b for a, b in zip(*rows)] for rows in zip(self.confusion, other.confusion)]


Unpack = Callable[[list[float]], Reading]


def read(
    scores: torch.Tensor,
    target: Optional[torch.Tensor],
    manner: Manner,
    pictures: Optional[torch.Tensor] = None,
    samples: int = SAMPLES,
) -> tuple[torch.Tensor, Unpack]:
    """(a vector with everything that is to be known of a batch, what makes a Reading of its numbers).

    Args:
        scores: (samples, classes), (samples, classes, positions …), or one score or several values a sample.
        pictures: (samples, height, width).
        samples: how many of them to show one by one.
    """
    with torch.no_grad():
        if pictures is not None and pictures[0].numel() > LARGE:
            samples = min(samples, SAMPLES // 2)
        if manner.kind == "values":
            return _read_values(scores, target, pictures, samples)
        rows, truth, single = _as_rows(scores, target, manner)
        return _read_classes(rows, truth, manner, pictures if single else None, samples)


def _as_rows(
    scores: torch.Tensor, target: Optional[torch.Tensor], manner: Manner
) -> tuple[torch.Tensor, Optional[torch.Tensor], bool]:
    """(scores as (decisions, classes), true classes (decisions,), is each decision a sample of its own?)."""
    if manner.kind == "sides":
        flat = scores.reshape(-1)
        truth = (target.reshape(-1) > manner.middle).long() if target is not None else None
        return _side_scores(flat, manner), truth, flat.shape[0] == scores.shape[0]
    single = scores.dim() == 2
    rows = scores if single else scores.movedim(1, -1).reshape(-1, scores.shape[1])
    if target is not None and target.is_floating_point():  # probabilities of classes
        target = target.argmax(1)
    return rows, None if target is None else target.reshape(-1), single


def _side_scores(flat: torch.Tensor, manner: Manner) -> torch.Tensor:
    """One score as two, the higher of which is the side it is on; with probabilities where there are any."""
    flat = flat.float()
    if manner.chances == "given":
        return torch.stack([1 - flat, flat], 1)
    if manner.chances == "sigmoid":
        return torch.stack([1 - flat.sigmoid(), flat.sigmoid()], 1)
    return torch.stack([torch.full_like(flat, manner.level), flat], 1)


def _read_classes(
    rows: torch.Tensor, truth: Optional[torch.Tensor], manner: Manner, pictures: Optional[torch.Tensor], samples: int
) -> tuple[torch.Tensor, Unpack]:
    classes = rows.shape[1]
    most = max(1, MOST_SCORES // classes)
    rows = rows[:most]
    truth = torch.full_like(rows[:, 0], -1, dtype=torch.long) if truth is None else truth[:most].long()
    odd = rows.isnan().any(1)
    guess = torch.where(odd, torch.full_like(truth, -1), rows.argmax(1))
    known = (truth >= 0) & (truth < classes)
    right = known & (guess == truth)
    told = Vector()
    told.put(known.sum(), right.sum(), odd.sum())
    if classes <= CLASSES:
        told.put(_confusions(truth, guess, known, classes))
    wrong_first = (~(known & ~right))[:MOST_CHOSEN].to(torch.int8)
    picked = torch.argsort(wrong_first, stable=True)[:samples]
    chances = _chances(rows[picked], manner)
    sure = chances.gather(1, guess[picked].clamp(min=0)[:, None])
    told.put(picked, torch.where(known, truth, torch.full_like(truth, -1))[picked], guess[picked], sure)
    told.put(chances if classes <= CLASSES else chances[:, :0])
    shape = put_pictures(told, pictures, picked)
    count = rows.shape[0]

    def unpack(numbers: list[float]) -> Reading:
        (known_,), (right_,), (odd_,) = told.take(numbers), told.take(numbers), told.take(numbers)
        made = Reading("classes", classes, count, int(known_), int(right_), int(odd_), names=manner.names)
        if classes <= CLASSES:
            made.confusion = [[int(one) for one in row] for row in split(told.take(numbers), classes)]
        places, truths, guesses, sures = (told.take(numbers) for _ in range(4))
        each = split(told.take(numbers), classes) if classes <= CLASSES else [[] for _ in places]
        cells = letters_of(told, numbers, shape)
        for number, place in enumerate(places):
            made.samples.append(
                Sample(
                    place=int(place),
                    height=shape[1],
                    width=shape[2],
                    cells=cells[number] if cells else "",
                    truth=truths[number] if truths[number] >= 0 else None,
                    guess=guesses[number] if guesses[number] >= 0 else math.nan,
                    chances=[] if not manner.chances else [_short(one) for one in each[number]],
                    sure=_short(sures[number]) if manner.chances else None,
                )
            )
        return made

    return told.whole(), unpack


def _chances(rows: torch.Tensor, manner: Manner) -> torch.Tensor:
    if manner.kind == "sides":
        return rows
    return rows.float().softmax(1)


def _confusions(truth: torch.Tensor, guess: torch.Tensor, known: torch.Tensor, classes: int) -> torch.Tensor:
    """How often each true class (rows) was taken for each class (columns), classes x classes."""
    counted = known & (guess >= 0)
    pair = torch.where(counted, truth * classes + guess, torch.full_like(truth, classes * classes))
    if pair.is_cpu:
        return torch.bincount(pair, minlength=classes * classes + 1)[: classes * classes]
    pair = pair[:8192]  # no counting with atomics, which programs that ask for determinism forbid
    return (pair[:, None] == torch.arange(classes * classes, device=pair.device)[None, :]).sum(0)


def _read_values(
    scores: torch.Tensor, target: Optional[torch.Tensor], pictures: Optional[torch.Tensor], samples: int
) -> tuple[torch.Tensor, Unpack]:
    single = scores.dim() <= 1 or scores.numel() == scores.shape[0]
    flat = scores.reshape(-1)[:MOST_SCORES].double()
    truth = target.reshape(-1)[:MOST_SCORES].double() if target is not None else torch.full_like(flat, math.nan)
    off = (truth - flat).abs()
    told = Vector()
    told.put(flat.isnan().sum(), off.nansum())
    stride = max(1, -(-flat.numel() // PAIRS))
    told.put(torch.stack([truth[::stride], flat[::stride]], 1))
    worst_first = torch.where(off.isnan(), torch.full_like(off, -1), off)[:MOST_CHOSEN]
    picked = torch.argsort(worst_first, descending=True, stable=True)[: samples if single else 0]
    told.put(picked, truth[picked], flat[picked])
    shape = put_pictures(told, pictures if single else None, picked)
    count, known = flat.numel(), flat.numel() if target is not None else 0

    def unpack(numbers: list[float]) -> Reading:
        (odd,), (off_,) = told.take(numbers), told.take(numbers)
        made = Reading("values", 0, count, known, 0, int(odd), off_)
        pairs = split(told.take(numbers), 2)
        made.pairs = [[_short(one) for one in pair] for pair in pairs] if known else []
        places, truths, guesses = (told.take(numbers) for _ in range(3))
        cells = letters_of(told, numbers, shape)
        for number, place in enumerate(places):
            drawn = (shape[1], shape[2], cells[number]) if cells else (0, 0, "")
            true = _short(truths[number]) if known else None
            made.samples.append(Sample(int(place), *drawn, true, _short(guesses[number])))
        return made

    return told.whole(), unpack


def _short(value: float) -> float:
    return float(f"{value:.4g}")
