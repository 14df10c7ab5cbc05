"""Trains two steps, then fails deep inside."""

import torch
from torch import nn


def deep(step: int) -> None:
    if step == 2:
        raise ValueError("the user's own")


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x: torch.Tensor, step: int) -> torch.Tensor:
        deep(step)
        return self.layer(x)


if __name__ == "__main__":
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(5):
        model(torch.ones(2, 3), step).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
