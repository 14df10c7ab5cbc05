"""What the name of a logged number says: is it the validation loss, the validation accuracy, one half of a pair?

Programs name the same thing in many ways: `val_loss` (Lightning's examples), `eval_loss` (Hugging Face's Trainer),
`Loss/validation` (TensorBoard's examples). A name is read as words, whatever stands between them; the list of words is
short on purpose: a test loss is no validation loss, and neither is one of several (`val_loss/dataloader_idx_1`).
"""

from __future__ import annotations

import re
from functools import lru_cache

VALIDATION = frozenset(("val", "valid", "validation", "eval", "evaluation", "dev"))
TRAIN = frozenset(("train", "training"))
LOSS = frozenset(("loss",))
ACCURACY = frozenset(("accuracy", "acc"))

_BETWEEN = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """The words of a name: ("val", "loss") for `Val/Loss`. Lightning's `_epoch` says nothing of what is measured."""
    found = tuple(word for word in _BETWEEN.split(name.lower()) if word)
    return found[:-1] if len(found) > 1 and found[-1] == "epoch" else found


def is_validation_loss(name: str) -> bool:
    """Two words, in either order: one for validation, and "loss"."""
    return _is(name, LOSS)


def is_validation_accuracy(name: str) -> bool:
    """Two words, in either order: one for validation, and "accuracy" or "acc"."""
    return _is(name, ACCURACY)


def _is(name: str, what: frozenset[str]) -> bool:
    found = words(name)
    if len(found) != 2:
        return False
    first, second = found
    return (first in VALIDATION and second in what) or (first in what and second in VALIDATION)


def halves(name: str) -> tuple[str, str]:
    """(what is measured, on which data): ("f1 macro", "validation") for `val/f1_macro`. The second is "train",
    "validation", or "" where the name does not say."""
    found = words(name)
    for place in (0, len(found) - 1):
        if len(found) > 1 and found[place] in VALIDATION | TRAIN:
            part = "train" if found[place] in TRAIN else "validation"
            return " ".join(found[:place] + found[place + 1 :]), part
    return " ".join(found), ""


class Claim:
    """Which of the names that a program logs has a place on the dashboard: the first that reads so, and the exact one
    (`val_loss`, `val_accuracy`: what `tui.log` documents) over all others."""

    def __init__(self, exact: str) -> None:
        self._exact = exact
        self._reads = is_validation_loss if words(exact)[-1] in LOSS else is_validation_accuracy
        self._never: set[str] = set()
        self.name = ""
        """The name that has the place; "" while none has."""

    def takes(self, name: str) -> bool:
        """Does this name have the place, from now on?"""
        if name == self.name:
            return True
        if name in self._never or (self.name and name != self._exact) or not self._reads(name):
            return False
        self.name = name
        return True

    def give_up(self) -> None:
        """The name turned out to be another thing: it never gets the place again."""
        self._never.add(self.name)
        self.name = ""
