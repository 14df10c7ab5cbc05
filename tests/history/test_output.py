"""The program's output, as a terminal would show it, without what could touch ours."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

from tui.history.graphics import graphics
from tui.history.output import Output
from tui.history.screenlines import WIDEST, Screen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "output.log").touch()
    return tmp_path / "output.log"


def shown(path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    output = Output(path)
    output.poll()
    return list(output.lines)


@pytest.mark.parametrize(
    "content, lines",
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b" 10%\r 50%\r100%\ndone\n", ["100%", "done"]),
        (b" 10%\r 50%", [" 50%"]),
        (b" 10%\r 50%\r", [" 50%"]),
        (b"a long line\rshort\n", ["shortg line"]),
        (b"a long line\rshort\x1b[K\n", ["short"]),
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07plain\n", ["red plain"]),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", ["link"]),
        (b"a\x00b\x07c\x7fd\n", ["abcd"]),
        (b"abc\b\bX\n", ["aXc"]),
        ("\x9b31mred\n".encode(), ["31mred"]),
        (b"\xff\xfe caf\xc3\xa9\n", ["\ufffd\ufffd café"]),
        (b"a\tb\n", ["a       b"]),
        (b"[bold]not markup[/]\n", ["[bold]not markup[/]"]),
        (b"\n\n", ["", ""]),
        (b"one\ntwo\n\x1b[2Afirst\n", ["first", "two"]),
        (b"one\ntwo\nthree\x1b[1A\x1b[Jx\n", ["one", "two  x"]),
        (b"one\n\x1b[99Aabove all\n", ["above all"]),
        (b"kept\n\x1b[2J\x1b[Hpage\nof two\x1b[HPAGE\n", ["kept", "PAGE", "of two"]),
        (b"kept\n\x1b[HPAGE\n", ["kept", "PAGE"]),
        (b"abcdef\x1b[4D\x1b[2P\n", ["abef"]),
        (b"abcdef\x1b[3GX\x1b[2CY\x1b[1X\n", ["abXdeY"]),
    ],
)
def test_lines_as_they_are_meant(path: Path, content: bytes, lines: list[str]) -> None:
    assert shown(path, content) == lines


@pytest.mark.parametrize(
    "what",
    [
        "\x1b]52;c;cm0gLXJm\x07",  # the clipboard
        "\x1b]0;title\x1b\\",
        "\x1b]1337;File=inline=1:AAAA\x07",
        "\x1b[?1049h",  # a second screen
        "\x1b[?2004h",  # bracketed paste
        "\x1b[?1003;1006h",  # the mouse
        "\x1b[6n",  # where is the cursor?
        "\x1b[c",
        "\x1bZ",
        "\x05",
        "\x1bP$q q\x1b\\",
        "\x1b_Ga=T;AAAA\x1b\\",
        "\x1b[>4;2m",
        "\x1b[18t",
        "\x1b(0",
        "\x1b7\x1b8\x1b=\x1b>\x1bM\x1bc",
        "\x1b[!p",
        "\x1b[1;5r",
        "\x0e\x0f",
        "\u202e\u200b",
    ],
)
def test_what_would_command_a_terminal_leaves_nothing(what: str) -> None:
    screen = Screen(10)
    screen.feed(f"be{what}fore\nafter\n")
    assert [row.runs() for row in screen.rows] == [[("before", "")], [("after", "")]]


def test_a_sequence_without_end_hides_its_line_at_most() -> None:
    screen = Screen(10)
    screen.feed("one \x1b]52;c;never ended\ntwo\n")
    assert [row.text for row in screen.rows] == ["one ", "two"]


# ── progress bars ──

TQDM = (
    "\repochs:   0%|                      | 0/2"
    "\n\rbatch:   0%|                       | 0/2\x1b[A"
    "\n\rbatch:  50%|###########5           | 1/2\x1b[A"
    "\n\rbatch: 100%|#######################| 2/2\x1b[A"
    "\n\r                                        \x1b[A\r                                        \repoch 0 done\n"
    "\repochs:   0%|                      | 0/2\repochs:  50%|###########           | 1/2"
    "\n\rbatch:   0%|                       | 0/2\x1b[A"
    "\n\rbatch:  50%|###########5           | 1/2\x1b[A"
)
"""What tqdm 4.67 wrote for two bars (`position=0` and 1) and a `tqdm.write` between them."""


def test_two_bars_of_tqdm() -> None:
    screen = Screen(100)
    screen.feed(TQDM)
    assert [row.text.rstrip() for row in screen.rows] == [
        "epoch 0 done",
        "epochs:  50%|###########           | 1/2",
        "batch:  50%|###########5           | 1/2",
    ]


def test_progress_of_rich_stands_still_under_what_is_printed() -> None:
    """Three bars, redrawn often, with lines printed above them: the same as pyte makes of it, a real screen."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=70, height=24, color_system="truecolor", _environ={})
    with Progress(console=console, auto_refresh=False) as progress:
        tasks = [progress.add_task(name, total=20) for name in ("load", "train", "save")]
        for count in range(20):
            for speed, task in enumerate(tasks, 1):
                progress.update(task, advance=1 / speed)
            if count % 5 == 0:
                console.print(f"[green]step {count}")
            progress.refresh()
    screen, real = Screen(200), pyte.Screen(70, 24)
    screen.feed(written.getvalue())
    pyte.Stream(real).feed(written.getvalue().replace("\n", "\r\n"))
    lines = [row.text.rstrip() for row in screen.rows]
    assert lines == [line.rstrip() for line in real.display][: len(lines)]
    assert lines[:4] == ["step 0", "step 5", "step 10", "step 15"] and len(lines) == 7 and "load" in lines[4]
    assert screen.rows[0].runs() == [("step ", "|2|"), ("0", "b|2|")]


# What a terminal does that is ten rows high and wide enough; the model has no width, and its rows do not scroll away.
MOVES = st.one_of(
    st.text("abcxyz ", min_size=1, max_size=6),
    st.sampled_from(["\r\n", "\r", "\b", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[A", "\x1b[2A", "\x1b[3G", "\x1b[2C"]),
    st.sampled_from(["\x1b[2D", "\x1b[P", "\x1b[3P", "\x1b[J", "\t", "\x1b[31m", "\x1b[1;44m", "\x1b[0m", "\x1b[2X"]),
)


@given(st.lists(MOVES, max_size=60).filter(lambda parts: sum("\n" in part for part in parts) < 50))
def test_the_same_as_a_terminal_shows(parts: list[str]) -> None:
    screen, real = Screen(100), pyte.Screen(500, 60)
    screen.feed("".join(parts))
    pyte.Stream(real).feed("".join(parts))
    wanted = [line.rstrip() for line in real.display]
    lines = [row.text.rstrip() for row in screen.rows]
    assert lines == wanted[: len(lines)] and not any(wanted[len(lines) :])


# ── nothing gets through ──

SEQUENCES = st.sampled_from(
    ["\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x9b", "\x9d", "\x90", "\x07", "\x1b\\", "\r", "\n", "\b", "\t", ";"]
    + ["?1049h", "52;c;", "38;2;1;2;3", "48:5:9", "m", "A", "J", "2J", "H", "5;9H", "K", "\x18", "\x85", "\u2028"]
    + ["\u202e", "\u200b", "\ufeff", "e\u0301", "世界", "1", "99999", "31", "4:3", ":", "\x1b[38;5", "\x1b[m"]
)
ANYTHING = st.lists(st.one_of(SEQUENCES, st.text(max_size=8), st.text("0123456789;:?<=>ABCDHJKmhl", max_size=5)))


@given(ANYTHING)
def test_no_control_character_is_ever_in_a_line(parts: list[str]) -> None:
    screen = Screen(20)
    screen.feed("".join(parts))
    for row in screen.rows:
        assert row.text.isprintable() and len(row.text) <= WIDEST
        assert "".join(text for text, _ in row.runs()) == row.text
        for _, look in row.runs():
            assert re.fullmatch(r"([bdiurs]*\|(\d{1,3}|#[0-9a-f]{6}|)\|(\d{1,3}|#[0-9a-f]{6}|))?", look)


@given(ANYTHING, st.lists(st.integers(0, 200)))
def test_it_does_not_matter_where_the_reading_was_cut(parts: list[str], cuts: list[int]) -> None:
    content = "".join(parts).encode("utf-8", "replace")
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    whole, pieces = Screen(50), Screen(50)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    whole.feed(content.decode("utf-8", "replace"))
    for first, last in zip(places, places[1:]):
        pieces.feed(decoder.decode(content[first:last]))
    assert [row.runs() for row in pieces.rows] == [row.runs() for row in whole.rows]


@given(st.binary(max_size=300))
def test_any_bytes_can_be_shown(content: bytes) -> None:
    screen = Screen(50)
    screen.feed(content.decode("utf-8", "replace"))
    assert all(row.text.isprintable() for row in screen.rows)


# ── colours ──


@pytest.mark.parametrize(
    "numbers, look",
    [
        (["31"], "|1|"),
        (["1", "31"], "b|1|"),
        (["1;31", "22"], "|1|"),
        (["1;31", "0"], ""),
        (["1;31", ""], ""),
        (["94;103"], "|12|11"),
        (["38;5;208"], "|208|"),
        (["38;2;255;135;0;1"], "b|#ff8700|"),
        (["38:2::255:135:0"], "|#ff8700|"),
        (["38:2:255:135:0"], "|#ff8700|"),
        (["48;5;17", "49"], ""),
        (["38;5;999"], ""),
        (["38;5"], ""),
        (["58;2;1;2;3;4"], "u||"),
        (["4:3"], "u||"),
        (["4:3", "4:0"], ""),
        (["3;9;7;2"], "dirs||"),
        (["5;8;53;999"], ""),
    ],
)
def test_a_look_is_what_was_asked_for(numbers: list[str], look: str) -> None:
    found = ""
    for one in numbers:
        found = graphics(found, one)
    assert found == look


def test_each_letter_keeps_its_look_when_others_are_written_over() -> None:
    screen = Screen(5)
    screen.feed("\x1b[31mred\x1b[32mgreen\x1b[0m plain\r\x1b[1mR\x1b[0m\x1b[4Cxx")
    assert screen.rows[0].runs() == [
        ("R", "b||"),
        ("ed", "|1|"),
        ("gr", "|2|"),
        ("xx", ""),
        ("n", "|2|"),
        (" plain", ""),
    ]


# ── the file ──


def test_a_line_grows_until_it_ends(path: Path) -> None:
    output = Output(path)
    assert not output.poll()
    seen = []
    for part in (b"ab", b"c\xc3", b"\xa9\nd", b"\n"):
        with open(path, "ab") as file:
            file.write(part)
        version = output.version
        assert output.poll() and output.version > version
        seen.append(list(output.lines))
    assert seen == [["ab"], ["abc"], ["abcé", "d"], ["abcé", "d"]]
    assert not output.poll()
    assert output.last() == "d"


def test_of_a_long_log_the_end_is_kept(path: Path) -> None:
    lines = [f"line {number}" for number in range(200_000)]
    path.write_text("\n".join(lines) + "\n")
    output = Output(path)
    assert output.poll() and not output.poll()
    assert output.lines == lines[-Output.MOST :]


def test_lines_keep_their_numbers_while_old_ones_go(path: Path) -> None:
    output = Output(path)
    for start in range(0, 5000, 500):
        with open(path, "a") as file:
            file.writelines(f"line {number}\n" for number in range(start, start + 500))
        output.poll()
        assert output.end == start + 500 and output.rows[-1].text == f"line {output.end - 1}"
        assert output.rows[0].text == f"line {output.first}" and output.end - output.first <= Output.MOST


def test_what_comes_faster_than_it_can_be_read_is_passed_over(path: Path) -> None:
    output = Output(path)
    path.write_bytes(b"first\n")
    output.poll()
    with open(path, "ab") as file:
        file.write(b"\x1b[31mx\n" * 300_000 + b"\x1b[0mlast\n")
    assert output.poll() and not output.poll()
    assert output.last() == "last" and output.first > 0 and "first" not in output.lines


def test_a_line_without_end_is_bounded(path: Path) -> None:
    path.write_bytes(b"x" * 3_000_000)
    output = Output(path)
    while output.poll():
        pass
    assert len(output.lines) == 1 and len(output.lines[0]) <= WIDEST


def test_a_log_that_was_emptied_begins_again(path: Path) -> None:
    output = Output(path)
    path.write_bytes(b"old line\nhalf")
    output.poll()
    path.write_bytes(b"new\n")
    output.poll()
    assert output.lines == ["new"]


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    output = Output(tmp_path / "none")
    assert not output.poll() and output.last() == ""
