"""The ward: seven trainings, each with one fault, to watch, to name and to cure."""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data

CASES = range(1, 8)


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def options() -> argparse.Namespace:
    parser = data.arguments("ward", str(__doc__), epochs=20, batch=32)
    parser.add_argument("--case", type=int, choices=CASES, default=1, help="which training to watch")
    parser.add_argument("--lr", type=data.rate, help="learning rate; None: the rate of the case")
    parser.add_argument("--repaired", action="store_true", help="the case without its fault")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)
    case = 0 if args.repaired else args.case
    images = data.load_digits()
    train_x, train_y, val_x, val_y = images.train_x, images.train_y, images.val_x, images.val_y

    # The pixels
    if case == 2:
        paper, ink = train_x.min(), train_x.max()
        train_x, val_x = ((x - paper) / (ink - paper) * 255 for x in (train_x, val_x))

    # The folders: all 0, then all 1, and so on. Each image has a label
    by_digit = train_y.argsort(stable=True)
    train_y = train_y[by_digit]
    train_x = train_x[by_digit] if case != 3 else train_x

    # The batches
    batches = DataLoader(TensorDataset(train_x, train_y), args.batch, shuffle=case != 1, generator=order)

    # The network
    hidden = [512, 512] if args.case == 4 else [32]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, units in zip([64, *hidden], hidden):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    layers += [nn.Linear(hidden[-1], 10)]
    if case == 5:
        layers += [nn.Softmax(dim=1)]
    model = nn.Sequential(*layers)

    # The loss and the steps
    rate = 0.01 if args.case in (2, 7) else 0.1
    if case == 4:
        rate = 0.0001
    if case == 6:
        rate = 2.0
    if args.lr is not None:
        rate = args.lr
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    print(f"case {args.case}  {sum(p.numel() for p in model.parameters()):,} weights, learning rate {rate:g}")

    log(total_epochs=args.epochs)
    for epoch in range(1, args.epochs + 1):
        total, right = 0.0, 0
        for x, y in batches:
            # 1. Forward pass: the network guesses
            scores = model(x)

            # 2. Compute loss: how wrong was the guess?
            loss = loss_fn(scores, y)

            # 3. Backpropagation: which weight had which share in it?
            loss.backward()

            # 4. Update weights: each a little way downhill
            optimizer.step()

            # 5. Get ready for the next batch
            if case != 7:
                optimizer.zero_grad()
            total += loss.item() * len(x)
            right += int((scores.argmax(1) == y).sum())

        train_loss, train_accuracy = total / len(train_x), right / len(train_x)
        val_loss, val_accuracy = evaluate(model, loss_fn, val_x, val_y)
        log(val_loss=val_loss, val_accuracy=val_accuracy, train_accuracy=train_accuracy)
        print(f"epoch {epoch}  train loss {train_loss:.2f} accuracy {train_accuracy:.2f}", end="  ")
        print(f"val loss {val_loss:.2f} accuracy {val_accuracy:.2f}")


if __name__ == "__main__":
    main()
