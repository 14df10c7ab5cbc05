"""A program that knows nothing of us: each update appends its number and the rate that was really used to a file.

The gradient is 1 and the arithmetic exact, so what the weight lost is the learning rate.

    python subject.py FILE
"""

import sys

import torch
from torch import nn


class Telling(torch.optim.SGD):
    """Plain SGD that writes down what it does."""

    made = 0

    def step(self, closure=None):
        weight = self.param_groups[0]["params"][0]
        before = weight[0].item()
        super().step(closure)
        Telling.made += 1
        file.write(f"{Telling.made} {before - weight[0].item()!r} {self.param_groups[0]['lr']!r}\n")


if __name__ == "__main__":
    with open(sys.argv[1], "a", buffering=1) as file:
        layer = nn.Linear(1, 2, bias=False, dtype=torch.float64)
        optimizer = Telling(layer.parameters(), lr=2**-7)
        inputs = torch.ones(1, 1, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.fill_(2.0**10)
        while True:
            optimizer.zero_grad()
            layer(inputs).sum().backward()
            optimizer.step()
