"""The learning rate: the same network, the same start, the same images, and only the length of the step differs."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data


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


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


@torch.no_grad()
def dead_share(model: DigitReader, x: torch.Tensor) -> float:
    """Measure the share of hidden units (0 to 1) that answer 0 to every image, and so get no gradient from any."""
    answers = model.hidden(x.flatten(1))  # (images, 32), before the ReLU
    return (answers <= 0).all(dim=0).float().mean().item()


def options() -> argparse.Namespace:
    return data.arguments("rate", str(__doc__), epochs=20, batch=32, lr=0.01).parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    images = data.load_digits()
    batches = DataLoader(TensorDataset(images.train_x, images.train_y), args.batch, shuffle=True, generator=order)

    model = DigitReader()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

    log(total_epochs=args.epochs)
    val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
    log(val_loss=val_loss, val_accuracy=val_accuracy)
    print(f"epoch 0  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}")

    for epoch in range(1, args.epochs + 1):
        for x, y in batches:
            # 1. Forward pass: the network guesses
            logits = model(x)

            # 2. Compute loss: how wrong was the guess?
            loss = loss_fn(logits, y)

            # 3. Backpropagation: which way is downhill, for each weight?
            loss.backward()

            # 4. Update weights: weight - rate * gradient. The gradient gives the direction, the rate the length
            optimizer.step()

            # 5. Clear gradients: the next batch starts from nothing
            optimizer.zero_grad()

        val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
        dead = dead_share(model, images.train_x)
        log(val_loss=val_loss, val_accuracy=val_accuracy, dead=dead)
        print(f"epoch {epoch}  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}  dead units {dead:.2f}")


if __name__ == "__main__":
    main()
