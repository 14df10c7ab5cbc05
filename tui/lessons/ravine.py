"""Walking downhill in fog: two numbers, one height, and only the slope under the feet is known."""

from __future__ import annotations

import argparse
import math

import torch
from torch import nn

from tui import log
from tui.lessons import data

GOAL = 0.001  # the walk ends below this height
START = [-10.0, 1.0]


class Ravine(nn.Module):
    """(x² + 100 y²) / 2: across the valley 100 times as steep as along it; the bottom is at (0, 0)."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.tensor(START))

    def forward(self) -> torch.Tensor:
        x, y = self.position
        return (x**2 + 100 * y**2) / 2


class TwoValleys(nn.Module):
    """A plain with a shallow hollow near (-5, 0) and a deep valley at (4, 0), both made of bell curves."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.tensor(START))

    def forward(self) -> torch.Tensor:
        x, y = self.position
        hollow = torch.exp(-((x + 5) ** 2 + y**2) / 4)
        valley = torch.exp(-((x - 4) ** 2 + y**2) / 30)
        return 3 - 0.8 * hollow - 3 * valley


def options() -> argparse.Namespace:
    parser = data.arguments("ravine", str(__doc__), lr=0.01)
    parser.add_argument("--steps", type=data.whole, default=1000, help="updates at most")
    parser.add_argument("--surface", choices=["ravine", "two-valleys"], default="ravine", help="where to walk")
    parser.add_argument("--optimizer", choices=["sgd", "momentum", "adam"], default="sgd", help="how to walk")
    parser.add_argument("--momentum", type=share, default=0.9, help="share of the last move that goes on, 0 to 1")
    parser.add_argument("--uphill", action="store_true", help="walk along the gradient, not against it")
    return parser.parse_args()


def share(text: str) -> float:
    """Read a number from 0 to 1; argparse.ArgumentTypeError otherwise."""
    value = data.rate(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, not {text!r}")
    return value


def main() -> None:
    args = options()
    data.set_seed(args.seed, args.threads)  # nothing here is random: every seed gives the same run

    model: nn.Module = Ravine() if args.surface == "ravine" else TwoValleys()
    if args.optimizer == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), args.lr, maximize=args.uphill)
    else:
        momentum = args.momentum if args.optimizer == "momentum" else 0.0
        optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=momentum, maximize=args.uphill)

    log(total_steps=args.steps)
    taken = args.steps  # what is logged when the goal is never reached
    for step in range(1, args.steps + 1):
        # 1. Forward pass: how high are we?
        height = model()

        # 2. Compute loss: nothing to compare with, the height itself is the loss
        loss = height

        # 3. Backpropagation: which way is up, and how steep is it?
        loss.backward()

        # 4. Update weights: one step against the gradient
        optimizer.step()

        # 5. Clear gradients: the slope is another one here
        optimizer.zero_grad()

        with torch.no_grad():
            now = model().item()
        log(height=now)
        if step in (1, 2, 3) or step % 50 == 0:
            print(f"step {step}  height {now:.4g}")
        if now < GOAL:
            taken = step
            break
        if not math.isfinite(now):
            break  # out of the map: no number is that large

    log(steps=taken)
    x, y = next(model.parameters()).tolist()
    print(f"{step} steps  height {now:.4g}  at ({x:.4g}, {y:.4g})")


if __name__ == "__main__":
    main()
