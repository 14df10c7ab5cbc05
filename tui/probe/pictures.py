"""What can be seen of the model: when to look at it, and what was seen last. The camera itself is `camera.py`."""

from __future__ import annotations

import time
from typing import Callable, Optional

from ..run.events import Activation, Picture, Presence, Shapes
from .camera import photograph
from .exposure import Exposure
from .eyes import Eye
from .forms import is_plain
from .frames import where
from .meter import local
from .pace import Pace
from .specimen import Specimen
from .starts import Starts
from .summary import Summary
from .tree import Tree

Guard = Callable[..., None]

FEW = 600
"""Of a model with no more weights than this every one is shown, as a drawing of units and edges."""
KEPT_LAYERS = 24
"""Of so many layers the pictures are kept at the end of a run."""


class Pictures:
    """The newest picture, outputs and source line; and the forward hook that is open for one step at a time."""

    def __init__(self, summary: Summary) -> None:
        self.pace = Pace(share=0.003, every_s=0.25)
        self.picture: Optional[Picture] = None
        self.activations: list[Activation] = []
        self.activations_step = 0
        self.shapes: Optional[Shapes] = None
        self.values: list[list[float]] = []
        """Every weight of a model that has few."""
        self.line, self.code = "", ""
        """Where the program was, as file:number, and the text of that line."""
        self._summary = summary
        self._starts: Optional[Starts] = None
        self._exposure: Optional[Exposure] = None
        self._shown: Optional[Presence] = None

    @property
    def exposed(self) -> bool:
        """Is the forward hook in place?"""
        return self._exposure is not None

    def meet(self, tree: Tree) -> None:
        """The model, or a new one: keeps its start. What was seen of modules was seen of the one before."""
        self.activations, self.shapes = [], None
        self.picture = self._shown = None
        if self._exposure is not None:
            self._exposure.close()
            self._exposure = None
        if self._starts is None:
            self._starts = Starts(tree)
        else:
            self._starts.extend(tree)

    def expose(
        self,
        tree: Tree,
        guard: Optional[Guard],
        root_done: Callable[[], None],
        eyes: list[Eye],
        specimen: Specimen,
        wish: Presence,
        guard_eye: Guard,
    ) -> None:
        """Puts the forward hook in place for the step to come. Without `guard` it only tells when the root is done."""
        self._exposure = Exposure(tree, guard, root_done, eyes, specimen, zoomed(wish, "network"), guard_eye)

    def close(self) -> None:
        """Takes the hook away and reads what it found."""
        exposure, self._exposure = self._exposure, None
        if exposure is not None:
            exposure.close()
            self.shapes = exposure.shapes() or self.shapes
            exposure.collect(self._summary.readouts, self._take_activations)

    def take(self, tree: Tree, wish: Presence) -> None:
        """Gradients are there, weights have not moved: the tensor in focus, and what the hook found."""
        began = time.perf_counter()
        spent = self._exposure.spent_s if self._exposure is not None else 0.0
        self.close()
        self._look(tree, wish)
        self._summary.collect()
        self.pace.done(began, time.perf_counter() - began + spent)

    def take_now(self, tree: Optional[Tree], wish: Presence, forward_done: bool) -> None:
        """While training is held: everything that can be seen, at once; a hook that is open stays open."""
        if tree is None:
            return
        if forward_done and self._exposure is not None:
            self.shapes = self._exposure.shapes() or self.shapes
            self._exposure.collect(self._summary.readouts, self._take_activations)
        self._look(tree, wish)
        self._summary.collect_all()

    def last(self, tree: Optional[Tree], wish: Presence) -> list[Picture]:
        """At the end of the process: pictures of all layers that stay, large enough for a zoom. The newest picture
        becomes that of the tensor in focus."""
        self.close()
        kept: list[Picture] = []
        if tree is None or self._starts is None:
            return kept
        large = Presence(tensor=wish.tensor, mode=wish.mode, rows=max(64, wish.rows), columns=max(120, wish.columns))
        photograph(tree, self._starts, large, self._summary.readouts, self._take_picture)
        for place in tree.main_tensors()[:KEPT_LAYERS]:
            for mode in ("change", "weight", "gradient"):
                wanted = Presence(tensor=place, mode=mode, rows=40, columns=80)
                photograph(tree, self._starts, wanted, self._summary.readouts, kept.append)
        self._summary.collect_all()
        return kept

    def wants(self, wish: Presence) -> bool:
        """Does the viewer look at something else than what was pictured last?"""
        shown = self._shown
        return shown is None or _view(wish) != _view(shown)

    def _look(self, tree: Tree, wish: Presence) -> None:
        self.line, self.code = where()
        self._shown = wish
        self.values = few_values(tree)
        if wish.mode == "output":
            self.picture = Picture(mode="output", absent="what the layer puts out is seen with the next forward pass")
        elif self._starts is not None:
            photograph(tree, self._starts, wish, self._summary.readouts, self._take_picture)

    def _take_picture(self, picture: Picture) -> None:
        self.picture = picture

    def _take_activations(self, found: list[Activation]) -> None:
        self.activations, self.activations_step = found, self._summary.step + 1


def _view(wish: Presence) -> tuple[object, ...]:
    """What of a presence changes the picture."""
    return (wish.tensor, wish.mode, wish.rows, wish.columns, wish.first, wish.sample, wish.open)


def zoomed(wish: Presence, panel: str) -> bool:
    """Has this panel the screen for itself?"""
    return panel in wish.open and not {"weights", "loss"} & set(wish.open)


def few_values(tree: Tree) -> list[list[float]]:
    """Every weight, tensor by tensor, of a model on the CPU with no more than `FEW` of them; else nothing."""
    if tree.model.weights > FEW:
        return []
    tensors = tree.parameters(range(len(tree)))
    if len(tensors) != len(tree) or not all(
        is_plain(one) and one.is_floating_point() and one.is_cpu for one in tensors
    ):
        return []
    return [local(one.detach()).flatten().tolist() for one in tensors]
