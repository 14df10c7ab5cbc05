"""Append-only lines: a writer that never blocks or raises, and a reader that tolerates what it finds.

Knows bytes and lines; what a line means is `events.py`'s business.
"""

from __future__ import annotations

import errno
import math
import os
from collections import deque
from pathlib import Path
from typing import Optional

MOST_WAITING_BYTES = 8_000_000
"""Kept in memory while the disk refuses them; then the oldest lines are given up."""

AT_ONCE_BYTES = 1 << 20
"""Written with one call, so that a disk with some room left takes what it can."""


class Journal:
    """Appends lines to one file, from one thread.

    The file is opened, written and closed at every flush, so the process keeps no descriptor: a program that closes
    them all (daemons do) would otherwise have its own next file receive our line.
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
        self._waiting_bytes = 0

    def add(self, line: bytes) -> None:
        """Queues one line (its newline included)."""
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        while self._waiting_bytes > MOST_WAITING_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft())
            self.lost += 1

    def flush(self) -> bool:
        """Writes what waits. False when the disk refused: it is kept and tried again at the next call."""
        while self._waiting:
            lines, size = [self._waiting.popleft()], 0
            size = len(lines[0])
            while self._waiting and size + len(self._waiting[0]) <= AT_ONCE_BYTES:
                lines.append(self._waiting.popleft())
                size += len(lines[-1])
            try:
                _append(self.path, b"".join(lines), os.O_WRONLY | os.O_APPEND)
            except OSError as error:
                self.failing = error
                self._waiting.extendleft(reversed(lines))
                return False
            self.failing = None
            self._waiting_bytes -= size
            self.bytes += size
        return True


def create(path: Path) -> bool:
    """Makes the file if nobody has; False when somebody had. Raises OSError for any other reason."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except FileExistsError:
        return False
    return True


def append_line(path: Path, line: bytes) -> None:
    """Appends one line to a file of ours, made if absent. Raises OSError."""
    _append(path, line, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _append(path: Path, content: bytes, flags: int) -> None:
    """One write. One cut short (disk full) is taken back, so that no line is left half in the file. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        if os.write(descriptor, content) < len(content):
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, "no space left for a whole line")
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
        """Where the next line begins: what is read and not yet a whole line is read again, since a writer whose disk
        is full takes half a line back."""
        self._seen = (-1, 0)

    def lines(self) -> list[bytes]:
        """The next whole lines, without their newlines; empty when nothing new is there or the file is gone."""
        try:
            with open(self.path, "rb") as file:
                info = os.fstat(file.fileno())
                if info.st_size < self.offset:  # replaced by a shorter file: begin again
                    self.offset = 0
                if info.st_size == self.offset or (info.st_size, info.st_mtime_ns) == self._seen:
                    return []
                file.seek(self.offset)
                content = file.read(self.MOST)
                end = content.rfind(b"\n") + 1
                while end == 0 and len(content) < self.LONGEST:
                    more = file.read(self.MOST)
                    if not more:
                        self._seen = (info.st_size, info.st_mtime_ns)
                        return []
                    found = more.rfind(b"\n") + 1
                    end = len(content) + found if found else 0
                    content += more
        except OSError:
            return []
        self.offset += end or len(content)
        return [line for line in content[:end].split(b"\n") if line.strip()]


class SparserWithAge:
    """How many bytes records may come to at a given age, so that a week of training stays small.

    allowed(t) = start · (1 + ln(1 + t/knee)): everything is recorded at first, then one record ever more seldom.
    A week is 7.9 times the start: 51 MB of ticks and 4 MB of what the program logs; the promise is 60 MB.
    """

    KNEE_S = 600.0

    def __init__(self, start_bytes: int = 6_500_000) -> None:
        self.start_bytes = start_bytes

    def allows(self, age_s: float, written_bytes: int) -> bool:
        """May another record be written?"""
        return written_bytes < self.start_bytes * (1.0 + math.log1p(max(0.0, age_s) / self.KNEE_S))
