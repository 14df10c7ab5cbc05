"""`python workshop`: a directory as a program; its own class is pickled by name from `__main__`."""

import hashlib
import pickle
import sys

import torch
from nets import build
from torch import nn


class Meter:
    def __init__(self):
        self.values = []


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]))
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x = torch.randn(64, 8)
    meter = Meter()
    for _ in range(25):
        loss = nn.functional.mse_loss(model(x), x[:, :4])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        meter.values.append(loss.item())
    kept = pickle.dumps(meter)
    print(pickle.loads(kept).values == meter.values, hashlib.sha256(kept).hexdigest(), Meter.__module__)
    weights = b"".join(p.detach().numpy().tobytes() for p in model.parameters())
    print("steps 25")
    print(f"loss {loss.item():.6g}")
    print(f"weights {hashlib.sha256(weights).hexdigest()}")
