"""LBFGS: each step calls its closure, and with it backward, several times."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4))
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4, line_search_fn="strong_wolfe")
calls = 0


def closure():
    global calls, loss
    calls += 1
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    return loss


for _ in range(10):
    first = optimizer.step(closure)
print(f"calls of the closure {calls}")
print(f"loss before the last step {first.item():.6g}")
print("steps 10")
tell(loss, model)
