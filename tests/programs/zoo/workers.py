"""DataLoaders whose worker processes are forked, spawned, and forked from a server; the data set is this script's."""

import torch
from told import blobs, tell
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Points(Dataset):
    def __init__(self, points, classes):
        self.points, self.classes = points, classes

    def __len__(self):
        return len(self.points)

    def __getitem__(self, at):
        return self.points[at], self.classes[at]


if __name__ == "__main__":
    torch.manual_seed(0)
    data = Points(*blobs(96))
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps = 0
    for context in ("fork", "spawn", "forkserver"):
        for x, y in DataLoader(data, 16, shuffle=True, num_workers=1, multiprocessing_context=context):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            steps += 1
        print(f"{context}: {loss.item():.6g}")
    print("shows epoch 3 · batch 6/6")
    print(f"steps {steps}")
    tell(loss, model)
