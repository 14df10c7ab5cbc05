"""Training without an optimizer object: weights that the program updates by hand after a backward pass.

Nothing announces such an update. What can be seen is that the tensors which the last backward pass gave gradients to
have moved by the time the next one begins, or that their gradients were cleared meanwhile: then a step was made.
"""

from __future__ import annotations

import weakref
from typing import Any, Optional

import torch

from .meter import local

MOST_NODES = 20_000
"""Of a graph larger than this only so many nodes are looked at."""
MOST_SAMPLED = 64
"""Leaves of which one entry is compared, for edits that leave no other trace (`p.data -= …`)."""
LOOK_EVERY = 200
"""Backward passes after which the leaves are looked for again: a program may begin to train others."""
WAIT_PASSES = 16
"""After so many backward passes without any sign of an update, the passes themselves are counted."""


class ByHand:
    """Stands where an optimizer would: the tensors that are updated, and whether they have been."""

    def __init__(self) -> None:
        self.state: dict[Any, Any] = {}
        self.passes = 0
        """Backward passes seen."""
        self._leaves: list[weakref.ReferenceType[torch.Tensor]] = []
        self._marks: list[tuple[Any, ...]] = []
        """What was seen of the leaves when the last backward pass had ended; empty before the first."""
        self._anew = False
        """An update makes new tensors: the old ones never move."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """One group, without a rate: the leaves of the newest graph."""
        return [{"params": [leaf for leaf in self._now() if leaf is not None]}]

    def state_dict(self) -> dict[str, Any]:
        """There is no state."""
        return {}

    def begins(self, loss: torch.Tensor) -> bool:
        """A backward pass begins. True if the leaves of the one before have been updated since it ended."""
        moved = self.moved()
        if not moved or self.passes % LOOK_EVERY == 0:
            before, leaves = self._now(), leaves_of(loss)
            self._leaves = [weakref.ref(leaf) for leaf in leaves]
            if self._marks and not {id(leaf) for leaf in before} & {id(leaf) for leaf in leaves}:
                moved = self._anew = True  # w = w - rate * gradient
        self.passes += 1
        return moved

    def ended(self) -> None:
        """The backward pass has ended: what an update will be told by."""
        self._marks = [_mark(leaf, place) if leaf is not None else () for place, leaf in enumerate(self._now())]

    def last_moved(self) -> bool:
        """At the end of the program: was the last backward pass followed by an update? Of tensors that are made anew
        that is taken for granted, as it was so before."""
        return self.moved() or (self._anew and bool(self._marks))

    def moved(self) -> bool:
        """Have the leaves been updated since the last backward pass ended?"""
        if not self._marks:
            return False
        now = enumerate(zip(self._now(), self._marks))
        return any(leaf is not None and _mark(leaf, place) != mark for place, (leaf, mark) in now)

    def _now(self) -> list[Optional[torch.Tensor]]:
        return [reference() for reference in self._leaves]


def _mark(leaf: torch.Tensor, place: int) -> tuple[Any, ...]:
    """What changes when a tensor is updated or its gradient is cleared. Values are only read where that waits for no
    device."""
    grad = leaf.grad
    entry = _entry(leaf) if place < MOST_SAMPLED else None
    cleared = (None, 0) if grad is None else (id(grad), grad._version)
    return (leaf._version, leaf.data_ptr() if leaf.layout == torch.strided else 0, cleared, entry)


def _entry(leaf: torch.Tensor) -> Optional[float]:
    """One value of a tensor on the CPU, or None where there is none to be read."""
    part = local(leaf.detach())
    if not (part.is_cpu and part.layout == torch.strided and part.numel() and not part.is_complex()):
        return None
    # storage that was given back for a while (FSDP does so between two passes)
    if part.untyped_storage().nbytes() < (part.storage_offset() + part.numel()) * part.element_size():
        return None
    flat = part.reshape(-1) if part.is_contiguous() else part.flatten()
    value = float(flat[flat.numel() // 2].item())
    return value if value == value else 0.0  # NaN is unlike itself


def leaves_of(loss: torch.Tensor) -> list[torch.Tensor]:
    """The tensors that a backward pass from here gives gradients to, in the order in which they are met."""
    found: dict[int, torch.Tensor] = {}
    nodes: list[Any] = [loss.grad_fn] if loss.grad_fn is not None else []
    seen = {id(node) for node in nodes}
    kept = list(nodes)  # a node that is not held may give its id to the next one
    while nodes and len(kept) < MOST_NODES:
        node = nodes.pop()
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.Tensor):
            found.setdefault(id(leaf), leaf)
        for following, _ in node.next_functions:
            if following is not None and id(following) not in seen:
                seen.add(id(following))
                kept.append(following)
                nodes.append(following)
    return list(found.values())[::-1]
