"""A lesson beside its run: the question, what is ticked, what is revealed, and what is remembered."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tui.run.directory import RunDirectory
from tui.run.events import Gate, Resume
from tui.view.learning import Progress, arm_of, inside, outcome
from tui.view.scene import Arm, Card

from . import scripted
from .conftest import Opener
from .scripted import Tape

CARD = Card(
    "reading",
    "Reading",
    "How many are right?",
    choices={"a": "few", "b": "many", "c": "all"},
    answer="b",
    metric="val_accuracy",
    expect=(0.7, 0.8),
    arms=[Arm(("--lr", "2"), "too large", "val_accuracy", (0.05, 0.2))],
    before="Images come in.",
    tries="· space pauses.\n· m changes the picture.\n· Look at the curve.",
    keys={"space pauses.": ("space",), "m changes the picture.": ("m",), "Look at the curve.": ()},
    reveal="b. Many.\nBecause.",
    checks=[("And with 26?", "One in 26."), ("And with 2?", "One in 2.")],
)


async def test_what_was_pressed_is_ticked(show: Opener, tape: Tape) -> None:
    async with show(tape, card=CARD, guess="b") as viewer:
        viewer.app.controls.show_tab("card")
        await viewer.settle()
        text = viewer.panel("card").text()
        assert "You said b: many." in " ".join(text.split())
        assert "○ space pauses." in text and "○ m changes the picture." in text
        assert "Where it is expected to end." in " ".join(text.split())  # 74.8 %, and 70 to 80 % are expected
        tape.add(Gate(9.0, 500, True, "backward"))
        await viewer.until(
            lambda: "Held right after the backward pass." in " ".join(viewer.panel("card").text().split())
        )
        await viewer.press("m", "space")
        await viewer.until(lambda: "✓ m changes the picture." in viewer.panel("card").text())
        text = viewer.panel("card").text()
        assert "✓ space pauses." in text and "○ Look at the curve." in text
        assert "Because" not in text, "revealed before the end"


@pytest.mark.parametrize(
    "guess, arguments, words",
    [
        ("b", (), "You said b: many: that held."),
        ("a", (), "You said a: few. It was b: many."),
        ("b", (), "Your validation accuracy: 74.8 %, inside the expected range as shipped: 70"),
        ("b", ("--lr", "2", "--seed", "4"), "outside the expected range --lr 2: 5"),
        ("b", ("--lr", "3"), "74.8 %, with arguments of your own."),
    ],
)
async def test_the_reveal(show: Opener, tmp_path: Path, guess: str, arguments: tuple[str, ...], words: str) -> None:
    file = tmp_path / "state" / "learned.json"
    tape = scripted.finished(tmp_path)
    how = {"card": CARD, "guess": guess, "arguments": arguments}
    async with show(tape, size=(120, 50), app_={"progress": Progress(file)}, **how) as viewer:
        await viewer.until(lambda: viewer.scene.tab == "card")
        await viewer.settle()
        await viewer.until(lambda: Progress(file).done("reading"))
        await viewer.settle()
        text = " ".join(viewer.panel("card").text().split())
        assert words in text and "And with 26?" in text and "One in 26" not in text
    again = Progress(file)
    assert again.done("reading") and again.guess("reading") == guess and not again.done("other")
    assert [(one.arguments, round(one.value, 3)) for one in again.results("reading")] == [(arguments, 0.748)]


async def test_steering_is_said(show: Opener, tmp_path: Path) -> None:
    async with show(scripted.finished(tmp_path), card=CARD, pressed={"rate_up"}) as viewer:
        viewer.app.controls.show_tab("card")
        await viewer.settle()
        assert "You steered it" in " ".join(viewer.panel("card").text().split())


async def test_the_whole_card_hides_its_answers(show: Opener, tmp_path: Path) -> None:
    async with show(scripted.finished(tmp_path), size=(120, 60), card=CARD, guess="b") as viewer:
        await viewer.press("c")
        assert "Images come in." in viewer.words() and "Because." in viewer.words()
        assert "One in 26." not in viewer.words()
        await viewer.press("c")
        await viewer.until(lambda: "One in 26." in viewer.words())
        assert "One in 2." not in viewer.words()
        await viewer.press("c", "c", "escape")
        assert viewer.dialog() == "Screen"


async def test_a_running_lesson_does_not_reveal(show: Opener, tape: Tape) -> None:
    async with show(tape, size=(120, 60), card=CARD, guess="b") as viewer:
        await viewer.press("c")
        assert "Because." not in viewer.words() and "when the run has ended" in viewer.words()


async def test_a_question_for_later(show: Opener, tape: Tape) -> None:
    card = Card(**{**CARD.__dict__, "later": True, "answer": "", "answers": {"1": "c", "2": "a"}})
    how: dict[str, Any] = {"card": card, "arguments": ("--case", "2")}
    async with show(tape, **how) as viewer:
        assert viewer.dialog() == "WholeCard" and tape.commands() == []  # what is to be watched for comes first
        await viewer.press("escape")
        assert type(await viewer.asked()) is Resume
        await viewer.press("c", "a")
        assert viewer.scene.guess == "a"
    app = {"question": False}
    async with show(scripted.finished(tape.run.path.parent / "b"), app_=app, **how, guess="a") as viewer:
        viewer.app.controls.show_tab("card")
        await viewer.settle()
        assert "that held" in viewer.panel("card").text()


async def test_restart_with_an_arm_and_with_own_arguments(show: Opener, tape: Tape) -> None:
    begun: list[tuple[str, list[str]]] = []

    def start(lesson: str, arguments: list[str]) -> RunDirectory:
        begun.append((lesson, arguments))
        return tape.run

    async with show(tape, card=CARD, guess="b", app_={"start_lesson": start, "cards": [CARD]}) as viewer:
        await viewer.press("R")
        assert "too large" in viewer.words()
        await viewer.press("2")
        assert begun == [("reading", ["--lr", "2"])] and viewer.scene.arguments == ("--lr", "2")
        assert viewer.scene.guess == "b", "the same question is not asked twice"
        await viewer.press("R", "o")
        await viewer.type("--lr 0.3 --name 'a b'")
        assert begun[1] == ("reading", ["--lr", "0.3", "--name", "a b"])
        await viewer.press("R", "o")
        await viewer.type("--lr '0.3")
        assert len(begun) == 2
        await viewer.says("No closing quotation")


async def test_lessons_are_listed_with_what_is_done(show: Opener, tape: Tape, tmp_path: Path) -> None:
    progress = Progress(tmp_path / "learned.json")
    cards = [Card(name, name.title(), "?", about=f"about {name}", number=n) for n, name in enumerate(("dart", "x"), 1)]
    progress.remember("dart", "a", (), 1.0)
    async with show(tape, app_={"cards": cards, "progress": progress}) as viewer:
        await viewer.press("l")
        assert "✓ 1 dart" in viewer.words() and "1 of 2 done" in viewer.screen() and "about x" in viewer.words()


def test_progress_survives_a_damaged_file_and_a_full_disk(tmp_path: Path) -> None:
    file = tmp_path / "learned.json"
    file.write_text('{"a": {"done": 1, "results": [{"value": 3}, 7, {"arguments": ["x"], "value": "nan"}]}, "b": 5')
    assert not Progress(file).done("a")
    file.write_text(file.read_text() + "}")
    progress = Progress(file)
    assert progress.done("a") and not progress.done("b")
    (only,) = progress.results("a")
    assert only.arguments == ("x",) and math.isnan(only.value)
    Progress(tmp_path / "learned.json" / "below").remember("a", "", (), None)  # no such folder can be made
    progress.remember("b", "c", ("--x",), math.inf)
    assert Progress(file).results("b")[0].value == math.inf


def test_the_next_lesson_is_on_the_short_path_first() -> None:
    progress = Progress()
    cards = [Card("hidden", "", ""), Card("dart", "", "", path=1), Card("rate", "", "", path=2)]
    assert progress.next(cards) == "dart"
    progress.remember("dart", "", (), None)
    assert progress.next(cards) == "rate"
    progress.remember("rate", "", (), None)
    assert progress.next(cards) == "hidden"
    progress.remember("hidden", "", (), None)
    assert progress.next(cards) == ""


def test_ranges() -> None:
    assert inside(0.7, (0.7, 0.8)) and not inside(0.69, (0.7, 0.8)) and not inside(math.nan, (0.7, 0.8))
    assert inside(math.nan, (math.nan, math.nan)) and not inside(1.0, (math.nan, math.nan))
    assert arm_of(CARD, ("--lr", "2")) == CARD.arms[0] and arm_of(CARD, ("--lr", "5")) is None


async def test_an_outcome_of_any_name(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        assert outcome(viewer.scene, "val_accuracy") is not None
        assert outcome(viewer.scene, "never_logged") is None
