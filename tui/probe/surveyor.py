"""The eye on the valley: the loss over the weights. Of a model with one or two weights by itself, with their path; of
any other on request, while training is held, on a plane of two random directions."""

from __future__ import annotations

import math
import weakref
from typing import Any, Callable, Optional

import torch
from torch import nn

from ..run.events import Command, Presence, Survey
from ..run.sights import Surface
from .eyes import Eye
from .frames import is_foreign
from .landing import landing
from .plane import Plane
from .specimen import Replica, Specimen
from .survey import LEAST, MOST, Slice
from .tree import Tree

SLICE_S = 0.03
"""A slice of work while training is held."""
GLANCE_S = 0.004
"""And at a step that is looked at while training runs: only the plane of a model of two weights, until it is there."""


class Surveyor(Eye):
    WHAT = "the valley"
    PANELS = ("valley",)

    def __init__(self) -> None:
        self._plane: Optional[Plane] = None
        self._tree: Optional[Tree] = None
        self._slice: Optional[Slice] = None
        self._surface: Optional[Surface] = None
        self._factor: Optional[float] = None
        """What a first replica found between the model's own loss and that of a copy; see `Replica.factor`."""
        self._unlike = ""
        """Why a copy's loss is not the model's."""
        self._root: Callable[[], Optional[nn.Module]] = lambda: None
        self._optimizer: Callable[[], Optional[Any]] = lambda: None
        """Weak references, both: a program that drops its model gets the memory back."""
        self._awaits_update = False
        """The gradients in hand are for an update that is still to come."""

    # ── moments ──

    def opened(self, tree: Tree, wish: Presence) -> None:
        self._meet(tree)
        self._awaits_update = False
        self._visit()

    def judged(self, tree: Tree, specimen: Specimen) -> None:
        root = tree.root
        if self._plane is not None and root is not None:
            self._plane.judge(root, specimen)
        elif self._factor is None and not self._unlike:
            self._unlike = self._compare(root, specimen)

    def before_update(self, tree: Tree, optimizer: Any, specimen: Specimen) -> None:
        self._optimizer, self._awaits_update = weakref.ref(optimizer), True
        if self._plane is not None:
            self._visit()
            self._plane.work(GLANCE_S)
            self._plane.known(_number(specimen.loss), [])

    def after_update(self, tree: Tree, optimizer: Any) -> None:
        self._awaits_update = False

    def held(self, tree: Tree, optimizer: Optional[Any], phase: str, wish: Presence, specimen: Specimen) -> None:
        in_hand = phase in ("loss", "backward")
        self._awaits_update = phase == "backward"
        self._optimizer = weakref.ref(optimizer) if optimizer is not None else lambda: None
        if not any(name in self.PANELS for name in wish.open):
            return
        self._meet(tree)
        root, plane = tree.root, self._plane
        if plane is None or root is None:
            return
        self._visit()
        if in_hand and specimen.loss is not None:
            plane.judge(root, specimen)
        plane.work(SLICE_S)
        plane.known(_number(specimen.loss) if in_hand else None, self._next(tree))

    def obey(self, command: Command, tree: Tree, specimen: Specimen, held: bool) -> Optional[str]:
        if not isinstance(command, Survey):
            return None
        if command.cancel:
            if self._slice is None:
                return "nothing is being computed"
            self._slice, self._surface = None, None
            return ""
        self._meet(tree)
        why = self._refusal(command, tree, specimen, held)
        if why:
            return why
        root = tree.root
        assert root is not None and self._factor is not None
        optimizer = self._optimizer() if self._awaits_update else None
        move = landing(optimizer, self.dialled) if optimizer is not None else None
        try:
            self._slice = Slice(root, specimen.keep(), self._factor, command.side, command.span, self.step, move)
        except Exception as error:
            if is_foreign(error):
                raise
            return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        self._surface = self._slice.surface()
        return ""

    def work(self) -> bool:
        """An unfinished survey goes on at the next hold, when training is let go in between: it works on a copy."""
        job = self._slice
        if job is None:
            return self._plane is not None and self._plane.work(SLICE_S)
        job.work(SLICE_S)
        self._surface = job.surface()
        if job.done:
            self._slice = None
        return True

    def shows(self) -> dict[str, Any]:
        return {"surface": self._plane.surface() if self._plane is not None else self._surface}

    # ── what is known of the model ──

    def _meet(self, tree: Tree) -> None:
        """The model, or another one."""
        root = tree.root
        if root is not None and root is self._root():
            return
        self._tree, self._root = tree, weakref.ref(root) if root is not None else lambda: None
        self._factor, self._unlike = None, ""
        self._slice, self._surface = None, None
        self._plane = Plane(tree) if Plane.fits(tree) else None
        self.follows = self._visit if self._plane is not None else None

    def _visit(self) -> None:
        """The few weights are somewhere else now, or still there."""
        if self._plane is not None and self._tree is not None:
            self._plane.visit(self._tree.parameters(range(len(self._tree))), self.step)

    def _compare(self, root: Optional[nn.Module], specimen: Specimen) -> str:
        """Is the loss of a copy that of the program? Only while the weights are those of the specimen. Why not."""
        if specimen.loss is None or specimen.inputs is None:
            return ""
        if root is None:
            return specimen.refusal(root)
        try:
            self._factor = Replica(root, specimen).factor
        except Exception as error:
            if is_foreign(error):
                raise
            return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        return ""

    def _refusal(self, command: Survey, tree: Tree, specimen: Specimen, held: bool) -> str:
        if self._plane is not None:
            return "this model has no more weights than a plane has directions: all of it is drawn already"
        if not held:
            return "training has to be held: pause first"
        if not LEAST <= command.side <= MOST:
            return f"the number of points a side is not one of {LEAST} to {MOST}"
        if not 0 < command.span < math.inf:
            return "the span is not a positive number"
        if specimen.loss is None or (self._factor is None and not self._unlike and self._compare(tree.root, specimen)):
            return "no batch has been seen whole while the valley was open: n runs one, then v again"
        return specimen.refusal(tree.root) or self._unlike

    def _next(self, tree: Tree) -> list[float]:
        """Where the update in hand is going to put the two weights; empty where that is not known."""
        optimizer = self._optimizer()
        if not self._awaits_update or optimizer is None:
            return []
        moves = landing(optimizer, self.dialled)
        if moves is None:
            return []
        out: list[float] = []
        for parameter in tree.parameters(range(len(tree))):
            moved = parameter.detach() + moves[id(parameter)] if id(parameter) in moves else parameter.detach()
            out += moved.reshape(-1).tolist()
        return [*out, 0.0][:2]


def _number(loss: Optional[torch.Tensor]) -> Optional[float]:
    return float(loss) if loss is not None and loss.is_cpu else None
