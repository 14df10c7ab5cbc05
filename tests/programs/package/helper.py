"""Found by a relative import."""

import torch
from torch import nn


def train(steps: int) -> str:
    torch.manual_seed(0)
    layer = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(steps):
        layer(torch.ones(2, 3)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return layer.weight.tolist().__repr__()
