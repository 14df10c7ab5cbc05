"""For an environment that has torch and knows nothing of us."""

import importlib.util
import sys

import torch
from told import blobs, tell
from torch import nn

print("tui is there:", importlib.util.find_spec("tui") is not None, sys.prefix != sys.base_prefix)
torch.manual_seed(0)
x, y = blobs()
model = nn.Linear(8, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(20):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(f"norm {step + 1} {torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item():.6g}")
print("steps 20")
tell(loss, model)
