"""GradScaler and bfloat16 autocast on the CPU; twice the gradients overflow, and those updates are skipped."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=1000)
skipped = 0

for step in range(30):
    at = torch.randint(0, len(x), (32,))
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = nn.functional.cross_entropy(model(x[at]), y[at])
    scaler.scale(loss).backward()
    if step in (5, 17):
        model[0].weight.grad[0, 0] = float("inf")
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    skipped += scaler.get_scale() < before
print(f"skipped {skipped}")
print(f"steps {30 - skipped}")
tell(loss, model)
