"""The command at its edges: statuses, what is printed where, mistakes, and the terminal afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminal import JOB_SHELL, PLAIN_SHELL
from tui.run.directory import RunDirectory

from ..support import until
from .conftest import House, ends, shows, viewer_of

FAILS = "import sys\nprint('working', flush=True)\nraise KeyError('zebra [/home/x]')\n"
BYTES = "import sys\nsys.stdout.buffer.write(b'caf\\xe9 \\x1b[31mred\\x1b[0m\\r50%\\r99%\\n')\nsys.stdout.flush()\nsys.exit(3)\n"


@pytest.fixture
def script(house: House) -> Path:
    path = house.folder / "script.py"
    path.write_text(FAILS)
    return path


# ── how it ends ──


@pytest.mark.parametrize("ending, status", [("exit 3", 3), ("exit 0", 0), ("kill -9 $$", 137)])
def test_exit_leaves_with_the_programs_status(house: House, ending: str, status: int) -> None:
    terminal = house.open("run", "--exit", "--", "sh", "-c", ending)
    assert f"exit status {status}" in ends(terminal, status)


def test_a_program_that_ends_stays_on_the_screen(house: House) -> None:
    terminal = house.open("run", "--", "sh", "-c", "echo done; exit 0")
    shows(terminal, "FINISHED", "there was nothing to watch", "q leave")
    terminal.keys("q")
    lines = [line for line in ends(terminal, 0).splitlines() if line]
    assert len(lines) == 5 and lines[0] == "backlit: sh finished after 0 steps"


def test_a_failure_shows_its_last_words(house: House, script: Path) -> None:
    terminal = house.open("run", str(script))
    shows(terminal, "✗ FAILED", "▸Log", "Traceback (most recent call last):", "KeyError: 'zebra [/home/x]'")
    terminal.keys("5")
    shows(terminal, "The program failed: exit status 1")
    terminal.keys("q")
    lines = [line for line in ends(terminal, 1).splitlines() if line]
    assert len(lines) == 5
    assert lines[0] == "backlit: script failed after 0 steps" and lines[1] == "  KeyError: 'zebra [/home/x]'"
    assert lines[4] == "  exit status 1"


def test_a_command_that_is_not_there(house: House) -> None:
    terminal = house.open("run", "--", "no-such-command-of-ours")
    shows(terminal, "FAILED")
    terminal.keys("5")
    shows(terminal, "The program failed: command not found", "no-such-command-of-ours.")
    terminal.keys("q")
    assert "exit status 127 (command not found: no-such-command-of-ours)" in ends(terminal, 127)


def test_detaching_is_no_failure(house: House) -> None:
    terminal = house.open("run", "--", "sleep", "1000")
    shows(terminal, "STARTING")
    terminal.keys("q")
    shows(terminal, "sleep is still training", "k k")
    terminal.keys("enter")
    ends(terminal, 0)
    assert house.run().alive()


def test_killing_takes_two_keys(house: House) -> None:
    terminal = house.open("run", "--", "sleep", "1000")
    shows(terminal, "STARTING")
    terminal.keys("q", "k")
    shows(terminal, "once more kills it")
    assert house.run().alive()
    terminal.keys("k")
    shows(terminal, "FAILED")
    terminal.keys("q")
    ends(terminal, 137)


STUBBORN = "trap 'echo not now' INT; trap 'echo enough; exit 7' TERM; echo ready; while :; do sleep 0.05; done"


def test_what_does_not_stop_when_interrupted_is_terminated(house: House) -> None:
    terminal = house.open("run", "--", "bash", "-c", STUBBORN)
    shows(terminal, "STARTING", "ready")
    terminal.keys("q")
    shows(terminal, "stop it, as Ctrl-C would")
    terminal.keys("s")
    shows(terminal, "not now")
    assert house.run().alive()
    terminal.keys("q")
    shows(terminal, "stop it, as Ctrl-C would")
    terminal.keys("s")
    shows(terminal, "enough", "FAILED")
    terminal.keys("q")
    ends(terminal, 7)


# ── the terminal afterwards ──

BROKEN = """
import sys
from tui.view.panels.loss import Loss
draw = Loss.draw
def broken(self, scene, width, height):
    if scene.log_y:
        raise ZeroDivisionError("a panel at fault")
    return draw(self, scene, width, height)
Loss.draw = broken
from tui.cli import main
main(sys.argv[1:])
"""


def test_an_exception_in_a_panel(house: House) -> None:
    words = ["--runs", str(house.root), "run", "--", "sleep", "1000"]
    terminal = house.open(command=[*PLAIN_SHELL, sys.executable, "-c", BROKEN, *words])
    shows(terminal, "STARTING")
    terminal.keys("y")
    screen = ends(terminal, 1)
    assert "ZeroDivisionError: a panel at fault" in screen
    assert house.run().alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_signals(house: House, number: int) -> None:
    terminal = house.open("run", "--", "sleep", "1000")
    shows(terminal, "STARTING")
    viewer_of(terminal).send_signal(number)
    ends(terminal, 128 + number)
    assert house.run().alive()
    if number in (signal.SIGTERM, signal.SIGINT):  # with SIGHUP there is hardly time, and with SIGKILL none
        assert list(house.run().viewers.glob("*.json")) == []  # it said goodbye


def test_the_terminal_vanishes(house: House) -> None:
    terminal = house.open("run", "--", "sleep", "1000")
    shows(terminal, "STARTING")
    viewer = viewer_of(terminal)
    guard = viewer.parent()
    terminal.close_master()
    until(lambda: not viewer.is_running() and not guard.is_running(), 10)
    assert house.run().alive()


def test_stopped_and_continued(house: House) -> None:
    terminal = house.open(command=JOB_SHELL)
    shows(terminal, "ready>")
    at_rest = terminal.attributes()
    terminal.type(" ".join(house.command("run", "--", "sleep", "1000")) + "\r")
    shows(terminal, "STARTING")
    os.killpg(os.getpgid(viewer_of(terminal).pid), signal.SIGTSTP)
    shows(terminal, "Stopped")
    assert terminal.modes_left_on() == ["2004"] or terminal.modes_left_on() == []  # bash's own bracketed paste
    terminal.type("fg\r")
    shows(terminal, "STARTING", "q leave")
    terminal.keys("q", "d")
    shows(terminal, "sleep goes on")
    until(lambda: terminal.attributes() == at_rest)


# ── without a screen ──


@pytest.mark.parametrize("plain", [["--plain"], []])
def test_without_a_terminal_the_output_is_the_programs_own(house: House, script: Path, plain: list[str]) -> None:
    script.write_text(BYTES)
    done = house.call("run", *plain, str(script))
    assert done.stdout_bytes == b"caf\xe9 \x1b[31mred\x1b[0m\r50%\r99%\n"
    assert done.returncode == 3
    assert "\x1b" not in done.stderr and all(line.startswith("backlit: ") for line in done.stderr.splitlines())
    assert "no optimizer made an update" in done.stderr


def test_plain_in_a_terminal_has_no_escapes(house: House) -> None:
    for words, env in ((["--plain"], {}), ([], {"TERM": "dumb"})):
        terminal = house.open("run", *words, "--", "sh", "-c", "echo hello; exit 4", **env)
        assert "hello" in ends(terminal, 4)
        assert b"\x1b" not in bytes(terminal.raw).replace(b"\x1b]777;\x07", b"")


def test_leaving_a_run_that_was_only_attached_leaves_it_alone(house: House) -> None:
    house.call("run", "--detach", "--", "sh", "-c", "echo hello; exec sleep 1000")
    run = house.run()
    command = [sys.executable, "-m", "tui", "--runs", str(house.root), "attach", "--plain", "--readonly"]
    attached = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=house.folder)
    assert attached.stdout is not None and attached.stdout.readline() == b"hello\n"
    attached.send_signal(signal.SIGINT)
    assert attached.wait(20) == 0
    assert run.alive()


def test_what_leaving_does_is_what_it_says(house: House) -> None:
    # A lesson under a minute old just leaves, and is stopped by that
    lesson = house.open("learn", "digits", "--speed", "50")
    shows(lesson, "any other key")
    lesson.keys("enter")
    shows(lesson, "RUNNING")
    lesson.keys("q")
    assert "digits was stopped after" in ends(lesson, 0)
    run = house.run()
    until(lambda: run.exit() is not None)
    # A run of one's own that is paused stays so when one detaches
    own = house.open("run", "-m", "tui.lessons.digits", "--epochs", "4000")
    shows(own, "RUNNING", "epoch")
    own.keys("space")
    shows(own, "Steer this run?")
    own.keys("Y")
    shows(own, "PAUSED")
    own.keys("q")
    shows(own, "it stays paused")
    own.keys("d")
    assert "digits stays paused after" in ends(own, 0)


def test_no_color_is_grey(house: House) -> None:
    terminal = house.open("run", "--", "sh", "-c", "echo hello; exit 1", NO_COLOR="1")
    shows(terminal, "FAILED", "hello")
    terminal.keys("q")
    ends(terminal, 1)
    colours = re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", bytes(terminal.raw))
    assert all(len(set(colour)) == 1 for colour in colours)
    assert not re.search(rb"\x1b\[(?:[\d;]*;)?(?:3[1-6]|4[1-6]|9[1-6])m", bytes(terminal.raw))


def test_detach_prints_the_directory_and_nothing_else(house: House) -> None:
    done = house.call("run", "--detach", "--", "sleep", "1000")
    run = house.run()
    assert (done.stdout, done.stderr, done.returncode) == (f"{run.path}\n", "", 0)
    assert run.alive() and oct(run.path.stat().st_mode & 0o777) == "0o700"


def test_ls(house: House) -> None:
    assert "no runs yet" in house.call("ls").stdout
    house.call("run", "--name", "one", "--", "sh", "-c", "exit 1")
    house.call("run", "--name", "two", "--detach", "--", "sleep", "1000")
    lines = house.call("ls").stdout.splitlines()
    assert len(lines) == 3 and "-two" in lines[1] and "-one" in lines[2]
    assert " starting " in lines[1] and " failed " in lines[2]


def test_learn_lists_the_lessons(house: House) -> None:
    done = house.call("learn")
    assert done.returncode == 0 and "Reading digits" in done.stdout


# ── mistakes ──

MISTAKES = {
    "missing script": (["run", "nosuch.py"], "no such script: nosuch.py"),
    "folder": (["run", "folder"], "without a __main__.py"),
    "nothing to run": (["run"], "what is to be run?"),
    "unknown option": (["run", "--nope"], "no such script: --nope"),
    "unknown option of attach": (["attach", "--nope"], "No such option"),
    "not a speed": (["run", "--speed", "fast", "x.py"], "not a valid float"),
    "negative speed": (["run", "--speed", "-1", "x.py"], "range"),
    "not a seed": (["run", "--seed", "x", "x.py"], "not a valid integer"),
    "unknown command": (["frobnicate"], "No such command"),
    "unknown lesson": (["learn", "nosuch"], "there is no lesson 'nosuch'"),
    "lesson with a path": (["learn", "../../etc/passwd"], "there is no lesson"),
    "no run yet": (["attach"], "there is no run yet"),
    "no such run": (["attach", "nosuch"], "has 'nosuch' in its name"),
    "no such path": (["attach", "/no/such/run"], "there is no run at /no/such/run"),
    "not a run": (["attach", "./folder"], "is no run directory"),
    "open to others": (["attach", "./open"], "can be written to by others"),
    "a link": (["attach", "./link"], "symbolic link"),
    "newer": (["attach", "./newer"], "newer backlit"),
    "command not found": (["run", "--", "no-such-command-of-ours"], "command not found: no-such-command-of-ours"),
    "not executable": (["run", "--", "./folder/file"], "not executable"),
    "command not found, detached": (["run", "--detach", "--", "no-such-command-of-ours"], "command not found"),
    "runs is a file": (["--runs", "folder/file", "ls"], "is a file"),
    "runs is a link": (["--runs", "link", "run", "--", "true"], "symbolic link"),
    "runs is open to others": (["--runs", "open", "run", "--", "true"], "can be written to by others"),
    "runs cannot be made": (["--runs", "folder/file/runs", "run", "--", "true"], ""),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_with_one_sentence(house: House, name: str) -> None:
    words, sentence = MISTAKES[name]
    for folder, mode in (("folder", 0o700), ("open", 0o777), ("newer", 0o700)):
        (house.folder / folder).mkdir()
        (house.folder / folder).chmod(mode)
    (house.folder / "folder" / "file").write_text("not a program")
    (house.folder / "open" / "run.json").write_text("{}")
    (house.folder / "newer" / "run.json").write_text('{"schema": 99}')
    (house.folder / "link").symlink_to("open")
    done = house.call(*words)
    said = [line for line in done.stderr.splitlines() if line]
    assert done.returncode != 0, done
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert sentence in done.stderr
    if said[0].startswith("Usage:"):
        assert said[-1].startswith("Error: ")
    else:
        assert len(said) == 1 and said[0].startswith("backlit: "), said
    assert not list(RunDirectory.all(house.folder / "open"))[1:]
