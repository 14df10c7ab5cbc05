"""The screen of a race over prepared runs: what it shows, its keys, and how it is left."""

from __future__ import annotations

import contextlib
import math
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tui.history.race import TRAIN, Lane, Race
from tui.history.source import Source
from tui.run.directory import RunDirectory
from tui.run.events import Metric, Tick
from tui.view.draw.cells import width_of
from tui.view.draw.race import SIGNS, draw_race, top
from tui.view.race import RaceApp
from tui.view.standings import LEADS, Words, farewell, standings
from tui.view.theme import MEANINGS

from . import scripted
from .conftest import Viewer
from .scripted import Tape

SIZES = [(80, 24), (100, 30), (120, 36)]
VALUES = ("0.01", "0.1", "1", "3", "10", "30")


class Meeting:
    """A race over scripted runs: its program prints losses that fall the faster, the higher the rate."""

    def __init__(self, root: Path, pid: int, runs: int = 3, at_once: int = 6, steps: int = 200) -> None:
        self.root, self.pid, self.steps = root, pid, steps
        self.signals: list[int] = []
        self.tapes: list[Tape] = []
        lanes = [Lane(f"reader lr={value}", f"lr={value}", (value,)) for value in VALUES[:runs]]
        self.race = Race(lanes, at_once, self.start, self.signal)
        self.words = Words("reader", ["lr"], ["seed 0", "--epochs 4"])

    def start(self, lane: Lane) -> RunDirectory:
        tape = Tape(self.root, self.pid, lane.name).add(scripted.start(), Metric(0.0, 0, "total_epochs", 4.0))
        for step in range(1, self.steps + 1):
            loss = 2.0 * math.exp(-step * (1 + len(self.tapes)) / 150)
            tape.add(Tick(t=step / 50, step=step, loss=loss, epoch=1 + step // 101, batch=step % 101, batches=100))
            if step % 50 == 0:
                tape.add(Metric(step / 50, step, "val_loss", loss + 0.1), Metric(step / 50, step, "val_accuracy", 0.8))
        self.tapes.append(tape)
        return tape.run

    def signal(self, run: RunDirectory, number: int) -> bool:
        self.signals.append(number)
        return True

    def end(self) -> None:
        for tape in self.tapes:
            tape.end(status=0)


@pytest.fixture
def meeting(tmp_path: Path, pid: int) -> Meeting:
    return Meeting(tmp_path, pid)


def over(*tapes: Tape) -> Race:
    """A race whose runs have all been started."""
    lanes = [
        Lane(f"reader lr={value}", f"lr={value}", (value,), source=Source(tape.run))
        for value, tape in zip(VALUES, tapes)
    ]
    race = Race(lanes, 1, lambda lane: pytest.fail("nothing waits"), lambda run, number: True)
    race.poll()
    return race


@contextlib.asynccontextmanager
async def shown(race: Race, words: Words, size: tuple[int, int] = (100, 30)) -> AsyncIterator[Viewer]:
    race.poll()
    race.poll()  # starts what there is room for, and reads it
    app: Any = RaceApp(race, words, colors="truecolor")
    async with app.run_test(size=size) as pilot:
        viewer = Viewer(Tape.__new__(Tape), app, pilot)
        app._tell(force=True)
        await viewer.settle()
        yield viewer


async def stands(viewer: Viewer, *words: str) -> str:
    """Waits for all of the words on the screen."""

    def there() -> bool:
        viewer.app.screen._on_timer_update()
        return all(word in viewer.screen() for word in words)

    await viewer.until(there)
    return viewer.screen()


# ── what it shows ──


@pytest.mark.parametrize("size", SIZES)
async def test_everything_is_on_one_screen(meeting: Meeting, size: tuple[int, int]) -> None:
    async with shown(meeting.race, meeting.words, size) as viewer:
        screen = viewer.screen()
        for word in (
            "reader",
            "● RACING",
            "3 running",
            "varies lr",
            "the same in all: seed 0 · --epochs 4 · full speed",
        ):
            assert word in screen
        assert "averaged over" not in screen
        for word in ("▸val loss │ train loss │ val accuracy", "step 200", "q leave", "running 50 %"):
            assert word in screen
        rows = [row.strip("│▸ ").split() for row in screen.splitlines() if "running 50 %" in row]
        assert [row[:2] for row in rows] == [[sign, value] for sign, value in zip(SIGNS, VALUES[:3])]
        assert LEADS not in screen and "…" not in screen


@pytest.mark.parametrize("size", SIZES)
async def test_six_runs_have_six_signs_and_colours(tmp_path: Path, pid: int, size: tuple[int, int]) -> None:
    meeting = Meeting(tmp_path, pid, runs=6)
    async with shown(meeting.race, meeting.words, size) as viewer:
        chart = viewer.app._parts["chart"]._lines  # type: ignore[attr-defined]
        found = {(sign, style) for line in chart for text, style in line for sign in text if sign in SIGNS}
        assert found == {(sign, f"race{place + 1}") for place, sign in enumerate(SIGNS)}
        assert viewer.screen().count("running 50 %") == 6 and "q leave" in viewer.screen()


def test_the_colours_of_the_runs_differ_everywhere() -> None:
    for system in range(3):
        colours = [MEANINGS[f"race{place}"][system] for place in range(1, 7)]
        assert len({*colours, MEANINGS["bad"][system], MEANINGS["background"][system]}) == 8


async def test_nobody_is_announced_as_looking(meeting: Meeting) -> None:
    async with shown(meeting.race, meeting.words) as viewer:
        meeting.end()
        await stands(viewer, "FINISHED")
    for tape in meeting.tapes:
        assert list(tape.run.viewers.iterdir()) == [] and list(tape.run.control.iterdir()) == []


async def test_the_leader_is_marked_at_the_end_only(meeting: Meeting) -> None:
    async with shown(meeting.race, meeting.words) as viewer:
        for tape in meeting.tapes[:2]:
            tape.end(status=0)
        assert LEADS not in await stands(viewer, "1 running · 2 finished")
        meeting.end()
        screen = await stands(viewer, "FINISHED", "3 finished", f"{LEADS} lowest val loss at the end: 0.1366 with lr=1")
        assert "0.1366" + LEADS in screen and "stop all" not in screen


async def test_those_that_wait_have_their_turn(tmp_path: Path, pid: int) -> None:
    meeting = Meeting(tmp_path, pid, at_once=1)
    async with shown(meeting.race, meeting.words) as viewer:
        assert "1 running" in viewer.screen() and "2 wait" in viewer.screen() and "one at a time" in viewer.screen()
        for started in (1, 2, 3):
            await viewer.until(lambda started=started: len(meeting.tapes) == started)
            meeting.end()
        await stands(viewer, "3 finished")


async def test_that_the_training_loss_is_an_average_is_said_from_the_start(tmp_path: Path) -> None:
    race = over(ran(tmp_path), ran(tmp_path))
    async with shown(race, Words("reader", ["lr"])) as viewer:
        assert "▸train loss" in viewer.screen() and "averaged over 2 % of the steps" in viewer.screen()


def ran(root: Path) -> Tape:
    """A run that logged nothing."""
    return (
        Tape(root, None).add(scripted.start(), *(Tick(step=step, loss=1 / step) for step in range(1, 50))).end(status=0)
    )


async def test_before_the_first_step(tmp_path: Path, pid: int) -> None:
    race = over(scripted.starting(tmp_path, pid), scripted.model_only(tmp_path, pid))
    async with shown(race, Words("reader", ["lr"])) as viewer:
        assert "The first train loss is awaited" in viewer.screen()
    race = over(scripted.not_started(tmp_path), scripted.not_started(tmp_path))
    async with shown(race, Words("reader", ["lr"])) as viewer:
        await stands(viewer, "Nothing was recorded.", "ENDED", "✗ lr=0.01: command not found: nope", "✗ failed 127")


@pytest.mark.parametrize("size", [(80, 24), (30, 8), (8, 3)])
async def test_no_state_and_no_number_is_fatal(tmp_path: Path, pid: int, size: tuple[int, int]) -> None:
    every = list(scripted.STATES)
    for names in (every[place : place + 6] for place in range(0, len(every), 6)):
        race = over(*(scripted.STATES[name](tmp_path, pid) for name in names))
        async with shown(race, Words("[/home/x] 走る\x1b[2J", ["[bold]lr[/]"], ["\x1b[31m"]), size) as viewer:
            await viewer.press("down", "enter", "y", *["m"] * len(race.metrics()), "y")
            assert "\x1b" not in viewer.screen()
        farewell(race, Words("reader", ["lr"]), TRAIN)


async def test_what_is_no_number_is_shown_as_such(tmp_path: Path) -> None:
    race = over(scripted.nan(tmp_path, None).end(status=0), scripted.finished(tmp_path))
    async with shown(race, Words("reader", ["lr"])) as viewer:
        await viewer.press("m")
        screen = viewer.screen()
        assert "▸train loss" in screen and "NaN" in screen and "✗" in screen
        assert race.leaders(TRAIN) == [1]


def test_a_run_that_leaves_the_others_far_behind_does_not_flatten_them(tmp_path: Path) -> None:
    race = over(scripted.diverging(tmp_path, None).end(status=0), scripted.finished(tmp_path))
    limit = top(race, TRAIN)
    assert limit is not None and limit < 10
    tops = ["".join(text for text, _ in line) for line in draw_race(race, TRAIN, 60, 12, False)]
    assert SIGNS[0] in tops[0]
    assert top(race, "val_accuracy") is None and top(over(scripted.finished(tmp_path)), TRAIN) is None


def test_what_varies_gives_way_to_the_numbers(tmp_path: Path) -> None:
    race = over(scripted.finished(tmp_path))
    race.lanes[0].values = ("a/very/long/path/" * 10, "another " * 20)
    for width in (40, 76, 200):
        lines = standings(race, ["one", "two"], "val_loss", width)
        assert all(width_of(line) <= width for line in lines)
    assert "0.6410" in "".join(text for text, _ in standings(race, ["one", "two"], "val_loss", 76)[1])


# ── keys ──


async def test_metric_axis_and_row(meeting: Meeting) -> None:
    async with shown(meeting.race, meeting.words) as viewer:
        for name in ("train loss", "val accuracy", "val loss"):
            await viewer.press("m")
            assert f"▸{name}" in viewer.screen()
        await viewer.press("y")
        assert "log axis ─╯" in viewer.screen()
        await viewer.press("y", "up", "down", "down", "down")
        assert "log axis ─╯" not in viewer.screen()
        assert f"▸ {SIGNS[2]}" in viewer.screen()
        await viewer.press("enter")
        run = meeting.tapes[2].run
        assert f"backlit attach {run.path.name}  in " in viewer.screen()
        await viewer.press("enter", "question_mark")
        assert "backlit attach" not in viewer.screen() and "logarithmic axis, and back" in viewer.words()
        await viewer.press("escape")
        assert viewer.dialog() == "Screen"


async def test_leaving_a_race_that_is_over_asks_nothing(meeting: Meeting) -> None:
    async with shown(meeting.race, meeting.words) as viewer:
        meeting.end()
        await stands(viewer, "FINISHED")
        await viewer.press("q")
        assert viewer.app._exit
    assert meeting.signals == []


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_leaving_can_let_them_go_on(tmp_path: Path, pid: int, key: str) -> None:
    meeting = Meeting(tmp_path, pid, at_once=2)
    async with shown(meeting.race, meeting.words) as viewer:
        await viewer.press(key)
        words = viewer.words()
        assert "reader: 1 waits, 2 running." in words and "1 that waits starts in its turn" in words
        await viewer.press("escape")
        assert viewer.dialog() == "Screen" and not viewer.app._exit
        await viewer.press(key, "d")
        assert viewer.app._exit
    assert meeting.signals == [] and len(meeting.race.waiting) == 1


async def test_leaving_can_stop_them_all(tmp_path: Path, pid: int) -> None:
    meeting = Meeting(tmp_path, pid, at_once=2)
    async with shown(meeting.race, meeting.words) as viewer:
        await viewer.press("q", "s")
        await stands(viewer, "STOPPING", "1 not started")
        assert meeting.signals == [signal.SIGINT, signal.SIGINT] and not viewer.app._exit
        await viewer.press("q")
        assert "kill them at once" in viewer.words()
        await viewer.press("k")
        assert meeting.signals[2:] == [signal.SIGKILL, signal.SIGKILL]
        for tape in meeting.tapes:
            tape.end(signal=9)
        await viewer.until(lambda: viewer.app._exit)
    assert [lane.status for lane in meeting.race.lanes] == ["stopped", "stopped", "not started"]


async def test_stopping_asks_and_stays(meeting: Meeting) -> None:
    async with shown(meeting.race, meeting.words) as viewer:
        await viewer.press("s", "escape")
        assert meeting.signals == []
        await viewer.press("s", "s")
        assert meeting.signals == [signal.SIGINT] * 3
        for tape in meeting.tapes:
            tape.end(status=130)
        await stands(viewer, "ENDED", "3 stopped")
        assert not viewer.app._exit
        await viewer.press("s")
        assert viewer.dialog() == "Screen"


# ── plain lines ──


def test_what_stays_on_the_normal_screen(meeting: Meeting) -> None:
    meeting.race.poll()
    meeting.race.poll()
    lines = farewell(meeting.race, meeting.words, "val_loss")
    assert lines[0] == "backlit: reader: 3 running; val loss" and len(lines) == 6
    for line, tape, sign in zip(lines[2:], meeting.tapes, SIGNS):
        assert line.split()[0] == sign and line.endswith(tape.run.path.name)
    assert lines[-1] == "  backlit attach RUN shows one again"
    narrow = farewell(meeting.race, meeting.words, "val_loss", 80)
    assert max(map(len, narrow)) <= 80 and f"  {SIGNS[0]} {meeting.tapes[0].run.path.name}" in narrow


def test_what_went_wrong_is_said(tmp_path: Path) -> None:
    lines = farewell(over(scripted.failed(tmp_path), scripted.finished(tmp_path)), Words("reader", ["lr"]), "val_loss")
    assert "  reader lr=0.01: KeyError: 'zebra [/home/x]'" in lines
    assert f"  {LEADS} lowest val loss at the end: 0.6410 with lr=0.1" in lines
