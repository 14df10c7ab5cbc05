"""The training loops that are measured: fixed random data, no loader, no prints."""

from __future__ import annotations

from typing import Callable

import torch
from torch import nn

BATCHES = 32
"""Different batches, taken in turn: a single one would be learned by heart within seconds."""


def small() -> nn.Module:
    """784-16-16-10: a step of half a millisecond."""
    return nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 10))


def medium() -> nn.Module:
    """784-512-512-10: a step of a few milliseconds."""
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def many() -> nn.Module:
    """1,000 tensors: 500 linear layers of 16 units."""
    layers: list[nn.Module] = [nn.Linear(784, 16)]
    for _ in range(498):
        layers += [nn.Tanh(), nn.Linear(16, 16)]
    return nn.Sequential(*layers, nn.Tanh(), nn.Linear(16, 10))


def large() -> nn.Module:
    """100 million weights in nine linear layers."""
    layers: list[nn.Module] = [nn.Linear(784, 3700)]
    for _ in range(7):
        layers += [nn.ReLU(), nn.Linear(3700, 3700)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(3700, 10))


MODELS: dict[str, Callable[[], nn.Module]] = {"small": small, "medium": medium, "many": many, "large": large}


def training(name: str, threads: int) -> Callable[[], None]:
    """One step of training as a function: batches of 64 and Adam; for the large model batches of 8 and SGD."""
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # dead units' running means would slow all arithmetic down after a while
    model = MODELS[name]()
    size = 8 if name == "large" else 64
    data = [(torch.randn(size, 784), torch.randint(10, (size,))) for _ in range(BATCHES)]
    if name == "large":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    else:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    loss_fn = nn.CrossEntropyLoss()
    turn = 0

    def step() -> None:
        nonlocal turn
        x, y = data[turn % BATCHES]
        turn += 1
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()

    return step
