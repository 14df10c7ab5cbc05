"""Checkpoints in safetensors' format. With the real library where it is installed, else with a stand-in for the part of
it that is used (`python -m tests.ecosystem` runs these with the real one)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tui.probe.saver import save

STAND_IN = """
import torch
def save_file(tensors, path, metadata=None):
    places = [tensor.untyped_storage().data_ptr() for tensor in tensors.values()]
    if len(set(places)) < len(places):
        raise RuntimeError("Some tensors share memory")
    if not all(tensor.is_contiguous() for tensor in tensors.values()):
        raise ValueError("You are trying to save a non contiguous tensor")
    with open(path, "wb") as file:
        torch.save((tensors, metadata), file)
def load_file(path):
    with open(path, "rb") as file:
        return torch.load(file)[0]
"""


@pytest.fixture
def safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`safetensors.torch`, as it is to be had here."""
    real = importlib.util.find_spec("safetensors") is not None
    if not real:
        package = tmp_path / "stand-in" / "safetensors"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "torch.py").write_text(STAND_IN)
        monkeypatch.syspath_prepend(package.parent)
    yield importlib.import_module("safetensors.torch")
    if not real:
        for name in ("safetensors.torch", "safetensors"):
            sys.modules.pop(name, None)


class Counts(nn.Linear):
    def get_extra_state(self) -> dict[str, int]:
        return {"seen": 3}


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Linear(3, 2)
    model.weight.data = torch.randn(3, 2).t()  # not contiguous
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_weights_and_optimizer_state_lie_in_one_folder(safetensors: Any, tmp_path: Path) -> None:
    model, optimizer = trained()
    made = [save(tmp_path / "checkpoints", model, [optimizer], 7) for _ in range(2)]
    assert [one.name for one in made] == ["step-7", "step-7-2"]
    assert sorted(one.name for one in made[0].parent.iterdir()) == ["step-7", "step-7-2"]
    weights = safetensors.load_file(made[0] / "model.safetensors")
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    saved = torch.load(made[0] / "optimizer.pt", weights_only=True)
    assert saved["step"] == 7
    moment = saved["optimizers"][0]["state"][0]["exp_avg"]
    assert torch.equal(moment, optimizer.state[model.weight]["exp_avg"])


def test_what_the_format_does_not_hold_is_one_file(safetensors: Any, tmp_path: Path) -> None:
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    made = save(tmp_path / "checkpoints", tied, [], 8)
    assert [one.name for one in made.parent.iterdir()] == ["step-8.pt"]
    assert torch.equal(torch.load(made, weights_only=True)["model"]["1.weight"], tied[0].weight)
    # a state that is more than tensors neither
    made = save(tmp_path / "checkpoints", Counts(2, 2), [], 9)
    assert made.name == "step-9.pt" and torch.load(made, weights_only=True)["model"]["_extra_state"] == {"seen": 3}


def test_a_folder_that_is_not_whole_has_no_name(
    safetensors: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer = trained()

    def full(*arguments: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)  # the weights are written, the optimizer's state is not
    if "stand-in" in str(safetensors.__file__):
        monkeypatch.setattr(
            safetensors, "save_file", lambda tensors, path, metadata: Path(path).write_bytes(b"weights")
        )
    with pytest.raises(OSError, match="No space"):
        save(tmp_path / "checkpoints", model, [optimizer], 9)
    assert list((tmp_path / "checkpoints").iterdir()) == []
