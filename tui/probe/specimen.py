"""The batch in hand: what went into the model, what came out, what the loss compared it with; and a copy of the model
on which that can be asked again, without touching the program's own."""

from __future__ import annotations

import copy
import functools
import math
import random
import re
import sys
import warnings
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Iterator, Optional

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from .meter import kind_of_loss
from .modes import as_the_program

MOST_BYTES = 32 << 20
"""A batch larger than this is not kept."""
MOST_WEIGHTS = 2_000_000
"""A model larger than this is not copied."""
ASKED_AGAIN = ("cross-entropy", "binary cross-entropy", "mean squared error")
"""The kinds of loss that can be computed again from the model's output."""


class Specimen:
    """One batch of one step. Filled as the step goes by; what is not known is None. Tensors are detached, and not
    copied: whoever keeps one beyond the step it belongs to copies it."""

    def __init__(self) -> None:
        self.inputs: Optional[tuple[Any, ...]] = None
        """Positional arguments of the model's outermost call; () for a model that takes none."""
        self.output: Optional[torch.Tensor] = None
        """What the outermost call gave, where that is one tensor."""
        self.loss: Optional[torch.Tensor] = None
        """Of the batch, one element."""
        self.kind = ""
        """As in `meter.kind_of_loss`; "" when autograd does not tell."""
        self.how = ""
        """What was done to it: "", "scaled" or "mixed"."""
        self.weight: Optional[torch.Tensor] = None
        """Of the classes, where the loss was given any."""
        self.scores: Optional[torch.Tensor] = None
        """What the loss was given, (samples, classes) logits or values; for cross-entropy the model's output where it
        has the right shape, else log-probabilities."""
        self.chances: Optional[torch.Tensor] = None
        """Probabilities (samples, classes) where the kind has them."""
        self.target: Optional[torch.Tensor] = None
        """Classes (samples,) as integers, or values."""
        self.classes = 0
        """How many scores a cross-entropy was given for each sample."""
        self.softmaxed = False
        """Those scores came out of a softmax: the cross-entropy applied another one."""
        self.criterion: Optional[nn.Module] = None
        """The program's own loss module, where it was called on the very output and its result is the loss."""
        self.further: tuple[Any, ...] = ()
        """What the criterion was given besides the output: the target first."""
        self._given = torch.Size()
        """The shape in which the criterion was given the output."""
        self._verdict: Optional[torch.Tensor] = None

    def forward_done(self, inputs: Any, output: Any) -> None:
        """The model's outermost call has returned."""
        self.inputs = tuple(inputs) if isinstance(inputs, tuple) else (inputs,)
        if isinstance(output, torch.Tensor) and _bytes_of(output) <= MOST_BYTES:
            self.output = output.detach()

    def beside(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """A module outside the model has run: was it the loss?"""
        if not isinstance(inputs, tuple) or len(inputs) < 2 or not isinstance(output, torch.Tensor):
            return
        if output.numel() == 1 and same_numbers(inputs[0], self.output):
            self.criterion, self.further = module, inputs[1:]
            self._given, self._verdict = inputs[0].shape, output.detach()

    def judged(self, loss: torch.Tensor) -> None:
        """The loss is there and its graph not yet freed: reads what autograd saved for it."""
        self.loss = loss.detach()
        if self._verdict is None or not same_numbers(self._verdict, self.loss):
            self.criterion, self.further = None, ()
        self.kind, self.how, node = kind_of_loss(loss)
        if node is None:
            return
        with torch.no_grad():
            if self.kind == "cross-entropy":
                self._read_classes(node)
            else:
                self._read_values(node)

    def _read_classes(self, node: Any) -> None:
        target = _saved(node, "target")
        given = _saved(node, "self")
        if target is None or given is None or given.dim() != 2 or target.dim() != 1:
            return
        self.target, self.weight = target.detach(), _saved(node, "weight")
        self.classes, self.softmaxed = int(given.shape[1]), _two_softmaxes(node)
        if _bytes_of(given) > MOST_BYTES:  # neither copied nor held on to: it may be most of what a GPU has left
            return
        self.chances = given.detach().float().exp()
        fits = self.output is not None and self.output.shape == given.shape
        self.scores = self.output if fits else given.detach()

    def _read_values(self, node: Any) -> None:
        given, target = _saved(node, "self"), _saved(node, "target")
        if given is None:
            return
        self.scores = given.detach()
        self.target = target.detach() if target is not None and target.shape == given.shape else None
        if self.kind == "binary cross-entropy":
            self.chances = self.scores.sigmoid() if "WithLogits" in type(node).__name__ else self.scores

    # ── asking again ──

    def refusal(self, root: Optional[nn.Module]) -> str:
        """Why the loss of this batch cannot be computed again on a copy, in words; "" when it can."""
        if root is None:
            return "the program has no model that could be copied"
        if self.inputs is None or self.loss is None:
            return "no batch has been seen whole yet"
        size = sum(parameter.numel() for parameter in root.parameters())
        if size > MOST_WEIGHTS:
            return f"the model is too large for a copy ({size:,} weights)"
        if self.inputs and _bytes_of(self.inputs) > MOST_BYTES:
            return "the batch is too large to be kept"
        foreign = _foreign((self.inputs, self.further))
        if foreign:
            return f"the model is given a {foreign}, of which no copy can be made"
        if self.inputs == () and self.output is not None and self.output.numel() == 1:
            return ""
        if self.criterion is not None:
            return ""
        if self.how == "mixed" or self.target is None or self.kind not in ASKED_AGAIN:
            return "how the loss follows from the model's output is not known"
        return ""

    def keep(self) -> Specimen:
        """A copy that stays as it is when the program goes on."""
        kept = Specimen()
        kept.__dict__.update(self.__dict__)
        kept.inputs = None if self.inputs is None else tuple(_clone(one) for one in self.inputs)
        kept.further = tuple(_clone(one) for one in self.further)
        for name in ("output", "loss", "scores", "chances", "target", "weight"):
            setattr(kept, name, _clone(getattr(self, name)))
        return kept


class Replica:
    """A copy of the model, and the loss of one batch on it. Nothing of the program is touched: not its weights, not its
    buffers, not its batch (a model may work on it in place), not its random numbers. Raises ValueError with a reason
    when the loss does not come out the same."""

    def __init__(self, root: nn.Module, specimen: Specimen, factor: Optional[float] = None) -> None:
        """factor: as an earlier replica found it; the weights may then have moved since the specimen's loss."""
        why = specimen.refusal(root)
        if why:
            raise ValueError(why)
        self._specimen = specimen = specimen.keep()
        with untouched(), torch.no_grad():
            self.model = copied(root)
            self._criterion = copied(specimen.criterion) if specimen.criterion is not None else None
        self.model.eval()
        """Dropout is off and batch normalisation uses its running statistics."""
        self.parameters = list(self.model.parameters())
        self.start = [parameter.detach().clone() for parameter in self.parameters]
        self.factor = 1.0 if factor is None else factor
        """What the program's loss is, times the mean of its kind: programs sum, halve or divide."""
        self.steady = not any(isinstance(one, _UNSTEADY) for one in self.model.modules())
        """Neither dropout nor batch statistics: the copy's loss is that of the program."""
        if factor is not None:
            return
        assert specimen.loss is not None
        mine, true = self.loss(), float(specimen.loss)
        if specimen.target is not None and specimen.how == "scaled" and self.steady and mine and math.isfinite(true):
            self.factor = true / mine
        elif self.steady and math.isfinite(true) and not math.isclose(mine, true, rel_tol=1e-3, abs_tol=1e-6):
            ratio = true / mine if mine else 0.0
            count = specimen.target.shape[0] if specimen.target is not None and specimen.target.dim() else 0
            if not any(math.isclose(ratio, n, rel_tol=1e-3) for n in (count, _size(specimen.target)) if n):
                raise ValueError("the loss of a copy is not that of the program")
            self.factor = ratio  # summed, not averaged

    def loss(self) -> float:
        """The loss of the batch with the weights that the copy has now."""
        with untouched(), torch.no_grad():
            return float(self._judge(self.model(*_clone(self._specimen.inputs or ()))))

    def losses(self, points: torch.Tensor) -> list[float]:
        """The losses with other weights, all computed at once; raises where the model does not allow that.

        Args:
            points: (points, weights), the weights flattened, in the order of the parameters.
        """
        named = list(self.model.named_parameters())
        sizes = [parameter.numel() for _, parameter in named]

        def at(point: torch.Tensor) -> torch.Tensor:
            parts = zip(named, torch.split(point, sizes))
            weights = {name: part.reshape(parameter.shape).to(parameter.dtype) for (name, parameter), part in parts}
            return self._judge(functional_call(self.model, weights, _clone(self._specimen.inputs or ()))).reshape(())

        with untouched(), torch.no_grad():
            found: list[float] = torch.vmap(at)(points).tolist()
            return found

    def _judge(self, output: torch.Tensor) -> torch.Tensor:
        """The loss of an output of the copy."""
        one = self._specimen
        if self._criterion is not None:
            judged: torch.Tensor = self._criterion(output.reshape(one._given), *_clone(one.further))
            return judged
        return output if one.target is None else self.factor * loss_of(one, output)

    def back(self) -> None:
        """The copy's weights as they were."""
        with torch.no_grad():
            for parameter, start in zip(self.parameters, self.start):
                parameter.copy_(start)


def same_numbers(one: Any, other: Any) -> bool:
    """Are two tensors the same memory from end to end, in whatever shape?"""
    return (
        isinstance(one, torch.Tensor)
        and isinstance(other, torch.Tensor)
        and one.numel() == other.numel() > 0
        and one.layout == other.layout == torch.strided
        and one.is_contiguous()
        and other.is_contiguous()
        and one.data_ptr() == other.data_ptr()
    )


def _size(tensor: Optional[torch.Tensor]) -> int:
    return tensor.numel() if tensor is not None else 0


_UNSTEADY = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase)


def loss_of(specimen: Specimen, output: torch.Tensor) -> torch.Tensor:
    """The mean loss of the specimen's kind for another output of the model."""
    target = specimen.target
    assert target is not None
    if specimen.kind == "cross-entropy":  # of a log-softmax the softmax is the same again
        return F.cross_entropy(output, target, weight=specimen.weight)
    if specimen.kind == "binary cross-entropy":
        assert specimen.chances is not None
        output = output.reshape(target.shape)
        is_chance = specimen.output is not None and torch.equal(specimen.output.reshape(target.shape), specimen.chances)
        function = F.binary_cross_entropy if is_chance else F.binary_cross_entropy_with_logits
        return function(output, target)
    return F.mse_loss(output.reshape(target.shape), target)


def copied(root: nn.Module) -> nn.Module:
    """A deep copy without the hooks that the program put on it: those may count, print or keep things.

    Raises:
        ValueError: part of it does something of its own when it goes (frees memory, closes or removes what it stands
            for): the copy's would do it once more. Or part of it is shared with its copy.
    """
    part = _finalized(root)
    if part:
        raise ValueError(f"the model holds a {part}, which has a finalizer: it is not copied")
    twin = copy.deepcopy(root)
    if {id(one) for one in _parts(root)} & {id(one) for one in _parts(twin)}:
        raise ValueError("part of the model is its own copy, and would be changed with it")
    for module in twin.modules():
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            hooks = module.__dict__.get(name)
            if hooks:
                hooks.clear()
    return twin


def _parts(root: nn.Module) -> Iterator[Any]:
    yield from root.modules()
    yield from root.parameters()
    yield from root.buffers()


_ATOMS = (type, ModuleType, FunctionType, BuiltinFunctionType)
"""What a deep copy shares with the original."""


def _finalized(root: nn.Module) -> str:
    """The name of a class with a `__del__` among what the model consists of, or an empty word."""
    waiting: list[Any] = [root]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        kind = type(one)  # not `isinstance`, which asks the object: that is the program's
        if id(one) in seen or issubclass(kind, _ATOMS):
            continue
        seen.add(id(one))
        if hasattr(kind, "__del__"):
            return kind.__name__
        if issubclass(kind, dict):
            waiting.extend((*dict.keys(one), *dict.values(one)))
        elif issubclass(kind, (list, tuple, set, frozenset)):
            waiting.extend(one)
        elif kind is MethodType:
            waiting.append(one.__self__)
        elif kind is functools.partial:
            waiting.extend((one.func, one.args, one.keywords))
        try:
            waiting.extend(object.__getattribute__(one, "__dict__").values())
        except AttributeError:
            continue
    return ""


def _hooks_on_all() -> list[dict[Any, Any]]:
    """Those that are called for every module of the process, as far as there are any."""
    kinds = ("forward_pre_hooks", "forward_hooks", "backward_pre_hooks", "backward_hooks")
    found = [getattr(nn.modules.module, f"_global_{kind}", None) for kind in kinds]
    return [hooks for hooks in found if hooks]


_SILENT = ("ignore", re.compile("|any, of backlit"), Warning, None, 0)
"""A filter as no program makes one, so that it is found again."""


@contextmanager
def untouched() -> Iterator[None]:
    """Whatever is computed inside: random numbers (torch's of the CPU and of CUDA, Python's, NumPy's) are afterwards
    what they were before, no hook on all modules is called, and nothing is warned of: the program was, if it had to be.
    Its function modes hold: the model may need its default device."""
    state, pythons = torch.get_rng_state(), random.getstate()
    numpy: Any = getattr(sys.modules.get("numpy"), "random", None)
    numpys = numpy.get_state() if numpy is not None else None
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    hooks = [(found, dict(found)) for found in _hooks_on_all()]
    try:
        for found, _ in hooks:
            found.clear()
        # not with `catch_warnings`: behind it Python shows again what it has shown once
        warnings.filters.insert(0, _SILENT)  # type: ignore[attr-defined]
        with as_the_program():
            yield
    finally:
        if _SILENT in warnings.filters:
            warnings.filters.remove(_SILENT)  # type: ignore[attr-defined]
        for found, kept in hooks:
            found.update(kept)
        torch.set_rng_state(state)
        random.setstate(pythons)
        if numpys is not None:
            numpy.set_state(numpys)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def _saved(node: Any, name: str) -> Optional[torch.Tensor]:
    """A tensor that autograd saved for a node of the graph. Programs with their own hooks on saved tensors (offloading)
    are left alone."""
    try:
        value = getattr(node, f"_saved_{name}", None)
    except RuntimeError:  # freed already
        return None
    return value if isinstance(value, torch.Tensor) else None


_PASSES_ON = ("View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Permute", "Clone", "ToCopy")


def _two_softmaxes(node: Any) -> bool:
    """Was the log-softmax before this loss given the result of a softmax? Looks at no more than eight nodes."""
    found = []
    for _ in range(8):
        following = node.next_functions
        if not following or following[0][0] is None:
            break
        node = following[0][0]
        name = type(node).__name__.partition("Backward")[0]
        if name not in _PASSES_ON:
            found.append(name)
            if len(found) == 2:
                break
    return found == ["LogSoftmax", "Softmax"]


def _bytes_of(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, (list, tuple)):
        return sum(_bytes_of(one) for one in value)
    if isinstance(value, dict):
        return sum(_bytes_of(one) for one in value.values())
    return 0


_PLAIN = (torch.Tensor, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)


def _foreign(value: Any) -> str:
    """The class of something that `_clone` cannot copy, or an empty word."""
    if type(value) in (list, tuple, dict):
        return next(filter(None, map(_foreign, value.values() if type(value) is dict else value)), "")
    return "" if isinstance(value, _PLAIN) else type(value).__name__


def _clone(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, (list, tuple)):
        return type(value)(_clone(one) for one in value)
    if isinstance(value, dict):
        return {name: _clone(one) for name, one in value.items()}
    return value
