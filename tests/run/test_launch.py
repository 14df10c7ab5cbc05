"""The supervisor: what a program is given, how its end is told, and who is alive when somebody was killed."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tui.run import launch
from tui.run.directory import RunDirectory, locked

from ..support import Bare, until

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


def test_a_supervisor_asked_to_end_asks_the_program(start: Any) -> None:
    run = start(["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"]).run
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
