"""One throw, one correction: a picture of four pixels goes through a network small enough to check by hand."""

from __future__ import annotations

import argparse
import math

import torch
from torch import nn

from tui import log
from tui.lessons import data

PICTURE = [[0.5, 0.2], [0.8, 0.1]]  # 0 is black, 1 is white
TRUE_CLASS = 0

# The weights at the start, one row for each neuron, the bias last. The first row is the article's; the others were
# chosen so that every layer puts out the article's numbers, and the scores are 1.2, 0.4 and -0.3.
FIRST = [[0.1, 0.4, 0.2, 0.3, 0.1], [0.3, 0.1, 0.5, 0.2, 0.1], [0.6, -0.1, 0.3, -0.2, 0], [0.4, 0.2, 0.6, 0.2, 0.1]]
SECOND = [[0.3, 0.2, -0.1, 0.4, 0], [0.3, 0.2, 0.4, -0.1, 0], [0.6, 0.4, 0.3, -0.2, 0.2], [0.2, -0.6, 0.4, 0.5, 0]]
LAST = [[0.6, -0.3, 0.8, 0.4, 0.3], [0.2, -0.4, 0.5, 0.3, 0], [0.3, 0.5, -0.6, -0.1, -0.2]]


class TinyNetwork(nn.Module):
    """4 pixels, two hidden layers of 4 neurons, 3 scores; no activation after the scores: they may be negative."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (pictures, 2, 2)
        logits: torch.Tensor = self.layers(self.flatten(x))
        return logits  # (pictures, 3)


@torch.no_grad()
def set_weights(model: TinyNetwork) -> None:
    """Put the fixed numbers above in place of the random start."""
    linears = [layer for layer in model.layers if isinstance(layer, nn.Linear)]
    for linear, rows in zip(linears, (FIRST, SECOND, LAST)):
        numbers = torch.tensor(rows)
        linear.weight.copy_(numbers[:, :-1])
        linear.bias.copy_(numbers[:, -1])


def options() -> argparse.Namespace:
    parser = data.arguments("dart", str(__doc__), lr=0.1)
    parser.add_argument("--steps", type=data.whole, default=30, help="throws, each with one correction")
    parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd", help="what turns gradients into moves")
    parser.add_argument("--no-zero-grad", action="store_true", help="never clear the gradients: they add up")
    return parser.parse_args()


def main() -> None:
    args = options()
    data.set_seed(args.seed, args.threads)  # nothing here is random: every seed gives the same run

    x = torch.tensor([PICTURE])  # one picture of 2 x 2 pixels
    y = torch.tensor([TRUE_CLASS])

    model = TinyNetwork()
    set_weights(model)
    loss_fn = nn.CrossEntropyLoss()  # takes scores; turns them into probabilities itself
    kind = torch.optim.Adam if args.optimizer == "adam" else torch.optim.SGD
    optimizer = kind(model.parameters(), lr=args.lr)
    log(total_steps=args.steps)

    for step in range(1, args.steps + 1):
        # 1. Forward pass: the throw
        logits = model(x)

        # 2. Compute loss: how far off was it?
        loss = loss_fn(logits, y)
        probabilities = logits.detach().softmax(1)[0]
        if step == 1:
            log(first_loss=loss.item())
            print("scores", [round(score, 3) for score in logits[0].tolist()])
            print("probabilities", [round(p, 3) for p in probabilities.tolist()])
        p_true = probabilities[TRUE_CLASS].item()
        log(p_true=p_true)

        # 3. Backpropagation: which weight had which share in it?
        loss.backward()

        # 4. Update weights: aim a little differently
        before = nn.utils.parameters_to_vector(model.parameters()).detach()
        optimizer.step()
        moves = (nn.utils.parameters_to_vector(model.parameters()).detach() - before).abs()
        smallest, largest = moves.min().item(), moves.max().item()
        log(smallest_move=smallest, largest_move=largest)
        if step == 1:
            log(first_spread=largest / smallest if smallest else math.nan)

        # 5. Clear gradients: the next throw is judged for itself
        if not args.no_zero_grad:
            optimizer.zero_grad()
        print(f"step {step}  loss {loss.item():.4f}  right class {p_true:.4f}  moves {smallest:.5f} to {largest:.5f}")


if __name__ == "__main__":
    main()
