"""What being wrong costs: first one answer is pushed from wrong to right, then a whole cloud of points."""

from __future__ import annotations

import argparse
import math

import torch
from torch import nn

from tui import log
from tui.lessons import data, points

CENTRES = [(0.0, 1.5), (-1.3, -0.75), (1.3, -0.75)]  # of the three clouds, 1.5 from the middle
POINTS_SEED = 0  # the same points for every --seed, so that runs can be compared


class SquaredError(nn.Module):
    """Mean squared difference between the probabilities and the truth: 1 for the right class, 0 for the others."""

    def forward(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # (samples, classes), (samples,)
        truth = nn.functional.one_hot(y, logits.shape[1]).float()
        return ((logits.softmax(1) - truth) ** 2).mean()


def one_answer(p: float) -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    """Make one sample with input 1, and a layer whose two weights are its two scores; the right class gets `p`.

    With two classes softmax is the sigmoid of the difference of the scores, so that must be ln(p / (1 - p)).
    """
    model = nn.Linear(1, 2, bias=False)
    difference = math.log(p / (1 - p))
    nn.init.constant_(model.weight[0], difference / 2)
    nn.init.constant_(model.weight[1], -difference / 2)
    return model, torch.ones(1, 1), torch.tensor([0])


def three_clouds() -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    """Make 180 points of three classes, and a layer that starts with zeros: it finds all classes equally likely."""
    model = nn.Linear(2, 3)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model, *points.blobs(180, CENTRES, POINTS_SEED)


def probability(text: str) -> float:
    """Read a number between 0 and 1, both left out; argparse.ArgumentTypeError otherwise."""
    value = data.rate(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, not {text!r}")
    return value


def options() -> argparse.Namespace:
    parser = data.arguments("loss", str(__doc__), lr=0.1)
    parser.add_argument("--part", choices=["answer", "points"], default="answer", help="what to learn")
    parser.add_argument("--p", type=probability, default=0.01, help="part answer: what the right class has at first")
    parser.add_argument("--loss", choices=["cross-entropy", "mse"], default="cross-entropy", help="how to count")
    parser.add_argument("--steps", type=data.whole, default=60, help="updates")
    return parser.parse_args()


def main() -> None:
    args = options()
    data.set_seed(args.seed, args.threads)  # nothing here is random: every seed gives the same run

    model, x, y = one_answer(args.p) if args.part == "answer" else three_clouds()
    loss_fn = nn.CrossEntropyLoss() if args.loss == "cross-entropy" else SquaredError()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

    log(total_steps=args.steps)
    stairs, last_accuracy = 0, None
    for step in range(1, args.steps + 1):
        # 1. Forward pass: scores
        logits = model(x)

        # 2. Compute loss: for cross-entropy the mean of -ln p, where p is what the right class got
        loss = loss_fn(logits, y)

        # 3. Backpropagation: how does the loss change with each weight?
        loss.backward()

        # 4. Update weights: towards less loss
        optimizer.step()

        # 5. Clear gradients: the next step starts from nothing
        optimizer.zero_grad()

        p_true = logits.detach().softmax(1).gather(1, y[:, None]).mean().item()
        accuracy = (logits.argmax(1) == y).float().mean().item()
        stairs += last_accuracy is not None and accuracy != last_accuracy
        last_accuracy = accuracy
        if step == 1:
            log(first_loss=loss.item())
        log(p_true=p_true, accuracy=accuracy, stairs=stairs)
        if step == 1 or step % 5 == 0:
            print(f"step {step}  right class {p_true:.4f}  loss {loss.item():.4f}  accuracy {accuracy:.3f}")
    print(f"accuracy changed {stairs} times in {args.steps} steps")


if __name__ == "__main__":
    main()
