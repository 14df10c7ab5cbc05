"""Trains until a file named after it is there: FOLDER NAME [AFTER]. Writes down each update that it makes; with AFTER
it makes none before the training of that name has made one."""

import sys
import time
from pathlib import Path

import torch
from torch import nn

if __name__ == "__main__":
    folder, name = Path(sys.argv[1]), sys.argv[2]
    earlier = [folder / f"{other}.moves" for other in sys.argv[3:]]
    while not all(path.exists() and path.stat().st_size for path in earlier):
        time.sleep(0.01)
    weight = nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    with open(folder / f"{name}.moves", "w", buffering=1) as moves:
        while not (folder / f"{name}.enough").exists():
            before = weight[0].item()
            weight.sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            moves.write(f"{before - weight[0].item()}\n")
    print(name, "is done", flush=True)
