"""Trains two small models, one after the other, and prints every loss, every rate, and the SHA-256 of all weights.

The first: dropout, a shuffling loader, SGD with momentum under StepLR, gradients cleared last. The second: convolution,
batch normalisation, an in-place ReLU, Adam under LambdaLR, gradients cleared first.
"""

import hashlib
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import tui


def digest(model: nn.Module) -> str:
    return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in model.state_dict().values())).hexdigest()


def dense(data: TensorDataset, epochs: int) -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.7)
    for _ in range(epochs):
        for x, y in DataLoader(data, 32, shuffle=True):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            print("loss", loss.item().hex())
        schedule.step()
        tui.log(val_loss=loss, total_epochs=epochs)
        print("rate", schedule.get_last_lr()[0].hex())
    print("weights", digest(model))


def picture(data: TensorDataset, epochs: int) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8 * 36, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.95**epoch)
    for _ in range(epochs):
        for x, y in DataLoader(data, 64, shuffle=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x.reshape(-1, 1, 8, 8)), y)
            loss.backward()
            optimizer.step()
            print("loss", loss.item().hex())
        schedule.step()
        tui.log(val_loss=loss, total_epochs=epochs)
        print("rate", schedule.get_last_lr()[0].hex())
    print("weights", digest(model))


if __name__ == "__main__":
    torch.manual_seed(0)
    x = torch.randn(1024, 64)
    data = TensorDataset(x, x[:, :10].argmax(1))
    epochs = int(sys.argv[1])
    dense(data, epochs)
    picture(data, epochs)
    print("random", torch.rand(3).tolist(), torch.get_num_threads(), torch.is_grad_enabled())
