"""The plainest loop: no loader, the whole data each time, a schedule. It may be run where backlit is not installed."""

import importlib.util

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)

for step in range(60):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    rate = schedule.get_last_lr()[0]
    schedule.step()
    print(f"norm {step + 1} {torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item():.6g}")
print("tui can be imported:", importlib.util.find_spec("tui") is not None)
print(f"rate {rate:.6g}")
print("steps 60")
tell(loss, model)
