"""The whole of it, as a person has it: the command in a real terminal, a program of its own, a folder of runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from tests.terminal import PLAIN_SHELL, Terminal
from tui.run.directory import RunDirectory

from ..support import until

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
QUIET = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


@dataclass
class Done:
    """What a command left."""

    returncode: int
    stdout_bytes: bytes
    stderr: str

    @property
    def stdout(self) -> str:
        return self.stdout_bytes.decode()


class House:
    """A folder of runs, the command, and the terminals that are open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "runs"
        self.terminals: list[Terminal] = []
        self.env = {
            **QUIET,
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(folder / "state"),
            "PS1": "ready> ",
        }

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tui", "--runs", str(self.root), *words]

    def call(self, *words: str, **env: str) -> Done:
        """The command without a terminal, to its end."""
        keep = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "VIRTUAL_ENV")}
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env={**keep, **self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    def open(self, *words: str, command: Any = None, columns: int = 120, rows: int = 36, **env: str) -> Terminal:
        """The command in a terminal."""
        line = [*PLAIN_SHELL, *self.command(*words)] if command is None else list(command)
        terminal = Terminal(line, columns, rows, env={**self.env, **env}, cwd=str(self.folder))
        self.terminals.append(terminal)
        return terminal

    def run(self) -> RunDirectory:
        """The newest run."""
        return until(lambda: next(RunDirectory.all(self.root), None))

    def close(self) -> None:
        for terminal in self.terminals:
            terminal.close()
        for run in RunDirectory.all(self.root):
            pid = run.about().get("pid")
            if run.alive() and isinstance(pid, int):
                os.killpg(pid, signal.SIGKILL)
                until(lambda run=run: not run.alive())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def shows(terminal: Terminal, *words: str, most_s: float = 40.0) -> str:
    """Waits for all of the words on the screen."""
    return terminal.until(lambda screen: all(word in screen for word in words), most_s, f"shows {words}")


def viewer_of(terminal: Terminal) -> psutil.Process:
    """The process that paints; its parent is the guard."""

    def find() -> Any:
        inside = psutil.Process(terminal.process.pid).children(recursive=True)
        # not by their terminal: psutil keeps the list of terminals that it saw first
        ours = [process for process in inside if "tui" in process.cmdline()]
        return next((process for process in ours if process.parent() in ours), None)

    return until(find)


def whole(terminal: Terminal) -> None:
    """The terminal is as it was."""
    assert terminal.modes_left_on() == []
    assert terminal.attributes() == terminal.before


def ends(terminal: Terminal, status: int, most_s: float = 20.0) -> str:
    """The command ends with this status and gives the terminal back; what stands there then is returned."""
    assert terminal.wait_exit(most_s) == status
    whole(terminal)
    return "\n".join(terminal.text())
