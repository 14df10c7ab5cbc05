"""What a race is made of: what varies, how each program is told, who starts when. Nothing is trained."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

import pytest

from tui import race as planning
from tui.history.race import Lane
from tui.race import BadRace, Program, Variation, option_in, options_of, plan, product, variation
from tui.view.cards import all_cards

SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument('--bias', action="store_true")
parser.add_argument("--layers", type=int, nargs="+", default=[8])
parser.add_argument("--seed", type=int)
"""


def program(text: str = SCRIPT, *arguments: str, ours: bool = False) -> Program:
    return Program("train", ["python", "train.py"], text, text, arguments=arguments, ours=ours)


def lanes(*vary: str, text: str = SCRIPT, seed: int | None = None, arguments: tuple[str, ...] = ()) -> list[Lane]:
    return plan(program(text, *arguments), [variation(one) for one in vary], seed, 1)[0]


# ── what varies ──


def test_a_variation_is_a_name_and_its_values() -> None:
    assert variation("lr=0.01, 0.1") == Variation("lr", ("0.01", "0.1"))
    assert variation("--width=a=b,c") == Variation("width", ("a=b", "c"), argument=True)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("lr", "takes NAME=A,B"),
        ("=1,2", "takes NAME=A,B"),
        ("a b=1,2", "takes NAME=A,B"),
        ("lr=", "a value is missing"),
        ("lr=1,,2", "a value is missing"),
        ("lr=1,2,1", "has the value 1 twice"),
    ],
)
def test_what_is_no_variation_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadRace, match=sentence):
        variation(text)


def test_every_combination_is_a_run() -> None:
    assert product([variation("a=1,2,3"), variation("b=x,y")]) == [
        ("1", "x"),
        ("1", "y"),
        ("2", "x"),
        ("2", "y"),
        ("3", "x"),
        ("3", "y"),
    ]


@pytest.mark.parametrize(
    "vary, sentence",
    [
        (["lr=1"], "one run is no race"),
        (["lr=1,2,3,4,5,6,7"], "^7 runs are too many for one race: 6 at most"),
        (["lr=1,2,3,4", "seed=1,2"], "^4 × 2 = 8 runs are too many"),
        (["lr=1,2", "lr=3,4"], "--vary lr was given twice"),
        (["batch-size=1,2", "batch_size=3,4"], "was given twice"),
    ],
)
def test_too_few_and_too_many_are_refused(vary: list[str], sentence: str) -> None:
    with pytest.raises(BadRace, match=sentence):
        product([variation(one) for one in vary])


# ── how the program is told ──


@pytest.mark.parametrize(
    "name, option",
    [("batch_size", "--batch-size"), ("batch-size", "--batch-size"), ("size", ""), ("batch", ""), ("bias", "--bias")],
)
def test_a_name_is_an_argument_if_the_text_mentions_it(name: str, option: str) -> None:
    assert option_in(SCRIPT, name) == option
    assert option_in("# python train.py --batch_size 3", "batch_size") == "--batch_size"


def test_the_runs_differ_in_what_varies_and_in_nothing_else() -> None:
    one, two = lanes("batch_size=8,16", seed=3, arguments=("data", "--seed-free"))
    assert one.command == ["python", "train.py", "data", "--seed-free", "--batch-size", "8"]
    assert two.command == ["python", "train.py", "data", "--seed-free", "--batch-size", "16"]
    assert one.environment == two.environment == {"BACKLIT_SEED": "3"}
    assert (one.name, one.label, one.values) == ("train batch_size=8", "batch_size=8", ("8",))


def test_the_rate_and_the_seed_need_no_option() -> None:
    for name in planning.RATES:
        found = lanes(f"{name}=0.1,1", text="")
        assert [lane.environment["BACKLIT_RATE"] for lane in found] == ["0.1", "1"]
        assert {tuple(lane.command) for lane in found} == {("python", "train.py")}
    assert [lane.environment["BACKLIT_SEED"] for lane in lanes("seed=1,2", text="")] == ["1", "2"]
    assert [lane.command[2:] for lane in lanes("lr=1,2", text="--lr")] == [["--lr", "1"], ["--lr", "2"]]


def test_an_option_written_with_its_dashes_is_believed() -> None:
    assert [lane.command[2:] for lane in lanes("--width=1,2")] == [["--width", "1"], ["--width", "2"]]


def test_switches_and_lists() -> None:
    assert [lane.command[2:] for lane in lanes("bias=on,off")] == [["--bias"], []]
    assert [lane.command[2:] for lane in lanes("layers=8,8 4")] == [["--layers", "8"], ["--layers", "8", "4"]]
    assert [lane.command[2:] for lane in lanes("batch-size=a b,c")] == [["--batch-size", "a b"], ["--batch-size", "c"]]
    with pytest.raises(BadRace, match="--vary bias=on,off"):
        lanes("bias=1,0")


@pytest.mark.parametrize(
    "vary, seed, arguments, sentence",
    [
        ("width=1,2", None, (), "train mentions no option --width"),
        ("lr=fast,slow", None, (), "fast is not a learning rate"),
        ("lr=-1,1", None, (), "-1 is not a learning rate"),
        ("lr=nan,1", None, (), "nan is not a learning rate"),
        ("batch-size=1,2", None, ("--batch-size=3",), "--batch-size is both varied and given"),
        ("seed=1,2", 3, (), "the seed is given twice"),
        ("batch-size=1,2", 3, ("--seed", "4"), "the seed is given twice"),
    ],
)
def test_what_cannot_be_told_is_refused(vary: str, seed: int | None, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(BadRace, match=sentence):
        lanes(vary, seed=seed, arguments=arguments)


def test_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(planning, "cores", lambda: 8)
    what = [variation("lr=1,2")]
    for at_once, threads in ((1, None), (3, "2"), (7, "1"), (20, "1")):
        found, held = plan(program(), what, None, at_once)
        assert {lane.environment.get("OMP_NUM_THREADS") for lane in found} == {threads}
        assert any("thread" in words for words in held) == (threads is not None)
    assert "OMP_NUM_THREADS" not in plan(program(ours=True), what, None, 3)[0][0].environment


# ── lessons ──


class Seen(Exception):
    """The parser is complete."""


@pytest.mark.parametrize("name", [card.lesson for card in all_cards()])
def test_the_options_of_a_lesson_are_known_without_starting_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def parse(parser: argparse.ArgumentParser, *rest: Any) -> None:
        seen.extend(option for action in parser._actions for option in action.option_strings)
        raise Seen

    lesson = importlib.import_module(f"tui.lessons.{name}")
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    with pytest.raises(Seen):
        lesson.options()
    folder = Path(planning.__file__).parent / "lessons"
    own, shared = ((folder / f"{one}.py").read_text() for one in (name, "data"))
    assert set(options_of(own, shared)) == {option for option in seen if option.startswith("--")} - {"--help"}


def test_a_lesson_is_told_its_seed() -> None:
    lesson = planning.lesson("digits", ["python", "-m", "digits"], ("--epochs", "3"), {"PYTHONPATH": ""})
    found, held = plan(lesson, [variation("lr=0.1,1")], 7, 1)
    assert found[1].command == ["python", "-m", "digits", "--epochs", "3", "--seed", "7", "--lr", "1"]
    assert found[1].environment == {"PYTHONPATH": ""} and held == ["seed 7", "--epochs 3"]
    assert lesson.words("--hidden", "16 16") == ["--hidden", "16", "16"]
