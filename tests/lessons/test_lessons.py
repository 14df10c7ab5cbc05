"""The lessons as programs that stand alone, their cards, and the images they share."""

from __future__ import annotations

import ast
import functools
import gzip
import hashlib
import json
import os
import re
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tui.lessons
from tui.lessons import data, digits, fashion, mnist

from . import outcomes

LESSONS = Path(tui.lessons.__file__).parent
PROJECT = LESSONS.parents[1]
SUBSETS = PROJECT.parent / "shared" / "data"
NAMES = sorted(path.stem for path in LESSONS.glob("*.py") if path.with_suffix(".md").exists())

needs_subsets = pytest.mark.skipif(not SUBSETS.is_dir(), reason="the MNIST subsets (../shared/data) are not here")

# Runs a lesson as `python -m` does, and prints what it logged with every digit, and a hash of the trained weights.
WATCHED = """
import hashlib, json, runpy, sys
import tui
from torch.optim.optimizer import register_optimizer_step_post_hook
tui.log = lambda **values: print("LOG", json.dumps(values))
trained = {}
register_optimizer_step_post_hook(lambda o, a, k: trained.update(optimizer=o))
module = sys.argv[1]
sys.argv = sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
digest = hashlib.sha256()
for group in trained["optimizer"].param_groups:
    for p in group["params"]:
        digest.update(p.detach().numpy().tobytes())
print("WEIGHTS", digest.hexdigest())
"""


def lesson(name: str, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a lesson as its user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", f"tui.lessons.{name}", *args],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=PROJECT,
        env={**os.environ, **(env or {})},
    )


@functools.cache
def watched(name: str, *args: str) -> tuple[list[dict[str, float]], str, list[str]]:
    """Run a lesson in a process of its own; return what it logged, the hash of its weights and its lines."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, f"tui.lessons.{name}", *args],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=PROJECT,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    logged = [json.loads(line[4:]) for line in lines if line.startswith("LOG ")]
    weights = next(line for line in lines if line.startswith("WEIGHTS "))
    return logged, weights, [line for line in lines if not line.startswith(("LOG ", "WEIGHTS "))]


def here(monkeypatch: pytest.MonkeyPatch, name: str, *args: str) -> Any:
    """Run a lesson in this process and return its exit code: a number, or the sentence that it ends with."""
    monkeypatch.setattr(sys, "argv", [name, *args])
    monkeypatch.delitem(sys.modules, f"tui.lessons.{name}", raising=False)
    with pytest.raises(SystemExit) as end:
        runpy.run_module(f"tui.lessons.{name}", run_name="__main__")
    return end.value.code


def write_images(root: Path, name: str, count: int = 12) -> None:
    """Write a tiny data set in torchvision's layout: blank images, the labels 0, 1, 2 …"""
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        shape = b"".join(n.to_bytes(4, "big") for n in (0x0803, count, 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(shape + bytes(count * 784))
        shape = b"".join(n.to_bytes(4, "big") for n in (0x0801, count))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(shape + bytes(i % 10 for i in range(count)))


def assert_one_sentence(text: str) -> None:
    assert "Traceback" not in text
    assert text.strip().count("\n") == 0, text
    assert text.strip().endswith((".", ").")), text


# Programs


def test_the_lessons_are_found() -> None:
    assert {"digits", "mnist", "fashion"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_every_default(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(monkeypatch, name, "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in ("--seed", "--threads"):
        assert re.search(rf"{option} \w+ [^-]*\(default: [^)]+\)", text), option
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text.partition("options:")[2])) - {"--help"}
    assert text.count("(default:") >= len(options) - text.count("--no-"), "an option without its default"


def test_a_lesson_runs_by_itself() -> None:
    done = lesson("digits", "--epochs", "2")
    assert (done.returncode, done.stderr) == (0, "")
    numbers = r"val loss \d+\.\d\d  val accuracy [01]\.\d\d"
    patterns = [
        r"2,778 weights, 1,200 training images",
        rf"epoch 0  {numbers}",
        rf"epoch 1  train loss \d+\.\d\d  {numbers}",
        rf"epoch 2  train loss \d+\.\d\d  {numbers}",
        r"test accuracy [01]\.\d{3}",
    ]
    lines = done.stdout.splitlines()
    assert len(lines) == len(patterns)
    for pattern, line in zip(patterns, lines):
        assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_knows_nothing_of_ours_but_log_and_data(name: str) -> None:
    imports: set[str] = set()
    for node in ast.walk(ast.parse((LESSONS / f"{name}.py").read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imports |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name for name in imports if name.split(".")[0] == "tui"}
    plumbing = {f"tui.lessons.{path.stem}" for path in LESSONS.glob("*.py") if not path.with_suffix(".md").exists()}
    assert ours <= {"tui.log"} | plumbing


@pytest.mark.parametrize("name", NAMES)
def test_it_is_read_in_one_sitting(name: str) -> None:
    assert len((LESSONS / f"{name}.py").read_text("utf-8").splitlines()) <= 125


@pytest.mark.parametrize("name", ["digits", "mnist", "fashion"])
def test_the_loop_names_the_five_steps_in_order(name: str) -> None:
    source = (LESSONS / f"{name}.py").read_text("utf-8")
    steps = re.findall(r"# (\d\. [A-Z]\w+(?: \w+)?)", source)
    wanted = ["1. Forward pass", "2. Compute loss", "3. Backpropagation", "4. Update weights", "5. Clear gradients"]
    assert steps == wanted


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (digits.DigitReader(784, [16, 16], "sigmoid"), 13_002),
        (mnist.OneHiddenLayer(), 101_770),
        (fashion.NeuralNetwork(), 669_706),
    ],
    ids=["784-16-16-10", "784-128-10", "784-512-512-10"],
)
def test_networks_have_exactly_the_articles_weights(model: nn.Module, count: int) -> None:
    assert sum(p.numel() for p in model.parameters()) == count
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


# Learning


def test_digits_go_from_guessing_to_the_cards_range() -> None:
    logged, _, _ = watched("digits")
    low, high = outcomes.arms("digits")[0].low, outcomes.arms("digits")[0].high
    assert logged[0] == {"total_epochs": 40}
    accuracy = [values["val_accuracy"] for values in logged[1:]]
    assert len(accuracy) == 41  # before the first epoch and after each
    assert accuracy[0] < 0.2
    assert low <= accuracy[-1] <= high
    assert low >= 0.96


@pytest.mark.parametrize(("name", "least"), [("mnist", 0.93), ("fashion", 0.80)])
def test_cards_promise_what_is_worth_it(name: str, least: float) -> None:
    assert outcomes.arms(name)[0].low >= least  # that it comes true is held by test_outcomes.py


@needs_subsets
def test_the_articles_digit_network_learns_mnist() -> None:
    given = ("--data", "mnist", "--hidden", "16", "16", "--activation", "sigmoid", "--epochs", "10")
    logged, _, lines = watched("digits", *given, "--root", str(SUBSETS))
    assert lines[0].startswith("13,002 weights")
    assert logged[-1]["val_accuracy"] > 0.8


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    first, again = (watched.__wrapped__("digits", "--epochs", "2", "--seed", "3") for _ in range(2))
    assert first == again
    assert first[0][1] != watched("digits")[0][1]  # the shipped seed starts from other weights


@pytest.mark.parametrize("module", [digits, mnist, fashion])
def test_validation_leaves_no_trace(module: Any) -> None:
    side = 8 if module is digits else 28
    model = (
        digits.DigitReader(64, [8], "relu")
        if module is digits
        else next(
            part
            for part in vars(module).values()
            if isinstance(part, type) and issubclass(part, nn.Module) and part.__module__ == module.__name__
        )()
    )
    seen: list[tuple[bool, bool]] = []
    model.register_forward_hook(lambda m, _, logits: seen.append((m.training, logits.requires_grad)))
    random_before = torch.get_rng_state()
    module.evaluate(model, nn.CrossEntropyLoss(), torch.ones(4, 1, side, side), torch.zeros(4, dtype=torch.long))
    assert torch.equal(torch.get_rng_state(), random_before)
    assert model.training
    assert seen == [(False, False)]  # in evaluation mode, and without a graph for gradients


# Mistakes


@pytest.mark.parametrize(
    "wrong",
    [
        ["--epochs", "0"],
        ["--epochs", "-3"],
        ["--epochs", "many"],
        ["--batch", "0"],
        ["--lr", "-0.1"],
        ["--lr", "nan"],
        ["--lr", "inf"],
        ["--lr", "fast"],
        ["--seed", "-1"],
        ["--seed", str(2**63)],
        ["--threads", "0"],
        ["--hidden", "0"],
        ["--hidden", "16", "10001"],
        ["--activation", "step"],
        ["--data", "cats"],
        ["--epoch", "3"],
    ],
    ids=" ".join,
)
def test_a_wrong_argument_gets_one_sentence(
    wrong: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(monkeypatch, "digits", *wrong) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert_one_sentence(captured.err)
    assert wrong[0] in captured.err


def test_a_wrong_argument_ends_the_process_with_status_2() -> None:
    done = lesson("digits", "--lr", "nan")
    assert done.returncode == 2
    assert_one_sentence(done.stderr)


@pytest.mark.parametrize("args", [("mnist",), ("fashion",), ("digits", "--data", "mnist")], ids=" ".join)
def test_missing_images_name_the_ways_out(
    args: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = here(monkeypatch, *args, "--root", str(tmp_path / "nowhere"))
    assert_one_sentence(sentence)
    assert "was not found" in sentence
    for way in ("--download", "--root DIR", "tui.lessons.digits"):
        assert way in sentence
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "one missing", "labels", "few labels"])
def test_damaged_images_are_told_from_missing_ones(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, "MNIST")
    images = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    labels = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    assert len(data.load_torchvision("MNIST", tmp_path, False).train_y) == 10  # whole, they can be read
    if damage == "cut":
        images.write_bytes(images.read_bytes()[:1000])
    elif damage == "garbage":
        images.write_bytes(b"<html>sign in to use this network</html>")
    elif damage == "empty":
        images.write_bytes(b"")
    elif damage == "one missing":
        images.unlink()
    elif damage == "labels":
        labels.write_bytes(labels.read_bytes()[:-1] + b"\x63")
    elif damage == "few labels":
        labels.write_bytes(b"".join(n.to_bytes(4, "big") for n in (0x0801, 3)) + b"\x01\x02\x03")
    sentence = here(monkeypatch, "mnist", "--root", str(tmp_path))
    assert_one_sentence(sentence)
    assert "is damaged" in sentence
    assert "--root DIR" in sentence


def test_a_root_that_is_a_file_gets_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    assert_one_sentence(here(monkeypatch, "mnist", "--root", str(tmp_path / "file")))
    assert_one_sentence(here(monkeypatch, "mnist", "--download", "--root", str(tmp_path / "file")))


@pytest.mark.parametrize("content", [b"", b"not zlib", None], ids=["empty", "garbage", "absent"])
def test_damaged_digits_get_one_sentence(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "digits.bin").write_bytes(content)
    monkeypatch.setattr(data, "DIGITS_FILE", tmp_path / "digits.bin")
    sentence = here(monkeypatch, "digits")
    assert_one_sentence(sentence)
    assert "install backlit again" in sentence


# Downloads


def test_a_download_without_a_network_ends_with_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound and not listening: every connection is refused at once
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
        done = lesson("mnist", "--download", "--root", str(tmp_path), env={**proxies, "no_proxy": "", "NO_PROXY": ""})
    assert done.returncode == 1
    assert done.stdout.startswith("Downloading ")
    assert_one_sentence(done.stderr)
    assert "refused" in done.stderr
    assert "--root DIR" in done.stderr
    assert "tui.lessons.digits" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_hangs_is_ended_and_the_time_out_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision import datasets

    seen: list[float | None] = []

    def hang(self: Any) -> None:
        seen.append(socket.getdefaulttimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr(datasets.MNIST, "download", hang)
    monkeypatch.setattr(socket, "getaddrinfo", None)  # whatever else would reach for the network breaks
    socket.setdefaulttimeout(77.0)
    try:
        with pytest.raises(SystemExit) as end:
            data.load_torchvision("MNIST", tmp_path, download=True)
        assert socket.getdefaulttimeout() == 77.0
    finally:
        socket.setdefaulttimeout(None)
    assert seen == [data.NETWORK_TIMEOUT_S]
    assert_one_sentence(str(end.value.code))
    assert "timed out" in str(end.value.code)


def test_a_download_replaces_damaged_images_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision import datasets

    def fetch(self: Any) -> None:
        write_images(Path(self.root), "MNIST", count=18)
        (Path(self.raw_folder) / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"archive"))

    write_images(tmp_path, "MNIST", count=12)
    (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(b"")
    monkeypatch.setattr(datasets.MNIST, "download", fetch)
    images = data.load_torchvision("MNIST", tmp_path, download=True)
    assert (len(images.train_y), len(images.val_y), len(images.test_y)) == (15, 3, 18)
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]
    assert all(path.name.endswith("-ubyte") for path in (tmp_path / "MNIST" / "raw").iterdir())


def test_nothing_is_fetched_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, "FashionMNIST")
    monkeypatch.setattr(data, "_download", lambda *_: pytest.fail("it tried to download"))
    assert len(data.load_torchvision("FashionMNIST", tmp_path, download=True).test_y) == 12


# Images


def test_digits_split_into_three_and_are_standardised_by_the_training_part() -> None:
    images = data.load_digits()
    assert [len(y) for y in (images.train_y, images.val_y, images.test_y)] == [1200, 297, 300]
    assert images.train_x.shape == (1200, 1, 8, 8)
    assert images.train_x.mean().abs() < 1e-5
    assert (images.train_x.std() - 1).abs() < 1e-5
    assert images.val_x.mean() != 0
    labels = torch.cat([images.train_y, images.val_y, images.test_y])
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    everything = torch.cat([images.train_x, images.val_x, images.test_x]).flatten(1)
    assert len(everything.unique(dim=0)) == 1797  # no image is in two parts


def test_the_split_does_not_follow_the_seed() -> None:
    data.set_seed(1)
    first = data.load_digits()
    data.set_seed(2)
    assert torch.equal(first.val_x, data.load_digits().val_x)


def test_the_digits_file_is_the_one_its_note_describes() -> None:
    note = (LESSONS / "digits_data.txt").read_text("utf-8")
    assert hashlib.sha256(data.DIGITS_FILE.read_bytes()).hexdigest() in note
    assert "CC BY 4.0" in note


def test_images_go_to_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data.default_root() == tmp_path / "backlit" / "data"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert data.default_root() == tmp_path / ".local" / "share" / "backlit" / "data"
