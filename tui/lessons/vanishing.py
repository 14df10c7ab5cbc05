"""Vanishing gradients: how much of the loss's message reaches the first layer of a deep network."""

from __future__ import annotations

import argparse
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
WIDTH = 32
BATCH = 32


class DeepReader(nn.Module):
    """64 pixels, a number of layers of 32 units with an activation after each, ten scores."""

    def __init__(self, depth: int, activation: str, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = 64
        for _ in range(depth - 1):
            layers += [nn.Linear(inputs, WIDTH)]
            layers += [nn.BatchNorm1d(WIDTH)] if norm else []
            layers += [ACTIVATIONS[activation]()]
            inputs = WIDTH
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (images, 1, 8, 8)
        logits: torch.Tensor = self.layers(x)
        return logits  # (images, 10)


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def grad_norm(weight: torch.Tensor) -> float:
    """Measure how long the gradient of a weight matrix is: the root of the sum of its squares."""
    return 0.0 if weight.grad is None else weight.grad.norm().item()


def options() -> argparse.Namespace:
    parser = data.arguments("vanishing", str(__doc__), epochs=20, lr=0.1)
    parser.add_argument("--depth", type=data.whole, default=8, help="layers of weights")
    parser.add_argument("--activation", choices=list(ACTIVATIONS), default="sigmoid", help="after each hidden layer")
    parser.add_argument("--norm", action="store_true", help="batch normalisation before each activation")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    images = data.load_digits()
    batches = DataLoader(TensorDataset(images.train_x, images.train_y), BATCH, shuffle=True, generator=order)

    model = DeepReader(args.depth, args.activation, args.norm)
    matrices = [p for p in model.parameters() if p.dim() == 2]  # weights only: biases have one dimension
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

            # 3. Backpropagation: the message walks from the last layer back to the first
            loss.backward()
            if epoch == 1:
                first += grad_norm(matrices[0])
                last += grad_norm(matrices[-1])

            # 4. Update weights: a layer without a gradient stays as it is
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
