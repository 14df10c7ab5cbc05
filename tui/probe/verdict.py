"""The loss of one sample: scores, probabilities, target, and what kind of loss the numbers themselves say it is."""

from __future__ import annotations

import math
from typing import Any, Optional

import torch

from ..run.walk import Verdict
from .seen import Focus, Kept, Record, last_position
from .specimen import Specimen

MOST_SCORES = 20
SAME = 1e-5
"""Two losses are the same when they differ by no more than this share."""


def verdict_of(record: Record, specimen: Specimen, focus: Focus, graded: bool) -> Verdict:
    """What is known once the loss is there.

    Args:
        graded: the backward pass is over.
    """
    loss = float(specimen.loss) if specimen.loss is not None else None
    kind, how, name = specimen.kind, specimen.how, ""
    scores, position = _row(specimen.scores, focus)
    target, _ = _row(specimen.target, focus, one=kind == "cross-entropy")
    chances, _ = _row(specimen.chances, focus)
    came, where = focus.vector(record.came)
    if scores is None or (kind == "cross-entropy" and _logits_of(came, scores)):
        scores, position = came, where
    if record.compared is not None:
        name, output, true = record.compared
        if target is None:
            target, _ = last_position(focus.row(true))
        if not kind and loss is not None:
            kind, how = recognised(output, true, loss, name)
    delta, _ = focus.vector(record.delta if record.delta is not None else _last_delta(record))
    places = _listed(scores, target if kind == "cross-entropy" else None)
    fits = delta is not None and scores is not None and delta.numel() == scores.numel() and graded
    return Verdict(
        kind=kind,
        how=how,
        name=name,
        places=places if scores is not None and len(places) < scores.numel() else [],
        of=scores.numel() if scores is not None else 0,
        position=position,
        scores=_at(scores, places),
        chances=_at(chances, places),
        target=target[:MOST_SCORES].tolist() if target is not None else [],
        loss=loss,
        deltas=_at(delta, places) if fits else [],
    )


def _logits_of(came: Optional[torch.Tensor], scores: torch.Tensor) -> bool:
    """Are these the model's logits, of which the loss was given the log-probabilities in another shape?"""
    if came is None or came.shape != scores.shape:
        return False
    return bool(torch.allclose(torch.log_softmax(came, -1), scores, rtol=1e-4, atol=1e-5))


def _last_delta(record: Record) -> Optional[Kept]:
    return record.seen[-1].delta if record.seen else None


def _row(
    tensor: Optional[torch.Tensor], focus: Focus, one: bool = False
) -> tuple[Optional[torch.Tensor], Optional[int]]:
    """The sample's share of a tensor of the whole batch. `one`: a single number for each sample (classes)."""
    if tensor is None or tensor.numel() == 0:
        return None, None
    part = tensor.detach()
    if focus.batch is None:
        part = part[0] if part.dim() and part.shape[0] == 1 else part
    elif part.dim() and part.shape[0] == focus.batch:
        part = part[focus.sample]
    elif part.dim() and part.shape[0] % focus.batch == 0:
        part = part.reshape(focus.batch, -1, *part.shape[1:])[focus.sample]
    else:
        return None, None
    if one:
        part = part.reshape(-1)[-1:]
    return last_position(part.to("cpu", torch.float64))


def _listed(scores: Optional[torch.Tensor], true: Optional[torch.Tensor]) -> list[int]:
    """Which scores are listed: all of few, else the highest, with that of the true class."""
    if scores is None:
        return []
    if scores.numel() <= MOST_SCORES:
        return list(range(scores.numel()))
    best: list[int] = scores.topk(MOST_SCORES).indices.tolist()
    right = int(true[0]) if true is not None and math.isfinite(float(true[0])) else -1
    if 0 <= right < scores.numel() and right not in best:
        best[-1] = right
    return sorted(best)


def _at(values: Optional[torch.Tensor], places: list[int]) -> list[float]:
    if values is None or (places and max(places) >= values.numel()):
        return []
    found: list[float] = values[places].tolist()
    return found


def recognised(output: Kept, target: Kept, loss: float, name: str = "") -> tuple[str, str]:
    """(kind, how) of a loss that a module of the program's own computes, when its number is that of a known formula for
    this batch; ("", "") when it is none of them. `name` is its class: inside the margin hinge and absolute error are
    the same."""
    if output.values is None or target.values is None or output.values.numel() != target.values.numel():
        return "", ""
    out = output.values.to("cpu", torch.float64).reshape(-1)
    true = target.values.to("cpu", torch.float64).reshape(-1)
    square = (out - true).square()
    known: list[tuple[str, Any]] = [("mean squared error", square), ("half squared error", square / 2)]
    if bool((true.abs() == 1).all()):
        known += [("perceptron", (-true * out).clamp(min=0)), ("hinge", (1 - true * out).clamp(min=0))]
    known.insert(len(known) if "hinge" in name.lower() else 2, ("absolute error", (out - true).abs()))
    for how, reduce in (("", torch.mean), ("scaled", torch.sum)):
        for kind, each in known:
            if math.isclose(float(reduce(each)), loss, rel_tol=SAME, abs_tol=1e-9):
                return kind, how
    return "", ""
