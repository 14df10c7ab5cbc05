"""The program's output, as a terminal would show it, without what could touch ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.history.output import Output


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
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07plain\x1b[2K\n", ["red plain"]),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", ["link"]),
        (b"a\x00b\x07c\x08d\x7f\n", ["abcd"]),
        ("\x9b31mred\n".encode(), ["31mred"]),
        (b"\xff\xfe caf\xc3\xa9\n", ["\ufffd\ufffd café"]),
        (b"a\tb\n", ["a       b"]),
        (b"[bold]not markup[/]\n", ["[bold]not markup[/]"]),
        (b"\n\n", ["", ""]),
    ],
)
def test_lines_as_they_are_meant(path: Path, content: bytes, lines: list[str]) -> None:
    assert shown(path, content) == lines


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
    assert seen == [["ab"], ["abc\ufffd"], ["abcé", "d"], ["abcé", "d"]]
    assert not output.poll()
    assert output.last() == "d"


def test_of_a_long_log_the_end_is_kept(path: Path) -> None:
    lines = [f"line {number}" for number in range(200_000)]
    path.write_text("\n".join(lines) + "\n")
    output = Output(path)
    while output.poll():
        pass
    assert list(output.lines)[-100:] == lines[-100:] and len(output.lines) <= Output.MOST


def test_a_line_without_end_is_bounded(path: Path) -> None:
    path.write_bytes(b"x" * 3_000_000)
    output = Output(path)
    while output.poll():
        pass
    assert len(output.lines) == 1 and len(output.lines[0]) <= 2000


def test_a_log_that_was_emptied_begins_again(path: Path) -> None:
    output = Output(path)
    path.write_bytes(b"old line\nhalf")
    output.poll()
    path.write_bytes(b"new\n")
    output.poll()
    assert list(output.lines)[-1] == "new"


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    output = Output(tmp_path / "none")
    assert not output.poll() and output.last() == ""
