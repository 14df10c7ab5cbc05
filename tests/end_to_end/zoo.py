"""Programs as people have them, each run twice: by itself, and inside a run of ours.

A program says of itself what a viewer must show of it, on lines of its own:

    loss 0.412              of the last step
    steps 40                updates made
    skipped 2               updates that a GradScaler did not make
    rate 0.01               with which the last was made
    norm 12 0.55            the gradient of the 12th update
    trained stem head       layers, each with a row of its own
    frozen body             the same, and the row says so
    shows epoch 3           words on the screen
    weights 3fa1…           SHA-256 of the weights in the end

A line may begin with `process N`: several processes of it train, each is shown by itself.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from tui.run.directory import RunDirectory

from ..support import PROGRAMS, QUIET, Program, until
from .bare import Nest

ZOO = PROGRAMS / "zoo"
MOST_S = 170.0
NICE = ("nice", "-n", "10")  # whoever waits for a screen goes first
COMPILER = {
    "TORCHINDUCTOR_CACHE_DIR": f"{tempfile.gettempdir()}/backlit-inductor-{os.getuid()}",  # g++ takes longest: once
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}


@dataclass(frozen=True)
class Row:
    """One program of the table."""

    words: str
    """The script without its suffix, and its arguments; or `-m module` and arguments."""
    alone: bool = False
    """Its bare run is a Python of its own: that it is forked from a warm one would be seen in how it ends."""
    ranks: int = 0
    """So many processes, started by torchrun."""
    elsewhere: bool = False
    """Its Python is that of another virtual environment, which has torch and not us."""
    signals: tuple[tuple[str, signal.Signals], ...] = ()
    """What is sent to it from outside, each when it has printed those words."""
    folder: Path = ZOO
    """Where the script is."""
    status: int = 0
    """How it ends: an exit status, or a signal's number below zero."""
    trains: bool = True
    compiles: bool = False
    """It needs a C++ compiler."""

    def command(self, python: str) -> list[str]:
        first, *rest = self.words.split()
        if first == "-m":
            return [python, "-m", *rest]
        script = self.folder / f"{first}.py"
        if self.ranks:
            return [
                python,
                "-m",
                "torch.distributed.run",
                "--standalone",
                f"--nproc-per-node={self.ranks}",
                str(script),
            ]
        return [python, str(script), *rest]


@dataclass(frozen=True)
class Ended:
    """What is left of a program: what it wrote, how it ended, and its run directory if it had one."""

    output: bytes
    status: int
    run: Optional[RunDirectory] = None


class Runs:
    """Runs programs both ways."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="backlit-zoo-", ignore_cleanup_errors=True)
        self._environment = {**QUIET, **COMPILER}
        self._nest = Nest(self._environment)
        self._started: list[Program] = []
        self._pool = ThreadPoolExecutor(1)
        self._other = ""

    def of(self, row: Row) -> tuple[Ended, Ended]:
        """(bare, watched), side by side, when both have ended."""
        if row.elsewhere and not self._other:
            self._other = other_python(self._folder_of("other"))
        bare = self._pool.submit(self._bare, row)
        watched = self._watched(row)
        return bare.result(), watched

    def close(self) -> None:
        """What runs is ended."""
        for program in self._started:
            program.end()
        self._nest.close()
        self._pool.shutdown()
        self._folder.cleanup()

    def _folder_of(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=re.sub(r"\W+", "-", name) + "-", dir=self._folder.name))

    def _command(self, row: Row) -> list[str]:
        return row.command(self._other if row.elsewhere else sys.executable)

    def _bare(self, row: Row) -> Ended:
        command, folder = self._command(row), self._folder_of(f"bare {row.words}")
        output, cwd = folder / "output", (ZOO if row.words.startswith("-m") else folder)
        if not row.alone:
            return Ended(status=self._nest.run(command[1:], cwd, output), output=output.read_bytes())
        with open(output, "ab") as file:
            process = subprocess.Popen(
                [*NICE, *command],
                cwd=cwd,
                env={**os.environ, **self._environment, "PYTHONUNBUFFERED": "1"},  # as at a terminal: in its order
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        for words, number in row.signals:
            has_written(words, output)
            process.send_signal(number)
        status = process.wait(MOST_S)
        return Ended(output.read_bytes(), status)

    def _watched(self, row: Row) -> Ended:
        folder = self._folder_of(row.words)
        command = [*NICE, *self._command(row)]
        program = Program(folder, command, cwd=ZOO if row.words.startswith("-m") else folder, **self._environment)
        self._started.append(program)
        run = program.run
        for words, number in row.signals:
            has_written(words, run.output_file)
            os.kill(run.about()["pid"], number)
        until(lambda: run.exit() is not None, MOST_S, every_s=0.05)
        how = run.exit()
        assert how is not None and not how.error, how
        return Ended(run.output_file.read_bytes(), how.status if how.signal is None else -how.signal, run)


def has_written(words: str, output: Path) -> None:
    """Waits for these words in a program's output."""
    until(lambda: output.exists() and words.encode() in output.read_bytes(), MOST_S, every_s=0.05)


def other_python(folder: Path) -> str:
    """A virtual environment without pip, whose packages are those beside our torch: none of ours is among them, for
    what a .pth file of another environment says holds only there."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    torch = importlib.util.find_spec("torch")
    assert torch is not None and torch.origin is not None
    (packages / "torch.pth").write_text(f"{Path(torch.origin).parents[1]}\n")
    return str(folder / "bin" / "python")
