"""Several trainings in one run: which is shown, how to turn to another, and that requests go to that one alone."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from textual.widgets import OptionList

from tui.cli import main
from tui.history import source as source_module
from tui.history.source import Source
from tui.run import events
from tui.run.events import Did, End, Gate
from tui.view import plain
from tui.view.desk import ViewerDesk
from tui.view.scene import Scene
from tui.view.screens.streams import lines_of
from tui.view.show import farewell
from tui.view.turns import Turns

from . import scripted
from .conftest import Opener, Viewer
from .scripted import Tape


@pytest.fixture
def living() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts processes that stand for trainings."""
    begun: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen(["sleep", "1000"]))
        return begun[-1]

    yield start
    for one in begun:
        one.kill()
        one.wait()


def begin(tape: Tape, number: int, steps: int = 0, pid: int = 0, **how: Any) -> None:
    """Another stream begins in the run, with some steps of its own."""
    model = scripted.chain(2)
    how = {"time": time.time(), "pid": pid or 2**22 + 200 + number, "argv": ["/x/eval.py"], **how}
    records = [scripted.start(**how), model, *scripted.ticks(model, steps, loss=7.125)]
    with open(tape.run.events_file(number), "ab") as file:
        file.write(b"".join(events.encode(record) for record in records))


def append(tape: Tape, number: int, *records: Any) -> None:
    with open(tape.run.events_file(number), "ab") as file:
        file.write(b"".join(events.encode(record) for record in records))


def two(root: Path, pid: int, **second: Any) -> Tape:
    """A run of two trainings at once: one of 500 steps, one of 50."""
    tape = Tape(root, pid, name="job.sh")
    model = scripted.reader()
    tape.add(scripted.start(pid=os.getpid(), argv=["/x/train.py"]), model, *scripted.ticks(model))
    begin(tape, 1, 50, pid=pid, **second)
    return tape


@pytest.fixture
def job(tmp_path: Path, pid: int) -> Tape:
    return two(tmp_path, pid)


def asked(tape: Tape) -> list[tuple[str, Any]]:
    """What was asked for, as (command, stream), in order."""
    lines = [line for path in sorted(tape.run.control.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    return [(raw["do"], raw.get("stream")) for raw in map(json.loads, lines)]


def head(viewer: Viewer) -> str:
    return viewer.rows()[0].rstrip()


# ── turning ──


async def test_one_training_has_no_number_and_no_key(tape: Tape, show: Opener) -> None:
    async with show(tape) as viewer:
        assert "stream" not in head(viewer) and "1/1" not in head(viewer)
        await viewer.press("S")
        assert viewer.dialog() == "Screen" and viewer.scene.source.shown == 0
        assert "S stream" not in viewer.screen()


@pytest.mark.parametrize("size, words", [((120, 36), "stream 1/2"), ((80, 24), " 1/2 ")])
async def test_of_two_s_turns_to_the_other(job: Tape, show: Opener, size: tuple[int, int], words: str) -> None:
    async with show(job, size=size) as viewer:
        assert words in head(viewer) and "step 500" in head(viewer)
        await viewer.press("S")
        await viewer.until(lambda: "step 50" in head(viewer) and "step 500" not in head(viewer))
        assert words.replace("1/2", "2/2") in head(viewer) and "7.12" in viewer.rows()[1]
        assert "reader.py" not in viewer.screen() and "embeddings" not in viewer.screen()
        await viewer.until(lambda: (seen := job.presence()) is not None and seen.stream == 1)
        await viewer.press("S")
        await viewer.until(lambda: "step 500" in head(viewer))


async def test_what_is_asked_goes_to_the_training_that_is_shown(job: Tape, show: Opener) -> None:
    async with show(job) as viewer:
        await viewer.press("space")
        await viewer.until(lambda: asked(job) == [("pause", 0)])
        await viewer.until(lambda: "PAUSING" in head(viewer))
        # the answer is due in the other stream: it is not waited for in this one
        await viewer.press("S")
        await viewer.until(lambda: "stream 2/2" in head(viewer))
        await viewer.until(lambda: "RUNNING" in head(viewer))
        assert not viewer.scene.pending
        await viewer.press("plus")
        await viewer.until(lambda: asked(job) == [("pause", 0), ("lr", 1)])
        # leaving and stopping is meant for the whole command
        viewer.app.controls.stop()
        assert asked(job)[2:] == [("stop", None)]


async def test_ranks_of_one_training_are_asked_together(tmp_path: Path, pid: int, show: Opener, living: Any) -> None:
    tape = Tape(tmp_path, pid, name="torchrun")
    model = scripted.reader()
    how = {"world": 2, "argv": ["/x/ddp.py"], "time": time.time()}
    tape.add(scripted.start(pid=living().pid, rank=0, **how), model, *scripted.ticks(model))
    begin(tape, 1, 50, pid=living().pid, rank=1, **how)
    async with show(tape) as viewer:
        assert "stream 1/2 · rank 0" in head(viewer)
        await viewer.press("space")
        await viewer.until(lambda: asked(tape) == [("pause", None)])
        await viewer.press("S")
        await viewer.until(lambda: "stream 2/2 · rank 1" in head(viewer))
        # when another training goes on beside them, that one is left alone
        begin(tape, 2, 5, pid=living().pid)
        await viewer.until(lambda: len(viewer.scene.source.streams) == 3)
        await viewer.press("n")
        await viewer.until(lambda: asked(tape)[1:] == [("step", 0), ("step", 1)])


async def test_a_newer_training_is_turned_to_and_that_is_said(job: Tape, show: Opener, living: Any) -> None:
    last = living()
    begin(job, 2, 5, pid=last.pid, time=time.time() - 5)
    async with show(job) as viewer:
        viewer.scene.source.show(2)
        viewer.scene.source.by_hand = False
        await viewer.until(lambda: "stream 3/3" in head(viewer))
        append(job, 2, End(t=1.0, step=5))
        last.kill()
        last.wait()
        begin(job, 3, 20, pid=living().pid, argv=["/x/finetune.py", "--lr", "0.1"])
        await viewer.says("Turned to the fourth training: finetune.py.")
        await viewer.until(lambda: "stream 4/4" in head(viewer) and "step 20" in head(viewer))
        assert not any("Another" in one.message for one in viewer.app._notifications)


async def test_a_training_that_begins_beside_is_told_once(tape: Tape, show: Opener, living: Any) -> None:
    async with show(tape) as viewer:
        begin(tape, 1, 5, pid=living().pid)
        await viewer.says("Another training has begun: 2: eval.py. S shows it.")
        begin(tape, 2, 5, pid=living().pid)
        await viewer.until(lambda: "stream 1/3" in head(viewer))
        assert sum("Another" in one.message for one in viewer.app._notifications) == 1


async def test_a_training_that_is_over_while_others_go_on_says_so_and_takes_no_requests(
    job: Tape, show: Opener, monkeypatch: pytest.MonkeyPatch, living: Any
) -> None:
    monkeypatch.setattr(source_module, "SETTLED_S", 0.0)
    worker = living()
    begin(job, 2, 10, pid=worker.pid)
    append(job, 2, Gate(held=True, phase="backward"))
    async with show(job) as viewer:
        viewer.scene.source.show(2)
        await viewer.until(lambda: "PAUSED" in head(viewer))
        worker.kill()  # without a word, held as it was
        worker.wait()
        await viewer.until(lambda: "■ ENDED" in head(viewer))
        assert viewer.scene.source.status == "running" and "steps/s" not in head(viewer)
        await viewer.until(lambda: "This training is over" in viewer.panel("explain").text())
        await viewer.press("space")
        await viewer.says("This training is over; S shows another.")
        assert asked(job) == []


# ── the list ──


async def test_of_more_than_two_a_list_is_to_choose_from(job: Tape, show: Opener, living: Any) -> None:
    began = time.mktime((2026, 5, 4, 12, 31, 5, 0, 0, -1))
    begin(job, 2, 10, pid=living().pid, argv=["/x/ddp.py", "--epochs", "3"], rank=1, world=2, restart=1, time=began)
    async with show(job) as viewer:
        await viewer.press("S")
        assert viewer.dialog() == "StreamList"
        words = viewer.words()
        assert "▸● 1 train.py" in words and "3 of 3 train" in words
        assert "ddp.py --epochs 3 rank 1/2 · restart 1 pid" in words and "began 12:31:05" in words
        # streams go on beginning and ending behind it
        begin(job, 3, 5)
        append(job, 3, End(t=1.0, step=5))
        await viewer.until(lambda: "■ 4 eval.py" in viewer.words() and "3 of 4 train" in viewer.words())
        await viewer.press("down", "down")
        assert viewer.app.screen.query_one(OptionList).highlighted == 2
        await viewer.press("enter")
        await viewer.until(lambda: "stream 3/4 · rank 1 · restart 1" in head(viewer))
        await viewer.press("S", "escape")
        assert viewer.scene.source.shown == 2 and viewer.dialog() == "Screen"


async def test_a_thousand_trainings_are_listed(tape: Tape, show: Opener) -> None:
    for number in range(1, 1000):
        append(tape, number, scripted.start(time=1.0 + number, pid=2**22 + number), End(t=0.5))
    async with show(tape, size=(80, 24)) as viewer:
        await viewer.press("S")
        assert viewer.app.screen.query_one(OptionList).option_count == 1000
        await viewer.press("end", "enter")
        await viewer.until(lambda: " 1000/1000" in head(viewer))


def test_long_and_strange_names_are_cut_and_cleaned(job: Tape) -> None:
    begin(job, 2, argv=["/x/[bold]走る\x1b[2J.py", "long " * 50])
    source = Source(job.run)
    source.poll()
    lines = lines_of(source, 88)
    assert "[bold]走る" in lines[2] and "\x1b" not in "".join(lines)
    assert len({cell_len(line[: line.index("pid")]) for line in lines}) == 1, "the columns stand"
    assert max(map(cell_len, lines)) <= 88
    assert max(map(cell_len, lines_of(source, 68))) <= 68


# ── without a screen ──


def test_plain_lines_name_the_training_and_say_when_another_begins(
    job: Tape, capsys: pytest.CaptureFixture[str], living: Any
) -> None:
    source = Source(job.run)
    turns = Turns(source)
    source.poll()
    assert plain._news(source, turns.look()) == ["another training began: 2: eval.py"]
    assert plain.line_of(source).startswith("1: train.py  step 500  ")
    for number in (2, 3):
        begin(job, number, pid=living().pid, time=1.0)
    source.streams.look(0)
    assert plain._news(source, turns.look()) == ["2 more trainings began, 3: eval.py the first of them"]
    assert plain._news(source, turns.look()) == []
    # one that was asked for
    job.end(status=0)
    assert plain.follow(job.run, owns=False, stream=1) == 0
    assert "2: eval.py  step 50  " in capsys.readouterr().err


def test_what_stays_on_the_screen_names_the_training(job: Tape) -> None:
    job.end(status=0)
    scene = Scene(Source(job.run, 1))
    scene.source.poll()
    assert farewell(scene)[0] == "backlit: job.sh finished; 2: eval.py of 2 streams made 50 steps"


def test_the_commands_know_streams(job: Tape, tmp_path: Path) -> None:
    append(job, 1, Did(step=7, do="rate", factor=0.5))
    job.add(Did(step=3, do="undo", to=2))
    job.end(status=0)

    def call(*words: str) -> Any:
        return CliRunner().invoke(main, ["--runs", str(tmp_path), *words])

    heading, row = call("ls").output.splitlines()
    assert row[: len(heading)][heading.index("streams") : heading.index("streams") + 7].strip() == "2"
    assert [" ".join(line.split()) for line in call("tape").output.splitlines()] == [
        "1: train.py", "after update 3 undo, back to 2 updates", "2: eval.py", "from update 7 rate × 0.5",
    ]  # fmt: skip
    assert len(call("tape", "--json").output.splitlines()) == 2
    shown = call("attach", "--plain", "--stream", "2")
    assert shown.exit_code == 0 and "2: eval.py  step 50" in shown.output
    refused = call("attach", "--stream", "3")
    assert refused.exit_code == 2 and "there is no stream 3 in " in refused.output and "it has 2" in refused.output


def test_a_request_to_several_streams_is_one_write_of_a_line_each(job: Tape) -> None:
    desk = ViewerDesk(job.run)
    desk.command(events.Pause("a"), [0, 2])
    desk.command(events.Resume("b"))
    assert asked(job) == [("pause", 0), ("pause", 2), ("resume", None)]
