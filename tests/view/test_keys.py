"""Keys: what they ask of the run, when they ask first, and what they change on the screen."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.keys import key_to_character
from textual.widgets import OptionList

from tui.run.directory import process_start, replace
from tui.run.events import Gate, Pause, Phase, Resume, SetRate, Speed, Step, Stop
from tui.view.actions import ACTIONS
from tui.view.arrange import PANELS, panels
from tui.view.dials import RUNGS
from tui.view.panels.loss import Loss
from tui.view.scene import Card
from tui.view.screens.leave import Leave

from . import scripted
from .conftest import Opener, Viewer
from .scripted import Tape

CARD = Card(
    "flow",
    "Flow",
    "Which way?",
    about="water",
    number=1,
    choices={"a": "up", "b": "down"},
    answer="b",
    metric="val_accuracy",
    expect=(0.1, 0.9),
    pace=25.0,
    before="Water runs.",
)

# ── whether to steer ──


async def test_the_first_steering_key_asks_once(show: Opener, tape: Tape) -> None:
    async with show(tape, asks=True) as viewer:
        await viewer.press("space")
        assert viewer.dialog() == "Choose" and "Steer this run?" in viewer.screen()
        await viewer.press("x")
        assert viewer.dialog() == "Screen" and tape.commands() == []
        await viewer.press("plus")
        assert viewer.dialog() == "Choose"
        await viewer.press("escape")
        assert viewer.dialog() == "Screen" and tape.commands() == []
        await viewer.press("space", "Y")
        assert type(await viewer.asked()) is Pause
        await viewer.press("n")
        assert type(await viewer.asked(2)) is Step


async def test_words_typed_into_the_wrong_window_change_nothing(show: Opener, tape: Tape) -> None:
    async with show(tape, asks=True) as viewer:
        for word in ("python train.py", "running on", "yes please", "npyfr"):
            await viewer.press(
                *("space" if letter == " " else letter for letter in word if letter not in "./q"), "enter"
            )
            await viewer.press("escape", "escape")
        assert tape.commands() == []


async def test_a_second_answer_is_one_too_many(show: Opener, tape: Tape) -> None:
    async with show(tape, asks=True) as viewer:
        await viewer.press("space")
        for key in ("Y", "Y", "Y"):  # without a pause between them, as a key held down gives them
            viewer.app.post_message(events.Key(key, key))
        assert type(await viewer.asked()) is Pause
        await viewer.press("q")
        viewer.app.post_message(events.Key("escape", None))
        viewer.app.post_message(events.Key("escape", None))
        await viewer.until(lambda: viewer.dialog() == "Screen")
        assert viewer.app.is_running and viewer.app.return_code is None


async def test_help_scrolls(show: Opener, tape: Tape) -> None:
    async with show(tape, size=(80, 24)) as viewer:
        await viewer.press("question_mark")
        before = viewer.screen()
        await viewer.press("down", "down", "pagedown")
        await viewer.until(lambda: viewer.screen() != before)


async def test_keys_that_do_not_steer_are_not_asked_about(show: Opener, tape: Tape) -> None:
    async with show(tape, asks=True) as viewer:
        await viewer.press("m", "y", "a", "tab", "enter", "escape", "3", "down")
        assert viewer.dialog() == "Screen" and tape.commands() == []


async def test_a_lesson_does_not_ask(show: Opener, tape: Tape) -> None:
    async with show(tape, app_={"lesson": True}) as viewer:
        await viewer.press("space")
        assert type(await viewer.asked()) is Pause


async def test_read_only_writes_nothing(show: Opener, tape: Tape) -> None:
    live = scripted.live(scripted.reader(), opening=True)
    tape.see(live)
    async with show(tape, readonly=True, app_={"lesson": True}) as viewer:
        assert viewer.scene.opening
        for action in ACTIONS:
            for key in action.keys:
                if key == "ctrl+q" or action.name == "leave":
                    continue
                await viewer.press(key, "s", "k", "k", "1", "enter")
                while viewer.dialog() != "Screen":
                    await viewer.press("escape")
        await viewer.press("q")
        assert viewer.dialog() == "Leave" and "stop it" not in viewer.screen() and "kill" not in viewer.screen()
        await viewer.press("s", "k", "k")
        assert viewer.dialog() == "Leave"
        assert tape.commands() == [] and list(tape.run.control.iterdir()) == []
        assert tape.run.alive()


async def test_read_only_says_why_a_key_does_nothing(show: Opener, tape: Tape) -> None:
    async with show(tape, readonly=True) as viewer:
        await viewer.press("space")
        await viewer.says("--readonly")


async def test_a_run_that_is_over_is_not_steered(show: Opener, tmp_path: Path) -> None:
    tape = scripted.finished(tmp_path)
    async with show(tape) as viewer:
        await viewer.press("space", "n", "plus")
        await viewer.says("This run is over")
        assert tape.commands() == []


async def test_pasted_text_steers_nothing(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        for text in (" ", "n", "pause\nq\n", "+++"):
            viewer.app.post_message(events.Paste(text))
            viewer.app.screen.post_message(events.Paste(text))
        await viewer.settle()
        assert viewer.dialog() == "Screen" and tape.commands() == []
        await viewer.press("space")  # the keyboard still does
        await viewer.asked()


@pytest.mark.parametrize(
    "keys, check",
    [
        (["N", "1", "5", "enter"], lambda command: command.n == 15),
        (["r", "x", "2", "enter"], lambda command: command.factor == 2.0),
        (["q", "s"], lambda command: type(command) is Stop),
        (["3", "enter", "n"], lambda command: type(command) is Step),
    ],
)
async def test_keys_typed_ahead_find_the_dialog(show: Opener, tape: Tape, keys: list[str], check: Any) -> None:
    async with show(tape) as viewer:
        for key in keys:  # at once, as they come from a slow link or a slow processor
            viewer.app.post_message(events.Key(key, key_to_character(key)))
        assert check(await viewer.asked())
        await viewer.settle()
        assert len(tape.commands()) == 1 and viewer.dialog() == "Screen"
        assert viewer.scene.zoomed == ("gradients" if keys[0] == "3" else "")


# ── asked, answered, refused ──


async def test_a_request_is_marked_until_it_is_answered(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("plus")
        command = await viewer.asked()
        await viewer.until(lambda: "×2…" in viewer.rows()[1])
        assert "▼" not in viewer.panel("loss").text()
        tape.answer(command, "lr", before=0.00231, after=0.00462, factor=2.0)
        model = scripted.reader()
        tape.add(scripted.tick(model, 505, 9.1, rate=0.00462, scheduled=0.00231))
        tape.see(scripted.live(model, 505))
        await viewer.until(lambda: "×2…" not in viewer.rows()[1] and "0.00462 = 0.00231 × 2" in viewer.rows()[1])
        await viewer.until(lambda: "▼" in viewer.panel("loss").text())


async def test_pausing_then_paused_then_running(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        assert "● RUNNING" in viewer.rows()[0]
        await viewer.press("space")
        await viewer.until(lambda: "PAUSING" in viewer.rows()[0])
        tape.answer(await viewer.asked(), "pause").add(Gate(9.0, 500, True, "backward", "asked"))
        await viewer.until(lambda: "PAUSED" in viewer.rows()[0])
        assert "▸backward◂" in viewer.screen() and "space resume" in viewer.screen()
        await viewer.press("space")
        assert type(await viewer.asked(2)) is Resume
        tape.add(Gate(9.5, 500))
        await viewer.until(lambda: "RUNNING" in viewer.rows()[0])


async def test_space_while_pausing_takes_it_back(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("space", "space")
        assert [type(one) for one in tape.commands()] == [Pause, Resume]


async def test_a_refusal_is_said(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("n")
        tape.answer(await viewer.asked(), "step", refused="rank 3 is not in this [/home/x] directory")
        await viewer.says("one batch: refused, rank 3 is not in this [/home/x] directory")
        assert not viewer.scene.pending


async def test_every_request_has_an_id_of_its_own(show: Opener, tape: Tape) -> None:
    async with show(tape) as one, show(tape) as two:
        for viewer in (one, two, one, two):
            await viewer.press("n")
        ids = [command.id for command in tape.commands()]
        assert len(ids) == 4 and len(set(ids)) == 4 and all(ids)


async def test_a_request_that_cannot_be_written_is_said(show: Opener, state: Callable[[str], Tape]) -> None:
    tape = state("paused at loss")
    async with show(tape) as viewer:
        await viewer.until(tape.presence)
        shutil.rmtree(tape.run.control)
        await viewer.press("n")
        await viewer.says("could not be written")
        await viewer.says("asked to go on")
        assert (tape.run.viewers / "resume").exists()
        assert not viewer.scene.pending


# ── the rate ──


async def test_the_ladder_of_rates(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        for count, factor in enumerate((2.0, 5.0, 10.0), 1):
            await viewer.press("plus")
            command = await viewer.asked(count)
            assert (command.factor, command.value) == (factor, None)
        await viewer.press("plus")
        await viewer.says("The ladder ends at ×10")
        for command in tape.commands():
            tape.answer(command, "lr", factor=command.factor)
        await viewer.until(lambda: not viewer.scene.pending)
        for count, factor in enumerate((5.0, 2.0, 1.0, 0.5, 0.2, 0.1), 4):
            await viewer.press("minus")
            assert (await viewer.asked(count)).factor == factor
        await viewer.press("minus")
        await viewer.says("The ladder ends at ×0.1")
        assert len(tape.commands()) == 9 and RUNGS == (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


async def test_a_fixed_rate_is_doubled_and_halved(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("r")
        await viewer.type("0.25")
        command = await viewer.asked()
        assert (command.value, command.factor) == (0.25, None)
        await viewer.press("plus")  # before the answer: from what was asked for
        assert (await viewer.asked(2)).value == 0.5
        for command in tape.commands():
            tape.answer(command, "lr", before=0.00231, after=command.value, value=command.value)
        tape.add(scripted.tick(scripted.reader(), 505, 9.1, rate=0.5, scheduled=0.00231, fixed=True))
        tape.see(scripted.live(scripted.reader(), 505))
        await viewer.until(lambda: viewer.scene.state.fixed == 0.5 and not viewer.scene.pending)
        await viewer.press("minus")
        assert (await viewer.asked(3)).value == 0.25
        # And released, the ladder is one of factors again
        released = tape.commands()[-1]
        tape.answer(released, "lr", step=506, before=0.5, after=0.00231)
        await viewer.until(lambda: viewer.scene.state.fixed is None and not viewer.scene.pending)
        await viewer.press("plus")
        assert (await viewer.asked(4)).factor == 2.0


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0.01", SetRate(value=0.01)),
        (" 3e-4 ", SetRate(value=3e-4)),
        ("0", SetRate(value=0.0)),
        ("x2", SetRate(factor=2.0)),
        ("X0.5", SetRate(factor=0.5)),
        ("×3", SetRate(factor=3.0)),
        ("release", SetRate(factor=1.0)),
        ("nan", None),
        ("-0.1", None),
        ("x-2", None),
        ("inf", None),
        ("1e999", None),
        ("fast", None),
        ("x", None),
        ("[/home/x]", None),
        ("0.1; rm", None),
    ],
)
async def test_the_rate_dialog(show: Opener, tape: Tape, text: str, expected: Any) -> None:
    async with show(tape) as viewer:
        await viewer.press("r")
        assert viewer.dialog() == "Ask"
        await viewer.type(text)
        assert viewer.dialog() == "Screen"
        if expected is None:
            await viewer.says("is no rate")
            assert tape.commands() == []
        else:
            command = await viewer.asked()
            assert (command.value, command.factor) == (expected.value, expected.factor)


@pytest.mark.parametrize("key", ["r", "N", "slash"])
async def test_escape_leaves_a_dialog_without_a_trace(show: Opener, tape: Tape, key: str) -> None:
    async with show(tape) as viewer:
        await viewer.press(key, "5", "escape")
        assert viewer.dialog() == "Screen" and tape.commands() == [] and not viewer.scene.filter


# ── batches and pace ──


@pytest.mark.parametrize(
    "text, batches",
    [
        ("12", 12),
        ("1,000", 1000),
        ("10 000", 10000),
        ("0", None),
        ("-3", None),
        ("ten", None),
        ("1.5", None),
        ("9" * 40, None),
    ],
)
async def test_the_batches_dialog(show: Opener, tape: Tape, text: str, batches: int | None) -> None:
    async with show(tape) as viewer:
        await viewer.press("N")
        await viewer.type(text)
        if batches is None:
            await viewer.says("is no number of batches")
            assert tape.commands() == []
        else:
            command = await viewer.asked()
            assert type(command) is Step and command.n == batches


async def test_full_stop_is_a_phase_and_equals_is_plus(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("full_stop")
        assert type(await viewer.asked()) is Phase
        await viewer.press("equals_sign")
        assert (await viewer.asked(2)).factor == 2.0


async def test_pace(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("greater_than_sign")
        await viewer.says("full speed already")
        await viewer.press("less_than_sign")
        assert (await viewer.asked()).steps_per_s == 50.0  # the rung below 61.7
        tape.see(scripted.live(scripted.reader(), 500, speed=50.0))
        await viewer.until(lambda: "(slowed)" in viewer.rows()[0])
        await viewer.press("less_than_sign")
        assert (await viewer.asked(2)).steps_per_s == 20.0
        await viewer.press("greater_than_sign")
        assert (await viewer.asked(3)).steps_per_s == 100.0
        await viewer.press("f")
        command = await viewer.asked(4)
        assert type(command) is Speed and command.steps_per_s is None


# ── what is shown ──


def number_of(viewer: Viewer, name: str) -> str:
    """The key that a panel has."""
    return str(panels(viewer.scene.content).index(name) + 1)


async def test_m_goes_round_the_modes_and_says_so_to_the_probe(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        for mode in ("weight", "gradient", "output", "change"):
            await viewer.press("m")
            await viewer.until(lambda mode=mode: (seen := tape.presence()) is not None and seen.mode == mode)
            assert mode in viewer.panel("weights")._border_title.plain


async def test_the_presence_says_how_much_there_is_room_for(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        room = viewer.panel("weights").content_size
        first = await viewer.until(tape.presence)
        assert (first.rows, first.columns) == (2 * (room.height - 2), room.width)
        await viewer.until(lambda: tape.presence().beat > first.beat)


async def test_arrows_move_the_layer_in_focus(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("3")
        layers = viewer.scene.state.layers
        here = viewer.scene.shown_layer()
        await viewer.press("down")
        assert viewer.scene.shown_layer() == here + 1
        wanted = layers[here + 1].main
        await viewer.until(lambda: tape.presence().tensor == wanted)
        await viewer.press("up", "up")
        assert viewer.scene.shown_layer() == here - 1
        await viewer.press("pagedown")
        assert viewer.scene.shown_layer() == len(layers) - 1
        await viewer.press("pageup")
        assert viewer.scene.shown_layer() == 0


async def test_every_layer_can_be_reached(show: Opener, tmp_path: Path, pid: int) -> None:
    async with show(scripted.long_model(tmp_path, pid), size=(80, 24)) as viewer:
        await viewer.press("3", *["pagedown"] * 30)
        assert viewer.scene.shown_layer() == 299
        assert "stage299" in viewer.panel("gradients").text()


async def test_arrows_scroll_the_log(show: Opener, tape: Tape) -> None:
    tape.say("".join(f"line {number}\n" for number in range(150)))
    async with show(tape) as viewer:
        await viewer.press(number_of(viewer, "log"))
        await viewer.until(lambda: "line 149" in viewer.panel("log").text())
        await viewer.press("up")
        assert "line 149" not in viewer.panel("log").text() and "1 line back" in viewer.screen()
        await viewer.press(*["pageup"] * 20)
        assert "reading 5000 words" in viewer.panel("log").text()
        await viewer.press(*["pagedown"] * 20)
        assert "line 149" in viewer.panel("log").text()


async def test_y_is_a_log_axis(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        before = viewer.panel("loss").text()
        await viewer.press("y")
        assert "log axis" in viewer.screen() and viewer.panel("loss").text() != before
        await viewer.press("y")
        assert "log axis" not in viewer.screen() and viewer.panel("loss").text() == before


async def test_a_shows_all_time(show: Opener, tape: Tape) -> None:
    model = scripted.reader()
    for step in range(505, 1200, 5):
        norms = [1e-8] * len(model.tensors)
        tape.add(scripted.tick(model, step, step / 61.7, norms=norms))
    tape.see(scripted.live(model, 1195))
    async with show(tape) as viewer:
        assert "recent" in viewer.screen()
        before = viewer.panel("gradients").text().splitlines()[0]
        await viewer.press("a")
        assert "all time" in viewer.screen() and viewer.panel("gradients").text().splitlines()[0] != before


async def test_a_filter_of_layers_and_lines(show: Opener, tape: Tape) -> None:
    async with show(tape, size=(200, 50)) as viewer:
        await viewer.press("slash")
        await viewer.type("HEAD")
        table = viewer.panel("gradients").text()
        assert "head" in table and "embeddings" not in table and "/HEAD" in viewer.screen()
        assert "No line contains" in viewer.panel("log").text()
        await viewer.press("slash")
        await viewer.type("epoch")
        assert "epoch 2 done" in viewer.panel("log").text() and "reading" not in viewer.panel("log").text()


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_tab_goes_round_all_panels_and_back(show: Opener, tape: Tape, size: tuple[int, int]) -> None:
    async with show(tape, size=size) as viewer:
        for key, way in (("tab", 1), ("shift+tab", -1)):
            seen = []
            there = panels(viewer.scene.content)
            for _ in there:
                await viewer.press(key)
                seen.append(viewer.scene.focus)
                assert viewer.app.focused is viewer.panel(viewer.scene.focus)
                assert viewer.panel(viewer.scene.focus).display
            at = there.index(seen[0])
            assert seen == [there[(at + way * turn) % len(there)] for turn in range(len(there))]


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_digits_focus(show: Opener, tape: Tape, size: tuple[int, int]) -> None:
    async with show(tape, size=size) as viewer:
        there = panels(viewer.scene.content)
        for number in (len(there), 1, 5, 2, 6, 4, 3):
            await viewer.press(str(number))
            assert viewer.scene.focus == there[number - 1] and viewer.panel(there[number - 1]).display
        assert len(there) < 9
        await viewer.press("9")
        assert viewer.scene.focus == "gradients"


@pytest.mark.parametrize("out", ["escape", "backspace"])
async def test_zoom_and_out(show: Opener, tape: Tape, out: str) -> None:
    async with show(tape) as viewer:
        there = panels(viewer.scene.content)
        for number, name in enumerate(there, 1):
            await viewer.press(str(number))
            before = viewer.rows()
            await viewer.press("enter")
            region = viewer.panel(name).region
            assert (region.width, region.height) == (120, 32)
            assert [one for one in PANELS if viewer.panel(one).display] == [name]
            await viewer.press("tab")  # the next panel takes its place
            assert viewer.scene.zoomed == there[number % len(there)]
            await viewer.press("shift+tab", out)
            assert not viewer.scene.zoomed
            assert [row[:20] for row in viewer.rows()[2:-2]] == [row[:20] for row in before[2:-2]]


async def test_the_mouse_focuses(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        for name in ("weights", "gradients", "loss"):
            await viewer.pilot.click(f"#{name}")
            assert viewer.scene.focus == name
        assert tape.commands() == []


# ── leaving ──


async def test_leave_and_detach(show: Opener, tape: Tape) -> None:
    for key in ("enter", "d"):
        async with show(tape) as viewer:
            await viewer.press("q")
            assert viewer.dialog() == "Leave" and "still training" in viewer.screen()
            await viewer.press(key)
            assert viewer.app.detached and viewer.app.return_value == 0
    assert tape.commands() == [] and tape.run.alive()


@pytest.mark.parametrize("opens", ["q", "ctrl+c", "ctrl+q"])
async def test_leave_and_stay(show: Opener, tape: Tape, opens: str) -> None:
    async with show(tape) as viewer:
        for stay in ("escape", "backspace", "q", "ctrl+c"):
            await viewer.press(opens)
            assert viewer.dialog() == "Leave"
            await viewer.press("x", stay)
            assert viewer.dialog() == "Screen" and viewer.app.return_value is None
        assert tape.commands() == []


async def test_asking_twice_to_leave_opens_one_dialog(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("q", "ctrl+q", "ctrl+q")
        assert sum(isinstance(screen, Leave) for screen in viewer.app.screen_stack) <= 1
        await viewer.press("question_mark", "ctrl+q", "escape", "escape", "escape")
        assert viewer.dialog() == "Screen" and viewer.app.return_value is None


async def test_leave_and_stop(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("q", "s")
        assert type(await viewer.asked()) is Stop
        assert viewer.app.return_value is None  # it stays, to show how the run ends
        tape.answer(tape.commands()[0], "stop").end(signal=2)
        await viewer.until(lambda: "STOPPED" in viewer.rows()[0])
        await viewer.press("q")
        assert viewer.app.return_value == 0


@pytest.fixture
def victim(tmp_path: Path) -> Any:
    """A program that may be killed, and its run."""
    program = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    tape = scripted.running(tmp_path, program.pid)
    yield program, tape
    program.kill()
    program.wait()


async def test_one_k_does_not_kill(show: Opener, victim: Any) -> None:
    program, tape = victim
    async with show(tape) as viewer:
        await viewer.press("q", "k")
        assert viewer.dialog() == "Leave" and "once more" in viewer.screen()
        await viewer.press("x", "k")  # another key in between begins anew
        assert viewer.dialog() == "Leave" and program.poll() is None
        await viewer.press("escape", "q", "k", "escape")
        assert program.poll() is None
        await viewer.press("q", "k", "k")
        await viewer.until(lambda: program.poll() is not None)
        assert program.returncode == -9 and tape.commands() == []


async def test_another_process_under_the_same_number_is_not_killed(show: Opener, victim: Any) -> None:
    program, tape = victim
    async with show(tape) as viewer:
        start = process_start(program.pid)
        replace(tape.run.run_file, {**tape.run.about(), "pid_start": f"{start}1"})
        await viewer.press("q", "k", "k")
        assert program.poll() is None
        viewer.app.controls.kill()
        await viewer.says("not running on this machine")
        assert program.poll() is None


async def test_stop_before_the_first_step_is_a_signal(show: Opener, tmp_path: Path) -> None:
    program = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        async with show(scripted.starting(tmp_path, program.pid)) as viewer:
            await viewer.press("q", "s")
            await viewer.until(lambda: program.poll() is not None)
            assert program.returncode == -2
    finally:
        program.kill()
        program.wait()


@pytest.mark.parametrize("name", ["finished", "failed", "stopped", "lost"])
@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_a_run_that_is_over_is_left_at_once(
    show: Opener, state: Callable[[str], Tape], name: str, key: str
) -> None:
    async with show(state(name)) as viewer:
        await viewer.press(key)
        assert viewer.app.return_value == 0 and not viewer.app.detached


async def test_a_young_lesson_is_left_at_once(show: Opener, tape: Tape) -> None:
    async with show(tape, app_={"lesson": True}) as viewer:
        await viewer.press("q")
        assert viewer.app.return_value == 0
    assert [type(one) for one in tape.commands()] == [Stop]


async def test_exit_leaves_when_the_program_has_ended(show: Opener, tape: Tape) -> None:
    async with show(tape, app_={"exits": True}) as viewer:
        assert viewer.app.return_value is None
        tape.end(status=0)
        await viewer.until(lambda: viewer.app.return_value == 0)


async def test_without_exit_a_finished_run_stays(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        tape.end(status=0)
        await viewer.until(lambda: "FINISHED" in viewer.rows()[0])
        assert viewer.app.return_value is None and "Finished after 500 updates" in viewer.screen()


async def test_a_failure_brings_the_log_forward(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press(number_of(viewer, "log"), "pageup", "4")
        tape.say(scripted.TRACEBACK).end(status=1)
        await viewer.until(lambda: "FAILED" in viewer.rows()[0] and viewer.scene.focus == "log")
        await viewer.until(lambda: "KeyError: 'zebra [/home/x]'" in viewer.panel("log").text())
        assert "▸Log" in viewer.screen()
        await viewer.press("5")
        assert "exit status 1" in viewer.panel("explain").text()


# ── lessons ──


@pytest.mark.parametrize("key, guess", [("a", "a"), ("b", "b"), ("x", ""), ("space", ""), ("escape", ""), ("n", "")])
async def test_the_question_card(show: Opener, tape: Tape, key: str, guess: str) -> None:
    async with show(tape, card=CARD) as viewer:
        assert viewer.dialog() == "Choose"
        assert all(words in viewer.screen() for words in ("Flow", "Which way?", "up", "down", "Water runs."))
        await viewer.press("down")
        assert viewer.dialog() == "Choose" and tape.commands() == []
        await viewer.press(key)
        assert viewer.dialog() == "Screen" and viewer.scene.guess == guess
        assert [type(one) for one in tape.commands()] == [Resume]


async def test_any_key_skips_the_opening(show: Opener, tape: Tape) -> None:
    tape.see(scripted.live(scripted.reader(), 1, opening=True, phase="forward"))
    async with show(tape, card=CARD) as viewer:
        await viewer.press("a")
        assert [type(one) for one in tape.commands()] == [Resume]  # the answer is not the skip
        assert "▸forward◂" in viewer.screen()
        await viewer.press("x")
        command = await viewer.asked(2)
        assert type(command) is Speed and command.steps_per_s == CARD.pace


async def test_somebody_elses_opening_is_not_skipped_unasked(show: Opener, tape: Tape) -> None:
    tape.see(scripted.live(scripted.reader(), 1, opening=True, phase="forward"))
    async with show(tape, asks=True) as viewer:
        await viewer.press("m", "x", "y")
        assert tape.commands() == []


async def choose_second(viewer: Viewer) -> None:
    await viewer.press("l")
    assert viewer.dialog() == "Lessons"
    await viewer.press("down", "enter")


async def test_lessons_are_listed_and_started(show: Opener, tmp_path: Path, pid: int, tape: Tape) -> None:
    other = scripted.starting(tmp_path, pid)
    started: list[str] = []
    ebb = Card("ebb", "Ebb", "Where to?", "more water", 2)

    def start(lesson: str, arguments: list[str]) -> Any:
        started.append(lesson)
        return other.run

    async with show(tape, app_={"cards": [CARD, ebb], "start_lesson": start}) as viewer:
        await viewer.press("l")
        screen = viewer.screen()
        assert all(words in screen for words in ("flow", "water", "ebb", "more water"))
        assert "reader then goes on by itself" in screen
        await viewer.press("escape")
        assert viewer.dialog() == "Screen" and not started
        await choose_second(viewer)
        await viewer.until(lambda: viewer.scene.source.run is other.run)
        assert started == ["ebb"] and tape.commands() == []  # a program of one's own goes on
        await viewer.until(lambda: "STARTING" in viewer.rows()[0])


async def test_a_lesson_ends_when_another_begins(show: Opener, tmp_path: Path, pid: int, tape: Tape) -> None:
    other = scripted.starting(tmp_path, pid)
    app = {"cards": [CARD, CARD], "start_lesson": lambda lesson, arguments: other.run, "lesson": True}
    app["cards"] = [CARD, Card("ebb", "Ebb", "?")]
    async with show(tape, app_=app) as viewer:
        await choose_second(viewer)
        await viewer.until(lambda: viewer.scene.source.run is other.run)
        assert [type(one) for one in tape.commands()] == [Stop]


async def test_a_lesson_that_cannot_start_is_said(show: Opener, tape: Tape) -> None:
    def start(lesson: str, arguments: list[str]) -> Any:
        raise OSError(28, "No space left on device")

    async with show(tape, app_={"cards": [CARD], "start_lesson": start}) as viewer:
        await viewer.press("l")
        assert viewer.app.screen.query_one(OptionList).option_count == 1
        await viewer.press("enter")
        await viewer.says("No space left")
        assert viewer.scene.source.run is tape.run


# ── when a panel is at fault ──


async def test_a_panel_that_raises_ends_the_app_with_a_status(
    show: Opener, tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps = []
    with pytest.raises(ZeroDivisionError):
        async with show(tape) as viewer:
            apps.append(viewer.app)

            def draw(self: Loss, scene: Any, width: int, height: int) -> Any:
                raise ZeroDivisionError

            monkeypatch.setattr(Loss, "draw", draw)
            await viewer.until(lambda: viewer.app.return_code is not None)
    assert apps[0].return_code == 1
