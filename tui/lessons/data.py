"""What the lessons share: their images, their common arguments, their seed; of networks and loops it knows nothing."""

from __future__ import annotations

import argparse
import http.client
import math
import os
import random
import shutil
import socket
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch

DIGITS_FILE = Path(__file__).with_name("digits.bin")
DIGITS_COUNT = 1797
DIGITS_SPLIT = (1200, 297, 300)  # training, validation, test
SPLIT_SEED = 0  # the same images are held back whatever --seed says, so that runs can be compared
NETWORK_TIMEOUT_S = 15.0  # for each wait on the network, not for the whole download
DOWNLOAD_MB = {"MNIST": 12, "FashionMNIST": 31}
READ_ERRORS = (RuntimeError, OSError, ValueError, TypeError, AssertionError, EOFError, LookupError)


class Images(NamedTuple):
    """A data set in three parts, ready for a network.

    Each ``*_x`` is float32 of shape (images, 1, height, width), with the training pixels' mean 0 and standard
    deviation 1; each ``*_y`` is int64 of shape (images,), the classes 0 to 9.
    """

    train_x: torch.Tensor
    train_y: torch.Tensor
    val_x: torch.Tensor
    val_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor


# The arguments


class Parser(argparse.ArgumentParser):
    """An argument parser that shows every default and answers a mistake with one sentence and exit status 2."""

    def __init__(self, name: str, about: str) -> None:
        super().__init__(
            prog=name,
            description=about,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help lists the options).\n")


def whole(text: str) -> int:
    """Read a whole number of at least 1; argparse.ArgumentTypeError otherwise."""
    value = _integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return value


def width(text: str) -> int:
    """Read the number of units in a layer, 1 to 10,000; argparse.ArgumentTypeError otherwise."""
    value = _integer(text)
    if not 1 <= value <= 10_000:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 10000, not {text!r}")
    return value


def rate(text: str) -> float:
    """Read a learning rate, a finite number of at least 0; argparse.ArgumentTypeError otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"must be a finite number of at least 0, not {text!r}")
    return value


def seed_number(text: str) -> int:
    """Read a seed, 0 to 2**63 - 1; argparse.ArgumentTypeError otherwise."""
    value = _integer(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0 and below 2**63, not {text!r}")
    return value


def _integer(text: str) -> int:
    """Read an integer, or -1 for what is none (every caller refuses -1)."""
    try:
        return int(text)
    except ValueError:
        return -1


def arguments(
    name: str, about: str, *, epochs: int | None = None, batch: int | None = None, lr: float | None = None
) -> Parser:
    """Make the parser with what every lesson takes, --seed and --threads, and the usual ones that it has a default for.

    Args:
        name: the lesson, as it appears in messages.
        about: one sentence for --help.
        epochs: default number of passes over the training data; None: the lesson has no --epochs.
        batch: default number of samples in one step; None: no --batch.
        lr: default learning rate; None: no --lr.
    """
    parser = Parser(name, about)
    if epochs is not None:
        parser.add_argument("--epochs", type=whole, default=epochs, help="passes over the training data")
    if batch is not None:
        parser.add_argument("--batch", type=whole, default=batch, help="samples in one step")
    if lr is not None:
        parser.add_argument("--lr", type=rate, default=lr, help="learning rate")
    parser.add_argument("--seed", type=seed_number, default=0, help="start of all random numbers: weights and order")
    parser.add_argument("--threads", type=whole, default=1, help="processor threads; 1 gives the same bits each time")
    return parser


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a lesson whose images do not come with the install: --root and --download."""
    parser.add_argument("--root", type=Path, default=default_root(), help="folder that has or gets the images")
    parser.add_argument("--download", action="store_true", help="fetch the images when they are not there")


def default_root() -> Path:
    """Name the folder for downloaded images: backlit/data below the user's data folder."""
    given = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(given):  # the XDG specification says that relative paths are to be ignored
        base = Path(given)
    elif sys.platform == "darwin":
        base = Path("~/Library/Application Support").expanduser()
    else:
        base = Path("~/.local/share").expanduser()
    return base / "backlit" / "data"


def set_seed(seed: int, threads: int = 1) -> torch.Generator:
    """Start all random numbers at a seed and return a generator of its own for the order of the batches.

    Args:
        seed: 0 to 2**63 - 1.
        threads: processor threads for torch; sums are split differently over several, so only 1 repeats bit by bit
            on every machine of a kind.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    return torch.Generator().manual_seed(seed)


# The images


def load_digits() -> Images:
    """Read the 1,797 digits of 8 x 8 pixels that come with the install: 1,200 training, 297 validation, 300 test.

    Exits with one sentence when the file is missing or damaged.
    """
    pixel_bytes = DIGITS_COUNT * 64
    try:
        raw = bytearray(zlib.decompress(DIGITS_FILE.read_bytes()))
        if len(raw) != pixel_bytes + DIGITS_COUNT:
            raise ValueError("wrong length")
    except (OSError, ValueError, zlib.error):
        sys.exit(f"The digits that come with backlit are missing or damaged ({DIGITS_FILE}): install backlit again.")
    x = torch.frombuffer(raw, dtype=torch.uint8, count=pixel_bytes).view(-1, 1, 8, 8)
    y = torch.frombuffer(raw, dtype=torch.uint8, offset=pixel_bytes).long()
    order = torch.randperm(DIGITS_COUNT, generator=torch.Generator().manual_seed(SPLIT_SEED))
    train, val, test = order.split(DIGITS_SPLIT)
    return _standardised(x[train], y[train], x[val], y[val], x[test], y[test])


def load_torchvision(name: str, root: Path, download: bool) -> Images:
    """Read MNIST or FashionMNIST from a folder; a sixth of the training images becomes the validation set.

    Exits with one sentence, which names the ways out, when the images are missing, damaged or cannot be fetched.

    Args:
        name: "MNIST" or "FashionMNIST".
        root: folder in torchvision's layout: it has ``MNIST/raw`` or ``FashionMNIST/raw`` inside.
        download: fetch the images when the folder does not have them whole.
    """
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:  # RuntimeError: it was built for another version of torch
        reason = str(error).splitlines()[0]
        sys.exit(f"{name} needs torchvision, which does not load here ({reason}); {_offline('')}.")
    dataset = getattr(datasets, name)
    root = root.expanduser()
    found = _read(dataset, root)
    if found is None and download:
        _download(dataset, name, root)
        found = _read(dataset, root)
    if found is None:
        state = "is damaged" if (root / name / "raw").is_dir() else "was not found"
        sys.exit(f"{name} {state} in {root}: fetch it with --download, or {_offline()}.")
    x, y, test_x, test_y = found
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(SPLIT_SEED))
    val, train = order[: len(x) // 6], order[len(x) // 6 :]
    return _standardised(x[train], y[train], x[val], y[val], test_x, test_y)


def _read(dataset: Any, root: Path) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """Read training and test images and labels as uint8 (images, 1, 28, 28) and int64, or None if not all whole."""
    try:
        train, test = dataset(root, train=True), dataset(root, train=False)
    except READ_ERRORS:
        return None
    for part in (train, test):
        count = len(part.targets)
        if count < 6 or part.data.shape != (count, 28, 28) or part.targets.min() < 0 or part.targets.max() > 9:
            return None
    return train.data.unsqueeze(1), train.targets, test.data.unsqueeze(1), test.targets


def _download(dataset: Any, name: str, root: Path) -> None:
    """Fetch a data set through torchvision, which shows the progress; exits with one sentence if that fails.

    The files go to a folder of their own first and move when they are whole, so that a broken download leaves nothing.
    """
    print(f"Downloading {name} (about {DOWNLOAD_MB[name]} MB) to {root}", flush=True)
    part = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".download-", dir=root))
        with _network_timeout(NETWORK_TIMEOUT_S):
            dataset(part, download=True)
        raw = root / name / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for file in sorted((part / name / "raw").glob("*-ubyte")):
            file.replace(raw / file.name)
    except (*READ_ERRORS, http.client.HTTPException, zlib.error) as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        sys.exit(f"{name} could not be downloaded to {root} ({lines[-1].strip()}): {_offline()}.")
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _offline(root: str = "name a folder that has it with --root DIR, or ") -> str:
    """Name what works without the network, as the end of a sentence."""
    return f"{root}take the digits lesson, which needs no network (python -m tui.lessons.digits)"


@contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    """Give every socket made inside a time-out: torchvision opens its addresses without one and could wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _standardised(
    train_x: torch.Tensor,
    train_y: torch.Tensor,
    val_x: torch.Tensor,
    val_y: torch.Tensor,
    test_x: torch.Tensor,
    test_y: torch.Tensor,
) -> Images:
    """Bring all pixels to the scale on which the training pixels have mean 0 and standard deviation 1."""
    train_x = train_x.float()
    mean, std = train_x.mean(), train_x.std().clamp_min(1e-6)
    train_x, val_x, test_x = ((x.float() - mean) / std for x in (train_x, val_x, test_x))
    return Images(train_x, train_y, val_x, val_y, test_x, test_y)
