"""The log: in the program's colours, read at any place, searched, and typed into when the program has a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color, ColorSystem
from textual._context import visible_screen_stack

from tui.history.output import Output
from tui.history.source import Source
from tui.run.directory import RunDirectory, read_object, replace
from tui.view.draw.cells import Line, clean, width_of
from tui.view.draw.printed import broken, marked
from tui.view.panels.log import Log
from tui.view.scene import Scene
from tui.view.theme import SYSTEMS, Palette, contrast
from tui.view.window import window

from . import scripted
from .conftest import Opener, Viewer
from .scripted import Tape

SIZE = {"columns": 40, "rows": 20}


@pytest.fixture
def talking(tmp_path: Path, pid: int) -> Tape:
    """A run whose program has a terminal of its own, and says nothing yet."""
    return scripted.running(tmp_path, pid, terminal=SIZE)


def log_of(tape: Tape, **how: Any) -> tuple[Log, Scene]:
    """The panel without a screen."""
    scene = Scene(Source(tape.run), **how)
    while scene.source.poll():
        pass
    return Log("log"), scene


def said(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def waits(tape: Tape, **state: bool) -> Tape:
    replace(tape.run.terminal_state, {"waits": True, "sure": True, "secret": False, **state})
    return tape


def typed(run: RunDirectory) -> list[bytes]:
    """What waits to be given to the program, in its order."""
    return [path.read_bytes() for path in sorted(run.terminal.glob("*.typed"))]


async def open_log(viewer: Viewer) -> None:
    viewer.app.controls.show_tab("log")
    await viewer.settle()


def screen(viewer: Viewer) -> str:
    """All that is on the screen, the line to type in and what shows through beside it."""
    visible_screen_stack.set(viewer.app._background_screens)  # rendering takes them from there
    return viewer.screen()


def style_of(viewer: Viewer, text: str) -> Any:
    """The style of the cells that show `text` on the screen."""
    for strip in viewer.app.screen_stack[0]._compositor.render_strips():
        for segment in strip:
            if text in segment.text:
                return segment.style
    raise AssertionError(f"{text!r} is not on the screen:\n{viewer.screen()}")


# ── following and reading back ──


async def test_it_follows_until_it_is_scrolled_and_says_what_came(show: Opener, tape: Tape) -> None:
    tape.say("".join(f"line {number}\n" for number in range(300)))
    async with show(tape) as viewer:
        await open_log(viewer)
        log = viewer.panel("log")
        assert log.text().splitlines()[-1] == "line 299"
        await viewer.press("pageup")
        there = log.text()
        assert there.splitlines()[-1] == "line 289" and "10 lines back · End" in viewer.screen()
        # what is printed now moves nothing, and is counted
        tape.say("".join(f"line {number}\n" for number in range(300, 305)))
        await viewer.until(lambda: "15 lines back, 5 new · End" in viewer.screen())
        assert log.text() == there
        await viewer.press("up")
        assert "16 lines back, 5 new · End" in viewer.screen()
        await viewer.press("end")
        assert log.text().splitlines()[-1] == "line 304" and "back" not in log._border_subtitle.plain
        tape.say("line 305\n")
        await viewer.until(lambda: log.text().endswith("line 305"))
        await viewer.press("home")
        assert log.text().splitlines()[0] == "reading 5000 words"
        await viewer.press("down")
        assert log.text().splitlines()[0] == "epoch 1 done"


def test_scrolled_back_it_stays_while_the_oldest_lines_go(tape: Tape) -> None:
    tape.say("".join(f"line {number}\n" for number in range(1990)))
    log, scene = log_of(tape)
    log.draw(scene, 40, 5)
    log.move(scene, -100)
    before = said(log.draw(scene, 40, 5))
    assert before[-1] == "line 1889"
    tape.say("".join(f"line {number}\n" for number in range(1990, 3000)))
    while scene.source.poll():
        pass
    assert said(log.draw(scene, 40, 5)) == before
    # and where nothing is left of what was read, at the oldest line there is
    log.move(scene, -1_000_000)
    tape.say("".join(f"line {number}\n" for number in range(3000, 6000)))
    while scene.source.poll():
        pass
    shown = said(log.draw(scene, 40, 5))
    assert shown == [f"line {number}" for number in range(4000, 4005)]


def test_a_bar_that_moves_does_not_count_as_new(tape: Tape) -> None:
    tape.say("".join(f"line {number}\n" for number in range(50)))
    log, scene = log_of(tape)
    log.draw(scene, 40, 5)
    log.move(scene, -3)
    for percent in range(10):
        tape.say(f"\r{percent}%")
    scene.source.poll()
    assert log.notes(scene)[0] == "4 lines back, 1 new · End"
    log.move(scene, 4)
    assert scene.log.bottom is None and said(log.draw(scene, 40, 5))[-1] == "9%"


def test_every_part_of_a_long_line_can_be_read(tape: Tape) -> None:
    words = "".join(f"<{number:03}>" for number in range(200))
    tape.say(words + "\nlast\n")
    log, scene = log_of(tape, zoomed="log")
    read = []
    log.draw(scene, 20, 4)
    log.move(scene, -1_000_000)
    for _ in range(400):
        read.append(said(log.draw(scene, 20, 4))[0])
        if scene.log.bottom is None:
            break
        log.move(scene, 1)
    assert words in "".join(read + said(log.draw(scene, 20, 4))[1:])


@pytest.mark.parametrize("name", ["network", "weights", "gradients", "loss", "explain", "doctor", "log"])
async def test_home_and_end_do_no_harm_anywhere(show: Opener, tape: Tape, name: str) -> None:
    async with show(tape) as viewer:
        viewer.app.controls.show_tab(name)
        await viewer.press("end", "end", "home", "down", "up")
        assert viewer.scene.focus == name and viewer.app.is_running


# ── looking for a text ──


async def test_a_text_is_found_marked_and_gone_through(show: Opener, tape: Tape) -> None:
    tape.say("".join(f"{'Saved a checkpoint' if number % 50 == 7 else 'line'} {number}\n" for number in range(200)))
    async with show(tape) as viewer:
        log = viewer.panel("log")
        await viewer.press("s")
        assert viewer.scene.tab == "log" and "↑ ↓ the one before, after" in screen(viewer)
        for letter in "saved":
            await viewer.press(letter)
        await viewer.until(lambda: "4 of 4" in screen(viewer))
        assert "Saved a checkpoint 157" in log.text() and "line 156" in log.text()
        assert style_of(viewer, "Saved").bgcolor != style_of(viewer, " a checkpoint 157").bgcolor
        await viewer.press("up")
        await viewer.until(lambda: "3 of 4" in screen(viewer))
        assert "Saved a checkpoint 107" in log.text()
        await viewer.press("enter", "up", "up", "up")
        await viewer.until(lambda: "1 of 4" in screen(viewer))
        assert "Saved a checkpoint 7" in log.text()
        await viewer.press("down")
        await viewer.until(lambda: "2 of 4" in screen(viewer))
        assert "Saved a checkpoint 57" in log.text()
        there = log.text()
        await viewer.press("escape")
        await viewer.until(lambda: viewer.dialog() == "Screen")
        assert viewer.scene.log.bottom is not None
        assert log.text().splitlines()[:-1] == there.splitlines()  # and one line more
        await viewer.press("s", *"zebra")
        await viewer.until(lambda: "not found" in screen(viewer))
        assert tape.commands() == []


async def test_what_is_typed_into_the_search_does_nothing_else(show: Opener, tape: Tape) -> None:
    async with show(tape, asks=True) as viewer:
        await viewer.press("s", "space", "n", "q", "1", "m", "tab")
        await viewer.until(lambda: viewer.scene.log.find == " nq1m")
        assert viewer.dialog() == "Find" and tape.commands() == []
        await viewer.press("ctrl+c", "escape")
        await viewer.until(lambda: viewer.dialog() == "Screen")


def test_marks_are_where_the_text_is() -> None:
    line = [("one TW", "ink"), ("o two", "bad"), (" [two", "ink")]
    assert marked(line, "two", "x") == [
        ("one ", "ink"),
        ("TWo", "x"),
        (" ", "bad"),
        ("two", "x"),
        (" [", "ink"),
        ("two", "x"),
    ]
    assert marked(line, "[", "x")[-2] == ("[", "x") and marked(line, "", "x") == line


@given(st.text("ab世é ", max_size=40), st.integers(2, 9))
def test_a_broken_line_is_whole_and_fits(text: str, width: int) -> None:
    parts = broken([(text[:7], "ink"), (text[7:], "bad")], width)
    assert all(width_of(part) <= width for part in parts)
    assert "".join(piece for part in parts for piece, _ in part) == text


# ── colours ──


@pytest.mark.parametrize("system", SYSTEMS)
def test_printed_colours_come_in_the_colours_that_there_are(system: str) -> None:
    palette = Palette(system)
    ink, ground = palette.color("ink"), palette.color("background")
    red = palette.style("ansi:b|1|")
    assert red.bold and (red.color.name != ink) == (system != "none")
    if system == "16":
        assert {palette.style(f"ansi:|{n}|").color.downgrade(ColorSystem.STANDARD).number for n in (1, 2, 9)} == {
            1,
            2,
            9,
        }
    on = palette.style("ansi:|0|3")  # black on yellow
    assert on.bgcolor.name != ground or system == "none"
    assert palette.style("ansi:r||").color.name == ground and palette.style("ansi:r||").bgcolor.name == ink


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("back", ["", *map(str, range(0, 256, 5)), "#000000", "#ffffff", "#123456"])
def test_printed_letters_can_always_be_read(system: str, back: str) -> None:
    palette = Palette(system)
    for color in ("", *map(str, range(0, 256, 3)), "#000000", "#0b0b0b", "#ffffff"):
        style = palette.style(f"ansi:|{color}|{back}")
        if system == "16":
            pair = [one.downgrade(ColorSystem.STANDARD).number for one in (style.color, style.bgcolor)]
            assert pair[0] != pair[1]
        else:
            assert contrast(style.color.name, style.bgcolor.name) >= 2


def test_a_program_with_all_colours_fills_no_memory() -> None:
    palette = Palette()
    for number in range(10_000):
        palette.style(f"ansi:|#{number:06x}|")
    assert len(palette._styles) < 5000


@pytest.mark.parametrize("term, number", [("xterm-256color", 114), ("xterm-16color", 2)])
async def test_colours_arrive_on_the_screen(
    show: Opener, tape: Tape, monkeypatch: pytest.MonkeyPatch, term: str, number: int
) -> None:
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", term)
    tape.say("\x1b[32mgreen\x1b[0m and \x1b[1mfat\x1b[0m\n")
    async with show(tape) as viewer:
        await open_log(viewer)
        target = ColorSystem.EIGHT_BIT if "256" in term else ColorSystem.STANDARD
        assert style_of(viewer, "green").color.downgrade(target).number == number
        assert style_of(viewer, "fat").bold and not style_of(viewer, " and ").bold
        assert isinstance(style_of(viewer, "fat").color, Color)


# ── nothing of it reaches our terminal ──


class Said(Source):
    """A run of which there is only output."""

    def __init__(self, run: RunDirectory, content: str) -> None:
        super().__init__(run)
        self.output = Output(run.output_file)
        self.output._screen.feed(content)


EVIL = st.lists(
    st.one_of(
        st.text(max_size=10),
        st.sampled_from(
            ["\x1b]52;c;AAAA\x07", "\x1b[?1049h", "\x1b[31;44m", "\x1b[6n", "\x9b5A", "\r", "\x1b[A", "\n"]
        ),
        st.sampled_from(["\x1b", "[", "]0;", "\x07", "\x1b[38;2;300;0;0m", "\x1b[1;1H", "\x1b[2J", "\u202e", "\x7f"]),
    ),
    max_size=30,
)


@pytest.fixture(scope="module")
def quiet_run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return RunDirectory.create(tmp_path_factory.mktemp("evil"), "evil", {"command": []})


@given(parts=EVIL, width=st.integers(1, 60), zoomed=st.booleans(), find=st.text(max_size=2), up=st.integers(0, 9))
def test_no_control_character_is_ever_in_a_drawn_cell(
    quiet_run: RunDirectory, parts: list[str], width: int, zoomed: bool, find: str, up: int
) -> None:
    scene = Scene(Said(quiet_run, "".join(parts)), zoomed="log" if zoomed else "")
    log = Log("log")
    scene.log.find = find
    log.draw(scene, width, 6)
    log.move(scene, -up)
    for line in log.draw(scene, width, 6):
        assert width_of(line) <= width
        for text, style in line:
            assert text == clean(text) and text.isprintable()
            for system in SYSTEMS:
                Palette(system).style(style)


# ── typing into the program ──


async def test_a_line_goes_to_the_program_as_it_was_typed(show: Opener, talking: Tape) -> None:
    async with show(talking) as viewer:
        await viewer.press("i", "p", "space", "x", "2", "enter", "enter", "ctrl+d", "ctrl+c")
        assert typed(talking.run) == [b"p x2\r", b"\r", b"\x04", b"\x03"] and talking.commands() == []
        await viewer.press("q")  # a letter, not an action
        assert viewer.dialog() == "Type" and typed(talking.run)[4:] == []
        await viewer.press("backspace", "up")
        assert viewer.app.screen.query_one("Input").value == "p x2"
        await viewer.press("escape")
        assert viewer.dialog() == "Screen" and len(typed(talking.run)) == 4
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in talking.run.terminal.iterdir())


async def test_the_line_stands_under_the_output(show: Opener, talking: Tape) -> None:
    talking.say("(Pdb) ")
    async with show(talking, size=(100, 30)) as viewer:
        await viewer.press("i", "x", "y")
        rows = screen(viewer).splitlines()
        prompt = next(place for place, row in enumerate(rows) if "(Pdb)" in row)
        assert "▸ xy" in rows[prompt + 1] and viewer.scene.zoomed == "log"
        assert "enter send" in rows[-1] and "space pause" not in rows[-1]
        talking.say("p xy\r\n42\r\n(Pdb) ")
        await viewer.until(lambda: "▸ xy" in screen(viewer).splitlines()[prompt + 3])
        await viewer.press("escape")
        assert viewer.scene.zoomed == "" and "space pause" in screen(viewer).splitlines()[-1]


@pytest.mark.parametrize("size, alone", [((80, 24), True), ((120, 36), False), ((200, 50), False)])
async def test_the_log_is_alone_where_there_is_little_room_to_talk(
    show: Opener, talking: Tape, size: tuple[int, int], alone: bool
) -> None:
    async with show(talking, size=size) as viewer:
        await viewer.press("i", "x")
        assert (viewer.scene.zoomed == "log") == alone and "▸ x" in screen(viewer)
        await viewer.press("escape")
        assert viewer.scene.zoomed == ""


async def test_a_search_works_on_a_screen_that_is_too_low_for_the_log(show: Opener, tape: Tape) -> None:
    async with show(tape, size=(80, 12)) as viewer:
        assert not viewer.panel("log").display
        await viewer.press("s", *"epoch")
        assert viewer.panel("log").display and viewer.dialog() == "Find"
        await viewer.press("escape")
        assert not viewer.panel("log").display and viewer.dialog() == "Screen"


async def test_that_the_program_waits_is_seen_everywhere(show: Opener, talking: Tape) -> None:
    async with show(talking) as viewer:
        viewer.app.controls.show_tab("doctor")
        assert "i type" not in viewer.rows()[-1]
        waits(talking)
        await viewer.says("The program waits for input: i to type.")
        await viewer.until(lambda: "Log?" in viewer.screen() and "i type…" in viewer.rows()[-1])
        await open_log(viewer)
        assert viewer.panel("log").text().rstrip().endswith("▸ The program waits for input: i to type")
        waits(talking, sure=False)
        await viewer.until(lambda: "may be waiting for input" in viewer.panel("log").text())
        replace(talking.run.terminal_state, {"waits": False})
        await viewer.until(lambda: "waiting" not in viewer.panel("log").text())
        assert "▸Log ─" in viewer.screen() and "i type" not in viewer.rows()[-1]


async def test_a_secret_is_not_shown_and_not_kept(show: Opener, talking: Tape) -> None:
    waits(talking, secret=True)
    async with show(talking) as viewer:
        await viewer.until(lambda: viewer.scene.source.waiting.secret)
        await viewer.press("i", *"hush")
        assert "hush" not in screen(viewer) and "••••" in screen(viewer)
        await viewer.press("enter", "up")
        assert typed(talking.run) == [b"hush\r"] and viewer.app.screen.query_one("Input").value == ""
        waits(talking, secret=False)
        await viewer.until(lambda: not viewer.app.screen.query_one("Input").password)
        await viewer.press("up")
        assert viewer.app.screen.query_one("Input").value == ""


async def test_typing_asks_like_every_key_that_steers(show: Opener, talking: Tape) -> None:
    async with show(talking, asks=True) as viewer:
        await viewer.press("i", "x", "enter")
        assert typed(talking.run) == []
        await viewer.press("escape", "i")
        assert "Steer this run?" in viewer.screen()
        await viewer.press("Y", "x", "enter")
        assert typed(talking.run) == [b"x\r"]


async def test_who_only_looks_types_nothing_and_changes_no_size(show: Opener, talking: Tape) -> None:
    async with show(talking, readonly=True) as viewer:
        await viewer.press("i", "x", "enter")
        await viewer.says("--readonly")
        assert viewer.dialog() == "Screen"
    assert [path.name for path in talking.run.terminal.iterdir()] == []


async def test_a_program_without_a_terminal_is_not_typed_into(show: Opener, tape: Tape) -> None:
    async with show(tape, asks=True) as viewer:
        await viewer.press("i")
        await viewer.says("backlit run --pty gives it one")
    assert not tape.run.terminal.exists()


async def test_the_line_goes_when_the_program_has_ended(show: Opener, talking: Tape) -> None:
    async with show(talking) as viewer:
        await viewer.press("i", "x")
        talking.end(status=0)
        await viewer.until(lambda: viewer.dialog() == "Screen")
        assert viewer.scene.log.line == ""


async def test_what_cannot_be_written_is_said_and_kept(show: Opener, talking: Tape, monkeypatch: Any) -> None:
    async with show(talking) as viewer:
        await viewer.press("i", "x")

        def full(*rest: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tui.run.terminal.send", full)
        await viewer.press("enter")
        await viewer.says("could not be written (No space left on device)")
        assert viewer.app.screen.query_one("Input").value == "x"


async def test_the_programs_terminal_is_as_wide_as_the_log(show: Opener, talking: Tape) -> None:
    async with show(talking) as viewer:
        await open_log(viewer)
        assert read_object(talking.run.terminal_size) == {"columns": viewer.panel("log").content_size.width, "rows": 36}
        await viewer.press("enter")
        assert read_object(talking.run.terminal_size)["columns"] == viewer.panel("log").content_size.width == 116
        await viewer.press("escape")
        await viewer.pilot.resize_terminal(100, 30)
        await viewer.until(lambda: read_object(talking.run.terminal_size)["rows"] == 30)
        assert read_object(talking.run.terminal_size)["columns"] == viewer.panel("log").content_size.width


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (80, 24), (120, 36), (200, 50), (1000, 3)])
def test_a_window_is_never_nothing(size: tuple[int, int]) -> None:
    columns, rows = window(*size)
    assert columns >= 20 and rows == size[1]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"waits": 3, "new": 1}', b"null", b"\xff"])
def test_a_damaged_state_says_nothing(talking: Tape, content: bytes) -> None:
    talking.run.terminal_state.write_bytes(content)
    log, scene = log_of(talking)
    assert not scene.waits_for_input and said(log.draw(scene, 40, 9))[-1] == "epoch 2 done"
