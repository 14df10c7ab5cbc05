"""The checkup: what the doctor needs to know of single steps beyond the curves, about twice a second.

Everything is computed where the tensors are and read as one vector: from a GPU the copy is not waited for, and the
result is said with the next look.
"""

from __future__ import annotations

import math
import time
import weakref
from typing import Any, Callable, Optional

import torch
from torch import nn

from ..run.events import Checkup, Presence
from .exposure import sample_output
from .eyes import Eye
from .forms import is_plain
from .meter import Readout, local, norms, readable, sample
from .pace import Pace
from .silences import Silences, said
from .specimen import Specimen
from .tree import Tree

SHARE, EVERY_S = 0.002, 0.5
MOST_TENSORS = 32
"""The gradients of so many tensors are compared with those of the update before."""
MOST_CHECKED = 256
"""So many tensors are searched for values that are not finite."""
MOST_CLASSES, MOST_ROWS, MOST_SCORES = 64, 4096, 1 << 20
SAME = 0.25
"""At least this share of the gradient before (of its square) is still there: it was not cleared."""

_NORMALISATIONS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


class _Kept:
    """The gradient of one tensor as the update before used it."""

    def __init__(self, place: int, grad: torch.Tensor) -> None:
        self.place = place
        self.version = grad._version
        self.whose = weakref.ref(grad)
        self.values = sample(grad).clone()

    def is_still(self, grad: torch.Tensor) -> bool:
        return self.whose() is grad and grad._version == self.version


class _Look:
    """One look: numbers under way by name, and what is known at once."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.numbers: dict[str, torch.Tensor] = {}
        self.layers: list[tuple[tuple[int, bool], int, int]] = []
        self.kept: list[_Kept] = []
        self.left: Optional[torch.Tensor] = None
        """Norm of what each kept gradient's place held when a backward pass began, the lowest of them."""
        self.entered = False
        """The first layer with weights has run."""
        self.convolved = False
        self.judged = False
        self.spent_s = 0.0


class Checker(Eye):
    """Looks whenever anybody looks at the run at all: what is wrong is to be told, whatever is on the screen."""

    WHAT = "the checkup"
    PANELS = ("doctor",)

    def __init__(self) -> None:
        super().__init__()
        self.pace = Pace(SHARE, EVERY_S)
        self._silences = Silences()
        self._look: Optional[_Look] = None
        self._tree: Callable[[], Optional[Tree]] = lambda: None
        self._readouts: list[Readout] = []
        self._ready: list[Checkup] = []

    def wanted(self, wish: Presence, single: bool) -> bool:
        return self.pace.due(time.perf_counter())

    def opened(self, tree: Tree, wish: Presence) -> None:
        """Right behind an update: its gradients are still there, whenever the program clears them."""
        began = time.perf_counter()
        if self._tree() is not tree:
            self._tree = weakref.ref(tree)
            self._silences = Silences()
        self._look = look = _Look()
        self._silences.read()
        look.kept = _kept(tree)
        look.spent_s += time.perf_counter() - began

    def saw(self, tree: Tree, place: Optional[int], module: nn.Module, inputs: Any, output: Any) -> None:
        look = self._look
        if look is None or place is None or module._modules:
            return
        began = time.perf_counter()
        if not look.entered and (module._parameters or isinstance(module, _NORMALISATIONS)):
            look.entered = True
            _read_input(look, module, inputs)
        self._silences.saw(place, module, inputs, output, look.convolved)
        if module._parameters and not isinstance(module, _NORMALISATIONS):
            look.convolved = isinstance(module, nn.modules.conv._ConvNd)
        look.spent_s += time.perf_counter() - began

    def judged(self, tree: Tree, specimen: Specimen) -> None:
        look = self._look
        if look is None:
            return
        began = time.perf_counter()
        self._silences.judged()
        with torch.no_grad():
            _read_left(look, tree)
            if not look.judged:
                look.judged = True
                _read_batch(look, specimen)
        look.spent_s += time.perf_counter() - began

    def before_update(self, tree: Tree, optimizer: Any, specimen: Specimen) -> None:
        look, self._look = self._look, None
        if look is None:
            return
        began = time.perf_counter()
        with torch.no_grad():
            _compare(look, tree, optimizer)
            _check_weights(look, tree)
            quiet = self._silences.read()
        if quiet is not None:
            look.numbers["quiet"], look.layers = quiet
        if look.entered or look.judged:
            self._send(look)
        look.spent_s += time.perf_counter() - began
        self.pace.done(began, look.spent_s)

    def after_update(self, tree: Tree, optimizer: Any) -> None:
        self._readouts = [readout for readout in self._readouts if not readout.collect()]

    def says(self) -> list[Any]:
        ready, self._ready = self._ready, []
        return ready

    def _send(self, look: _Look) -> None:
        """Starts the copy of all numbers in one piece."""
        names = list(look.numbers)
        sizes = [look.numbers[name].numel() for name in names]

        def arrived(values: list[float]) -> None:
            found, start = {}, 0
            for name, size in zip(names, sizes):
                found[name] = values[start : start + size]
                start += size
            self._ready.append(_checkup(look, found))

        if not names:
            self._ready.append(_checkup(look, {}))
            return
        device = look.numbers[names[0]].device
        parts = [look.numbers[name].float().reshape(-1).to(device, non_blocking=True) for name in names]
        self._readouts.append(Readout(torch.cat(parts), arrived))


def _kept(tree: Tree) -> list[_Kept]:
    """The gradients that are there now, of tensors evenly chosen."""
    step = max(1, -(-len(tree) // MOST_TENSORS))
    kept = []
    for place in range(0, len(tree), step):
        parameter = tree.parameter(place)
        grad = getattr(parameter, "grad", None)
        if grad is not None and readable(grad):
            kept.append(_Kept(place, grad))
    return kept


def _read_input(look: _Look, module: nn.Module, inputs: Any) -> None:
    """The scale of what the first layer with weights is given, if that is data: nothing that was computed from
    weights."""
    given = inputs[0] if isinstance(inputs, tuple) and inputs else None
    if not isinstance(given, torch.Tensor) or given.requires_grad or not readable(given):
        return
    look.known["normalises"] = isinstance(module, _NORMALISATIONS)
    look.known["samples"] = int(given.shape[0]) if given.dim() > 1 else 1
    with torch.no_grad():
        part = sample_output(local(given.detach())).float()
        size = part.abs()
        look.numbers["input"] = torch.stack([size.mean(), part.std(unbiased=False), size.amax()])


def _read_left(look: _Look, tree: Tree) -> None:
    """A backward pass begins: what is there of the gradients that the update before used?"""
    if not look.kept:
        return
    grads = [getattr(tree.parameter(one.place), "grad", None) for one in look.kept]
    if all(grad is None for grad in grads):
        look.left = torch.zeros(len(grads), device=look.kept[0].values.device)
        return
    there = [number for number, grad in enumerate(grads) if readable(grad)]
    left = norms([sample(grad) for grad in grads if grad is not None and readable(grad)]).float()
    if len(there) < len(grads):
        known, zero = dict(zip(there, left.unbind())), torch.zeros((), device=left.device)
        left = torch.stack([known.get(number, zero) for number in range(len(grads))])
    look.left = left if look.left is None else torch.minimum(look.left, left)


def _compare(look: _Look, tree: Tree, optimizer: Any) -> None:
    """This update's gradient with that of the update before, over the tensors of the optimizer that is about to make
    it."""
    own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    now, before, which = [], [], []
    for number, kept in enumerate(look.kept):
        parameter = tree.parameter(kept.place)
        grad = getattr(parameter, "grad", None)
        if id(parameter) not in own or not readable(grad) or grad is None or kept.is_still(grad):
            continue
        values = sample(grad)
        if values.shape == kept.values.shape:
            now.append(values.float())
            before.append(kept.values.float())
            which.append(number)
    if not now:
        return
    device = now[0].device
    one, other = (torch.cat([part.to(device) for part in parts]) for parts in (now, before))
    size = torch.linalg.vector_norm(other)
    look.numbers["cosine"] = torch.dot(one, other) / (torch.linalg.vector_norm(one) * size)
    if look.left is not None and look.judged:
        left = look.left if len(which) == len(look.kept) else torch.stack([look.left[one] for one in which])
        look.numbers["carried"] = torch.linalg.vector_norm(left).to(device) / size


def _check_weights(look: _Look, tree: Tree) -> None:
    """How many parameter tensors hold a value that is not finite, at sampled positions. Torch has no norm of complex
    tensors in this form, and none of floats of one byte."""
    found = (one for one in tree.parameters(range(min(len(tree), MOST_CHECKED))) if is_plain(one))
    parts = [sample(one) for one in found if one.is_floating_point() and one.element_size() > 1]
    if parts:
        device = parts[0].device
        largest = torch._foreach_norm(parts, math.inf)
        look.numbers["odd"] = (~torch.isfinite(torch.stack([one.float().to(device) for one in largest]))).sum()


def _read_batch(look: _Look, specimen: Specimen) -> None:
    """Labels and accuracy of a classification, and whether its scores are probabilities already."""
    target, scores = specimen.target, specimen.scores
    if specimen.loss is not None and target is not None and target.dim():
        look.known["samples"] = int(target.shape[0])
    if specimen.kind == "cross-entropy" and target is not None and specimen.classes:
        classes = specimen.classes
        look.known["classes"] = classes
        rows = target[: max(1, min(MOST_ROWS, MOST_SCORES // classes))]
        if classes <= MOST_CLASSES:
            look.numbers["labels"] = (rows[:, None] == torch.arange(classes, device=rows.device)).sum(0)
        if scores is not None and scores.dim() == 2:
            right = (scores[: len(rows)].argmax(1) == rows).sum()
            look.numbers["right"] = right / (rows >= 0).sum()
        if specimen.softmaxed:
            look.known["sums_to_one"] = True
        elif specimen.output is not None and scores is specimen.output and specimen.chances is not None:
            some = scores[:64].float()
            again = (some.softmax(1) - specimen.chances[:64]).abs().amax()
            look.numbers["sums"] = torch.stack([some.amin(), (some.sum(1) - 1).abs().amax(), again])
        else:
            look.known["sums_to_one"] = False
    elif specimen.kind == "binary cross-entropy" and target is not None and _single(target):
        look.known["classes"] = 2
        truth = target.reshape(-1)[:MOST_ROWS]
        look.numbers["labels"] = torch.stack([(truth == 0).sum(), (truth == 1).sum()])
        if specimen.chances is not None:
            guess = specimen.chances.reshape(-1)[:MOST_ROWS] > 0.5
            look.numbers["right"] = (guess == (truth > 0.5)).float().mean()


def _single(target: torch.Tensor) -> bool:
    """One value for each sample?"""
    return target.dim() == 1 or (target.dim() == 2 and target.shape[1] == 1)


def _checkup(look: _Look, numbers: dict[str, list[float]]) -> Checkup:
    fields: dict[str, Any] = dict(look.known)
    if "input" in numbers:
        fields["input_mean"], fields["input_std"], fields["input_high"] = map(_short, numbers["input"])
    if "labels" in numbers:
        fields["labels"] = [int(count) for count in numbers["labels"]]
    if "right" in numbers:
        fields["accuracy"] = _short(numbers["right"][0])
    if "sums" in numbers:
        low, off, again = numbers["sums"]
        fields["sums_to_one"] = low >= 0 and off <= 1e-3 and again <= 1e-3 and look.known.get("classes", 0) >= 2
    if "cosine" in numbers and numbers["cosine"][0] == numbers["cosine"][0]:
        fields["cosine"] = _short(numbers["cosine"][0])
    if "carried" in numbers and numbers["carried"][0] == numbers["carried"][0]:
        fields["carried"] = numbers["carried"][0] ** 2 >= SAME
    if "odd" in numbers:
        fields["weights_odd"] = int(numbers["odd"][0])
    if "quiet" in numbers:
        fields["silences"] = said(numbers["quiet"], look.layers)
    return Checkup(**fields)


def _short(value: float) -> float:
    return float(f"{value:.5g}")
