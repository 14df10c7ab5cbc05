"""The perceptron of 1958 and ADALINE of 1960: one line between two clouds, moved after every single point."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data, points

POINTS_SEED = 10  # the same points for every --seed, so that runs can be compared


class PerceptronLoss(nn.Module):
    """max(0, -target × score): how far a point is on the wrong side of the line, and nothing for the others.

    A step of SGD on it adds rate × target × point to the weights, which is Rosenblatt's rule of 1958. A point on the
    line counts as a mistake too: at the start every score is 0.
    """

    def forward(self, score: torch.Tensor, target: torch.Tensor) -> torch.Tensor:  # both (points, 1)
        mistake = (target * score <= 0).float()
        return (mistake * -target * score).mean()


@torch.no_grad()
def evaluate(model: nn.Module, x: torch.Tensor, target: torch.Tensor) -> tuple[float, float]:
    """Measure the mean squared error of the scores and the share of points on the right side (0 to 1)."""
    score = model(x)
    return ((score - target) ** 2).mean().item(), (score * target > 0).float().mean().item()


def clouds(distance: float, count: int, seed: int) -> points.Points:
    """Draw two round clouds; the targets, -1 and +1, have the shape (points, 1)."""
    x, y = points.blobs(count, [(-distance / 2, 0.0), (distance / 2, 0.0)], seed)
    return x, 2.0 * y[:, None] - 1


def options() -> argparse.Namespace:
    parser = data.arguments("perceptron", str(__doc__), epochs=20, lr=0.01)
    parser.add_argument("--rule", choices=["perceptron", "adaline"], default="perceptron", help="what to learn from")
    parser.add_argument("--distance", type=data.rate, default=2.0, help="between the clouds, in standard deviations")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    # The points: 200 to learn from, 1,000 others to check with
    train_x, train_y = clouds(args.distance, 200, POINTS_SEED)
    val_x, val_y = clouds(args.distance, 1000, POINTS_SEED + 1)
    one_by_one = DataLoader(TensorDataset(train_x, train_y), batch_size=1, shuffle=True, generator=order)

    # Two weights and a bias; the answer is only the sign of the score: that is the hard threshold
    model = nn.Linear(2, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    loss_fn = PerceptronLoss() if args.rule == "perceptron" else nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

    log(total_epochs=args.epochs)
    for epoch in range(1, args.epochs + 1):
        mistakes = 0
        for x, target in one_by_one:
            # 1. Forward pass: on which side of the line is this point?
            score = model(x)
            mistakes += int(not score * target > 0)  # a score that is no number is a mistake too

            # 2. Compute loss: the perceptron looks at mistakes only, ADALINE at the distance from -1 or +1
            loss = loss_fn(score, target)

            # 3. Backpropagation: which way would the score have to go?
            loss.backward()

            # 4. Update weights: the line turns and shifts
            optimizer.step()

            # 5. Clear gradients: the next point is judged for itself
            optimizer.zero_grad()

        mse, _ = evaluate(model, train_x, train_y)
        _, val_accuracy = evaluate(model, val_x, val_y)
        log(mistakes=mistakes, mse=mse, val_accuracy=val_accuracy)
        print(f"pass {epoch}  mistakes {mistakes}  mse {mse:.3g}  val accuracy {val_accuracy:.3f}")


if __name__ == "__main__":
    main()
