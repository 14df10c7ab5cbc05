"""What is known of every tensor, as measured last: of each optimizer's at its own update."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Callable, Optional

from ..run.events import Tick

LONG = 32
"""Of a model with more tensors than this the journal gets what was measured of them once, not with every tick."""


class Gauge:
    """One number for each tensor of the model, and the step at which it was measured."""

    def __init__(self) -> None:
        self.values: Optional[list[Optional[float]]] = None
        """In the order of `Model.tensors`, None where a tensor has none; never changed in place."""
        self.step: Optional[int] = None
        """Of the newest measurement."""
        self.at: list[int] = []
        """With several optimizers the step for each of them, else empty."""

    def put(self, values: list[float], places: list[int], owners: list[int], step: int) -> None:
        """Takes in what was measured of the tensors of one optimizer. Its other tensors have no value now; those of
        other optimizers keep theirs.

        Args:
            places: of the tensors that were measured.
            owners: the optimizer of each tensor of the model, -1 for none.
        """
        before = self.values
        whose = owner_of(places, owners)
        if before is None or len(before) != len(owners) or whose < 0:
            full: list[Optional[float]] = [None] * len(owners)
        else:
            full = [None if owner == whose else value for owner, value in zip(owners, before)]
        for place, value in zip(places, values):
            full[place] = short(value)
        self.values, self.step = full, step
        several = max(owners, default=0) + 1
        if several > 1 and whose >= 0:
            at = list(self.at) if len(self.at) == several else [0] * several
            at[whose] = step
            self.at = at


class Odd:
    """How many entries of each tensor's gradient were NaN and infinite, of those whose norm was not finite."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, int]] = {}

    def put(self, values: list[float], places: list[int]) -> None:
        """Takes in counts: first the NaN of all these tensors, then the infinite ones."""
        half = len(places)
        for place, nan, infinite in zip(places, values[:half], values[half:]):
            self._counts[place] = (int(nan), int(infinite))

    def drop(self, places: list[int]) -> None:
        """The gradients of these tensors are finite, as far as is known."""
        for place in places if self._counts else ():
            self._counts.pop(place, None)

    def told(self) -> list[int]:
        """As `Tick.odd` has it: tensor, NaN, infinite; and the next."""
        return [number for place in sorted(self._counts) for number in (place, *self._counts[place])]


class Gauges:
    """Everything that a tick says of single tensors."""

    def __init__(self) -> None:
        self.norms, self.ratios, self.odd = Gauge(), Gauge(), Odd()
        self._recorded: tuple[object, object] = (None, None)
        """The lists of norms and ratios that the journal had last."""

    def gradients(self) -> dict[str, Any]:
        """The fields that say what the gradients were."""
        norms = self.norms
        fields = {"norms": norms.values, "norms_step": norms.step, "norms_at": norms.at, "odd": self.odd.told()}
        return {"norm": _total(norms.values), **fields}

    def updates(self) -> dict[str, Any]:
        """The fields that say how far the weights moved."""
        ratios = self.ratios
        return {"ratios": ratios.values, "ratios_step": ratios.step, "ratios_at": ratios.at}

    def to_record(self, tick: Tick) -> Tick:
        """A tick as the journal is to have it: what it has already of many tensors is not written again."""
        norms, ratios = tick.norms, tick.ratios
        if norms is not None and len(norms) > LONG:
            if norms is self._recorded[0]:
                tick = dataclasses.replace(tick, norms=None, odd=[])
            if ratios is self._recorded[1]:
                tick = dataclasses.replace(tick, ratios=None)
        self._recorded = (norms, ratios)
        return tick


class Turns:
    """Whose turn it is to be measured: when it is time, each optimizer at its own next update."""

    PATIENCE = 64
    """Updates that are watched for one whose turn it is; then it may never come again."""

    def __init__(self) -> None:
        self._owed: set[int] = set()
        self._asked = 0

    def take(self, due: bool, optimizer: Any, in_use: Callable[[], list[Any]]) -> bool:
        """Is this optimizer, which is about to update, to be measured?

        Args:
            due: it is time for a measurement.
            in_use: every optimizer in use.
        """
        if due:
            self._owed = {id(one) for one in in_use()} | {id(optimizer)}
            self._asked = 0
        self._asked += 1
        if id(optimizer) not in self._owed:
            return False
        self._owed.discard(id(optimizer))
        return True

    @property
    def waiting(self) -> bool:
        """Is an optimizer to be measured that may come soon?"""
        return bool(self._owed) and self._asked < self.PATIENCE


def owner_of(places: list[int], owners: list[int]) -> int:
    """The optimizer that these tensors are updated by; where they are shared, by most of them. -1 for none."""
    found = [owners[place] for place in places if place < len(owners)]
    return max(set(found), key=found.count, default=-1)


def not_finite(values: Optional[list[Optional[float]]], places: list[int]) -> list[int]:
    """Those of these tensors whose value is not finite."""
    if values is None:
        return []
    known = [values[place] for place in places if place < len(values)]
    if math.isfinite(sum(value for value in known if value is not None)):
        return []  # as nearly always
    return [place for place in places if not math.isfinite(values[place] or 0.0)]


def short(value: Optional[float]) -> Optional[float]:
    """Six significant digits: what a journal needs, in few bytes."""
    return None if value is None else float(f"{value:.6g}")


def _total(values: Optional[list[Optional[float]]]) -> Optional[float]:
    """The L2 norm of everything, from the norms of the pieces."""
    if values is None:
        return None
    return short(sum(value * value for value in values if value is not None) ** 0.5)
