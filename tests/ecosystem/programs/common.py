"""What the programs have in common: a small regression, and how they tell what their library has on record."""

from __future__ import annotations

import json
from collections.abc import Iterable

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

UPDATES = 12


def parts() -> tuple[nn.Module, torch.optim.Optimizer, DataLoader]:
    torch.manual_seed(3)
    x = torch.randn(48, 4)
    y = x.sum(1, keepdim=True) + 0.1 * torch.randn(48, 1)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return model, optimizer, DataLoader(TensorDataset(x, y), batch_size=8)


def train(log) -> None:
    """Two passes. `log` gets (name, value, step): the loss of every update, and after each pass a validation loss."""
    model, optimizer, loader = parts()
    step = 0
    for _ in range(2):
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            log("train/loss", loss, step)
            say(loss)
        with torch.no_grad():
            log("val/loss", nn.functional.mse_loss(model(x), y), step)


def say(loss) -> None:
    print("loss", repr(float(loss.detach())), flush=True)


def on_record(name: str, values: Iterable[float]) -> None:
    """What the library itself has on record of a metric."""
    print("RECORD", json.dumps([name, [float(value) for value in values]]), flush=True)


def read_tensorboard(folder: str) -> None:
    """All scalars of a folder of event files, as tensorboard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(folder)
    events.Reload()
    for tag in events.Tags()["scalars"]:
        on_record(tag, [one.value for one in events.Scalars(tag)])
