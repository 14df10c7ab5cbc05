"""From what was seen of one step to its stages: for one sample the numbers of each module."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

import torch
from torch import nn

from ..run.walk import Stage, Term, Unit
from .meter import readable
from .outline import own_parameter
from .seen import HEAD, Focus, Record, Seen, last_position

MOST_UNITS = 12
"""Neurons of a layer that are listed; more are listed by the size of what they put out."""
ALL_INPUTS = 16
"""A neuron with no more inputs has all of them listed; else `MOST_TERMS`, those that add most."""
MOST_TERMS = 6
MOST_PLACES = 16
FEW_UNITS = 4
MANY_LAYERS = 8
"""With more linear layers than this only `FEW_UNITS` neurons of each are listed."""


def stages_of(record: Record, focus: Focus, graded: bool) -> tuple[list[Stage], int]:
    """(every module in order and what the program's own code did between two of them, where modules are left out).

    Args:
        graded: the gradients of this step are there.
    """
    stages: list[Stage] = []
    before = focus.row(record.given)
    layers = sum(1 for seen in record.seen if isinstance(seen.module(), nn.Linear))
    most = MOST_UNITS if layers <= MANY_LAYERS else FEW_UNITS
    places: list[int] = []
    cut = 0
    for number, seen in enumerate(record.seen):
        given = focus.row(seen.given)
        if record.skipped and number == HEAD:
            before, cut = None, len(stages)
        if not seen.continues and not _same(before, given):
            stages.append(_between(before, given, focus.row(seen.delta_given), places))
        stage = _stage(seen, focus, graded, most, places)
        places = stage.places
        stages.append(stage)
        before = focus.row(seen.came)
    came = focus.row(record.came)
    if record.seen and not _same(before, came):
        stages.append(_between(before, came, focus.row(record.delta), places))
    return stages, cut


def _same(before: Optional[torch.Tensor], after: Optional[torch.Tensor]) -> bool:
    """Nothing happened between, as far as can be told."""
    if before is None or after is None:
        return True
    return before.shape == after.shape and bool(((before == after) | ((before != before) & (after != after))).all())


def _between(
    before: Optional[torch.Tensor], after: Optional[torch.Tensor], delta: Optional[torch.Tensor], wanted: list[int]
) -> Stage:
    assert before is not None and after is not None
    return _elementwise(Stage(module=-1), before, after, delta, wanted)


def _stage(seen: Seen, focus: Focus, graded: bool, most: int, wanted: list[int]) -> Stage:
    module = seen.module()
    blank = Stage(module=seen.place, kind=seen.kind)
    given, came = focus.row(seen.given), focus.row(seen.came)
    if came is None:
        return dataclasses.replace(blank, shape=list(seen.came.shape) if seen.came is not None else [])
    delta = focus.row(seen.delta)
    if isinstance(module, nn.Linear) and given is not None:
        return _linear(blank, module, given, came, delta, graded, most)
    stage = _elementwise(blank, given, came, delta, wanted)
    return dataclasses.replace(stage, weights=_largest_weights(module)) if graded and module is not None else stage


def _elementwise(
    blank: Stage,
    given: Optional[torch.Tensor],
    came: torch.Tensor,
    delta: Optional[torch.Tensor],
    wanted: list[int],
) -> Stage:
    """Outputs, the inputs and gradients at the same places."""
    shape = list(came.shape)
    position = None
    if came.dim() == 2 and given is not None and given.dim() <= 2 and came.shape[0] > 1 and not _channels(blank):
        came, position = last_position(came)  # type: ignore[assignment]
        delta = last_position(delta)[0]
        if given.dim() == 2:
            given = last_position(given)[0]
    places = _places(came, wanted)
    flat = came.reshape(-1)
    same = given is not None and given.numel() == came.numel()
    return dataclasses.replace(
        blank,
        shape=shape,
        position=position,
        places=places if len(places) < flat.numel() else [],
        inputs=given.reshape(-1)[places].tolist() if same and given is not None else [],
        outputs=flat[places].tolist(),
        deltas=delta.reshape(-1)[places].tolist() if delta is not None and delta.numel() == flat.numel() else [],
    )


def _channels(stage: Stage) -> bool:
    """Do its outputs have channels first?"""
    return stage.kind.endswith("1d")


def _places(came: torch.Tensor, wanted: list[int]) -> list[int]:
    """Which outputs to list: all of few; those of the layer before; of images the largest of each channel; else the
    largest."""
    flat = came.reshape(-1)
    if flat.numel() <= MOST_PLACES:
        return list(range(flat.numel()))
    if wanted and came.dim() == 1 and max(wanted) < flat.numel():
        return wanted
    if came.dim() >= 2:
        planes = came.reshape(came.shape[0], -1).abs()
        best, where = planes.max(1)
        channels = sorted(best.topk(min(MOST_PLACES, len(best))).indices.tolist())
        return [channel * planes.shape[1] + int(where[channel]) for channel in channels]
    return sorted(flat.abs().topk(MOST_PLACES).indices.tolist())


# ── linear layers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _linear(
    blank: Stage,
    module: nn.Linear,
    given: torch.Tensor,
    came: torch.Tensor,
    delta: Optional[torch.Tensor],
    graded: bool,
    most: int,
) -> Stage:
    shape = list(came.shape)
    x, _ = last_position(given)
    out, position = last_position(came)
    delta, _ = last_position(delta)
    assert x is not None and out is not None
    count = out.numel()
    places = list(range(count)) if count <= most else sorted(out.abs().topk(most).indices.tolist())
    weight, bias = _own(module, "weight"), _own(module, "bias")
    units: list[Unit] = []
    if weight is not None and tuple(weight.shape) == (count, x.numel()):
        units = _units(places, x, out, delta, weight, bias, graded)
    return dataclasses.replace(
        blank,
        shape=shape,
        position=position,
        places=places if len(places) < count else [],
        inputs=x[:MOST_PLACES].tolist(),
        outputs=out[places].tolist(),
        deltas=delta[places].tolist() if delta is not None else [],
        units=units,
    )


def _own(module: nn.Module, name: str) -> Optional[torch.Tensor]:
    found = own_parameter(module, name)
    return found if found is not None and type(found) is nn.Parameter and readable(found) else None


def _wide(tensor: Optional[torch.Tensor], places: list[int]) -> Optional[torch.Tensor]:
    """Rows of a tensor in float64 on the CPU."""
    if tensor is None or not readable(tensor):
        return None
    return tensor.detach()[places].to("cpu", torch.float64)


def _units(
    places: list[int],
    x: torch.Tensor,
    out: torch.Tensor,
    delta: Optional[torch.Tensor],
    weight: torch.Tensor,
    bias: Optional[torch.Tensor],
    graded: bool,
) -> list[Unit]:
    rows = _wide(weight, places)
    assert rows is not None
    slopes = _wide(weight.grad, places) if graded else None
    shifts = _wide(bias, places)
    shift_slopes = _wide(bias.grad, places) if graded and bias is not None else None
    products = rows * x
    everything = torch.arange(x.numel())
    units = []
    for number, place in enumerate(places):
        columns = everything
        if x.numel() > ALL_INPUTS:
            columns = products[number].abs().topk(MOST_TERMS).indices
        grads: list[Any] = slopes[number, columns].tolist() if slopes is not None else [None] * len(columns)
        numbers = zip(columns.tolist(), x[columns].tolist(), rows[number, columns].tolist(), grads)
        terms = [Term(*one) for one in numbers]
        listed = float(products[number, columns].sum())
        units.append(
            Unit(
                place=place,
                out=float(out[place]),
                bias=float(shifts[number]) if shifts is not None else None,
                bias_grad=float(shift_slopes[number]) if shift_slopes is not None else None,
                terms=terms,
                rest=float(products[number].sum()) - listed if len(columns) < x.numel() else 0.0,
                of=x.numel(),
                delta=float(delta[place]) if delta is not None else None,
            )
        )
    return units


def _largest_weights(module: nn.Module) -> list[Term]:
    """Of a module that is no linear layer: the weights of largest gradient."""
    weight = _own(module, "weight")
    if weight is None or not readable(weight.grad) or weight.grad is None:
        return []
    slopes = weight.grad.detach().reshape(-1)
    places = slopes.abs().topk(min(FEW_UNITS, slopes.numel())).indices
    values = weight.detach().reshape(-1)[places].to("cpu", torch.float64).tolist()
    grads = slopes[places].to("cpu", torch.float64).tolist()
    return [Term(place, 0.0, w, grad) for place, w, grad in zip(places.tolist(), values, grads)]


# ── after the update ──────────────────────────────────────────────────────────────────────────────────────────────────


def with_after(stages: list[Stage], record: Record) -> list[Stage]:
    """The stages with the weights as they are now."""
    modules = {seen.place: seen.module() for seen in record.seen}
    return [_after(stage, modules.get(stage.module)) for stage in stages]


def _after(stage: Stage, module: Any) -> Stage:
    if module is None or not (stage.units or stage.weights):
        return stage
    weight = _own(module, "weight")
    if weight is None:
        return stage
    if stage.weights:
        flat = weight.detach().reshape(-1)
        now = flat[[term.place for term in stage.weights]].to("cpu", torch.float64).tolist()
        return dataclasses.replace(
            stage, weights=[dataclasses.replace(term, after=value) for term, value in zip(stage.weights, now)]
        )
    places = [unit.place for unit in stage.units]
    rows, shifts = _wide(weight, places), _wide(_own(module, "bias"), places)
    assert rows is not None
    units = []
    for number, unit in enumerate(stage.units):
        now = rows[number, [term.place for term in unit.terms]].tolist()
        terms = [dataclasses.replace(term, after=value) for term, value in zip(unit.terms, now)]
        after = float(shifts[number]) if shifts is not None else None
        units.append(dataclasses.replace(unit, terms=terms, bias_after=after))
    return dataclasses.replace(stage, units=units)
