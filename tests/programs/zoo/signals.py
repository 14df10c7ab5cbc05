"""Handlers of its own: a timer, SIGUSR1 from outside, and SIGTERM, which saves and ends with a status of its own."""

import signal
import sys
import time

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Linear(8, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
seen = []


def end(number, frame):
    print("steps 30")
    tell(loss, model)
    sys.exit(4)


signal.signal(signal.SIGALRM, lambda number, frame: seen.append("timer"))
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append("asked"))
signal.signal(signal.SIGTERM, end)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for _ in range(30):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
while "timer" not in seen:
    time.sleep(0.001)
signal.setitimer(signal.ITIMER_REAL, 0)
print("waits for SIGUSR1", flush=True)
while "asked" not in seen:
    time.sleep(0.001)
print("waits for SIGTERM", flush=True)
while True:
    time.sleep(0.001)
