"""The weights as they were when training began: whole where there is room, at fixed positions for most others."""

from __future__ import annotations

import weakref
from typing import Optional

import torch

from .forms import bytes_of, is_plain
from .frames import is_foreign
from .meter import local, sample
from .tree import Tree

KEPT_BYTES = 16 << 20
"""Copies of whole tensors come to no more than this, so that their change can be drawn; copies of samples of the others
to no more than this either, so that it can be said how far they have moved."""


class Starts:
    """Copies of parameters, by the parameter that they are of. Tensors that are not plain have none."""

    def __init__(self, tree: Tree) -> None:
        self._kept: dict[int, _Kept] = {}
        self._left, self._left_for_samples = KEPT_BYTES, KEPT_BYTES
        with torch.no_grad():
            for parameter in tree.parameters(range(len(tree))):
                if is_plain(parameter):
                    self._keep(parameter)

    def _keep(self, parameter: torch.Tensor) -> None:
        try:
            part, entries = local(parameter.detach()), sample(parameter)
            size, less = bytes_of(part), bytes_of(entries)
            whole = size <= self._left
            if whole:
                self._left -= size
            elif less <= self._left_for_samples:
                self._left_for_samples -= less
            else:
                return
            self._kept[id(parameter)] = _Kept(parameter, part.clone() if whole else None, entries.clone())
        except Exception as error:  # a class of tensors that cannot be copied: it has no start
            if is_foreign(error):
                raise

    def extend(self, tree: Tree) -> None:
        """Parameters that came later start where they were first seen."""
        now = Starts(tree)
        for key, kept in now._kept.items():
            known = self._kept.get(key)
            if known is not None and known.whose() is kept.whose():
                now._kept[key] = known
        self._kept = now._kept

    def whole(self, parameter: torch.Tensor) -> Optional[torch.Tensor]:
        """All of it as it was, where that is kept."""
        kept = self._of(parameter)
        return kept.whole if kept is not None and kept.shape == local(parameter.detach()).shape else None

    def samples(self, parameter: torch.Tensor) -> Optional[torch.Tensor]:
        """The entries at the positions of `sample`, as they were."""
        kept = self._of(parameter)
        return kept.samples if kept is not None and kept.shape == local(parameter.detach()).shape else None

    def _of(self, parameter: torch.Tensor) -> Optional[_Kept]:
        kept = self._kept.get(id(parameter))
        return kept if kept is not None and kept.whose() is parameter else None


class _Kept:
    """What is kept of one parameter."""

    def __init__(self, whose: torch.Tensor, whole: Optional[torch.Tensor], samples: torch.Tensor) -> None:
        self.whose = weakref.ref(whose)
        self.shape = local(whose.detach()).shape
        """A program may give a parameter other data, of another shape: it has no start then."""
        self.whole = whole
        self.samples = samples
