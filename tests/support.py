"""What several tests need: waiting for conditions, starting programs inside a run, asking things of them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Optional

from tui.run import events, launch
from tui.run.directory import RunDirectory, replace_bytes
from tui.run.journal import append_line

PROGRAMS = Path(__file__).parent / "programs"


def until(condition: Callable[[], Any], most_s: float = 30.0, every_s: float = 0.005) -> Any:
    """Waits for `condition` to give something true, and returns it. Fails after `most_s`."""
    deadline = time.monotonic() + most_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(
                f"it did not come about within {most_s} s: {getattr(condition, '__name__', condition)}"
            )
        time.sleep(every_s)


def events_of(run: RunDirectory, stream: int = 0) -> list[Any]:
    """Every whole event of a stream."""
    try:
        content = run.events_file(stream).read_bytes()
    except OSError:
        return []
    return [events.decode_event(line) for line in content.split(b"\n")[:-1]]


class Hand:
    """Somebody who asks: appends commands and waits for their answers."""

    def __init__(self, run: RunDirectory, name: str = "hand") -> None:
        self.run = run
        self.name = name
        self._asked = 0

    def ask(self, command: Any) -> str:
        """Sends a command under a new id, which is returned."""
        self._asked += 1
        name = f"{self.name}-{self._asked}"
        raw = {**json.loads(events.encode(command)), "id": name}
        append_line(self.run.control / f"{self.name}.jsonl", json.dumps(raw).encode() + b"\n")
        return name

    def answer(self, command: Any) -> events.Applied:
        """Sends a command and waits for its answer."""
        name = self.ask(command)
        return until(lambda: self.answered(name))

    def answered(self, name: str) -> Optional[events.Applied]:
        found = [one for one in events_of(self.run) if isinstance(one, events.Applied) and one.id == name]
        assert len(found) <= 1, "answered twice"
        return found[0] if found else None

    def gates(self) -> list[events.Gate]:
        return [one for one in events_of(self.run) if isinstance(one, events.Gate)]

    def held(self, step: Optional[int] = None) -> Optional[events.Gate]:
        """The gate at which training is held now, if it is, and after that many updates if a number is given."""
        gates = self.gates()
        if not gates or not gates[-1].held or (step is not None and gates[-1].step != step):
            return None
        return gates[-1]


class Onlooker:
    """A viewer without a screen: rewrites its presence while it lives. With `restless`, its focus and mode change."""

    def __init__(self, run: RunDirectory, name: str = "onlooker", restless: bool = False, **presence: Any) -> None:
        self.run, self.name, self.restless = run, name, restless
        self.presence = {"rows": 24, "columns": 40, **presence}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Onlooker:
        self._write(0)
        self._thread.start()
        return self

    def __exit__(self, *rest: Any) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        beat = 0
        while not self._end.wait(0.2):
            beat += 1
            self._write(beat)

    def _write(self, beat: int) -> None:
        presence = dict(self.presence)
        if self.restless:
            presence["tensor"] = random.Random(beat).randrange(-1, 8)
            presence["mode"] = ("weight", "change", "gradient")[beat % 3]
            presence["first"] = beat % 5
        try:
            replace_bytes(
                self.run.viewers / f"{self.name}.json", events.encode_bare(events.Presence(beat=beat, **presence))
            )
        except OSError:
            pass  # the run directory is gone


class Program:
    """A program inside a run of its own."""

    def __init__(
        self,
        root: Path,
        command: list[str],
        cwd: Optional[Path] = None,
        before: Any = None,
        terminal: Optional[dict[str, int]] = None,
        **environment: str,
    ) -> None:
        about: dict[str, Any] = {"command": command, "cwd": str(cwd or root), "environment": {**QUIET, **environment}}
        if terminal is not None:
            about["terminal"] = terminal
        self.run = RunDirectory.create(root, "test", about)
        if before is not None:
            before(self.run)
        launch.start(self.run)

    def wait(self, most_s: float = 90.0) -> Program:
        """Until it has ended and said how."""
        until(lambda: self.run.exit() is not None, most_s)
        return self

    @property
    def output(self) -> str:
        return self.run.output_file.read_text()

    def end(self) -> None:
        """Makes sure that it is gone."""
        if self.run.alive():
            launch.wait_until_started(self.run)
            try:
                os.kill(self.run.about()["pid"], signal.SIGKILL)
            except (ProcessLookupError, KeyError):
                pass
            until(lambda: not self.run.alive())


QUIET = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


def python(name: str, *arguments: str) -> list[str]:
    """The command that runs one of our programs."""
    return [sys.executable, str(PROGRAMS / f"{name}.py"), *arguments]


class Bare:
    """The same command without us; it runs beside whatever the test does meanwhile."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **QUIET},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._output: Optional[str] = None

    @property
    def output(self) -> str:
        if self._output is None:
            self._output = self._process.communicate(timeout=120)[0]
        return self._output

    @property
    def status(self) -> int:
        self.output
        return self._process.returncode
