"""What a person can do to a run besides steering it: breakpoints, taking updates back, writing the weights."""

from __future__ import annotations

import math
from typing import Any, Callable, Optional

import torch

from ..run import events
from ..run.directory import RunDirectory
from .breaks import Breaks
from .desk import Request
from .meter import norms, readable
from .optimizers import Optimizers
from .saver import save, sharded, size_of
from .summary import Summary
from .tree import Tree, all_parameters
from .undo import Moment, Ring

Answer = Callable[..., None]
"""answer(request, before=…, after=…, refused=…, said=…)"""

NOT_REWOUND = "the order of the data, random numbers, scheduler and scaler go on from where they are"


class Workbench:
    """Breakpoints, the ring of updates that can be taken back, and what waits to be written."""

    def __init__(self, run: RunDirectory, summary: Summary, optimizers: Optimizers, answer: Answer) -> None:
        self.breaks = Breaks()
        self.ring = Ring()
        self._run, self._summary, self._optimizers, self._answer = run, summary, optimizers, answer
        self.did: Callable[[events.Did], None] = lambda deed: None
        """Records what took effect."""
        self.by_hand: Callable[[], bool] = lambda: False
        """Does the program make its updates without an optimizer?"""
        self.rank = 0
        self._undo: Optional[Request] = None
        self._save: Optional[Request] = None

    @property
    def calm(self) -> bool:
        """Is there nothing that has to be seen at every step?"""
        return not (self.breaks.conditions or self.ring.armed or self._undo or self._save)

    @property
    def kept(self) -> Optional[events.Kept]:
        """What is held for undo; None when nothing is and nothing is to be."""
        ring = self.ring
        if not (len(ring) or ring.armed or ring.refused):
            return None
        return events.Kept(len(ring), ring.bytes, ring.budget, ring.armed, ring.refused)

    @property
    def waits(self) -> bool:
        """Is something to be done right after the next update?"""
        return self._undo is not None or self._save is not None

    # ── what people ask ──

    def obey(self, request: Request, held: str, tree: Optional[Tree]) -> bool:
        """Takes in a command that is its own.

        Args:
            held: the phase at whose end training is held; "" while it runs.
        """
        command = request.command
        if isinstance(command, events.Break):
            refused = self.breaks.refusal(command.when, command.value)
            if not refused:
                self.breaks.set(command.when, command.value)
            self._answer(request, after=command.value, refused=refused)
        elif isinstance(command, events.Arm):
            self.ring.armed = command.on
            self._answer(
                request, after=float(command.on), said=f"up to {self.ring.budget >> 20:,} MB of updates are kept"
            )
        elif isinstance(command, events.Undo):
            self._ask_undo(request, held, tree)
        elif isinstance(command, events.Save):
            if self._save is not None:
                self._answer(request, refused="the next update is waited for already")
                return True
            self._save = request
            if held:
                self._write(tree)
        else:
            return False
        return True

    def _ask_undo(self, request: Request, held: str, tree: Optional[Tree]) -> None:
        if self.by_hand():
            self._answer(request, refused="there is no optimizer: the program makes its updates by hand")
            return
        if not held:
            self._answer(request, refused="only while training is paused")
            return
        if not len(self.ring):
            why = self.ring.refused or "no update is kept: they are kept while you step, or once undo is armed"
            self._answer(request, refused=why)
            return
        if self._undo is not None:
            self._answer(request, refused="the update of the batch in hand is waited for already")
            return
        self._undo = request
        if held == "update":
            self._take_back(1, tree)

    @property
    def undo_wanted(self) -> bool:
        """Does an undo wait for the update of the batch in hand, which it takes back together with the one before?"""
        return self._undo is not None

    # ── moments ──

    def before_update(self, optimizer: Any, tree: Optional[Tree], first: bool = True) -> Optional[str]:
        """Is training to be held here? The reason, in words.

        Args:
            first: the optimizer's updates are the steps; of another one only gradients that are not finite count.
        """
        if not self.breaks.conditions or tree is None or _is_going_to_skip(optimizer):
            return None
        if not first and "odd" not in self.breaks.conditions:
            return None
        summary = self._summary
        found: Optional[list[Optional[float]]] = None
        names: list[str] = []
        if self.breaks.measures:
            parameters = [p for p in all_parameters([optimizer]) if readable(p.grad)]
            places = [tree.place(p) for p in parameters]
            names = [tree.names[place] if place is not None else "a parameter" for place in places]
            with torch.no_grad():
                grads = [p.grad for p in parameters if p.grad is not None]
                scale = getattr(optimizer, "grad_scale", None)
                measured = norms(grads) / (1.0 if scale is None else scale) if grads else None
                found = measured.tolist() if measured is not None else []
        if not first:
            return self.breaks.odd(found or [], names)
        return self.breaks.hit(summary.step + 1, summary.losses.in_hand(), found, names)

    def keep(self, optimizer: Any, tree: Optional[Tree], looked_at: bool) -> None:
        """The update follows now.

        Args:
            looked_at: a person goes step by step.
        """
        if self.by_hand():
            return
        if not (looked_at or self.ring.armed or self._undo is not None):
            if len(self.ring):
                self.ring.forget()
            return
        self.ring.keep(optimizer, tree.root if tree is not None else None, self._summary.step)

    def updated(self, tree: Optional[Tree]) -> None:
        """An update was made while a person goes step by step, or undo is armed."""
        self.ring.updated(tree.root if tree is not None else None, self._summary.step)

    def after_update(self, tree: Optional[Tree]) -> None:
        """The update has been made."""
        if self._undo is not None:
            self._take_back(2, tree)  # the batch in hand was used up by the update that was just made
        if self._save is not None:
            self._write(tree)

    def _take_back(self, count: int, tree: Optional[Tree]) -> None:
        request, self._undo = self._undo, None
        assert request is not None
        moment: Optional[Moment] = self.ring.take(count)
        if moment is None:
            self._answer(request, refused="that update was not kept")
            return
        refused = moment.come_back()
        if refused:
            self._answer(request, refused=refused)
            return
        before, self._summary.step = self._summary.step, moment.step
        self.ring.updated(tree.root if tree is not None else None, moment.step)
        self.did(events.Did(step=before, do="undo", to=moment.step))
        others = [one for one in self._optimizers.in_use() if one is not moment.optimizer()]
        said = f"{NOT_REWOUND}; so do the weights of the other optimizers" if others else NOT_REWOUND
        self._answer(request, before=float(before), after=float(moment.step), said=said)

    def repeat(self, deed: events.Did, tree: Optional[Tree]) -> None:
        """Takes updates back as a tape says."""
        moment = self.ring.take()
        while moment is not None and moment.step != deed.to:
            moment = self.ring.take()
        if moment is not None and not moment.come_back():
            self._summary.step = moment.step
            self.ring.updated(tree.root if tree is not None else None, moment.step)
            self.did(deed)

    def _write(self, tree: Optional[Tree]) -> None:
        request, self._save = self._save, None
        assert request is not None
        try:
            root, optimizers = tree.root if tree is not None else None, self._optimizers.in_use()
            in_parts = sharded(optimizers)
            if self.rank and not in_parts:
                return  # rank 0 writes the whole
            part = f"-rank{self.rank}" if in_parts else ""
            path = save(self._run.path / "checkpoints", root, optimizers, self._summary.step, part)
        except Exception as error:  # a disk that is full, a state that cannot be pickled
            self._answer(request, refused=f"{type(error).__name__}: {error}")
            return
        size = f"{path} ({_megabytes(size_of(path))})"
        said = f"{size}; each rank wrote its part" if in_parts else size
        self._answer(request, after=float(self._summary.step), said=said)


def _is_going_to_skip(optimizer: Any) -> bool:
    """Has a GradScaler found gradients that are not finite, so that nothing will be updated? On a GPU this waits for
    the device, as an armed breakpoint does anyhow."""
    found = getattr(optimizer, "found_inf", None)
    return isinstance(found, torch.Tensor) and bool(found.item())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{math.ceil(size / 1e3)} kB"
