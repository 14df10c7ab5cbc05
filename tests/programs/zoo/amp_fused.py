"""GradScaler with a fused optimizer: the scale goes into the update itself, gradients are never unscaled."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Linear(8, 4)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
scaler = torch.amp.GradScaler("cpu", init_scale=4096.0, growth_interval=1000)
skipped = 0

for step in range(20):
    at = torch.randint(0, len(x), (32,))
    loss = nn.functional.cross_entropy(model(x[at]), y[at])
    scaler.scale(loss).backward()
    if step == 9:
        model.weight.grad[0, 0] = float("inf")
    before = scaler.get_scale()
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item() / before
    scaler.step(optimizer)
    scaler.update()
    skipped += scaler.get_scale() < before
    if scaler.get_scale() == before:
        print(f"norm {step + 1 - skipped} {norm:.6g}")
    optimizer.zero_grad(set_to_none=True)
print(f"skipped {skipped}")
print(f"steps {20 - skipped}")
tell(loss, model)
