"""What went through the modules in one step: copies made as they come, and one sample's share of them."""

from __future__ import annotations

import weakref
from typing import Any, Callable, Optional

import torch
from torch import nn

from .frames import is_foreign
from .meter import readable
from .modes import beside

WHOLE = 65_536
"""A tensor of at most so many numbers is kept for the whole batch; a larger one for the sample in focus, if that is no
larger; else only its shape."""
HEAD, TAIL = 12, 12
"""So many modules at the beginning and at the end are looked at."""


class Kept:
    """A copy of a tensor, or of one sample of it."""

    def __init__(self, tensor: torch.Tensor, sample: int) -> None:
        self.shape = tuple(tensor.shape)
        self.only: Optional[int] = None
        """The one sample kept."""
        self.values: Optional[torch.Tensor] = None
        part = tensor.detach()
        if part.numel() > WHOLE and self.shape:
            self.only = min(sample, self.shape[0] - 1)
            part = part[self.only]
        if part.numel() <= WHOLE:
            self.values = part.clone()


def keep(thing: Any, sample: int) -> Optional[Kept]:
    """A copy of a plain tensor of numbers; None of anything else."""
    if type(thing) not in (torch.Tensor, nn.Parameter) or thing.layout != torch.strided or thing.numel() == 0:
        return None
    if thing.device.type == "meta" or thing.is_complex():
        return None
    with torch.no_grad():
        return Kept(thing, sample)


class Seen:
    """One call of a module without children."""

    def __init__(self, place: int, module: nn.Module) -> None:
        self.place = place
        self.kind = type(module).__name__
        self.module = weakref.ref(module)
        self.given: Optional[Kept] = None
        self.came: Optional[Kept] = None
        self.continues = False
        """What came in is what the module before put out, the same tensor."""
        self.delta: Optional[Kept] = None
        """∂loss / ∂`came`, once the backward pass has been there."""
        self.delta_given: Optional[Kept] = None
        """∂loss / ∂`given`, where it is not the tensor that came out of the module before."""


class Record:
    """One step: every module that ran, in the order in which it ran, and how far the step has come."""

    def __init__(self, step: int, sample: int) -> None:
        self.step = step
        """The update that it leads to."""
        self.sample = sample
        """The sample in focus when it began."""
        self.seen: list[Seen] = []
        self.skipped = 0
        self.given: Optional[Kept] = None
        """What went into the model."""
        self.came: Optional[Kept] = None
        self.delta: Optional[Kept] = None
        self.compared: Optional[tuple[str, Kept, Kept]] = None
        """(class of the loss module, output, target), where a module computes the loss."""
        self.passed: list[str] = []
        self._last: Any = None
        """Weak reference to the tensor that came out last."""

    def passes(self, phase: str) -> None:
        if phase not in self.passed:
            self.passed.append(phase)

    def saw(self, place: int, module: nn.Module, inputs: Any, output: Any) -> None:
        """A module of the model has run."""
        given, came = first_tensor(inputs), first_tensor(output)
        if not module._modules:
            self._leaf(Seen(place, module), module, given, came)
        if place == 0:
            self.given, self.came = keep(given, self.sample), keep(came, self.sample)
            if self._last is None or self._last() is not came:
                _listen(came, self._take_delta)
            self.passes("forward")

    def _take_delta(self, grad: torch.Tensor) -> None:
        self.delta = keep(grad, self.sample)

    def _leaf(self, seen: Seen, module: nn.Module, given: Any, came: Any) -> None:
        before = self.seen[-1] if self.seen else None
        overwrites = bool(module.__dict__.get("inplace"))
        seen.continues = self._last is not None and given is not None and self._last() is given
        if overwrites:  # by now the module has written over what came in
            kept = before.came if before is not None else None
            seen.given = kept if kept is not None and given is not None and kept.shape == tuple(given.shape) else None
        else:
            seen.given = keep(given, self.sample)
            if not seen.continues:
                _listen(given, lambda grad: _set(seen, "delta_given", keep(grad, self.sample)))
        seen.came = keep(came, self.sample)
        _listen(came, lambda grad: _set(seen, "delta", keep(grad, self.sample)))
        self._last = weakref.ref(came) if isinstance(came, torch.Tensor) else None
        self.seen.append(seen)
        if len(self.seen) > HEAD + TAIL:
            del self.seen[HEAD]
            self.skipped += 1

    def compare(self, module: nn.Module, inputs: Any) -> None:
        """A module outside the model was given the output and something of the same kind: the loss and its target."""
        if not isinstance(inputs, tuple) or len(inputs) < 2 or self.came is None:
            return
        output, target = keep(inputs[0], self.sample), keep(inputs[1], self.sample)
        if output is not None and target is not None and output.shape[:1] == self.came.shape[:1]:
            self.compared = (type(module).__name__, output, target)


def _set(seen: Seen, name: str, kept: Optional[Kept]) -> None:
    setattr(seen, name, kept)


def first_tensor(thing: Any) -> Any:
    """A tensor, or the first one of a tuple or list."""
    if isinstance(thing, (tuple, list)):
        return next((one for one in thing if isinstance(one, torch.Tensor)), None)
    return thing if isinstance(thing, torch.Tensor) else None


def _listen(tensor: Any, then: Callable[[torch.Tensor], None]) -> None:
    """`then` gets the gradient of the loss by this tensor when the backward pass has it. Changes nothing: the hook
    returns None, and stays no longer than the graph of this step."""
    if not isinstance(tensor, torch.Tensor) or not readable(tensor):
        return
    if not tensor.requires_grad or tensor.grad_fn is None:
        return

    @beside
    def arrived(grad: torch.Tensor) -> None:
        try:
            then(grad)
        except Exception as error:
            if is_foreign(error):
                raise

    tensor.register_hook(arrived)  # type: ignore[no-untyped-call]


class Focus:
    """Which sample of a record: `batch` is None where the model takes one sample without a batch."""

    def __init__(self, record: Record, sample: int) -> None:
        first = record.given or (record.seen[0].given if record.seen else None)
        last = record.came or (record.seen[-1].came if record.seen else None)
        self.batch: Optional[int] = first.shape[0] if first is not None and first.shape else None
        layers = [seen.given for seen in record.seen if isinstance(seen.module(), nn.Linear) and seen.given is not None]
        alone = any(len(given.shape) == 1 for given in layers)
        if first is None or alone or (len(first.shape) == 1 and last is not None and last.shape[:1] != first.shape):
            self.batch = None
        self.sample = max(0, min(sample, (self.batch or 1) - 1))

    def row(self, kept: Optional[Kept]) -> Optional[torch.Tensor]:
        """The sample's share, in float64 on the CPU; None where it was not kept or cannot be told apart."""
        if kept is None or kept.values is None:
            return None
        part = self._part(kept.values, kept.shape, kept.only)
        return None if part is None else part.to("cpu", torch.float64)

    def _part(self, values: torch.Tensor, shape: tuple[int, ...], only: Optional[int]) -> Optional[torch.Tensor]:
        if self.batch is None:
            return values if only is None else None
        if only is not None:
            return values if only == self.sample and shape[0] == self.batch else None
        if not shape:
            return None
        if shape[0] == self.batch:
            return values[self.sample]
        if len(shape) >= 2 and shape[1] == self.batch:  # steps in time come first
            return values[:, self.sample]
        if shape[0] % self.batch == 0:  # positions of all samples in one row
            return values.reshape(self.batch, -1, *shape[1:])[self.sample]
        return None

    def vector(self, kept: Optional[Kept]) -> tuple[Optional[torch.Tensor], Optional[int]]:
        """(the sample's numbers along the last dimension, the position they are from: the last of several)."""
        return last_position(self.row(kept))


def last_position(row: Optional[torch.Tensor]) -> tuple[Optional[torch.Tensor], Optional[int]]:
    """A row that holds a vector at each of several positions: the last one, and its position."""
    if row is None or row.dim() == 0:
        return (None, None) if row is None else (row.reshape(1), None)
    if row.dim() == 1:
        return row, None
    table = row.reshape(-1, row.shape[-1])
    return table[-1], (len(table) - 1 if len(table) > 1 else None)
