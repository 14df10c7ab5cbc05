"""The supervisor: what a program is given, how its end is told, and who is alive when somebody was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tui.run import launch, terminal, waiting
from tui.run.directory import RunDirectory, locked, process_start, read_object
from tui.run.reach import ignores_environment

from ..support import Bare, python, until

TELL = """
import json, os, sys
print(json.dumps({"argv": sys.argv, "cwd": os.getcwd(), "input": sys.stdin.read(), "path": sys.path,
                  "run": os.environ.get("BACKLIT_RUN"), "mine": os.environ.get("MINE"), "tty": sys.stdout.isatty(),
                  "session": os.getsid(0) == os.getpid()}))
"""


@pytest.mark.parametrize("status", [0, 3, 255])
def test_the_exit_status_is_kept(start: Any, status: int) -> None:
    run = start(["sh", "-c", f"exit {status}"]).wait().run
    assert (run.exit().status, run.exit().signal, run.exit().code) == (status, None, status)
    assert run.exit().time > 0


def test_a_signal_is_told_as_one(start: Any) -> None:
    run = start(["sh", "-c", "kill -9 $$"]).wait().run
    assert (run.exit().status, run.exit().signal, run.exit().code) == (None, 9, 137)


@pytest.mark.parametrize("command", [["no-such-command-of-ours"], ["/no/such/command"], []])
def test_a_command_that_is_not_there_is_said_in_words(start: Any, command: list[str]) -> None:
    run = start(command).wait().run
    assert "command not found" in run.exit().error or not command
    assert run.exit().error and run.exit().code == 127
    assert run.alive() is False


def test_a_file_that_cannot_be_executed_is_said_in_words(start: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert "not executable" in start([str(tmp_path / "notes.txt")]).wait().run.exit().error


def test_a_working_directory_that_is_gone_is_named(start: Any, tmp_path: Path) -> None:
    error = start(["true"], cwd=tmp_path / "gone").wait().run.exit().error
    assert str(tmp_path / "gone") in error and "command not found" not in error


def test_what_the_program_is_given(start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a place to work, arguments that a shell would tear apart, and something in our own input
    here = tmp_path / "work place"
    here.mkdir()
    monkeypatch.setenv("MINE", "kept")
    arguments = ["-c", TELL, "a b", "", "--flag", "*", "é"]
    # When it is run
    program = start([sys.executable, *arguments], cwd=here).wait()
    told = json.loads(program.output)
    # Then it has them as they are, an empty input, no terminal, a session of its own, and knows its run
    assert told["argv"] == ["-c", "a b", "", "--flag", "*", "é"]
    assert (told["cwd"], told["input"], told["tty"], told["session"]) == (str(here), "", False, True)
    assert (told["run"], told["mine"]) == (str(program.run.path), "kept")
    # And its path for modules is the one that it would have without us
    assert told["path"] == json.loads(Bare([sys.executable, *arguments], here).output)["path"]


@pytest.mark.parametrize("theirs", [None, "", "/x:/y", ":/x", "/x::/x"])
def test_the_path_for_modules_is_theirs_whatever_they_set(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    if theirs is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", theirs)
    command = [sys.executable, "-c", "import sys; print(sys.path)"]
    assert start(command, cwd=tmp_path).wait().output == Bare(command, tmp_path).output


def test_both_outputs_are_in_one_log_in_their_order(start: Any) -> None:
    program = start(["sh", "-c", "echo one; echo two >&2; printf three"]).wait()
    assert program.output == "one\ntwo\nthree"


def test_lines_of_python_arrive_as_they_are_printed(start: Any) -> None:
    program = start([sys.executable, "-c", "import time; print('now'); time.sleep(600)"])
    until(lambda: program.output == "now\n")
    assert program.run.exit() is None


def test_the_users_own_sitecustomize_runs_too(start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sitecustomize.py").write_text("import builtins; builtins.mine = __name__, __file__\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "mine"))
    script = "import sys, sitecustomize as s; print(mine, s.__file__ == mine[1])"
    program = start([sys.executable, "-c", script]).wait()
    assert program.output == f"{('sitecustomize', str(tmp_path / 'mine' / 'sitecustomize.py'))} True\n"


def test_a_faulty_sitecustomize_of_theirs_costs_what_it_costs_without_us(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise RuntimeError('mine')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = [sys.executable, "-c", "print('on')"]
    program = start(command).wait()
    assert "RuntimeError: mine" in program.output and program.output.endswith("on\n")
    assert (Bare(command, tmp_path).status, program.run.exit().code) == (0, 0)


def supervisor_of(run: RunDirectory) -> int:
    pid = until(lambda: run.about().get("pid"))
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def test_who_is_alive_when_somebody_is_killed(start: Any) -> None:
    # Given a program that runs
    run = start(["sleep", "600"]).run
    assert launch.wait_until_started(run)
    assert run.alive() is True and locked(run.lock_file)
    # When its supervisor is killed, then the lock is free, and the program is still known to be alive
    os.kill(supervisor_of(run), signal.SIGKILL)
    until(lambda: not locked(run.lock_file))
    assert run.alive() is True
    # When it is killed too, then it is lost: nobody is left to say how it ended
    os.kill(run.about()["pid"], signal.SIGKILL)
    until(lambda: run.alive() is False)
    assert run.exit() is None


@pytest.mark.parametrize("terminal_size", [None, {"columns": 60, "rows": 20}])
def test_a_supervisor_asked_to_end_asks_the_program(start: Any, terminal_size: Any) -> None:
    run = start(["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"], terminal=terminal_size).run
    pid = supervisor_of(run)
    until(lambda: "run.lock" in os.listdir(run.path))
    os.kill(pid, signal.SIGTERM)
    until(run.exit)
    assert run.exit().code in (7, 143)  # the shell may not have set its trap yet
    assert run.alive() is False


def test_a_run_has_one_supervisor(start: Any, tmp_path: Path) -> None:
    program = start(["sh", "-c", "echo once; read x < gate"], before=lambda run: os.mkfifo(tmp_path / "gate"))
    until(lambda: program.output == "once\n")
    launch.supervise(program.run)  # returns at once: the run has one
    (tmp_path / "gate").write_text("go\n")
    assert program.wait().output == "once\n"


def test_how_it_ended_is_told_even_if_the_disk_was_full_for_a_while(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []
    real = launch.replace

    def full_twice(path: Path, content: Any) -> None:
        tried.append(path.name)
        if tried.count("exit.json") < 3 and path.name == "exit.json":
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(launch, "replace", full_twice)
    monkeypatch.setattr(launch.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(launch.signal, "signal", lambda *ignored: None)
    launch.supervise(run)
    assert run.exit() is not None and run.exit().status == 0
    assert tried.count("exit.json") == 3


# ── a terminal of its own ──

SIZE = {"columns": 60, "rows": 20}


@pytest.fixture
def open_terminal(start: Any) -> Any:
    """Starts a program with a terminal of its own."""
    return lambda *command, **how: start(list(command), terminal=SIZE, **how)


def state_of(program: Any) -> dict[str, Any]:
    return read_object(program.run.terminal_state)


def waits(program: Any) -> dict[str, Any]:
    """Waits until the program waits, and returns what is said of it."""
    until(lambda: state_of(program).get("waits"))
    return state_of(program)


def answer(program: Any, text: str) -> None:
    """Types once it is asked for."""
    waits(program)
    terminal.send(program.run, "me", text.encode())
    until(lambda: not state_of(program)["waits"])


def test_the_terminal_that_a_program_is_given(open_terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    tell = "import os,sys; print(*(os.isatty(fd) for fd in (0, 1, 2)), *os.get_terminal_size(), os.environ['TERM'], "
    tell += "'COLUMNS' in os.environ, os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpgrp(), open('/dev/tty').isatty())"
    program = open_terminal(sys.executable, "-c", tell).wait()
    assert program.output == "True True True 60 20 xterm-256color False True True True\n"
    assert os.stat(program.run.terminal).st_mode & 0o777 == 0o700


@pytest.mark.parametrize("command, code", [("exit 3", 3), ("kill -9 $$", 137), ("kill -INT $$", 130)])
def test_with_a_terminal_it_ends_as_without(open_terminal: Any, command: str, code: int) -> None:
    program = open_terminal("sh", "-c", f"printf last; {command}").wait()
    assert (program.run.exit().code, program.output) == (code, "last")


def test_a_command_that_is_not_there_needs_no_terminal(open_terminal: Any) -> None:
    assert "command not found" in open_terminal("no-such-command-of-ours").wait().run.exit().error


def test_all_that_is_written_last_arrives(open_terminal: Any) -> None:
    script = "import os, sys; sys.stdout.write('x' * 99 + '\\n'); sys.stdout.write('y\\n' * 60_000); os._exit(0)"
    script = script.replace("os._exit", "sys.stdout.flush(); os._exit")
    program = open_terminal(sys.executable, "-c", script).wait()
    assert program.output == "x" * 99 + "\n" + "y\n" * 60_000


def test_what_was_left_in_the_background_holds_up_nothing(open_terminal: Any) -> None:
    program = open_terminal("sh", "-c", "trap '' HUP; sleep 600 & echo $!; exit 4").wait()
    assert program.run.exit().code == 4
    os.kill(int(program.output), signal.SIGKILL)


def test_a_program_that_asks_is_known_to_wait_and_is_answered(open_terminal: Any) -> None:
    # Given a program that asks in every way there is
    wishes = ["name", "secret", "line", "pdb", "line"]
    program = open_terminal(*python("asks", *wishes))
    # When each is answered as soon as it waits
    assert waits(program) == {"waits": True, "sure": True, "secret": False}
    answer(program, "Ada\r")
    assert waits(program) == {"waits": True, "sure": True, "secret": True}
    answer(program, "hush\r")
    answer(program, "words\r")
    until(lambda: "(Pdb)" in program.output)
    answer(program, "p secret_number * 7\r")
    until(lambda: "\n42\n" in program.output)
    answer(program, "c\r")
    answer(program, "\x04")  # the end of input
    # Then it has all of it, the secret stands nowhere, and it waits no more
    assert program.wait().run.exit().code == 0
    for words in ("hello Ada", "4 letters", "read 'words\\n'", "on, with 6", "read ''"):
        assert words in program.output
    left = [path for path in program.run.path.rglob("*") if path.is_file()]
    assert not any(b"hush" in path.read_bytes() for path in left)
    assert [path.name for path in program.run.terminal.iterdir()] == ["state.json"]
    assert state_of(program)["waits"] is False


@pytest.mark.parametrize("script", ["printf 'Epoch 1: '; sleep 600", "printf '\\r 10%%|'; sleep 600"])
def test_a_silent_program_that_does_not_read_does_not_wait(open_terminal: Any, script: str) -> None:
    program = open_terminal("sh", "-c", script)
    until(lambda: program.output)
    asked: list[Any] = []
    real = waiting.any_reads
    pid = until(lambda: program.run.about().get("pid"))
    device = os.stat(f"/proc/{pid}/fd/0").st_rdev
    until(lambda: asked.append(real(pid, device)) or len(asked) > 20)
    assert not any(asked) and not state_of(program).get("waits")


def test_a_child_that_asks_is_seen_too(open_terminal: Any) -> None:
    program = open_terminal("sh", "-c", f"{sys.executable} -c 'input()'; exit 5")
    answer(program, "\r")
    assert program.wait().run.exit().code == 5


@pytest.mark.parametrize(
    "tail, likely",
    [
        (b"Overwrite? [y/N] ", True),
        (b"Name: ", True),
        (b">>> ", True),
        (b"\x1b[1mpassword:\x1b[0m ", True),
        (b"training\n", False),
        (b"loading", False),
        (b"\r 40%|####      | 4/10 [00:01<00:02]", False),
        (b"", False),
    ],
)
def test_where_the_system_does_not_say_words_are_taken_for_a_question(
    monkeypatch: pytest.MonkeyPatch, tail: bytes, likely: bool
) -> None:
    monkeypatch.setattr(waiting, "any_reads", lambda pid, device: None)
    ours, theirs = os.openpty()
    try:
        assert waiting.waiting(1, theirs, 0, tail, 5.0) == waiting.Waiting(likely, sure=not likely)
        assert waiting.waiting(1, theirs, 0, tail, 0.5) == waiting.Waiting()
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_window_can_be_resized(open_terminal: Any) -> None:
    program = open_terminal(*python("asks", "size"))
    until(lambda: "terminal 60x20 True" in program.output)
    terminal.resize(program.run, 100, 31)
    assert program.wait().output.endswith("resized to 100x31\n")


@pytest.mark.parametrize("content", [b"", b"{", b'{"columns": 1e9, "rows": "x"}', b'{"columns": -1, "rows": 0}'])
def test_a_size_that_is_none_changes_nothing(open_terminal: Any, content: bytes) -> None:
    program = open_terminal(*python("asks", "size"))
    until(lambda: "terminal 60x20" in program.output)
    program.run.terminal_size.write_bytes(content)
    terminal.send(program.run, "me", b"typed")
    until(lambda: program.output.endswith("typed"))  # echoed after that look
    terminal.resize(program.run, 61, 20)
    assert program.wait().output.endswith("resized to 61x20\n")


def test_interrupt_is_typed_as_in_any_terminal(open_terminal: Any) -> None:
    program = open_terminal(*python("asks", "name"))
    answer(program, "\x03")
    assert "KeyboardInterrupt" in program.wait().output and program.run.exit().code == 130


def test_the_terminal_goes_with_its_supervisor(open_terminal: Any) -> None:
    program = open_terminal("sleep", "600")
    pid = until(lambda: program.run.about().get("pid"))
    os.kill(supervisor_of(program.run), signal.SIGKILL)
    until(lambda: process_start(pid) is None)  # SIGHUP
    assert program.run.exit() is None and program.run.alive() is False


def test_a_full_disk_holds_up_nobody_and_the_gap_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: RunDirectory
) -> None:
    """The disk refuses everything for a while; the program prints ten times what is kept for it, and goes on."""
    monkeypatch.setattr(terminal, "MOST_WAITING_BYTES", 10_000)
    monkeypatch.setattr(terminal, "RETRY_S", 0.0)
    done = tmp_path / "done"
    script = f"import pathlib; print('x' * 100_000); pathlib.Path({str(done)!r}).touch(); input(); print('end')"
    output = os.open(run.output_file, os.O_WRONLY | os.O_APPEND)
    held = terminal.ProgramTerminal(run, output, SIZE)
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if descriptor == output and not done.exists():
            raise OSError(28, "No space left on device")
        if descriptor == output and b"missing" in data:
            terminal.send(run, "me", b"\r")  # the program may end now
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    program = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, **held.streams())
    assert held.attend(program) == 0
    text = run.output_file.read_text()
    lost = re.search(r"\[backlit: ([\d,]+) bytes of output are missing here", text)
    assert lost is not None and text.count("backlit:") == 1 and text.endswith("end\n")
    assert 0 <= text.count("x") + int(lost[1].replace(",", "")) - 100_000 <= len("\r\n")
    os.close(output)


@pytest.mark.parametrize(
    "command, out",
    [
        ("python -I train.py", True),
        ("/usr/bin/python3.11 -B -X dev -uE -m train", True),
        ("python -W Ignore -X Import train.py", False),
        ("python -uWerror -sI train.py", True),
        ("python -uWerror::ImportWarning train.py", False),
        ("python -umIPython", False),
        ("python -m train -I", False),
        ("python -c I", False),
        ("python train.py -E", False),
        ("python - -I", False),
        ("sh -E x", False),
        ("", False),
    ],
)
def test_a_python_that_ignores_its_environment_is_known(command: str, out: bool) -> None:
    assert ignores_environment(command.split()) is out
