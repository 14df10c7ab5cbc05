"""Overfitting: a large network learns 300 images by heart, wrong labels too, and gets worse at all others."""

from __future__ import annotations

import argparse
import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tui import log
from tui.lessons import data


def mislabel(labels: torch.Tensor, share: float) -> torch.Tensor:
    """Give a share of the images, drawn by lot, the label of another digit."""
    wrong = torch.randperm(len(labels)) < round(share * len(labels))
    return torch.where(wrong, (labels + torch.randint(1, 10, labels.shape)) % 10, labels)


def shift(images: torch.Tensor) -> torch.Tensor:
    """Move each image (1, 8, 8) by -1, 0 or 1 pixel across and down, by lot; paper comes in at the edges."""
    padded = nn.functional.pad(images, (1, 1, 1, 1), value=images.min().item())
    corners = torch.randint(0, 3, (len(images), 2)).tolist()
    return torch.stack([image[:, top : top + 8, left : left + 8] for image, (top, left) in zip(padded, corners)])


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Measure mean loss and share of right answers (0 to 1) on images that the training does not touch."""
    model.eval()  # dropout leaves nothing out here
    logits = model(x)
    model.train()
    return loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def share(text: str) -> float:
    """Read a share, from 0 to just below 1; argparse.ArgumentTypeError otherwise."""
    if (value := data.rate(text)) >= 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, not {text!r}")
    return value


def options() -> argparse.Namespace:
    parser = data.arguments("overfit", str(__doc__), epochs=60, batch=32, lr=0.003)
    parser.add_argument("--images", type=int, choices=[150, 300, 600, 1200], default=300, help="to learn from")
    parser.add_argument("--wrong", type=share, default=0.3, help="share of the training labels that are wrong")
    parser.add_argument("--random-labels", action="store_true", help="draw every training label by lot")
    parser.add_argument("--hidden", type=data.width, nargs="+", default=[256, 256], help="units of each hidden layer")
    parser.add_argument("--dropout", type=share, default=0.0, help="share of the hidden units left out of each step")
    parser.add_argument("--weight-decay", type=data.rate, default=0.0, help="pull of every weight towards 0")
    parser.add_argument("--l1", type=data.rate, default=0.0, help="price of a weight's size, added to the loss")
    parser.add_argument("--augment", action="store_true", help="move the training images by up to a pixel, by lot")
    parser.add_argument("--patience", type=data.seed_number, default=0, help="epochs to wait for a better one; 0: all")
    return parser.parse_args()


def main() -> None:
    args = options()
    order = data.set_seed(args.seed, args.threads)

    # Few images to learn from, and wrong labels among them. The labels of validation and test are right
    images = data.load_digits()
    train_x, train_y = images.train_x[: args.images], images.train_y[: args.images]
    train_y = torch.randint(0, 10, train_y.shape) if args.random_labels else mislabel(train_y, args.wrong)
    batches = DataLoader(TensorDataset(train_x, train_y), args.batch, shuffle=True, generator=order)

    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, units in zip([64, *args.hidden], args.hidden):
        layers += [nn.Linear(inputs, units), nn.ReLU()] + ([nn.Dropout(args.dropout)] if args.dropout else [])
    model = nn.Sequential(*layers, nn.Linear(args.hidden[-1], 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    print(f"{sum(p.numel() for p in model.parameters()):,} weights, {len(train_x):,} training images")

    log(total_epochs=args.epochs)
    best, best_epoch, best_weights = float("inf"), 0, copy.deepcopy(model.state_dict())
    try:
        for epoch in range(1, args.epochs + 1):
            total, right = 0.0, 0
            for x, y in batches:
                # 1. Forward pass: the network guesses
                logits = model(shift(x) if args.augment else x)

                # 2. Compute loss: how far are the guesses from the labels, right or wrong?
                loss = loss_fn(logits, y)
                if args.l1:
                    loss = loss + args.l1 * sum(p.abs().sum() for p in model.parameters())

                # 3. Backpropagation: which weight had which share in it?
                loss.backward()

                # 4. Update weights; with --weight-decay every weight shrinks a little as well
                optimizer.step()

                # 5. Clear gradients: the next batch starts from nothing
                optimizer.zero_grad()
                total += loss.item() * len(x)
                right += int((logits.argmax(1) == y).sum())

            val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
            if val_loss < best:
                best, best_epoch, best_weights = val_loss, epoch, copy.deepcopy(model.state_dict())
            train_loss, train_accuracy = total / len(train_x), right / len(train_x)
            log(val_loss=val_loss, val_accuracy=val_accuracy, rise=val_loss / best, train_accuracy=train_accuracy)
            print(
                f"epoch {epoch}  train loss {train_loss:.2f}  val loss {val_loss:.2f}  val accuracy {val_accuracy:.2f}"
            )
            if 0 < args.patience <= epoch - best_epoch:
                break
    except KeyboardInterrupt:
        pass  # stopped early: go on with the weights as they are now
    if args.patience:
        model.load_state_dict(best_weights)

    # Both once more, with the weights that are kept; the test images are opened only here
    val_loss, val_accuracy = evaluate(model, loss_fn, images.val_x, images.val_y)
    log(val_loss=val_loss, val_accuracy=val_accuracy, rise=val_loss / min(best, val_loss))
    _, test_accuracy = evaluate(model, loss_fn, images.test_x, images.test_y)
    print(f"lowest val loss {best:.2f} after epoch {best_epoch}, now {val_loss:.2f}  test accuracy {test_accuracy:.3f}")


if __name__ == "__main__":
    main()
