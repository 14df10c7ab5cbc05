"""Measurements of one step: loss, gradient norms, the real weight change. Values stay on the device until they are
copied in one piece; nothing here waits for a GPU."""

from __future__ import annotations

import math
from typing import Any, Callable, Optional, Sequence, Union

import torch

SAMPLES = 4096
"""At most this many fixed positions of a tensor stand for all of it where weights are compared over time."""


class Readout:
    """One vector on its way to Python floats. On a CPU it is there at once; from a GPU it is copied without blocking
    and `collect` hands it over when the copy has arrived."""

    def __init__(self, vector: torch.Tensor, then: Callable[[list[float]], None]) -> None:
        self._then = then
        self._event: Optional[Any] = None
        self._values = vector
        if vector.device.type == "cuda":
            self._values = torch.empty(vector.shape, dtype=vector.dtype, pin_memory=True)
            self._values.copy_(vector, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record(torch.cuda.current_stream(vector.device))
        self._source = vector  # kept until the copy has arrived

    def collect(self) -> bool:
        """Hands the values over if they have arrived."""
        if self._event is not None and not self._event.query():
            return False
        self._then(self._values.tolist())
        return True


_LOSS_NODES = {
    "NllLoss": "cross-entropy",
    "NllLossNd": "cross-entropy",
    "NllLoss2D": "cross-entropy",
    "CrossEntropyLoss": "cross-entropy",
    "BinaryCrossEntropy": "binary cross-entropy",
    "BinaryCrossEntropyWithLogits": "binary cross-entropy",
    "MseLoss": "mean squared error",
    "SmoothL1Loss": "smooth L1",
    "HuberLoss": "Huber",
    "KlDiv": "KL divergence",
}


def name_of_loss(loss: torch.Tensor) -> str:
    """What kind of loss this is, read off the graph that autograd built for it; "" when that does not tell. "scaled"
    stands before it where its size is not that of the kind: divided for accumulation, or one term of several."""
    kind, how, _ = kind_of_loss(loss)
    return f"scaled {kind}" if kind and how else kind


def kind_of_loss(loss: torch.Tensor) -> tuple[str, str, Any]:
    """(kind of loss, what was done to it, its node in the graph): ("", "", None) when the graph does not tell.

    What was done is "" (nothing), "scaled" (multiplied or divided) or "mixed" (other terms were added). Looks at no
    more than 16 nodes from the root.
    """
    nodes = [loss.grad_fn]
    how = ""
    for node in nodes:
        if node is None:
            continue
        name = type(node).__name__.partition("Backward")[0]
        if name in _LOSS_NODES:
            return _LOSS_NODES[name], how, node
        if name in ("Add", "Sub"):
            how = "mixed"
        elif name != "ToCopy":
            how = how or "scaled"
        if len(nodes) < 16 and name in ("Div", "Mul", "Add", "Sub", "Mean", "Sum", "Neg", "ToCopy", "Squeeze", "View"):
            nodes.extend(following for following, _ in node.next_functions)
    return "", "", None


class Losses:
    """The losses of the steps since the last tick: last, low, high, mean. Non-finite values are values."""

    def __init__(self) -> None:
        self.values: list[float] = []
        """Of the updates since a tick was recorded."""
        self._waiting: list[torch.Tensor] = []
        self.in_hand_now: list[Union[float, torch.Tensor]] = []
        """Losses whose update has not been made yet."""
        self.searches = False
        """They are one loss at several places."""
        self.passes = 1
        """Backward passes that the last update was made of."""
        self.last: Optional[float] = None

    def add(self, loss: torch.Tensor) -> None:
        """One loss, before its backward. `loss` has one element."""
        if len(self.in_hand_now) > 4096:
            return
        if not loss.is_cpu:
            self.in_hand_now.append(loss.detach())
            return
        value = loss.item()
        if type(value) is not complex:
            self.in_hand_now.append(float(value))

    def updated(self) -> None:
        """The update that these losses were for has been made: they belong to the steps now."""
        self.passes = len(self.in_hand_now)
        loss = self.take()
        if isinstance(loss, float):
            self.values.append(loss)
        elif loss is not None and len(self._waiting) < 4096:
            self._waiting.append(loss)

    def take(self) -> Optional[Union[float, torch.Tensor]]:
        """The loss that the update in hand is for, which is used up with it. Gradients of several backward passes add
        up, and so do their losses; of a line search that evaluates one loss several times the last one counts."""
        loss = self._sum()
        self.in_hand_now.clear()
        self.searches = False
        return loss

    def _sum(self) -> Optional[Union[float, torch.Tensor]]:
        waiting = self.in_hand_now
        if not waiting:
            return None
        if len(waiting) == 1 or self.searches:
            return waiting[-1]
        with torch.no_grad():
            return sum(waiting[1:], waiting[0])

    def in_hand(self) -> Optional[float]:
        """The loss of the batch whose update is not made yet. Waits for a GPU: only for when training is held."""
        loss = self._sum()
        return float(loss.item()) if isinstance(loss, torch.Tensor) else loss

    def read(self, readouts: list[Readout]) -> None:
        """Starts the copy of what waits on a GPU."""
        if self._waiting:
            flat = torch.stack([loss.reshape(()).float() for loss in self._waiting])
            self._waiting = []
            readouts.append(Readout(flat, self.values.extend))

    def window(self) -> tuple[Optional[float], Optional[float], Optional[float], Optional[float]]:
        """(last, low, high, mean) since `forget`; the last three are None when one value or none came. Low and high are
        of the finite values where there are any; a value that is not finite shows in high and in the mean."""
        values = self.values
        if values:
            self.last = values[-1]
        if len(values) < 2:
            return self.last, None, None, None
        finite = [value for value in values if math.isfinite(value)]
        odd = [value for value in values if not math.isfinite(value)]
        low = min(finite) if finite else odd[0]
        high = odd[0] if odd else max(finite)
        if len(values) > 8192:  # nothing was recorded for long: keep the extremes, thin the rest
            self.values = [low, high, *values[2::2]]
        return self.last, low, high, sum(values) / len(values)

    def forget(self) -> None:
        """A tick was recorded: the next one sums up what comes from now on."""
        self.values = []


def local(tensor: torch.Tensor) -> torch.Tensor:
    """The part of a tensor that this process holds: reading a DTensor as a whole would be a collective."""
    to_local = getattr(tensor, "to_local", None)
    result: torch.Tensor = to_local() if to_local is not None else tensor
    return result


def readable(tensor: Optional[torch.Tensor]) -> bool:
    """Can it be measured: dense, floating point, not empty, with storage?"""
    return (
        tensor is not None
        and tensor.layout == torch.strided
        and tensor.is_floating_point()
        and tensor.numel() > 0
        and tensor.device.type != "meta"
    )


def has_norm(gradient: Optional[torch.Tensor]) -> bool:
    """Can its norm be measured: `readable`, or sparse with floating-point entries?"""
    if gradient is not None and gradient.layout == torch.sparse_coo:
        return gradient.is_floating_point() and gradient.numel() > 0
    return readable(gradient)


def entries(gradient: torch.Tensor) -> torch.Tensor:
    """The entries that a norm is taken of, of the part that this process holds: all of a dense tensor. Of a sparse one
    those that it has, each place once: what came several times for a place (a token, several times in a batch) is
    added up. Unlike `coalesce` this does not wait for a GPU."""
    part = local(gradient)
    if part.layout == torch.strided:
        return part
    values, indices = part._values(), part._indices()
    if part.is_coalesced() or indices.shape[1] < 2:
        return values
    keys = indices[0]
    for row, size in zip(indices[1:], part.shape[1:]):
        keys = keys * size + row
    keys, order = torch.sort(keys)
    place = torch.zeros_like(keys)
    place[1:] = (keys[1:] != keys[:-1]).cumsum(0)
    values = values.float() if values.dtype in _NARROW else values
    return torch.zeros_like(values).index_add_(0, place, values[order])


_NARROW = (torch.float16, torch.bfloat16)
_WIDENS = "dtype" in str(torch.ops.aten._foreach_norm.Scalar._schema)


def norms(tensors: list[torch.Tensor]) -> torch.Tensor:
    """The L2 norm of each tensor, as one vector on the first tensor's device: float64 if every tensor is, else float32.

    Args:
        tensors: at least one, each `has_norm`.
    """
    parts = [entries(tensor) for tensor in tensors]
    wide = all(part.dtype == torch.float64 for part in parts)
    dtype = torch.float64 if wide else torch.float32
    device = parts[0].device
    widest = torch.float64 if any(part.dtype == torch.float64 for part in parts) else torch.float32
    narrow = any(part.dtype in _NARROW for part in parts)  # a sum of squares needs more room
    values: Sequence[torch.Tensor]
    if all(part.device == device for part in parts) and (_WIDENS or not narrow):
        values = torch._foreach_norm(parts, 2, dtype=widest) if narrow else torch._foreach_norm(parts)
    else:
        values = [torch.linalg.vector_norm(part, dtype=widest) for part in parts]
    return torch.stack([value.to(device=device, dtype=dtype, non_blocking=True).reshape(()) for value in values])


def largest(tensors: list[torch.Tensor]) -> torch.Tensor:
    """The largest size of any entry of these tensors, on the first one's device; NaN if any entry is."""
    parts = [entries(tensor) for tensor in tensors]
    found = [torch.linalg.vector_norm(part, math.inf).float() for part in parts if part.numel() > 0]
    device = parts[0].device
    return torch.stack([one.to(device=device, non_blocking=True) for one in found] or [parts[0].new_zeros(())]).max()


PIECE = 1 << 20
"""Entries looked at in one go where all of a tensor are: what that takes in memory is a few times as many bytes."""


def odd_entries(tensors: list[torch.Tensor]) -> torch.Tensor:
    """How many entries of each tensor are NaN, then how many of each are infinite: whole numbers, one vector twice as
    long as the list, on the first tensor's device. Costs several passes over the tensors."""
    parts = [entries(tensor) for tensor in tensors]
    counts = [_count(torch.isnan, part) for part in parts] + [_count(torch.isinf, part) for part in parts]
    return torch.stack([one.to(device=parts[0].device, non_blocking=True) for one in counts])


def _count(is_one: Callable[[torch.Tensor], torch.Tensor], part: torch.Tensor) -> torch.Tensor:
    if part.numel() <= PIECE or part.dim() == 0:
        return is_one(part).sum()
    rows = max(1, PIECE * part.shape[0] // part.numel())
    return torch.stack([is_one(piece).sum() for piece in torch.split(part, rows)]).sum()


def sample(tensor: torch.Tensor) -> torch.Tensor:
    """At most `SAMPLES` entries at fixed positions, as a 1-D view where strides allow one.

    The distance between positions shares no factor with the length of a row: else only a few columns would be seen,
    and in a first layer on images those may be pixels that are always black.
    """
    part = local(tensor.detach())
    flat = part.reshape(-1) if part.is_contiguous() else part.flatten()
    stride = -(-flat.numel() // SAMPLES)
    if stride <= 1:  # all of them, or a part of which this process holds nothing
        return flat
    while math.gcd(stride, part.shape[-1]) > 1:
        stride += 1
    return flat[::stride]


class Change:
    """The real weight change of one update: weights at fixed positions before, compared with after."""

    def __init__(self, parameters: list[torch.Tensor]) -> None:
        self._parameters = parameters
        views = [sample(parameter) for parameter in parameters]
        self._before = [view.clone() for view in views]

    def ratios(self) -> torch.Tensor:
        """‖change‖ and ‖weight before‖ of each tensor, over the same positions: a vector twice as long as the list."""
        after = [sample(parameter) for parameter in self._parameters]
        moved = [now - before for now, before in zip(after, self._before)]
        return torch.cat([norms(moved), norms(self._before)])


def divide(values: list[float]) -> list[float]:
    """The ratios from what `Change.ratios` gave. A tensor of zeros that moved has an infinite ratio."""
    half = len(values) // 2
    out = []
    for moved, size in zip(values[:half], values[half:]):
        if size > 0 or size != size:
            out.append(moved / size)
        else:
            out.append(math.inf if moved > 0 else 0.0)
    return out
