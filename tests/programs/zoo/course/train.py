"""`python -m course.train`: relative imports, arguments, and objects whose classes live in `__main__`."""

import argparse
import io
import pickle
import sys
from dataclasses import dataclass

import torch
from told import blobs, tell
from torch import nn

from .model import Net


@dataclass
class Settings:
    steps: int
    width: int


def main():
    parser = argparse.ArgumentParser(prog="course")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--width", type=int, default=16)
    settings = Settings(**vars(parser.parse_args()))
    torch.manual_seed(0)
    x, y = blobs()
    model = Net(settings.width)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(settings.steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    again = pickle.loads(pickle.dumps(settings))
    file = io.BytesIO()
    torch.save({"model": model, "settings": again, "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    read = torch.load(file, weights_only=False)
    print(type(read["settings"]), read["settings"] == settings, sys.argv[1:], __package__)
    print("trained hidden out")
    print(f"steps {settings.steps}")
    tell(loss, read["model"])


if __name__ == "__main__":
    main()
