"""Skip connections: twenty layers that only add to what came in, against twenty that replace it."""

from __future__ import annotations

import argparse
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data

WIDTH = 32
BATCH = 32
KINDS = ["plain", "skip", "rezero"]


class Block(nn.Module):
    """One layer of 32 units, f, and what it does with its input x.

    plain: f(x) replaces x. skip: x + f(LayerNorm(x)), x goes on and f is added (He et al. 2015 and 2016).
    rezero: x + a * f(x), where a is learned and starts at 0 (Bachlechner et al. 2020).
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "skip":
            self.norm = nn.LayerNorm(WIDTH)
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.relu = nn.ReLU()
        if kind == "rezero":
            self.a = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (images, 32), and so is what comes out
        if self.kind == "skip":
            return x + self.relu(self.linear(self.norm(x)))
        if self.kind == "rezero":
            return x + self.a * self.relu(self.linear(x))
        out: torch.Tensor = self.relu(self.linear(x))
        return out


class DeepReader(nn.Module):
    """64 pixels to 32 values, a tower of blocks that keep 32, ten scores."""

    def __init__(self, kind: str, depth: int) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.first = nn.Linear(64, WIDTH)
        self.blocks = nn.Sequential(*(Block(kind) for _ in range(depth - 2)))
        self.last = nn.Linear(WIDTH, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (images, 1, 8, 8)
        logits: torch.Tensor = self.last(self.blocks(self.first(self.flatten(x))))
        return logits  # (images, 10)


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def grad_norm(layer: nn.Linear) -> float:
    """Measure how long the gradient of a layer's weights is: the root of the sum of its squares."""
    return 0.0 if layer.weight.grad is None else layer.weight.grad.norm().item()


def options() -> argparse.Namespace:
    parser = data.arguments("skip", str(__doc__), epochs=20, lr=0.05)
    parser.add_argument("--kind", choices=KINDS, default="skip", help="what a block does with what comes in")
    parser.add_argument("--depth", type=data.whole, default=20, help="layers of weights, at least 2")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    images = data.load_digits()
    batches = DataLoader(TensorDataset(images.train_x, images.train_y), BATCH, shuffle=True, generator=order)

    model = DeepReader(args.kind, args.depth)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

    log(total_epochs=args.epochs)
    first = last = 0.0  # gradient norms of the two ends, summed over the batches of the first pass
    for epoch in range(1, args.epochs + 1):
        for x, y in batches:
            # 1. Forward pass: the network guesses
            logits = model(x)

            # 2. Compute loss: how wrong was the guess?
            loss = loss_fn(logits, y)

            # 3. Backpropagation: along a skip the message walks past a block unchanged
            loss.backward()
            if epoch == 1:
                first += grad_norm(model.first)
                last += grad_norm(model.last)

            # 4. Update weights: each a little way downhill
            optimizer.step()

            # 5. Clear gradients: the next batch starts from nothing
            optimizer.zero_grad()

        if epoch == 1:
            ratio = first / last if last > 0 else math.nan
            log(ratio=ratio)
            print(f"gradient of the first layer / of the last, first pass: {ratio:.1e}")
        val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
        log(val_loss=val_loss, val_accuracy=val_accuracy)
        print(f"epoch {epoch}  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}")


if __name__ == "__main__":
    main()
