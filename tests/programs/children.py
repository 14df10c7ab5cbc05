"""Trains with loader workers of both kinds, then lets a forked child train, then goes on."""

import os

import torch
from torch import nn
from torch.utils.data import DataLoader


def train(steps: int, loader: object = None) -> None:
    layer = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for batch in loader if loader is not None else [torch.ones(2, 3)] * steps:
        layer(batch).sum().backward()
        optimizer.step()
        optimizer.zero_grad()


if __name__ == "__main__":
    torch.manual_seed(0)
    for start in ("fork", "spawn"):
        train(0, DataLoader(torch.ones(8, 3), batch_size=2, num_workers=1, multiprocessing_context=start))
        print("workers", start, flush=True)
    if os.fork() == 0:
        train(4)
        raise SystemExit(0)
    os.wait()
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    train(5)
    print("done")
