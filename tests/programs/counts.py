"""Trains until it is interrupted; writes into a file of its own how many updates it has made."""

import sys

import torch
from torch import nn

if __name__ == "__main__":
    weight = nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    with open(sys.argv[1], "w", buffering=1) as file:
        try:
            while True:
                before = weight[0].item()
                weight.sum().backward()
                optimizer.step()
                optimizer.zero_grad()
                file.write(f"{before - weight[0].item()}\n")
        finally:
            print("cleaned up")
