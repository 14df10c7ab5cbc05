"""Weights and optimizer state written to the run's checkpoints: whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Optional

import torch
from torch import nn


def save(folder: Path, root: Optional[nn.Module], optimizers: list[Any], step: int) -> Path:
    """Writes `step-<n>.pt` (a new name each time) and gives its path. Raises OSError or RuntimeError; then there is no
    file of that name.

    The file is what `torch.load` reads: {"step", "model": state_dict, "optimizers": [state_dict, …]}; without a module
    "parameters" has the tensors in the optimizers' order.
    """
    content: dict[str, Any] = {"step": step, "optimizers": [one.state_dict() for one in optimizers]}
    if root is not None:
        content["model"] = root.state_dict()
    else:
        content["parameters"] = [
            p.detach() for one in optimizers for group in one.param_groups for p in group["params"]
        ]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        target = _new_name(folder, step)
        os.rename(name, target)
        _sync(folder)
        return target
    except BaseException:
        _remove(name)
        raise


def _new_name(folder: Path, step: int) -> Path:
    """The first name of this step that nothing has."""
    target, number = folder / f"step-{step}.pt", 1
    while target.exists():
        number += 1
        target = folder / f"step-{step}-{number}.pt"
    return target


def _sync(folder: Path) -> None:
    """The name, too, survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(name: str) -> None:
    try:
        os.unlink(name)
    except OSError:
        pass
