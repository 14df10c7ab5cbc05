"""Trains a teacher, and starts a second Python that trains, too."""

import subprocess
import sys

import torch
from told import blobs, digest
from torch import nn

who = 1 if "pupil" in sys.argv[1:] else 0
torch.manual_seed(who)
x, y = blobs()
model = nn.Linear(8, 4)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for _ in range(20 + who):
    at = torch.randint(0, len(x), (32,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x[at]), y[at])
    loss.backward()
    optimizer.step()
print(f"process {who} steps {20 + who}")
print(f"process {who} loss {loss.item():.6g}")
print(f"process {who} weights {digest(model)}", flush=True)
if who == 0:
    print("the pupil ended with", subprocess.run([sys.executable, __file__, "pupil"]).returncode)
