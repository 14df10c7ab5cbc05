"""Why hidden layers, and why something that is no straight line between them: points in a plane, two colours."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data, points

SHAPES = {"xor": points.xor, "circle": points.circle, "spiral": points.spiral}
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
POINTS_SEED = 10  # the same points for every --seed, so that runs can be compared


class Painter(nn.Module):
    """Two coordinates, hidden layers with one activation after each, two scores: one for each colour."""

    def __init__(self, hidden: list[int], activation: str) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 2
        for units in hidden:
            layers += [nn.Linear(inputs, units), ACTIVATIONS[activation]()]
            inputs = units
        layers += [nn.Linear(inputs, 2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (points, 2)
        logits: torch.Tensor = self.layers(x)
        return logits  # (points, 2)


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on points that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def units(text: str) -> int:
    """Read the number of units in a layer; 0 means no such layer."""
    return 0 if text == "0" else data.width(text)


def options() -> argparse.Namespace:
    parser = data.arguments("hidden", str(__doc__), epochs=60, batch=32, lr=0.02)
    parser.add_argument("--data", choices=sorted(SHAPES), default="xor", help="where the two colours are")
    parser.add_argument("--hidden", type=units, nargs="+", default=[0], help="units of each hidden layer; 0: none")
    parser.add_argument("--activation", choices=sorted(ACTIVATIONS), default="tanh", help="after each hidden layer")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    # The points: 400 to learn from and 1,000 others to check with
    train_x, train_y = SHAPES[args.data](400, POINTS_SEED)
    val_x, val_y = SHAPES[args.data](1000, POINTS_SEED + 1)
    batches = DataLoader(TensorDataset(train_x, train_y), args.batch, shuffle=True, generator=order)

    model = Painter([units for units in args.hidden if units], args.activation)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    print(f"{sum(p.numel() for p in model.parameters()):,} weights, {len(train_x)} training points")

    log(total_epochs=args.epochs)
    for epoch in range(1, args.epochs + 1):
        for x, y in batches:
            # 1. Forward pass: the network guesses a colour for each point
            logits = model(x)

            # 2. Compute loss: how wrong were the guesses?
            loss = loss_fn(logits, y)

            # 3. Backpropagation: which weight had which share in it?
            loss.backward()

            # 4. Update weights: the border between the colours moves a little
            optimizer.step()

            # 5. Clear gradients: the next batch starts from nothing
            optimizer.zero_grad()

        val_loss, val_accuracy = evaluate(model, loss_fn, val_x, val_y)
        log(val_loss=val_loss, val_accuracy=val_accuracy)
        if epoch % 5 == 0 or epoch == args.epochs:
            print(f"epoch {epoch}  val loss {val_loss:.2f}  val accuracy {val_accuracy:.3f}")


if __name__ == "__main__":
    main()
