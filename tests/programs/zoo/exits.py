"""Stops in the middle of a loop with a status of its own, in a `finally` and with something left for the end."""

import atexit
import sys

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Linear(8, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
atexit.register(print, "good bye")
steps = 0
try:
    while True:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        steps += 1
        if loss < 0.9:
            sys.exit(3)
finally:
    print(f"steps {steps}")
    tell(loss, model)
