"""Gradients are clipped; what the update uses is what is left of them."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

for step in range(40):
    at = torch.randint(0, len(x), (32,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(5 * model(x[at]), y[at])
    loss.backward()
    before = nn.utils.clip_grad_norm_(model.parameters(), 0.25)
    after = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    optimizer.step()
    print(f"clipped from {before.item():.6g}")
    print(f"norm {step + 1} {after.item():.6g}")
print("steps 40")
tell(loss, model)
