"""Four optimizers: they get the same gradients and differ in the step that they make of them."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data

OPTIMIZERS = ["sgd", "momentum", "adam", "adamw"]


class DigitReader(nn.Module):
    """64 pixels, 32 hidden units, ten scores."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(64, 32)
        self.relu = nn.ReLU()
        self.output = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (images, 1, 8, 8)
        h = self.relu(self.hidden(self.flatten(x)))  # (images, 32)
        logits: torch.Tensor = self.output(h)
        return logits  # (images, 10)


def make_optimizer(name: str, model: nn.Module, lr: float, decay: float) -> torch.optim.Optimizer:
    """Make an optimizer over all weights; g is a weight's gradient, and `decay` pulls every weight towards 0.

    sgd: step = lr * g. momentum: step = lr * v with v = 0.9 * v + g.
    adam: step = lr * m / sqrt(s) with running means m of g and s of g * g (Kingma and Ba 2015).
    In these three the decay is added to g. adamw: Adam, but the decay goes straight to the weight, past m and s
    (Loshchilov and Hutter 2019).
    """
    if name == "sgd":
        return torch.optim.SGD(model.parameters(), lr=lr, weight_decay=decay)
    if name == "momentum":
        return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=decay)
    if name == "adam":
        return torch.optim.Adam(model.parameters(), lr=lr, weight_decay=decay)
    return torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay)


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def options() -> argparse.Namespace:
    parser = data.arguments("optimizers", str(__doc__), epochs=10, batch=32, lr=0.01)
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd", help="what makes a step of a gradient")
    parser.add_argument("--weight-decay", type=data.rate, default=0.0, help="pull of every weight towards 0")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    images = data.load_digits()
    batches = DataLoader(TensorDataset(images.train_x, images.train_y), args.batch, shuffle=True, generator=order)

    model = DigitReader()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = make_optimizer(args.optimizer, model, args.lr, args.weight_decay)

    log(total_epochs=args.epochs)
    for epoch in range(1, args.epochs + 1):
        for x, y in batches:
            # 1. Forward pass: the network guesses
            logits = model(x)

            # 2. Compute loss: how wrong was the guess?
            loss = loss_fn(logits, y)

            # 3. Backpropagation: which weight had which share in it?
            loss.backward()

            # 4. Update weights: here, and only here, the four differ
            optimizer.step()

            # 5. Clear gradients: the next batch starts from nothing; what the optimizer remembers stays
            optimizer.zero_grad()

        val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
        log(val_loss=val_loss, val_accuracy=val_accuracy)
        print(f"epoch {epoch}  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}")


if __name__ == "__main__":
    main()
