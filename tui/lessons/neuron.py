"""A single neuron: one weight, one bias, one input, and it is to answer 0."""

from __future__ import annotations

import argparse
import math

import torch
from torch import nn

from tui import log
from tui.lessons import data

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}


class Neuron(nn.Module):
    """Weight times input, plus bias, through an activation function."""

    def __init__(self, weight: float, bias: float | None, activation: str) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1, bias=bias is not None)
        self.activation = ACTIVATIONS[activation]()
        nn.init.constant_(self.linear.weight, weight)
        if bias is not None:
            nn.init.constant_(self.linear.bias, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (samples, 1)
        output: torch.Tensor = self.activation(self.linear(x))
        return output  # (samples, 1)


class HalfSquaredError(nn.Module):
    """(output - target)² / 2, averaged over the samples; the half makes the slope simply output - target."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((output - target) ** 2).mean() / 2


def knob(text: str) -> float:
    """Read where a weight or a bias starts; argparse.ArgumentTypeError otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= 1000:
        raise argparse.ArgumentTypeError(f"must be a number from -1000 to 1000, not {text!r}")
    return value


def options() -> argparse.Namespace:
    parser = data.arguments("neuron", str(__doc__), lr=0.15)
    parser.add_argument("--steps", type=data.whole, default=300, help="updates")
    parser.add_argument("--start", type=knob, nargs=2, default=[0.6, 0.9], metavar=("W", "B"), help="weight and bias")
    parser.add_argument("--input", type=knob, default=1.0, help="what the neuron is shown")
    parser.add_argument("--activation", choices=sorted(ACTIVATIONS), default="sigmoid", help="after the sum")
    parser.add_argument("--no-bias", action="store_true", help="leave the bias out")
    return parser.parse_args()


@torch.no_grad()
def answer(model: nn.Module, x: torch.Tensor) -> float:
    """Ask the neuron without keeping what backpropagation would need."""
    return model(x).item()


def report(step: int, model: nn.Module, output: float) -> None:
    values = "  ".join(f"{name.split('.')[-1]} {p.item():+.3f}" for name, p in model.named_parameters())
    print(f"step {step}  output {output:.4f}  {values}")


def main() -> None:
    args = options()
    data.set_seed(args.seed, args.threads)  # nothing here is random: every seed gives the same run

    x = torch.tensor([[args.input]])
    target = torch.tensor([[0.0]])

    weight, bias = args.start
    model = Neuron(weight, None if args.no_bias else bias, args.activation)
    loss_fn = HalfSquaredError()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

    log(total_steps=args.steps)
    for step in range(args.steps):
        # 1. Forward pass: the neuron answers
        output = model(x)
        if step % 25 == 0:
            report(step, model, output.item())

        # 2. Compute loss: how wrong was the answer?
        loss = loss_fn(output, target)

        # 3. Backpropagation: how much does each of the two numbers change the loss?
        loss.backward()

        # 4. Update weights: both a little way downhill
        optimizer.step()

        # 5. Clear gradients: the next answer is judged for itself
        optimizer.zero_grad()

        log(output=answer(model, x))
    report(args.steps, model, answer(model, x))


if __name__ == "__main__":
    main()
