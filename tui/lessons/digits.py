"""Reading digits: a small network learns to read handwriting, from guessing to 96 of 100 right."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class DigitReader(nn.Module):
    """Hidden layers with one activation after each, then ten scores, one for each digit; none after those."""

    def __init__(self, pixels: int, hidden: list[int], activation: str) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = pixels
        for units in hidden:
            layers += [nn.Linear(inputs, units), ACTIVATIONS[activation]()]
            inputs = units
        layers += [nn.Linear(inputs, 10)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (images, 1, height, width)
        logits: torch.Tensor = self.layers(x)
        return logits  # (images, 10)


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def options() -> argparse.Namespace:
    parser = data.arguments("digits", str(__doc__), epochs=40, batch=32, lr=0.1)
    parser.add_argument("--data", choices=["digits", "mnist"], default="digits", help="8x8 digits or 28x28 MNIST")
    parser.add_argument("--hidden", type=data.width, nargs="+", default=[32, 16], help="units of each hidden layer")
    parser.add_argument("--activation", choices=sorted(ACTIVATIONS), default="relu", help="after each hidden layer")
    data.add_source(parser)
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    # The images: to learn from, to check with, and to open once at the end
    images = data.load_torchvision("MNIST", args.root, args.download) if args.data == "mnist" else data.load_digits()
    batches = DataLoader(TensorDataset(images.train_x, images.train_y), args.batch, shuffle=True, generator=order)

    model = DigitReader(images.train_x[0].numel(), args.hidden, args.activation)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
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

            # 4. Update weights: each a little way downhill
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
