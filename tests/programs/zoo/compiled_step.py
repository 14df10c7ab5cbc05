"""torch.compile of a whole training step: forward, backward and update in one function."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


@torch.compile
def train_step(x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.detach()


for _ in range(20):
    at = torch.randint(0, len(x), (32,))
    loss = train_step(x[at], y[at])
print("steps 20")
tell(loss, model)
