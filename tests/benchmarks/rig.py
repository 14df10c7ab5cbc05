"""Programs inside runs of their own, viewers in pseudo-terminals, and their processes. Nothing outlives its `with`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from tests.support import until
from tests.terminal import Terminal
from tui.run import launch
from tui.run.directory import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 120, 36


class Sink(Terminal):
    """A terminal that counts what it gets and draws nothing: reading must not take the processor from training."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        self.reads: list[tuple[float, int]] = []
        """(time.perf_counter(), bytes so far) at every read."""
        super().__init__(command, WIDTH, HEIGHT, cwd=str(ROOT), **options)

    def _take(self, data: bytes) -> None:
        self.reads.append((time.perf_counter(), self.bytes))
        if b"\x1b[?2026$p" in data:  # as modern terminals answer: synchronized output is known here
            os.write(self._master, b"\x1b[?2026;2$y")

    def holds(self, text: str, since: int = 0) -> bool:
        """Has this text come, in one piece, after so many bytes?"""
        with self._changed:
            return text.encode() in self.raw[since:]


def backlit(*arguments: str, module: str = "tui") -> list[str]:
    """The command that runs the viewer from this checkout."""
    return [sys.executable, "-m", module, *arguments]


def program(name: str, *arguments: str) -> list[str]:
    """The command that runs one of our programs."""
    return [sys.executable, "-m", f"{__package__}.{name}", *arguments]


@contextmanager
def folder() -> Iterator[Path]:
    """A private temporary folder; every program of a run directory inside it is ended when it goes."""
    path = Path(tempfile.mkdtemp(prefix="backlit-benchmark-"))
    try:
        yield path
    finally:
        for run in RunDirectory.all(path):
            end(run)
        shutil.rmtree(path, ignore_errors=True)


def start(root: Path, command: Sequence[str]) -> RunDirectory:
    """Starts a command inside a run, without a viewer."""
    run = RunDirectory.create(root, "benchmark", {"command": list(command), "cwd": str(ROOT), "environment": {}})
    launch.start(run)
    return run


def end(run: RunDirectory) -> None:
    """Kills the program of a run and waits for its supervisor."""
    if run.exit() is not None or not run.alive():
        return
    launch.wait_until_started(run)
    pid = run.about().get("pid")
    if isinstance(pid, int) and pid != os.getpid():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not run.alive(), 20)


def only_run(root: Path) -> RunDirectory:
    """The run that a command has just made."""
    found: RunDirectory = until(lambda: next(iter(RunDirectory.all(root)), None), 20)
    return found


def steps_made(run: RunDirectory) -> int:
    """The step of the newest tick in the journal; 0 before there is one."""
    try:
        with open(run.events_file(0), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 200_000))
            found = re.findall(rb'"k":"tick".{0,40}?"step":(\d+)', file.read())
    except OSError:
        return 0
    return int(found[-1]) if found else 0


def viewer_of(terminal: Terminal) -> psutil.Process:
    """The viewer itself: the only child of the guard that was started in the terminal."""

    def child() -> Any:
        children = [one for one in psutil.Process(terminal.process.pid).children() if "run.launch" not in _line(one)]
        return children[0] if children else None

    found: psutil.Process = until(child, 20)
    return found


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def close(terminal: Terminal) -> None:
    """Ends a viewer at once: the guard first, which would otherwise tidy up after it."""
    with suppress(psutil.Error, AssertionError):
        viewer = viewer_of(terminal) if terminal.process.poll() is None else None
        terminal.close()
        if viewer is not None:
            viewer.kill()
    terminal.close()


@contextmanager
def watching(terminal: Terminal) -> Iterator[Any]:
    """`with watching(Sink(...)) as terminal`: the viewer is gone afterwards."""
    try:
        yield terminal
    finally:
        close(terminal)


def wait(condition: Callable[[], Any], most_s: float = 60.0) -> Any:
    """Waits for a condition, looking seldom: training has the processor."""
    deadline = time.monotonic() + most_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come about within {most_s} s")
        time.sleep(0.1)
