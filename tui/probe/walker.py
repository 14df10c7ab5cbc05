"""The walk: one sample on its way through the five phases of a step, number by number, for the phase view."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Optional

import torch
from torch import nn

from ..run.events import WEIGHT_LEVELS, Command, Presence, TryWeight
from ..run.walk import Nudge, Verdict, Walk
from .eyes import Eye
from .meter import readable
from .seen import Focus, Kept, Record
from .specimen import Replica, Specimen
from .stages import stages_of, with_after
from .tree import Tree
from .verdict import verdict_of

MOST_INPUT = 64
SIDE = 28
"""A sample is drawn in at most so many rows and columns."""
_graph_task = getattr(torch._C, "_current_graph_task_id", lambda: -1)

NOT_YET = "no batch has run yet: p runs the first one, phase by phase"
BY_HAND = "the program makes its updates by hand: where a batch ends is known only afterwards"
NOT_SEEN = "this batch was not watched from its beginning: press p until the next one has gone forward"


class Walker(Eye):
    """Looks at the steps that a person takes one by one, whether the phase view is open yet or not: the key that opens
    it takes a step, too, and the numbers of that one are wanted."""

    WHAT = "the walk"
    PANELS = ("phases",)

    def __init__(self) -> None:
        self._wish = Presence()
        """The newest one known."""
        self._fresh = False
        """The next module that runs begins a record."""
        self._record: Optional[Record] = None
        self._specimen: Optional[Specimen] = None
        """That of the record, once its loss is there."""
        self._verdict: Optional[Verdict] = None
        self._walk: Optional[Walk] = None
        self._nudge: Optional[Nudge] = None
        self._replica: Optional[Replica] = None

    def wanted(self, wish: Presence, single: bool) -> bool:
        self._wish = wish
        if not single:
            self._forget()
        return single

    def _forget(self) -> None:
        self._record = self._specimen = self._walk = self._nudge = self._replica = self._verdict = None
        self._fresh = False

    def opened(self, tree: Tree, wish: Presence) -> None:
        self._wish = wish
        self._fresh = True

    # ── one step goes by ──

    def saw(self, tree: Tree, place: Optional[int], module: nn.Module, inputs: Any, output: Any) -> None:
        if _graph_task() != -1:
            return  # inside the backward pass: a checkpoint computes something again
        record = self._record
        if place is None:
            if record is not None and record.passed == ["forward"]:
                record.compare(module, inputs)
            return
        if self._fresh or record is None or record.passed:  # the first module, or that of another forward pass
            self._forget()
            record = self._record = Record(self.step + 1, self._wish.sample)
        record.saw(place, module, inputs, output)

    def judged(self, tree: Tree, specimen: Specimen) -> None:
        if self._record is not None and not self._fresh:
            self._specimen = specimen
            self._record.passes("forward")
            self._record.passes("loss")

    def before_update(self, tree: Tree, optimizer: Any, specimen: Specimen) -> None:
        record = self._record
        if record is None or self._fresh or "loss" not in record.passed or "update" in record.passed:
            return
        record.passes("backward")
        if _on_cpu(tree):  # reading from a GPU would wait for it; where training is held, `held` comes next
            self._build(tree, optimizer)

    def after_update(self, tree: Tree, optimizer: Any) -> None:
        record = self._record
        if record is None or "backward" not in record.passed or "update" in record.passed:
            return
        record.passes("update")
        self._replica = self._nudge = None
        if _on_cpu(tree):
            self._finish(tree)

    # ── training is held ──

    def held(self, tree: Tree, optimizer: Optional[Any], phase: str, wish: Presence, specimen: Specimen) -> None:
        self._wish = wish
        record = self._record
        done = record is not None and "update" in record.passed
        if record is None or record.step != self.step + (0 if done else 1):
            self._forget()
            self._walk = Walk(step=self.step + 1, absent=NOT_YET if phase == "start" else NOT_SEEN)
            if not tree.model.optimizers:
                self._walk = dataclasses.replace(self._walk, absent=BY_HAND)
            if not tree.has_root:
                self._walk = dataclasses.replace(
                    self._walk, absent="the program has no module: its layers are not seen"
                )
            return
        if phase != "start" and not (phase == "zero_grad" and done and phase in record.passed):
            record.passes(phase)
        if done:
            self._finish(tree)
        else:
            self._build(tree, optimizer)

    def _build(self, tree: Tree, optimizer: Optional[Any]) -> None:
        """The walk as far as it is known before the update."""
        record = self._record
        assert record is not None
        focus = Focus(record, self._wish.sample)
        graded = "backward" in record.passed
        given = record.given or (record.seen[0].given if record.seen else None)
        row = focus.row(given)
        if self._specimen is not None:
            self._verdict = verdict_of(record, self._specimen, focus, graded)
        stages, cut = stages_of(record, focus, graded)
        self._walk = Walk(
            step=record.step,
            sample=focus.sample,
            of=focus.batch or 1,
            input=row.reshape(-1)[:MOST_INPUT].tolist() if row is not None else [],
            shape=list(row.shape) if row is not None else [],
            picture=picture_of(row, whole_numbers=given is not None and _counts(given)),
            stages=stages,
            skipped=record.skipped,
            skipped_at=cut,
            verdict=self._verdict,
            optimizer=words_of(optimizer) if optimizer is not None else "",
            rate=_rate(optimizer),
            passed=list(record.passed),
            nudge=self._nudge,
        )

    def _finish(self, tree: Tree) -> None:
        """The same walk with the weights after the update."""
        record, walk = self._record, self._walk
        if record is None or walk is None or walk.absent:
            return
        stages = walk.stages
        if "update" not in walk.passed:
            stages = with_after(stages, record)
        self._walk = dataclasses.replace(walk, stages=stages, passed=list(record.passed), nudge=None)

    def shows(self) -> dict[str, Any]:
        is_open = any(name in self.PANELS for name in self._wish.open)
        return {"walk": self._walk} if is_open and self._walk is not None else {}

    # ── a weight moved by hand ──

    def obey(self, command: Command, tree: Tree, specimen: Specimen, held: bool) -> Optional[str]:
        if not isinstance(command, TryWeight):
            return None
        record = self._record
        if not held or record is None or self._walk is None or self._specimen is None:
            return "a weight can be tried while training is held after the loss or the backward pass of a batch"
        if "update" in record.passed:
            return "the weights have moved since this batch: go on to the next one"
        root = tree.root
        if root is None or not 0 <= command.tensor < len(tree) or not math.isfinite(command.by):
            return "there is no such weight"
        try:
            if self._replica is None:
                self._replica = Replica(root, self._specimen)
            self._nudge = _try(self._replica, command, tree.parameter(command.tensor), "backward" in record.passed)
        except (ValueError, IndexError) as error:
            return str(error)
        self._walk = dataclasses.replace(self._walk, nudge=self._nudge)
        return ""


def _try(replica: Replica, command: TryWeight, true: Optional[torch.Tensor], graded: bool) -> Nudge:
    """The loss with one weight of the copy moved, and moved back."""
    if command.tensor >= len(replica.parameters):
        raise ValueError("this weight belongs to no module")
    twin = replica.parameters[command.tensor].detach()
    if not 0 <= command.index < twin.numel():
        raise ValueError("there is no such weight")
    place = _unravel(command.index, tuple(twin.shape))
    weight = float(twin[place])
    before = replica.loss()
    with torch.no_grad():
        twin[place] += command.by
        try:
            after = replica.loss()
        finally:
            replica.back()
    grad = true.grad if true is not None and graded else None
    slope = float(grad.detach()[place]) if grad is not None and readable(grad) else None
    return Nudge(command.tensor, command.index, command.by, weight, slope, before, after, replica.steady)


def _unravel(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Coordinates of a place in the flattened tensor."""
    out: list[int] = []
    for size in reversed(shape):
        index, here = divmod(index, size)
        out.append(here)
    return tuple(reversed(out))


def _on_cpu(tree: Tree) -> bool:
    return tree.model.device in ("", "cpu")


def _rate(optimizer: Optional[Any]) -> Optional[float]:
    try:
        return float(optimizer.param_groups[0]["lr"])  # type: ignore[union-attr]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return None


_EXTRAS = (("momentum", "momentum"), ("nesterov", "Nesterov"), ("weight_decay", "weight decay"))


def words_of(optimizer: Any) -> str:
    """Its class, with what makes its update more than rate x gradient: "SGD, momentum 0.9"."""
    group = optimizer.param_groups[0] if getattr(optimizer, "param_groups", None) else {}
    words = [type(optimizer).__name__]
    for key, word in _EXTRAS:
        value = group.get(key)
        if value:
            words.append(word if value is True else f"{word} {float(value):g}")
    return ", ".join(words)


def _counts(kept: Kept) -> bool:
    return kept.values is not None and not kept.values.is_floating_point()


def picture_of(row: Optional[torch.Tensor], whole_numbers: bool = False) -> str:
    """A sample as letters of `WEIGHT_LEVELS`, from its lowest to its highest value, where it is an image or a flat row
    with the length of one. A flat row of whole numbers is none: they are most likely the ids of words."""
    if row is None or (whole_numbers and row.dim() == 1):
        return ""
    image = row
    if image.dim() == 3 and image.shape[0] in (1, 3):
        image = image.mean(0)
    side = math.isqrt(image.numel())
    if image.dim() == 1 and side >= 4 and side * side == image.numel():
        image = image.reshape(side, side)
    if image.dim() != 2 or min(image.shape) < 2:
        return ""
    step = max(1, -(-max(image.shape) // SIDE))
    image = image[::step, ::step]
    finite = torch.isfinite(image)
    if not bool(finite.any()):
        return ""
    low, high = float(image[finite].min()), float(image[finite].max())
    if not high > low:
        return ""
    levels = ((image - low) / (high - low) * 15).round().clamp(0, 15)
    rows = zip(levels.tolist(), finite.tolist())
    return "/".join("".join(WEIGHT_LEVELS[int(v)] if ok else "n" for v, ok in zip(*one)) for one in rows)
