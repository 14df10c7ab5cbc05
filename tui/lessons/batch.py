"""Batch, stochastic and mini-batch gradient descent: how many images speak before the weights move."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data

LOOKS = 20  # how often the validation images are asked, at equal distances


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


def batch_size(text: str) -> int:
    """Read the number of images in one step, or `all` for the 1,200; argparse.ArgumentTypeError otherwise."""
    return data.DIGITS_SPLIT[0] if text == "all" else data.whole(text)


def options() -> argparse.Namespace:
    parser = data.arguments("batch", str(__doc__), epochs=10, lr=0.1)
    parser.add_argument("--batch", type=batch_size, default=32, help="images in one step, or the word all")
    parser.add_argument("--steps", type=data.whole, help="end after so many steps, whatever --epochs says")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    images = data.load_digits()
    batches = DataLoader(TensorDataset(images.train_x, images.train_y), args.batch, shuffle=True, generator=order)

    model = DigitReader()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

    # What is held equal: the passes over the images, or the steps
    if args.steps is None:
        log(total_epochs=args.epochs)
        steps = args.epochs * len(batches)
    else:
        log(total_steps=args.steps)
        steps = args.steps

    step = seen = rises = 0
    before = float("inf")
    while step < steps:
        for x, y in batches:
            # 1. Forward pass: the network guesses
            logits = model(x)

            # 2. Compute loss: the mean over the images of this batch
            loss = loss_fn(logits, y)

            # 3. Backpropagation: so the gradient is a mean over them too
            loss.backward()

            # 4. Update weights: one step, however many images had a say in it
            optimizer.step()

            # 5. Clear gradients: the next batch starts from nothing
            optimizer.zero_grad()

            step += 1
            seen += len(x)
            rises += loss.item() > before
            before = loss.item()
            if step % max(1, steps // LOOKS) == 0 or step == steps:
                val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
                log(val_loss=val_loss, val_accuracy=val_accuracy, rising=rises / step)
                print(f"step {step}  {seen:,} images seen  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}")
            if step == steps:
                break
    print(f"the loss of a batch was higher than that of the batch before on {rises / steps:.2f} of the steps")


if __name__ == "__main__":
    main()
