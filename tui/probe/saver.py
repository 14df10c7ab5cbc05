"""Weights and optimizer state written to the run's checkpoints: whole, or not at all."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Optional

import torch
from torch import nn


def save(folder: Path, root: Optional[nn.Module], optimizers: list[Any], step: int, part: str = "") -> Path:
    """Writes the weights and the optimizers' state under a new name and gives its path. Raises OSError or RuntimeError;
    then there is nothing of that name.

    Where safetensors is installed: `step-<n>/` with `model.safetensors` and `optimizer.pt` ({"step", "optimizers"}).
    Else, and where that format cannot hold the weights (tensors that share memory, no module): `step-<n>.pt`, which
    `torch.load` reads: {"step", "model": state_dict, "optimizers": [state_dict, …]}; without a module "parameters" has
    the tensors in the optimizers' order.

    Args:
        part: stands behind the number in the name, where each rank writes its own part.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state: dict[str, Any] = {"step": step, "optimizers": [one.state_dict() for one in optimizers]}
    made: Optional[Path] = None
    if root is not None and not part and importlib.util.find_spec("safetensors") is not None:
        made = _as_safetensors(folder, root, state, step)
    if made is None:
        made = _as_one_file(folder, root, optimizers, state, f"step-{step}{part}")
    return made


def sharded(optimizers: list[Any]) -> bool:
    """Does this process hold only a part of some weight (a DTensor)?"""
    return any(
        hasattr(parameter, "to_local")
        for one in optimizers
        for group in one.param_groups
        for parameter in group["params"]
    )


def size_of(path: Path) -> int:
    """Bytes of a checkpoint."""
    return sum(one.stat().st_size for one in path.iterdir()) if path.is_dir() else path.stat().st_size


def _as_one_file(folder: Path, root: Optional[nn.Module], optimizers: list[Any], state: Any, name: str) -> Path:
    if root is not None:
        content = {**state, "model": root.state_dict()}
    else:
        parameters = [p.detach() for one in optimizers for group in one.param_groups for p in group["params"]]
        content = {**state, "parameters": parameters}
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=folder)
    os.close(handle)
    try:
        _write(temporary, content)
        target = _new_name(folder, name, ".pt")
        os.rename(temporary, target)
        _sync(folder)
        return target
    except BaseException:
        _remove(temporary)
        raise


def _as_safetensors(folder: Path, root: nn.Module, state: Any, step: int) -> Optional[Path]:
    """None where the format does not take these weights."""
    save_file: Any = importlib.import_module("safetensors.torch").save_file  # only where somebody has it
    temporary = tempfile.mkdtemp(prefix=".writing-", dir=folder)
    try:
        try:
            weights = {name: tensor.contiguous() for name, tensor in root.state_dict().items()}
            save_file(weights, os.path.join(temporary, "model.safetensors"), metadata={"step": str(step)})
        except (RuntimeError, ValueError, AttributeError):  # shared memory, a type that it does not know, no tensor
            shutil.rmtree(temporary, ignore_errors=True)
            return None
        _sync(Path(temporary) / "model.safetensors")
        _write(os.path.join(temporary, "optimizer.pt"), state)
        _sync(Path(temporary))
        target = _new_name(folder, f"step-{step}", "")
        os.rename(temporary, target)
        _sync(folder)
        return target
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write(path: str, content: Any) -> None:
    with open(path, "wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())


def _new_name(folder: Path, name: str, ending: str) -> Path:
    """The first name of this step that nothing has."""
    target, number = folder / f"{name}{ending}", 1
    while target.exists():
        number += 1
        target = folder / f"{name}-{number}{ending}"
    return target


def _sync(path: Path) -> None:
    """What was written, or the name, survives a power cut, too."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(name: str) -> None:
    try:
        os.unlink(name)
    except OSError:
        pass
