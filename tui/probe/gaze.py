"""The eyes of the probe together: which of them look at the next step, and the batch in hand that they share."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional

import torch

from ..run.events import Command, Presence
from .checker import Checker
from .eyes import Eye
from .outputs import Outputs
from .predictor import Predictor
from .specimen import Specimen
from .surveyor import Surveyor
from .tree import Tree
from .walker import Walker

Guard = Callable[..., None]

LISTEN_S = 0.4
"""At the end of training passes that are shorter than this it is looked only so often whether an evaluation follows."""
SHOW_S = 0.1
"""While something is computed step by step, its progress is shown this often."""


class Gaze:
    """All eyes. Every call to one of them is guarded under its own name: a fault switches off that eye alone."""

    def __init__(
        self,
        guard: Guard,
        say: Callable[[Any], None],
        step: Callable[[], int] = lambda: 0,
        dialled: Callable[[Optional[float]], Optional[float]] = lambda scheduled: scheduled,
    ) -> None:
        """step: updates made so far. dialled: the rate that is used for a scheduled one."""
        self._guard = guard
        self._step = step
        self._say = say
        self.eyes: list[Eye] = [Checker(), Outputs(), Walker(), Predictor(), Surveyor()]
        self.open: list[Eye] = []
        """Those that look at this step."""
        self.follows: Optional[Callable[[], None]] = None
        """What is to be called after every update."""
        self.feeds: Optional[Callable[[Any], None]] = None
        """What is to be called with every batch that a loader yields."""
        for eye in self.eyes:
            eye.dialled = dialled
        self.specimen = Specimen()
        """The batch of the step that is looked at; it stays until another one is."""
        self.listens_at = 0.0
        """From when on the next pass without gradients is looked for, in seconds of time.perf_counter()."""
        self._shown_s = 0.0
        self._unshown = False
        """Something was computed since it was last shown."""

    def choose(self, tree: Tree, wish: Presence, single: bool) -> list[Eye]:
        """A step begins that can be looked at: which eyes do?"""
        self.open = [eye for eye in self.eyes if eye.wanted(wish, single)]
        self.specimen = Specimen()
        for eye in self.open:
            eye.step = self._step()
            self._guard(eye.WHAT, eye.opened, tree, wish)
        self.follows = next((eye.follows for eye in self.open if eye.follows is not None), None)
        self.feeds = next((eye.feeds for eye in self.open if eye.feeds is not None), None)
        return self.open

    @staticmethod
    def evaluating(wish: Presence) -> bool:
        """Are passes without gradients to be seen?"""
        return any(name in Predictor.PANELS for name in wish.open)

    def listens(self, wish: Presence) -> bool:
        """Is one to be seen now, should it come? Not more often than a person can read."""
        return self.evaluating(wish) and time.perf_counter() >= self.listens_at

    def judged(self, tree: Tree, loss: torch.Tensor) -> None:
        """The outermost backward begins."""
        self._guard("the batch", self.specimen.judged, loss)
        for eye in self.open:
            self._guard(eye.WHAT, eye.judged, tree, self.specimen)

    def before_update(self, tree: Tree, optimizer: Any) -> None:
        """Gradients are there, weights have not moved."""
        for eye in self.open:
            self._guard(eye.WHAT, eye.before_update, tree, optimizer, self.specimen)

    def after_update(self, tree: Tree, optimizer: Any) -> None:
        """Weights have moved: nobody looks at a step any more."""
        for eye in self.open:
            eye.step = self._step()
            self._guard(eye.WHAT, eye.after_update, tree, optimizer)
            self._guard(eye.WHAT, lambda eye=eye: [self._say(event) for event in eye.says()])
        self.open = []

    def held(self, tree: Tree, optimizer: Optional[Any], phase: str, wish: Presence) -> None:
        """Training is held, or dwells, at the end of a phase."""
        for eye in self.eyes:
            eye.step = self._step()
            self._guard(eye.WHAT, eye.held, tree, optimizer, phase, wish, self.specimen)

    def obey(self, command: Command, tree: Optional[Tree], held: bool) -> Optional[str]:
        """The answer of the eye whose command it is; None when it is nobody's."""
        if tree is None:
            return "no model has been seen yet"
        for eye in self.eyes:
            answer = eye.obey(command, tree, self.specimen, held)
            if answer is not None:
                return answer
        return None

    def work(self) -> bool:
        """While training is held: a slice of what was begun. True when there is something new to show."""
        busy = False
        for eye in self.eyes:

            def slice_(eye: Eye = eye) -> None:
                nonlocal busy
                busy = eye.work() or busy

            self._guard(eye.WHAT, slice_)
        self._unshown = self._unshown or busy
        now = time.perf_counter()
        if self._unshown and (not busy or now - self._shown_s >= SHOW_S):
            self._shown_s, self._unshown = now, False
            return True
        return False

    def shows(self) -> dict[str, Any]:
        """Fields of the snapshot."""
        fields: dict[str, Any] = {}
        for eye in self.eyes:
            self._guard(eye.WHAT, lambda eye=eye: fields.update(eye.shows()))
        return fields
