"""House prices: a table with faults, cleaned, scaled and split in three, before a network learns from it."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data, table

BEDROOMS, YEAR = 1, 2  # columns of the houses
MADE = 2025  # the year in which the table was made


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure the mean squared error and the mean absolute error, in the units of y, on rows kept from the training."""
    model.eval()
    guess = model(x)
    model.train()
    return loss_fn(guess, y).item(), (guess - y).abs().mean().item()


def options() -> argparse.Namespace:
    parser = data.arguments("houses", str(__doc__), epochs=40, batch=32, lr=0.05)
    parser.add_argument("--no-clean", action="store_true", help="leave the faults and the gaps in the table")
    parser.add_argument("--no-scale", action="store_true", help="leave square feet, years and dollars as they are")
    parser.add_argument("--hidden", type=data.width, nargs="+", default=[16, 16], help="units of each hidden layer")
    parser.add_argument("--csv", type=Path, help="a table of your own; its first line names the columns")
    parser.add_argument("--target", help="with --csv: the column to predict")
    args = parser.parse_args()
    if (args.csv is None) != (args.target is None):
        parser.error("--csv FILE and --target COLUMN go together")
    return args


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)
    source = table.read(args.csv, args.target) if args.csv else table.houses()
    x, y = source.x, source.y  # (rows, columns), (rows,)

    # Split: 70 of 100 rows to learn from, 15 to check with, 15 to open once, at the end
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(data.SPLIT_SEED))
    held = round(0.15 * len(x))
    train, val, test = rows.split([len(x) - 2 * held, held, held])

    # Clean: what cannot be true counts as missing, and what is missing becomes the median of the training rows
    if not args.csv and not args.no_clean:
        x[x[:, BEDROOMS] < 1, BEDROOMS] = torch.nan
        x[x[:, YEAR] > MADE, YEAR] = torch.nan
    print(*source.notes, f"{int(x.isnan().sum())} entries are missing.", sep="\n")
    if not args.no_clean:
        x = torch.where(x.isnan(), x[train].nanmedian(dim=0).values, x)

    # Scale: in the training rows every column gets mean 0 and standard deviation 1, the price as well
    unit = 1.0  # of y, in the target's own: dollars
    if not args.no_scale:
        spread, unit = x[train].std(dim=0), y[train].std().item() or 1.0
        x = (x - x[train].mean(dim=0)) / torch.where(spread == 0, 1.0, spread)
        y = (y - y[train].mean()) / unit
    x, y = x.float(), y.float().unsqueeze(1)
    batches = DataLoader(TensorDataset(x[train], y[train]), args.batch, shuffle=True, generator=order)

    layers: list[nn.Module] = []
    for inputs, units in zip([x.shape[1], *args.hidden], args.hidden):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(args.hidden[-1], 1))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
    mean = (y[val] - y[train].mean()).abs().mean().item() * unit
    print(f"{', '.join(source.names)} -> {source.target}; {len(train):,} rows to learn from")
    print(f"whoever always says the mean is off by {mean:,.6g}")

    log(total_epochs=args.epochs)
    for epoch in range(1, args.epochs + 1):
        for x_batch, y_batch in batches:
            # 1. Forward pass: the network names a price for each house
            guess = model(x_batch)

            # 2. Compute loss: the mean squared error
            loss = loss_fn(guess, y_batch)

            # 3. Backpropagation: which weight had which share in it?
            loss.backward()

            # 4. Update weights: each a little way downhill
            optimizer.step()

            # 5. Clear gradients: the next batch starts from nothing
            optimizer.zero_grad()

        val_loss, error = evaluate(model, loss_fn, x[val], y[val])
        log(val_loss=val_loss, val_mae=error * unit)
        print(f"epoch {epoch}  val loss {val_loss:.3g}  off by {error * unit:,.6g} on average")

    _, error = evaluate(model, loss_fn, x[test], y[test])
    print(f"on the test rows off by {error * unit:,.6g} on average")


if __name__ == "__main__":
    main()
