"""Append-only lines: a writer that never blocks or raises, and a reader that tolerates what it finds.

Knows bytes and lines; what a line means is `events.py`'s business.
"""

from __future__ import annotations

import math
import os
from collections import deque
from pathlib import Path
from typing import Optional

MOST_WAITING = 20_000
"""Lines kept in memory while the disk refuses them; then the oldest are given up."""


class Journal:
    """Appends lines to one file. `add` is for the thread that trains; `flush` for one background thread.

    Between them stands a deque and nothing else: no lock that the training thread could wait for. The file is opened,
    written once and closed at every flush, so the process keeps no descriptor: a program that closes them all
    (daemons do) would otherwise have its own next file receive our line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0
        """Bytes written so far."""
        self.lost = 0
        """Lines given up because the disk refused them."""
        self.failing: Optional[OSError] = None
        """Why the last flush failed, or None."""
        self._waiting: deque[bytes] = deque()

    def add(self, line: bytes) -> None:
        """Queues one line (its newline included)."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(line)

    def flush(self) -> bool:
        """Writes what waits. False when the disk refused: it is kept and tried again at the next call."""
        lines: list[bytes] = []
        while True:
            try:
                lines.append(self._waiting.popleft())
            except IndexError:
                break
        if not lines:
            return self.failing is None
        try:
            self._append(b"".join(lines))
        except OSError as error:
            self.failing = error
            self._waiting.extendleft(reversed(lines))
            return False
        self.failing = None
        return True

    def _append(self, content: bytes) -> None:
        """One write. A write cut short (disk full) is taken back, so that no line is left half in the file."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            before = os.fstat(descriptor).st_size
            written = os.write(descriptor, content)
            if written < len(content):
                os.ftruncate(descriptor, before)
                raise OSError(28, "no space left for a whole line")
            self.bytes += written
        finally:
            os.close(descriptor)


def create(path: Path) -> bool:
    """Makes the file if nobody has; False when somebody had. Raises OSError for any other reason."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except FileExistsError:
        return False
    return True


def append_line(path: Path, line: bytes) -> None:
    """Appends one line to a file of ours, made if absent. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.write(descriptor, line) < len(line):
            raise OSError(28, "no space left for a whole line")
    finally:
        os.close(descriptor)


class Follower:
    """Reads the whole lines that have come since the last call. A last line without its newline is waited for."""

    MOST = 1 << 22
    """Bytes read at one call, so that a reader of a long file can do other things in between."""

    LONGEST = 1 << 26
    """A line longer than this is no line of ours and is passed over."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self._rest = b""

    def lines(self) -> list[bytes]:
        """The next whole lines, without their newlines; empty when nothing new is there or the file is gone."""
        try:
            with open(self.path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self.offset:  # replaced by a shorter file: begin again
                    self.offset, self._rest = 0, b""
                if size == self.offset:
                    return []
                file.seek(self.offset)
                content = file.read(self.MOST)
        except OSError:
            return []
        self.offset += len(content)
        lines = (self._rest + content).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > self.LONGEST:
            self._rest = b""
        return [line for line in lines if line.strip()]


class SparserWithAge:
    """How many bytes a journal may hold at a given age, so that a week of training stays small.

    allowed(t) = start · (1 + ln(1 + t/knee)): everything is recorded at first, then one record ever more seldom.
    With the values below a week comes to 7 MB · (1 + ln(1 + 1008)) = 55 MB; the promise is 60 MB.
    """

    START_BYTES = 7_000_000
    KNEE_S = 600.0

    def allows(self, age_s: float, written_bytes: int) -> bool:
        """May another record be written?"""
        return written_bytes < self.START_BYTES * (1.0 + math.log1p(max(0.0, age_s) / self.KNEE_S))
