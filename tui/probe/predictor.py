"""The eye on what the model says: of the samples in the last pass without gradients, or of the batch in training."""

from __future__ import annotations

import sys
import time
import weakref
from typing import Any, Callable, Optional

import torch
from torch import nn

from ..run.events import Presence
from ..run.sights import Predictions
from .answers import CRITERIA, Manner, Reading, manner_of, read, values_of
from .boundary import Boundary
from .eyes import Eye
from .frames import is_foreign, program_lines
from .meter import Readout
from .pace import Pace
from .samples import pictures_of
from .specimen import Specimen, same_numbers
from .tree import Tree

MOST_S = 0.05
"""Reading the batches of one pass may take so long in all; those after it are not counted."""

FEEDING = 0.005
"""Share of the time that collecting data for the plane of two inputs may take."""


class Pass:
    """The batches of one pass without gradients, added up as they arrive."""

    def __init__(self, lines: tuple[tuple[str, int], ...], step: int) -> None:
        self.lines = lines
        """Where the program was when it began: another evaluation is made from other lines."""
        self.step = step
        self.batches = 0
        self.spent_s = 0.0
        self.reading: Optional[Reading] = None

    def take(self, reading: Reading) -> None:
        """What was read of one batch."""
        if self.reading is None:
            self.reading = reading
        else:
            self.reading.add(reading)


class Predictor(Eye):
    """Prefers a pass without gradients whose truth is known: its first batch is the same at every evaluation."""

    WHAT = "the predictions"
    PANELS = ("predict",)
    EVALUATES = True

    def __init__(self) -> None:
        self._shown: Optional[Predictions] = None
        self._boundary = Boundary()
        self._readouts: list[Readout] = []
        self._passes = Pace(share=0.003, every_s=0.25)
        self._batches = Pace(share=0.002, every_s=0.25)
        self._single = False
        self._deaf: Optional[bool] = None
        """What is evaluated between these two steps is not looked at: it was a moment ago. None: not decided."""
        self._pass: Optional[Pass] = None
        self._open: Optional[tuple[Any, torch.Tensor]] = None
        """Input and output of the evaluation batch that the loss has not been seen of."""
        self._kind: Optional[str] = None
        self._manner: Optional[Manner] = None
        self._side = 0
        self._targets: set[float] = set()
        """Values that targets of a single score have had: a batch may hold one side only."""
        self._yielded: tuple[Any, Any] = (None, None)
        """Weak references to what a loader yielded last: input and target."""
        self._loader_feeds = False
        self._feed_at = 0.0
        self.feeds = self._batch_yielded
        self._root: Callable[[], Optional[nn.Module]] = lambda: None
        """A weak reference."""
        self._drawn_at: tuple[object, ...] = ()

    # ── moments ──

    def wanted(self, wish: Presence, single: bool) -> bool:
        self._single = single
        return super().wanted(wish, single)

    def opened(self, tree: Tree, wish: Presence) -> None:
        self._settle()
        self._deaf = None
        root = tree.root
        if root is not self._root():
            self._root = weakref.ref(root) if root is not None else lambda: None
            self._shown, self._manner, self._kind, self._targets = None, None, None, set()
            self._loader_feeds = False
            self._boundary.forget()
        first = next((info.picture for info in tree.model.tensors if len(info.shape) == 2), [])
        self._side = first[1] if first and first[1] == first[2] else 0

    def evaluated(self, tree: Tree, place: Optional[int], module: nn.Module, inputs: Any, output: Any) -> None:
        if place == 0:
            self._batch_evaluated(inputs, output)
            return
        given = inputs if isinstance(inputs, tuple) and len(inputs) >= 2 else (None, None)
        if place is None and self._open is not None and same_numbers(given[0], self._open[1]):
            self._kind = CRITERIA.get(type(module).__name__, "")
            self._count(given[1] if isinstance(given[1], torch.Tensor) else None)

    def saw(self, tree: Tree, place: Optional[int], module: nn.Module, inputs: Any, output: Any) -> None:
        if self._pass is not None:
            self._settle()

    def judged(self, tree: Tree, specimen: Specimen) -> None:
        self._learn(specimen)
        if specimen.inputs is not None and len(specimen.inputs) == 1 and not self._loader_feeds:
            self._boundary.feed(specimen.inputs[0], _compared(specimen)[2])
        shown = self._shown
        if shown is not None and shown.source == "validation" and shown.known:
            return
        began = time.perf_counter()
        if self._single or self._batches.due(began):
            self._look_at_batch(specimen)
            self._batches.done(began, time.perf_counter() - began)

    def after_update(self, tree: Tree, optimizer: Any) -> None:
        self._boundary.refresh(tree.root, self._manner, self.step)

    def held(self, tree: Tree, optimizer: Optional[Any], phase: str, wish: Presence, specimen: Specimen) -> None:
        if not any(name in self.PANELS for name in wish.open):
            return
        if self._shown is None and specimen.loss is not None:
            self._learn(specimen)
            self._look_at_batch(specimen)
            if specimen.inputs is not None and len(specimen.inputs) == 1:
                self._boundary.feed(specimen.inputs[0], _compared(specimen)[2])
        at = (self.step, phase == "update", id(tree))
        if at != self._drawn_at:
            self._drawn_at = at
            self._boundary.refresh(tree.root, self._manner, self.step, always=True)

    def shows(self) -> dict[str, Any]:
        self._settle()
        self._boundary.collect()
        self._readouts = [one for one in self._readouts if not one.collect()]
        return {"predictions": self._shown, "boundary": self._boundary.surface}

    # ── what a loader yields ──

    def _batch_yielded(self, data: Any) -> None:
        """At every step: where a loader gives inputs with their targets, both are known without any loss."""
        training = torch.is_grad_enabled()
        began = time.perf_counter()
        if training and began < self._feed_at:
            return
        x, y = data if isinstance(data, (list, tuple)) and len(data) == 2 else (None, None)
        if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor) or x.shape[:1] != y.shape[:1]:
            x = y = None
        if not training:
            self._yielded = (weakref.ref(x), weakref.ref(y)) if x is not None and y is not None else (None, None)
            return
        if x is not None and x.is_cpu and x.dim() == 2 and x.shape[1] == 2:
            self._loader_feeds = True
            self._boundary.feed(x, y)
        self._feed_at = began + max(0.001, (time.perf_counter() - began) / FEEDING)

    def _yielded_target(self, inputs: Any) -> Optional[torch.Tensor]:
        """What a loader gave together with this input."""
        x, y = (one() if one is not None else None for one in self._yielded)
        fits = isinstance(inputs, torch.Tensor) and isinstance(x, torch.Tensor) and x.shape == inputs.shape
        return y.to(inputs.device, non_blocking=True) if fits and isinstance(y, torch.Tensor) else None

    # ── a pass without gradients ──

    def _batch_evaluated(self, inputs: Any, output: Any) -> None:
        """The model put something out; its loss may follow."""
        self._count(None)
        if self._deaf is None:
            self._deaf = not (self._single or self._passes.due(time.perf_counter()))
        if self._deaf or not isinstance(output, torch.Tensor) or output.dim() == 0 or output.numel() == 0:
            return
        lines = program_lines(sys._getframe())
        if self._pass is None or self._pass.lines != lines:
            self._settle()
            self._pass = Pass(lines, self.step)
        if self._pass.spent_s < MOST_S:
            self._open = (inputs[0] if isinstance(inputs, tuple) and inputs else None, output)

    def _count(self, target: Optional[torch.Tensor]) -> None:
        """Reads the evaluation batch that is open, with its truth if that is known."""
        open_, self._open = self._open, None
        pass_ = self._pass
        if open_ is None or pass_ is None:
            return
        began = time.perf_counter()
        inputs, output = open_
        manner = self._manner
        if target is None:
            target = self._yielded_target(inputs)
        if target is not None and self._kind is not None:
            manner = self._manner_of(self._kind, output, target) or manner
            self._manner = self._manner or manner
        if manner is None or (target is None and output.dim() > 2):
            return
        self._read(output, target, manner, None if pass_.batches else inputs, pass_.take)
        pass_.batches += 1
        took = time.perf_counter() - began
        pass_.spent_s += took
        if pass_.batches == 1:
            self._passes.done(began, took)

    def _settle(self) -> None:
        """The pass is over, or what is known of it is asked for."""
        self._count(None)
        pass_, self._pass = self._pass, None
        if pass_ is None or not pass_.batches:
            return

        def finish(numbers: list[float]) -> None:
            if pass_.reading is not None and (pass_.reading.known or self._shown is None or not self._shown.known):
                self._shown = _predictions(pass_.reading, pass_.step, "validation")

        self._readouts.append(Readout(torch.zeros(0), finish))  # behind those of its batches
        self._readouts = [one for one in self._readouts if not one.collect()]

    # ── the batch in training ──

    def _learn(self, specimen: Specimen) -> None:
        """How the scores are to be read, from what the loss compares."""
        kind, scores, target = _compared(specimen)
        if scores is None:
            return
        manner = self._manner_of(kind, scores, target)
        if manner is not None:
            self._kind, self._manner = kind, manner

    def _manner_of(self, kind: str, scores: torch.Tensor, target: Optional[torch.Tensor]) -> Optional[Manner]:
        if target is not None and len(self._targets) <= 2:
            self._targets |= values_of(target)
        return manner_of(kind, scores, target, self._targets)

    def _look_at_batch(self, specimen: Specimen) -> None:
        _, scores, target = _compared(specimen)
        manner = self._manner
        if scores is None or manner is None or scores.dim() == 0 or scores.numel() == 0:
            return
        step = self.step

        def take(reading: Reading) -> None:
            self._shown = _predictions(reading, step, "training batch")

        inputs = specimen.inputs[0] if specimen.inputs else None
        fits = isinstance(inputs, torch.Tensor) and inputs.shape[:1] == scores.shape[:1]
        self._read(scores, target, manner, inputs if fits else None, take)

    def _read(
        self,
        scores: torch.Tensor,
        target: Optional[torch.Tensor],
        manner: Manner,
        inputs: Any,
        then: Callable[[Reading], None],
    ) -> None:
        try:
            vector, unpack = read(scores, target, manner, pictures_of(inputs, self._side))
        except Exception as error:  # shapes that belong together in a way that is not known here
            if is_foreign(error):
                raise
            return
        self._readouts.append(Readout(vector, lambda numbers: then(unpack(numbers))))


def _compared(specimen: Specimen) -> tuple[str, Optional[torch.Tensor], Optional[torch.Tensor]]:
    """(what kind of loss, the scores it was given, what it compared them with)."""
    if specimen.criterion is not None and specimen.output is not None:
        target = specimen.further[0] if isinstance(specimen.further[0], torch.Tensor) else None
        return CRITERIA.get(type(specimen.criterion).__name__, ""), specimen.output, target
    if specimen.kind == "cross-entropy":
        return "cross-entropy", specimen.scores, specimen.target
    if specimen.kind == "binary cross-entropy":
        return ("binary chances" if specimen.chances is specimen.scores else "binary logits"), *_pair(specimen)
    return "values" if specimen.kind else "", *_pair(specimen)


def _pair(specimen: Specimen) -> tuple[Optional[torch.Tensor], Optional[torch.Tensor]]:
    return specimen.scores, specimen.target


def _predictions(reading: Reading, step: int, source: str) -> Predictions:
    return Predictions(
        step=step,
        source=source,
        kind=reading.kind,
        classes=reading.classes,
        count=reading.count,
        right=reading.right,
        known=reading.known,
        confusion=reading.confusion,
        samples=reading.samples,
        pairs=reading.pairs,
        error=reading.off / reading.known if reading.kind == "values" and reading.known else None,
        odd=reading.odd,
        names=list(reading.names),
    )
