"""Gradients of four small batches make one update; the loss of each is divided by four, their sum is its loss. They
are clipped: what the update uses is what is left of them."""

import torch
from told import blobs, tell
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
loader = DataLoader(TensorDataset(*blobs()), batch_size=8, shuffle=True)
ACCUMULATE = 4
steps, total = 0, 0.0

for _ in range(3):
    for number, (x, y) in enumerate(loader):
        loss = nn.functional.cross_entropy(model(x), y) / ACCUMULATE
        loss.backward()
        total += loss.item()
        if (number + 1) % ACCUMULATE == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item()
            print(f"norm {steps + 1} {norm:.6g}")
            optimizer.step()
            optimizer.zero_grad()
            last, total = total, 0.0
            steps += 1
print(f"steps {steps}")
tell(last, model)
