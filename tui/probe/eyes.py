"""What every eye of the probe has in common: something that looks at single steps, while somebody has its panel open.

An eye only reads. Every method is called in the thread that trains, between or inside the phases of a step, guarded:
what it raises becomes one warning and switches it off. None may call an operation that draws random numbers, changes
a tensor of the program, or waits for a GPU unless training is held anyway.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from torch import nn

from ..run.events import Command, Presence
from .specimen import Specimen
from .tree import Tree


class Eye:
    """The moments of one step that is looked at, in the order in which they come. Each does nothing here."""

    WHAT = ""
    """For the warning, if it has to be switched off: "the predictions"."""
    PANELS: tuple[str, ...] = ()
    """Ids of the panels that show what it sees."""
    EVALUATES = False
    """Does it want to see passes without gradients, between two steps?"""

    step: int = 0
    """Updates made so far, at the moment that it is shown."""

    dialled: Callable[[Optional[float]], Optional[float]] = staticmethod(lambda scheduled: scheduled)
    """The rate that the next update is going to use, when the program has scheduled this one."""
    follows: Optional[Callable[[], None]] = None
    """Called after every update, looked at or not, while it looks: may take a few microseconds."""
    feeds: Optional[Callable[[Any], None]] = None
    """Called with what a loader yielded, at every step while it looks: may take a few microseconds."""

    def wanted(self, wish: Presence, single: bool) -> bool:
        """Is it to look at the next step? `single`: a person looks at every single step or phase."""
        return any(name in self.PANELS for name in wish.open)

    def opened(self, tree: Tree, wish: Presence) -> None:
        """The step to come is looked at."""

    def saw(self, tree: Tree, place: Optional[int], module: nn.Module, inputs: Any, output: Any) -> None:
        """A module put out `output` for `inputs` (its positional arguments), gradients being recorded. `place` is that
        in `Model.modules`; None for a module outside the model, such as a loss."""

    def evaluated(self, tree: Tree, place: Optional[int], module: nn.Module, inputs: Any, output: Any) -> None:
        """The same in a pass without gradients."""

    def judged(self, tree: Tree, specimen: Specimen) -> None:
        """The outermost backward is about to begin: the specimen has the loss and what autograd saved for it."""

    def before_update(self, tree: Tree, optimizer: Any, specimen: Specimen) -> None:
        """Gradients are there, weights have not moved."""

    def after_update(self, tree: Tree, optimizer: Any) -> None:
        """Weights have moved."""

    def held(self, tree: Tree, optimizer: Optional[Any], phase: str, wish: Presence, specimen: Specimen) -> None:
        """Training is held, or dwells, at the end of a phase: everything that can be known by now is to be known.
        Called again when the viewer looks at something else."""

    def obey(self, command: Command, tree: Tree, specimen: Specimen, held: bool) -> Optional[str]:
        """Carries out a command of its own: "" when done, a reason when refused, None when it is not its command."""
        return None

    def work(self) -> bool:
        """While training is held: does a slice of at most about 30 ms of what was begun; False when nothing is left."""
        return False

    def shows(self) -> dict[str, Any]:
        """Fields of `Live` with what was seen last."""
        return {}

    def says(self) -> list[Any]:
        """Events to record, each once."""
        return []
