"""A terminal of its own for the program (`--pty`), held by the supervisor. Standard library only.

What the program writes is appended to output.log; what viewers type reaches it as if from a keyboard, together with
the size of their window. They leave both as small files in the run's `terminal/`: one file for each thing typed, which
is taken away before the program has it, so that a password stays nowhere; and `size.json`, replaced. `state.json` says
whether the program waits for input.

As with any terminal, the program gets SIGHUP when the terminal goes away: when its supervisor is killed, not when a
viewer leaves. When the program itself has ended, what it left in the background has no terminal any more.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Any, Optional

from .directory import RunDirectory, read_object, replace, replace_bytes
from .waiting import Waiting, waiting

TALK_S, LOOK_S = 0.02, 0.1
"""How often what was typed, the size and the program's end are looked for: while somebody types, and else."""
TALKING_S = 3.0
"""For so long after something was typed more is expected."""
SILENT_S = 0.3
"""A program that waits for input is silent for this long before it is asked about."""
ASK_S = 0.2
"""How often it is then asked about."""
RETRY_S = 0.5
"""How often a disk that refused output is tried again."""
LAST_WORDS_S = 0.5
"""How long the last output may take to arrive when the program has ended."""
MOST_WAITING_BYTES = 1 << 20
"""Output kept in memory while the disk refuses it; more than this is lost, and a line in output.log says so."""
MOST_TYPED_BYTES = 1 << 16
"""Typed ahead of a program that does not read; more waits in its files."""
TYPED = ".typed"


# ── what a viewer does ──


def send(run: RunDirectory, writer: str, data: bytes) -> None:
    """Types `data` into the program's terminal, after all that was typed before. Raises OSError."""
    replace_bytes(run.terminal / f"{time.time_ns():020d}-{writer}{TYPED}", data)


def resize(run: RunDirectory, columns: int, rows: int) -> None:
    """Asks for another size of the program's terminal. Raises OSError."""
    replace(run.terminal_size, {"columns": columns, "rows": rows})


# ── what the supervisor does ──


class ProgramTerminal:
    """Both ends of a pseudo-terminal: the program's, to be given to it, and ours."""

    def __init__(self, run: RunDirectory, output: int, size: dict[str, Any]) -> None:
        """Args:
            output: a descriptor of output.log, for appending.
            size: `columns` and `rows`, as run.json has them.

        Raises:
            OSError: there is no terminal to be had.
        """
        self._run, self._output = run, output
        self._master, self._theirs = os.openpty()
        self._device = os.fstat(self._theirs).st_rdev
        os.set_blocking(self._master, False)
        os.makedirs(run.terminal, mode=0o700, exist_ok=True)
        self._sized: tuple[int, int] = (0, 0)
        self._resize(size)
        self._unwritten = bytearray()
        self._lost = 0
        self._retry = 0.0
        self._typed = bytearray()
        self._tail = b""
        self._heard = time.monotonic()
        self._spoken = -TALKING_S
        self._pace = LOOK_S
        self._look = self._ask = 0.0
        self._told: Optional[Waiting] = None

    def streams(self) -> dict[str, Any]:
        """For Popen: this is the program's input, its output, and what controls its session."""

        def take() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        return {"stdin": self._theirs, "stdout": self._theirs, "stderr": self._theirs, "preexec_fn": take}

    def attend(self, program: subprocess.Popen[bytes]) -> int:
        """Serves the terminal until the program has ended, and returns its status as Popen has it."""
        while program.poll() is None:
            readable, writable, _ = select.select([self._master], [self._master] if self._typed else [], [], self._pace)
            now = time.monotonic()
            if readable:
                self._copy(now)
            if writable:
                self._pass_on(now)
            if now >= self._look:
                self._pace = TALK_S if now - self._spoken < TALKING_S else LOOK_S
                self._look = now + self._pace
                self._take_typed()
                self._take_size()
                self._tell_waiting(program.pid, now)
                if self._unwritten and now >= self._retry:
                    self.flush(now)
        os.close(self._theirs)
        self._drain()
        self._tell(Waiting())
        return program.returncode

    # ── output ──

    def _copy(self, now: float) -> bool:
        """Takes some output to the log, whatever the disk says. False: there will be no more."""
        try:
            content = os.read(self._master, 1 << 16)
        except BlockingIOError:
            return True
        except OSError:  # Linux: nobody has the other end open any more
            return False
        self._heard = now
        self._tail = (self._tail + content)[-400:]
        room = MOST_WAITING_BYTES - len(self._unwritten) if not self._lost else 0
        self._unwritten += content[:room]
        self._lost += max(0, len(content) - room)
        if now >= self._retry:
            self.flush(now)
        return bool(content)

    def _drain(self) -> None:
        """Takes what the program left unread."""
        now = time.monotonic()
        deadline = now + LAST_WORDS_S
        while now < deadline and (not select.select([self._master], [], [], TALK_S)[0] or self._copy(now)):
            now = time.monotonic()
        self.flush()

    def flush(self, now: float = 0.0) -> None:
        """Writes what waits. What the disk refuses is kept for the next time."""
        try:
            while self._unwritten:
                del self._unwritten[: os.write(self._output, self._unwritten)]
            if self._lost:
                gap = f"\r\n[backlit: {self._lost:,} bytes of output are missing here, the disk refused them]\r\n"
                self._unwritten += gap.encode()
                self._lost = 0
                self.flush(now)
        except OSError:
            self._retry = now + RETRY_S

    # ── input ──

    def _take_typed(self) -> None:
        try:
            names = sorted(name for name in os.listdir(self._run.terminal) if name.endswith(TYPED))
        except OSError:
            return  # the run directory is gone; the program goes on
        for name in names:
            if len(self._typed) >= MOST_TYPED_BYTES:
                return
            path = self._run.terminal / name
            try:
                self._typed += _content(path)
                path.unlink()
            except OSError:
                continue

    def _pass_on(self, now: float) -> None:
        try:
            del self._typed[: os.write(self._master, self._typed)]
        except OSError:
            pass  # it reads too slowly, or has closed its terminal
        self._heard = self._spoken = now
        self._tell(Waiting())

    # ── size ──

    def _take_size(self) -> None:
        try:
            info = os.stat(self._run.terminal_size)
        except OSError:
            return
        if (info.st_ino, info.st_mtime_ns) != self._sized:
            self._sized = (info.st_ino, info.st_mtime_ns)
            self._resize(read_object(self._run.terminal_size))

    def _resize(self, size: dict[str, Any]) -> None:
        """The kernel tells the program (SIGWINCH), if this is another size."""
        columns, rows = size.get("columns"), size.get("rows")
        if isinstance(columns, int) and isinstance(rows, int) and 0 < columns < 10_000 and 0 < rows < 10_000:
            fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    # ── does it wait? ──

    def _tell_waiting(self, pid: int, now: float) -> None:
        """Asks a program that is silent; output takes the answer back at once."""
        silent = now - self._heard
        if silent < SILENT_S:
            self._tell(Waiting())
        elif now >= self._ask:
            self._ask = now + ASK_S
            self._tell(waiting(pid, self._theirs, self._device, self._tail, silent))

    def _tell(self, state: Waiting) -> None:
        if state == self._told:
            return
        try:
            replace(self._run.terminal_state, state.__dict__)
            self._told = state
        except OSError:
            pass  # disk full: said again at the next look


def _content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return os.read(descriptor, MOST_TYPED_BYTES)
    finally:
        os.close(descriptor)
