"""The supervisor: starts a command inside a run, waits for it, and writes how it ended. Standard library only.

It is a process of its own, in a session of its own, so that it and the program outlive the terminal. The program's
standard input is empty and its output goes to output.log, as under nohup: nothing of ours sits between the program
and its work. Where run.json asks for a terminal (`--pty`), the supervisor holds one for it.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, Optional

from .directory import RunDirectory, hold_lock, process_start, replace
from .terminal import ProgramTerminal

PACKAGE = Path(__file__).resolve().parent.parent
INJECT = PACKAGE / "probe" / "inject"


def start(run: RunDirectory) -> None:
    """Starts the supervisor of `run` and returns at once; what to start stands in the run's run.json.

    Raises:
        OSError: no process can be made.
    """
    subprocess.Popen(
        [sys.executable, "-m", f"{PACKAGE.name}.run.launch", str(run.path)],
        cwd=PACKAGE.parent,  # first on the path with -m, so that no `tui` of the user's is found instead
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_until_started(run: RunDirectory, most_s: float = 20.0) -> bool:
    """Waits until the program's process exists or could not be made. False when neither came in time."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        if "pid" in run.about() or run.exit() is not None:
            return True
        time.sleep(0.01)
    return False


def environment(run: RunDirectory, wanted: dict[str, Any]) -> dict[str, str]:
    """The program's environment: ours, what the run asks for, and the injector in front of PYTHONPATH."""
    env = dict(os.environ)
    theirs = [part for part in (str(wanted.get("PYTHONPATH", "")), env.get("PYTHONPATH", "")) if part]
    env.update({str(key): str(value) for key, value in wanted.items()})
    env["PYTHONPATH"] = os.pathsep.join([str(INJECT), *theirs])
    env["BACKLIT_RUN"] = str(run.path)
    return env


def _for_terminal(env: dict[str, str]) -> dict[str, str]:
    """The same for a program with a terminal: which kind it is is known, and its size is asked of the terminal."""
    env = {key: value for key, value in env.items() if key not in ("COLUMNS", "LINES")}
    if env.get("TERM", "") in ("", "dumb"):
        env["TERM"] = "xterm-256color"
    return env


def supervise(run: RunDirectory) -> None:
    """Runs the program to its end. Never raises: what goes wrong is written to exit.json."""
    try:
        lock: Optional[int] = hold_lock(run.lock_file)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return  # this run has its supervisor
        lock = None  # a file system without locks: the process id has to tell who is alive
    about = run.about()
    command = [str(part) for part in about.get("command", [])]
    ended: dict[str, Any]
    terminal: Optional[ProgramTerminal] = None
    streams: dict[str, Any]
    try:
        env = environment(run, about.get("environment", {}))
        output = os.open(run.output_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if isinstance(about.get("terminal"), dict):
            terminal = ProgramTerminal(run, output, about["terminal"])
            streams, env = terminal.streams(), _for_terminal(env)
        else:
            streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        program = subprocess.Popen(
            command, cwd=str(about.get("cwd") or "."), env=env, start_new_session=True, **streams
        )
        if terminal is None:
            os.close(output)
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        _record_exit(run, {"error": _why(command, error), "time": time.time()})
        return

    def pass_on(number: int, frame: Optional[FrameType]) -> None:
        program.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _record(run, {**about, "pid": program.pid, "pid_start": process_start(program.pid), "started": time.time()})
    status = terminal.attend(program) if terminal is not None else program.wait()
    ended = {"status": status} if status >= 0 else {"signal": -status}
    ended["time"] = time.time()
    deadline = time.monotonic() + 600
    while not _record_exit(run, ended) and time.monotonic() < deadline and run.path.is_dir():
        time.sleep(1.0)  # disk full: how it ended is worth waiting for
    if terminal is not None:
        terminal.flush()
    if lock is not None:
        os.close(lock)


def _record(run: RunDirectory, about: dict[str, Any]) -> None:
    try:
        replace(run.run_file, about)
    except OSError:
        pass


def _record_exit(run: RunDirectory, ended: dict[str, Any]) -> bool:
    try:
        replace(run.exit_file, ended)
    except OSError:
        return False
    return True


def _why(command: list[str], error: Exception) -> str:
    name = command[0] if command else "(nothing)"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)) and error.filename not in (None, name):
        return f"the working directory is not there: {error.filename}"
    if isinstance(error, FileNotFoundError):
        return f"command not found: {name}"
    if isinstance(error, PermissionError):
        return f"not executable: {name}"
    return f"cannot start {name}: {error}"


if __name__ == "__main__":
    supervise(RunDirectory(Path(sys.argv[1])))
