"""The file that holds only the newest of something: written whole, read when it changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from .directory import replace_bytes

__all__ = ["Latest", "replace_bytes"]


class Latest:
    """Reads a file when it is another than the last time."""

    LARGEST = 1 << 24

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] = (0, 0, 0)

    def read(self) -> Optional[bytes]:
        """The content if the file has changed since the last call, else None."""
        try:
            info = os.stat(self.path)
            now = (info.st_ino, info.st_mtime_ns, info.st_size)
            if now == self._seen or info.st_size > self.LARGEST:
                return None
            content = self.path.read_bytes()
        except OSError:
            return None
        self._seen = now
        return content
