"""Trains, then forks; both go on training, each by itself."""

import os

import torch
from told import blobs, digest
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train(steps):
    for _ in range(steps):
        at = torch.randint(0, len(x), (32,))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[at]), y[at])
        loss.backward()
        optimizer.step()
    return loss


def tell(who, steps, loss):
    print(f"process {who} steps {steps}")
    print(f"process {who} loss {loss.item():.6g}")
    print(f"process {who} weights {digest(model)}", flush=True)


train(10)
child = os.fork()
if child == 0:
    torch.manual_seed(1)
    tell(1, 15, train(15))
    raise SystemExit(5)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(f"the child ended with {status}")
tell(0, 30, train(20))
