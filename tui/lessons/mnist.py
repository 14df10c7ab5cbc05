"""One hidden layer on MNIST: 101,770 weights, and the first layer's can be looked at as pictures."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data


class OneHiddenLayer(nn.Module):
    """784 pixels, 128 hidden units, ten scores."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(28 * 28, 128)
        self.relu = nn.ReLU()
        self.output = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (images, 1, 28, 28)
        h = self.relu(self.hidden(self.flatten(x)))  # (images, 128)
        logits: torch.Tensor = self.output(h)
        return logits  # (images, 10)


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def options() -> argparse.Namespace:
    parser = data.arguments("mnist", str(__doc__), epochs=5, batch=64, lr=0.001)
    data.add_source(parser)
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    # The images: to learn from, to check with, and to open once at the end
    images = data.load_torchvision("MNIST", args.root, args.download)
    batches = DataLoader(TensorDataset(images.train_x, images.train_y), args.batch, shuffle=True, generator=order)

    model = OneHiddenLayer()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    print(f"{sum(p.numel() for p in model.parameters()):,} weights, {len(images.train_x):,} training images")

    # Before it has learned anything
    log(total_epochs=args.epochs)
    val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
    log(val_loss=val_loss, val_accuracy=val_accuracy)
    print(f"epoch 0  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}")

    for epoch in range(1, args.epochs + 1):
        total = 0.0
        for x, y in batches:
            # 1. Forward pass: the network guesses
            logits = model(x)

            # 2. Compute loss: how wrong was the guess?
            loss = loss_fn(logits, y)

            # 3. Backpropagation: which weight had which share in it?
            loss.backward()

            # 4. Update weights: Adam gives each weight its own step
            optimizer.step()

            # 5. Clear gradients: the next batch starts from nothing
            optimizer.zero_grad()
            total += loss.item() * len(x)

        train_loss = total / len(images.train_x)
        val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
        log(val_loss=val_loss, val_accuracy=val_accuracy)
        print(f"epoch {epoch}  train loss {train_loss:.2f}  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}")

    _, test_accuracy = evaluate(model, loss_fn, images.test_x, images.test_y)
    print(f"test accuracy {test_accuracy:.3f}")


if __name__ == "__main__":
    main()
