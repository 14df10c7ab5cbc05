"""How weights start: one deep network, five ways to choose the first numbers."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data

WIDTH = 32
DEPTH = 8  # layers of weights
BATCH = 32
STARTS = ["zeros", "tiny", "default", "he", "huge"]


class DeepReader(nn.Module):
    """64 pixels, seven layers of 32 units with a ReLU after each, ten scores."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten(), nn.Linear(64, WIDTH), nn.ReLU()]
        for _ in range(DEPTH - 2):
            layers += [nn.Linear(WIDTH, WIDTH), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(WIDTH, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (images, 1, 8, 8)
        logits: torch.Tensor = self.layers(x)
        return logits  # (images, 10)


def start(model: nn.Module, how: str) -> None:
    """Choose the first numbers: all weights by one rule, all biases 0; `default` leaves what PyTorch chose.

    he: standard deviation sqrt(2 / inputs), from He et al. 2015, "Delving Deep into Rectifiers".
    default: even between -1/sqrt(inputs) and 1/sqrt(inputs), a standard deviation of sqrt(1 / (3 * inputs)).
    """
    for layer in model.modules():
        if not isinstance(layer, nn.Linear) or how == "default":
            continue
        nn.init.zeros_(layer.bias)
        if how == "zeros":
            nn.init.zeros_(layer.weight)
        elif how == "tiny":
            nn.init.normal_(layer.weight, std=0.01)
        elif how == "he":
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif how == "huge":
            nn.init.normal_(layer.weight, std=0.5)


@torch.no_grad()
def spreads(model: DeepReader, x: torch.Tensor) -> list[float]:
    """Measure the standard deviation of what each Linear layer puts out, first to last."""
    found = []
    for layer in model.layers:
        x = layer(x)
        if isinstance(layer, nn.Linear):
            found.append(x.std().item())
    return found


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def options() -> argparse.Namespace:
    parser = data.arguments("init", str(__doc__), epochs=20, lr=0.1)
    parser.add_argument("--init", choices=STARTS, default="default", help="how the weights start")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    images = data.load_digits()
    batches = DataLoader(TensorDataset(images.train_x, images.train_y), BATCH, shuffle=True, generator=order)

    model = DeepReader()
    start(model, args.init)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

    log(total_epochs=args.epochs)
    by_layer = spreads(model, images.val_x)
    log(spread=by_layer[-1])
    print("spread of each layer's output at the start:", " ".join(f"{value:.2g}" for value in by_layer))

    for epoch in range(1, args.epochs + 1):
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

        val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
        log(val_loss=val_loss, val_accuracy=val_accuracy)
        print(f"epoch {epoch}  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}")


if __name__ == "__main__":
    main()
