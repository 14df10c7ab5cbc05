"""The chain rule by finger: what a gradient promises for each weight, and what a nudge of that weight really does."""

from __future__ import annotations

import argparse
import math

import torch
from torch import nn

from tui import log
from tui.lessons import data, points

DTYPES = {"float64": torch.float64, "float32": torch.float32}
POINTS_SEED = 0  # the same points for every --seed, so that runs can be compared


class Chain(nn.Module):
    """2-3-2: a weight of the first layer acts on the loss through a hidden unit, its tanh and both scores."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(2, 3)
        self.tanh = nn.Tanh()
        self.output = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (points, 2)
        logits: torch.Tensor = self.output(self.tanh(self.hidden(x)))
        return logits  # (points, 2)


@torch.no_grad()
def nudge(
    model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor, tensor: torch.Tensor, place: int, h: float
) -> float:
    """Run the network with one weight raised and then lowered by `h`, and return half the difference of the losses.

    The weight gets its value back. Up and down, because then the bend of the loss cancels (central difference).
    """
    weights = tensor.view(-1)
    value = weights[place].clone()
    weights[place] = value + h
    up = loss_fn(model(x), y).item()
    weights[place] = value - h
    down = loss_fn(model(x), y).item()
    weights[place] = value
    return (up - down) / 2


def relative_error(predicted: list[float], real: list[float]) -> float:
    """Divide the distance between two lists by the length of the second; NaN where that has none."""
    length = math.hypot(*real)
    return math.dist(predicted, real) / length if length else math.nan


def options() -> argparse.Namespace:
    parser = data.arguments("chain", str(__doc__), lr=0.0)
    parser.add_argument("--h", type=data.rate, default=1e-6, help="size of a nudge")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="float64", help="how many digits a number has")
    return parser.parse_args()


def main() -> None:
    args = options()
    data.set_seed(args.seed, args.threads)

    x, y = points.blobs(8, [(-1.0, 0.0), (1.0, 0.0)], POINTS_SEED)
    x = x.to(DTYPES[args.dtype])
    model = Chain().to(DTYPES[args.dtype])
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)  # with rate 0 every step sees the same weights

    places = [(name, p, place) for name, p in model.named_parameters() for place in range(p.numel())]
    log(total_steps=len(places))
    predicted: list[float] = []
    real: list[float] = []
    for name, tensor, place in places:
        # 1. Forward pass: eight points, two scores each
        logits = model(x)

        # 2. Compute loss: one number at the end of the chain
        loss = loss_fn(logits, y)

        # 3. Backpropagation: once back through the chain, and every weight has its gradient
        loss.backward()

        # One weight a step: predicted change, gradient · h, beside the real change of the loss
        assert tensor.grad is not None
        predicted.append(tensor.grad.view(-1)[place].item() * args.h)
        real.append(nudge(model, loss_fn, x, y, tensor, place, args.h))
        error = relative_error(predicted, real)
        log(predicted=predicted[-1], real=real[-1], relative_error=error, forward_runs=2 * len(real))
        print(f"{name}[{place}]  predicted {predicted[-1]:+.12e}  real {real[-1]:+.12e}")

        # 4. Update weights: nothing moves while the rate is 0
        optimizer.step()

        # 5. Clear gradients: the next step starts from nothing
        optimizer.zero_grad()

    print(f"relative error {error:.1e}; {2 * len(real)} forward runs for what one backward pass knew")


if __name__ == "__main__":
    main()
