"""A program with a terminal of its own, talked with through ours."""

from __future__ import annotations

import os
import sys

import pexpect

from tui.run.directory import RunDirectory, read_object

from ..support import PROGRAMS, until
from .conftest import House, ends, shows

ASKS = str(PROGRAMS / "asks.py")

EVIL = (
    b"\x1b]0;evil title\x07\x1b]52;c;ZXZpbA==\x07\x1b[?1049h\x1b[?2004h\x1b[?1003h\x1b[6n\x1b[c\x1b[18t\x05"
    b"\x1bP+q544e\x1b\\\x1b_Gevil\x1b\\\x1b[?25l\x1b[5;1Hsafe and \x1b[35msound\x1b[0m\n"
)


def test_talking_with_a_program_and_its_debugger(house: House) -> None:
    # Given a training that asks for a name and stops in the debugger first
    terminal = house.open("run", "--pty", ASKS, "bars", "name", "pdb", "train", columns=100, rows=30)
    shows(terminal, "i type", "Log?")
    # When somebody types into it, having said that they want to
    terminal.keys("i")
    shows(terminal, "Steer this run?")
    terminal.keys("Y")
    shows(terminal, "enter send", "epoch: 100%", "name?")
    terminal.type("Ada\r")
    shows(terminal, "hello Ada", "(Pdb)")
    terminal.type("p secret_number * 7\r")
    shows(terminal, "(Pdb) p secret_number * 7", "42")
    terminal.type("c\r")
    # Then it has it, goes on, and trains
    shows(terminal, "on, with 6", "step 5", "FINISHED")
    terminal.until(lambda screen: "enter send" not in screen, 40.0, "has no line to type in any more")
    assert "batch:" not in "\n".join(terminal.text())
    terminal.keys("q")
    ends(terminal, 0)
    assert "p secret_number * 7" in house.run().output_file.read_text()


def test_the_same_in_the_hands_of_pexpect(house: House) -> None:
    command = house.command("run", "--pty", "--exit", ASKS, "pdb")
    env = {**os.environ, **house.env, "TERM": "xterm-256color"}
    how = {"dimensions": (30, 100), "env": env, "cwd": str(house.folder), "timeout": 40, "encoding": "utf-8"}
    child = pexpect.spawn(command[0], command[1:], **how)
    child.expect("type…")
    child.send("i")
    child.expect("Steer this run")
    child.send("Y")
    child.expect("end of input")
    child.send("p secret_number * 1111\r")
    child.expect("6666")
    child.send("c\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_nothing_that_a_program_prints_commands_our_terminal(house: House) -> None:
    (house.folder / "evil.bin").write_bytes(EVIL)
    terminal = house.open("run", "--pty", "--", "sh", "-c", "cat evil.bin; exit 3")
    shows(terminal, "FAILED", "safe and sound")
    for piece in (b"evil title", b"]52;c;ZXZpbA", b"Gevil", b"+q544e", b"\x1b[18t", b"\x05"):
        assert piece not in terminal.raw
    terminal.keys("q")
    ends(terminal, 3)


def test_it_keeps_its_terminal_when_nobody_looks(house: House) -> None:
    terminal = house.open("run", "--pty", ASKS, "name", "name", columns=120, rows=36)
    shows(terminal, "i type")
    terminal.keys("q", "d")
    ends(terminal, 0)
    run = house.run()
    assert run.alive() and read_object(run.terminal_state)["waits"]
    # a second viewer, of another size, finds it waiting and answers
    again = house.open("attach", columns=100, rows=30)
    shows(again, "i type")
    until(lambda: read_object(run.terminal_size) == {"columns": 96, "rows": 30})
    again.keys("i")
    shows(again, "Steer this run?")
    again.keys("Y")
    shows(again, "enter send")
    again.type("Bo\rEd\r")
    shows(again, "FINISHED")
    again.until(lambda screen: "enter send" not in screen, 40.0, "has no line to type in any more")
    assert run.exit().code == 0 and "hello Ed" in run.output_file.read_text()
    again.keys("q")
    ends(again, 0)


def test_without_a_screen_its_output_passes_and_waiting_is_said(house: House) -> None:
    """Its output as it is, our words on standard error, its own status. It ends when it is told that it waits."""
    script = house.folder / "impatient.py"
    script.write_text(
        "import json, os, pathlib, threading, time\n"
        "state = pathlib.Path(os.environ['BACKLIT_RUN'], 'terminal', 'state.json')\n"
        "def watch():\n"
        "    while not (state.exists() and json.loads(state.read_text())['waits']):\n"
        "        time.sleep(0.01)\n"
        "    time.sleep(0.3)\n"  # the viewer looks twenty times a second
        "    os._exit(4)\n"
        "threading.Thread(target=watch).start()\n"
        "input('\\x1b[32mready?\\x1b[0m ')\n"
    )
    done = house.call("run", "--plain", "--pty", str(script))
    assert done.returncode == 4 and done.stdout == "\x1b[32mready?\x1b[0m "
    assert done.stderr.count("waits for input") == 1


def test_without_it_nothing_is_a_terminal(house: House) -> None:
    tell = "import os; print(*(os.isatty(fd) for fd in (0, 1, 2)))"
    assert house.call("run", "--plain", "--", sys.executable, "-c", tell).stdout == "False False False\n"
    assert house.call("run", "--plain", "--pty", "--", sys.executable, "-c", tell).stdout == "True True True\r\n"
    assert not next(run for run in RunDirectory.all(house.root) if "terminal" not in run.about()).terminal.exists()
