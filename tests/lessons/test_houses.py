"""House prices and their table, overfitting, convolution and the ward: what their cards say beyond one number."""

from __future__ import annotations

import math
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

import tui
from tui.lessons import convolution, data, overfit, table, ward
from tui.view.cards import card_of

Run = Callable[..., list[dict[str, float]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a lesson in this process and returns what it logged."""

    def play(name: str, *args: str) -> list[dict[str, float]]:
        logged: list[dict[str, float]] = []
        monkeypatch.setattr(tui, "log", lambda **values: logged.append(values))
        monkeypatch.setattr(sys, "argv", [name, *args])
        monkeypatch.delitem(sys.modules, f"tui.lessons.{name}", raising=False)
        runpy.run_module(f"tui.lessons.{name}", run_name="__main__")
        return logged

    return play


def refused(run: Run, capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one sentence with which a lesson ends."""
    with pytest.raises(SystemExit) as end:
        run(*args)
    captured = capsys.readouterr()
    assert (end.value.code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1 and captured.err.endswith(".\n")
    return captured.err


# The houses


def test_the_houses_have_the_faults_that_the_card_counts() -> None:
    houses = table.houses()
    assert houses.x.shape == (1000, 3) and houses.names == ["area", "bedrooms", "year"]
    area, bedrooms, year = houses.x.unbind(dim=1)
    assert ((bedrooms == 0).sum(), (year == 2029).sum()) == (12, 8)
    assert houses.x.isnan().sum(dim=0).tolist() == [20, 20, 20]
    assert not houses.y.isnan().any() and (houses.y > 0).all()
    torch.manual_seed(5)
    assert torch.equal(table.houses().y, houses.y)
    whole = [not row.isnan().any() and row[1] > 0 and row[2] < 2029 for row in houses.x]
    assert sum(whole) == 1000 - 80


def test_seventy_fifteen_fifteen_and_the_test_rows_once(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    logged = run("houses", "--epochs", "3")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "80 entries are missing."
    assert "700 rows to learn from" in lines[1]
    assert "86,903" in lines[2]  # the card's number for whoever always says the mean
    assert [line.split()[0] for line in lines[3:]] == ["epoch", "epoch", "epoch", "on"]
    assert sum("test" in line for line in lines) == 1
    assert [set(values) for values in logged[1:]] == [{"val_loss", "val_mae"}] * 3


# A table of one's own


def write(folder: Path, text: str | bytes, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def rows(count: int, of: Callable[[int], str]) -> str:
    return "\n".join(of(number) for number in range(count))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_is_read(tmp_path: Path, separator: str) -> None:
    lines = "size, price\n" + rows(30, lambda n: f"{n}, {3 * n}")
    path = write(tmp_path, b"\xef\xbb\xbf" + lines.replace(",", separator).encode())
    read = table.read(path, "price")
    assert (read.names, read.notes) == (["size"], [])
    assert torch.equal(read.y, 3 * read.x[:, 0])


def test_what_is_of_no_use_is_left_out_and_named(tmp_path: Path) -> None:
    head = "size,kind,name,same,thin,price\n"
    body = rows(
        40, lambda n: f"{n if n else 'NA'},{'ab'[n % 2]},n{n},7,{n if n % 4 == 0 else ''},{'' if n == 9 else n * n}"
    )
    read = table.read(write(tmp_path, head + body), "price")
    assert read.names == ["size", "kind=a", "kind=b"]
    assert read.x.shape == (39, 3) and len(read.y) == 39
    assert read.x[0].tolist()[1:] == [1, 0] and math.isnan(read.x[0, 0])
    said = " ".join(read.notes)
    for name in ("name", "same", "thin"):
        assert f"{name} is left out" in said
    assert "'n0' is no number" in said and "Rows without a number for price, left out: 1." in said


def test_it_learns_from_a_table_of_ones_own(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(
        tmp_path, "a,b,y\n" + rows(200, lambda n: f"{n % 20},{n // 20},{0.001 * (n % 20) - 0.002 * (n // 20)}")
    )
    logged = run("houses", "--csv", str(path), "--target", "y")
    found = re.search(r"mean is off by ([\d.]+)", capsys.readouterr().out)
    assert found and logged[-1]["val_mae"] < float(found.group(1)) / 4


@pytest.mark.parametrize("extra", [[], ["--no-clean"], ["--no-scale"], ["--no-scale", "--lr", "0.001"]], ids=" ".join)
def test_a_bad_outcome_is_no_crash(run: Run, tmp_path: Path, extra: list[str]) -> None:
    # A column and a target that hardly ever change: constant among the training rows or nearly so
    lines = rows(20, lambda n: f"{'' if n == 3 else 5 + (n == 7)},{1e30 if n == 11 else 1}")
    path = write(tmp_path, "a,y\n" + lines)
    logged = run("houses", "--csv", str(path), "--target", "y", "--epochs", "2", *extra)
    assert len(logged) == 3


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("", "y", "is not a CSV file"),
        ("hello world\nand more\n", "y", "is not a CSV file"),
        (bytes(range(256)), "y", "is not a CSV file: it is no text in UTF-8"),
        (b"a,y\n1,\x002\n", "y", "is not a CSV file: it is no text"),
        ("a,y\n" + "1" * 200_000 + ",2\n", "y", "is not a CSV file"),
        ("a,y\n", "y", "has no rows"),
        ("a,y\n1,2\n3\n", "y", "row 2 below their names has 1 cells"),
        ("a,y\n" + "1,2\n" * 30, "z", "has no column called 'z'; its columns are: a, y"),
        ("y,y\n" + "1,2\n" * 30, "y", "has more than one column called 'y'"),
        ("a,y\n" + rows(30, lambda n: f"{n},red"), "y", "has to be numbers, and"),
        ("a,y\n" + rows(30, lambda n: f"{n},{n if n < 15 else 'NA'}"), "y", "has 15 rows with a number for 'y'"),
        ("a,y\n" + rows(30, lambda n: f"{n},4"), "y", "the same number in every row"),
        ("a,b,y\n" + rows(30, lambda n: f"1,w{n},{n}"), "y", "has no column beside 'y' to learn from"),
    ],
)
def test_a_file_that_will_not_do(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str | bytes, target: str, said: str
) -> None:
    path = write(tmp_path, text)
    assert said in refused(run, capsys, "houses", "--csv", str(path), "--target", target)


def test_a_file_that_is_none(run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.csv", tmp_path):
        assert "cannot be read" in refused(run, capsys, "houses", "--csv", str(path), "--target", "y")
    for args in (("--csv", str(tmp_path)), ("--target", "y")):
        assert "go together" in refused(run, capsys, "houses", *args)


# Overfitting


def test_three_in_ten_labels_are_wrong_and_no_more() -> None:
    right = data.load_digits().train_y[:300]
    torch.manual_seed(1)
    given = overfit.mislabel(right, 0.3)
    assert (given != right).sum() == 90
    assert given.min() >= 0 and given.max() <= 9
    assert torch.equal(overfit.mislabel(right, 0.0), right)


def test_augmentation_moves_by_a_pixel_at_most() -> None:
    torch.manual_seed(0)
    images = torch.full((200, 1, 8, 8), -1.0)
    images[:, :, 3, 4] = 1
    moved = overfit.shift(images)
    assert moved.shape == images.shape and torch.equal(moved.sum(dim=(1, 2, 3)), images.sum(dim=(1, 2, 3)))
    places = {tuple(image.nonzero()[0].tolist()) for image in (moved[:, 0] > 0)}
    assert places == {(3 + down, 4 + right) for down in (-1, 0, 1) for right in (-1, 0, 1)}


def test_an_interrupt_ends_the_training_and_the_lesson_goes_on(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    steps = 0

    def stop(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 85:
            raise KeyboardInterrupt

    hook = register_optimizer_step_post_hook(stop)
    try:
        logged = run("overfit")
    finally:
        hook.remove()
    assert len(logged) == 1 + 8 + 1  # total_epochs, eight whole passes of ten steps, and once more at the end
    assert {"val_loss", "val_accuracy", "rise"} <= set(logged[-1])
    assert "test accuracy" in capsys.readouterr().out


def test_an_interrupt_before_the_first_validation(run: Run) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    hook = register_optimizer_step_post_hook(stop)
    try:
        logged = run("overfit", "--patience", "3")
    finally:
        hook.remove()
    assert len(logged) == 2 and logged[-1]["rise"] == 1


def test_patience_goes_back_to_the_best(run: Run) -> None:
    logged = run("overfit", "--patience", "3")
    losses = [values["val_loss"] for values in logged[1:-1]]
    assert losses.index(min(losses)) == len(losses) - 4 and len(losses) < 20
    assert logged[-1]["val_loss"] == min(losses) and logged[-1]["rise"] == 1


@pytest.mark.parametrize(
    "wrong", [["--dropout", "1"], ["--wrong", "-1"], ["--images", "7"], ["--patience", "-1"]], ids=" ".join
)
def test_a_wrong_share_gets_one_sentence(run: Run, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    assert wrong[0] in refused(run, capsys, "overfit", *wrong)


# Convolution


@pytest.mark.parametrize(("name", "count"), [("linear", 650), ("mlp", 4810), ("cnn", 6090)])
def test_the_three_networks_have_the_cards_sizes(name: str, count: int) -> None:
    model = convolution.build(name)
    assert sum(p.numel() for p in model.parameters()) == count
    assert model(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_images_move_by_one_pixel_and_paper_comes_in() -> None:
    image = torch.arange(64.0).view(1, 1, 8, 8)
    left = convolution.move(image, 0, -1)
    assert torch.equal(left[..., :7], image[..., 1:]) and (left[..., 7] == 0).all()
    down = convolution.move(image, 1, 0)
    assert torch.equal(down[..., 1:, :], image[..., :7, :]) and (down[..., 0, :] == 0).all()
    assert sorted(convolution.MOVES) == [(-1, 0), (0, -1), (0, 1), (1, 0)]


# The ward


@pytest.mark.parametrize("case", ward.CASES)
def test_without_its_fault_every_case_learns(run: Run, case: int) -> None:
    logged = run("ward", "--case", str(case), "--repaired")
    assert logged[-1]["val_accuracy"] > 0.88
    losses = [values["val_loss"] for values in logged[1:]]
    assert losses[-1] < losses[0]


def test_the_cards_answers_are_all_the_cases() -> None:
    card = card_of("ward")
    assert card and card.later and not card.answer
    assert sorted(card.answers) == [str(case) for case in ward.CASES]
    assert set(card.choices) == set("abcdefg")
    assert set("abcdefg") - set(card.answers.values()) == {"g"}  # the architecture is to blame for none
    assert card.answers["4"] == card.answers["6"]
