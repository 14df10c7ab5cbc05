"""A model compiled by TorchScript: its modules are no Python modules any more, its parameters no dictionary."""

import warnings

import torch
from told import blobs, tell
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(8, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(torch.relu(self.stem(x)))


torch.manual_seed(0)
x, y = blobs()
warnings.simplefilter("ignore", FutureWarning)  # torch would like to see TorchScript go
model = torch.jit.script(Net())
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(40):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(f"norm {step + 1} {torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item():.6g}")
print("trained stem head")
print("shows stem Linear")
print("steps 40")
tell(loss, model)
