"""The program's output as lines: what a terminal would show of it, without its colours."""

from __future__ import annotations

import os
import re
from collections import deque
from pathlib import Path

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Output:
    """Follows output.log and keeps the last lines. A carriage return begins the line anew, as progress bars mean it."""

    MOST = 2000
    TAIL_BYTES = 400_000

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: deque[str] = deque(maxlen=self.MOST)
        self.version = 0
        """Changes with every change of `lines`."""
        self._offset = -1
        self._open = b""

    def poll(self) -> bool:
        """Reads what is new; True if anything was."""
        try:
            with open(self.path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if self._offset < 0:
                    self._offset = max(0, size - self.TAIL_BYTES)
                if size < self._offset:
                    self._offset, self._open = 0, b""
                if size == self._offset:
                    return False
                file.seek(self._offset)
                content = file.read(self.TAIL_BYTES)
        except OSError:
            return False
        self._offset += len(content)
        had_open = bool(self._open)
        parts = (self._open + content).split(b"\n")
        self._open = parts.pop()[-20_000:]
        if had_open and self.lines:
            self.lines.pop()
        for part in parts:
            self.lines.append(_clean(part))
        if self._open:
            self.lines.append(_clean(self._open))
        self.version += 1
        return True

    def last(self) -> str:
        """The newest line that says anything."""
        return next((line for line in reversed(self.lines) if line.strip()), "")


def _clean(raw: bytes) -> str:
    text = _ESCAPES.sub("", raw.decode("utf-8", "replace"))
    text = text.rstrip("\r")
    text = text[text.rfind("\r") + 1 :]
    return _CONTROL.sub("", text.expandtabs(8))[:2000]
