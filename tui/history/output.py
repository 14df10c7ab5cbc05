"""The program's output as lines: follows output.log and keeps the last of it, colours included."""

from __future__ import annotations

import codecs
import os
import re
from collections import deque
from pathlib import Path

from .screenlines import Row, Screen

_LINE_END = re.compile(rb"[\r\n]")


class Output:
    """Follows output.log. What is more than can be shown is passed over, for its end."""

    MOST = 2000
    TAIL_BYTES = 400_000

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = 0
        """Changes with every change of the lines."""
        self._offset = 0
        self._begin()

    def _begin(self, number: int = 0) -> None:
        self._screen = Screen(self.MOST, number)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def rows(self) -> deque[Row]:
        """The last lines, the newest last. Those near the end can still change."""
        return self._screen.rows

    @property
    def first(self) -> int:
        """The number of rows[0], counted from the first line that was read."""
        return self._screen.first

    @property
    def end(self) -> int:
        """The number that the next line will have."""
        return self._screen.end

    @property
    def lines(self) -> list[str]:
        """The rows as text alone."""
        return [row.text for row in self.rows]

    def poll(self) -> bool:
        """Reads what is new; True if anything was."""
        try:
            with open(self.path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._offset:
                    self._begin()
                    self._offset = 0
                behind = size - self._offset > self.TAIL_BYTES
                if behind:
                    self._begin(self._screen.end)
                    self._offset = size - self.TAIL_BYTES
                if size == self._offset:
                    return False
                file.seek(self._offset)
                content = file.read(self.TAIL_BYTES)
        except OSError:
            return False
        self._offset += len(content)
        if behind:
            content = content[_first_line(content) :]
        self._screen.feed(self._decoder.decode(content))
        self.version += 1
        return True

    def last(self) -> str:
        """The newest line that says anything."""
        return next((row.text for row in reversed(self.rows) if row.text.strip()), "")


def _first_line(content: bytes) -> int:
    """Where the first line begins of which nothing is missing; 0 when there is none."""
    found = _LINE_END.search(content)
    return found.end() if found else 0
