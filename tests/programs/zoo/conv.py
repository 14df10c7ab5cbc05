"""Convolutions with batch norm, an in-place ReLU, `x += shortcut`, an autograd.Function of its own, checkpointing."""

import torch
from told import blobs, tell
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
x, y = blobs(128, inputs=64)
x = x.reshape(-1, 1, 8, 8)


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return slope * (s + x * s * (1 - s))


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.norm(self.conv(x))
        out += x
        return Swish.apply(self.relu(out))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.block = Block(4)
        self.deep = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(inplace=True))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.block(self.stem(x))
        x = checkpoint(self.deep, x, use_reentrant=True)
        return self.head(x.mean((2, 3)))


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)

for step in range(20):
    at = torch.randint(0, len(x), (16,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x[at]), y[at])
    loss.backward()
    optimizer.step()
    print(f"norm {step + 1} {torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item():.6g}")
print("trained stem head")
print("steps 20")
tell(loss, model)
