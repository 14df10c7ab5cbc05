"""Stopping a loop that a trainer runs, by the trainer's own flag: it then validates, saves and ends in its own way."""

from __future__ import annotations

import sys
from typing import Any

from .tree import living

LIGHTNING = ("lightning.pytorch.trainer.trainer", "pytorch_lightning.trainer.trainer")
TRANSFORMERS = "transformers.trainer"


def ask_to_stop() -> str:
    """Sets the flag of the trainer that is fitting a model in this process; its name, or "" where there is none.

    Lightning stops after the step in hand (`Trainer.should_stop`), Hugging Face's Trainer likewise
    (`TrainerControl.should_training_stop`). Both then run what they run at the end of a training.
    """
    for name in LIGHTNING:
        for trainer in _instances(name, "Trainer"):
            if getattr(trainer, "training", False):
                trainer.should_stop = True
                return "Lightning"
    for trainer in _instances(TRANSFORMERS, "Trainer"):
        control: Any = getattr(trainer, "control", None)
        state: Any = getattr(trainer, "state", None)
        trains = getattr(trainer, "is_in_train", getattr(trainer, "optimizer", None) is not None)
        if control is not None and state is not None and trains:
            control.should_training_stop = True
            return "Trainer"
    return ""


def _instances(module: str, name: str) -> list[Any]:
    kind = getattr(sys.modules.get(module), name, None)
    return living(kind) if isinstance(kind, type) else []
