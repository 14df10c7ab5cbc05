"""Adam with a closure: backward runs inside `step`."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Linear(8, 4)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)


def closure():
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x[at]), y[at])
    loss.backward()
    return loss


for step in range(30):
    at = torch.randint(0, len(x), (32,))
    loss = optimizer.step(closure)
    print(f"norm {step + 1} {torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item():.6g}")
print("steps 30")
tell(loss, model)
