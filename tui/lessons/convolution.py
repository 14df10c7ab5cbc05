"""Convolution: small windows that slide over the image, against networks that know each pixel by its place."""

from __future__ import annotations

import argparse
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data

MOVES = [(0, -1), (0, 1), (-1, 0), (1, 0)]  # pixels down and to the right: left, right, up, down


def build(name: str) -> nn.Sequential:
    """Make one of three networks that read (images, 1, 8, 8) and answer with ten scores."""
    if name == "linear":  # 650 weights: one for each pixel and each digit
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    if name == "mlp":  # 4,810 weights: a hidden layer; every unit looks at every pixel
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return nn.Sequential(  # 6,090 weights
        nn.Conv2d(1, 16, kernel_size=3, padding=1),  # 16 windows of 3 x 3 slide over the image: 16 maps of 8 x 8
        nn.ReLU(),
        nn.MaxPool2d(2),  # of each 2 x 2 the largest stays: 16 maps of 4 x 4
        nn.Conv2d(16, 32, kernel_size=3, padding=1),  # windows over those maps: 32 maps of 4 x 4
        nn.ReLU(),
        nn.MaxPool2d(2),  # 32 maps of 2 x 2
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def move(images: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Move images (..., 8, 8) by at most one pixel; paper comes in at the edge."""
    padded = nn.functional.pad(images, (1, 1, 1, 1), value=images.min().item())
    return padded[..., 1 - down : 9 - down, 1 - right : 9 - right]


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def options() -> argparse.Namespace:
    parser = data.arguments("convolution", str(__doc__), epochs=15, batch=32, lr=0.003)
    parser.add_argument("--model", choices=["linear", "mlp", "cnn"], default="cnn", help="which of the three networks")
    parser.add_argument("--augment", action="store_true", help="move the training images by up to a pixel, by lot")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    # The validation images twice: as they are, and moved by a pixel to each of the four sides
    images = data.load_digits()
    moved_x, moved_y = torch.cat([move(images.val_x, *by) for by in MOVES]), images.val_y.repeat(len(MOVES))
    batches = DataLoader(TensorDataset(images.train_x, images.train_y), args.batch, shuffle=True, generator=order)

    model = build(args.model)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    print(f"{sum(p.numel() for p in model.parameters()):,} weights, {len(images.train_x):,} training images")

    log(total_epochs=args.epochs)
    for epoch in range(1, args.epochs + 1):
        for x, y in batches:
            if args.augment:
                x = torch.stack([move(image, *random.choice([(0, 0), *MOVES])) for image in x])

            # 1. Forward pass: the network guesses
            logits = model(x)

            # 2. Compute loss: how wrong was the guess?
            loss = loss_fn(logits, y)

            # 3. Backpropagation: a window gets one gradient, the sum over all places where it looked
            loss.backward()

            # 4. Update weights: Adam gives each weight its own step
            optimizer.step()

            # 5. Clear gradients: the next batch starts from nothing
            optimizer.zero_grad()

        val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
        _, shifted_accuracy = evaluate(model, loss_fn, moved_x, moved_y)
        log(val_loss=val_loss, val_accuracy=val_accuracy, shifted_accuracy=shifted_accuracy)
        print(
            f"epoch {epoch}  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}  shifted {shifted_accuracy:.2f}"
        )

    _, test_accuracy = evaluate(model, loss_fn, images.test_x, images.test_y)
    print(f"test accuracy {test_accuracy:.3f}")


if __name__ == "__main__":
    main()
