"""The viewer's own files in a run: the commands it writes, and its presence. No widget."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..run import events
from ..run.directory import RunDirectory, replace_bytes
from ..run.events import Command, Presence
from ..run.journal import append_line


@dataclass
class Looks:
    """What the viewer looks at: see `Presence`."""

    tensor: int = -1
    mode: str = "change"
    rows: int = 0
    columns: int = 0
    first: int = 0
    open: list[str] = field(default_factory=list)  # noqa: A003
    sample: int = 0
    stream: int | None = None


class ViewerDesk:
    """One viewer's name and its two files."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        host = "".join(letter for letter in platform.node() if letter.isalnum() or letter == "-")[:32] or "host"
        self.name = f"{host}-{os.getpid()}-{secrets.token_hex(3)}"
        self._count = 0
        self._beat = 0
        self._told: Looks | None = None
        self._next = 0.0

    def new_id(self) -> str:
        self._count += 1
        return f"{self.name}.{self._count}"

    def command(self, command: Command, streams: Sequence[int | None] = (None,)) -> None:
        """Appends one request, a line for each stream that it is for; None: for all. Raises OSError when it cannot be
        written."""
        lines = b"".join(events.encode_request(command, stream) for stream in streams)
        append_line(self.run.control / f"{self.name}.jsonl", lines)

    def look(self, looks: Looks, now: float) -> None:
        """Renews the presence once a second, and at once when something else is looked at."""
        if looks == self._told and now < self._next:
            return
        self._told, self._next = Looks(**looks.__dict__), now + 1.0
        self._beat += 1
        self._write(Presence(self._beat, **looks.__dict__))

    def _write(self, presence: Presence) -> None:
        with contextlib.suppress(OSError):  # a run that cannot be written to can still be looked at
            replace_bytes(self.run.viewers / f"{self.name}.json", events.encode_bare(presence))

    def leave(self, pause_stays: bool) -> None:
        """Takes the presence away. With `pause_stays` a pause is to outlive this viewer: that is said first."""
        if pause_stays:
            self._beat += 1
            self._write(Presence(self._beat, stays=True))
            deadline = time.monotonic() + 0.6
            while time.monotonic() < deadline:  # the probe looks four times a second
                time.sleep(0.05)
        with contextlib.suppress(OSError):
            (self.run.viewers / f"{self.name}.json").unlink()

    def ask_to_resume(self) -> bool:
        """The disk takes no command: the presence file itself becomes the word `resume`. Renaming needs no room."""
        try:
            os.rename(self.run.viewers / f"{self.name}.json", self.run.viewers / "resume")
        except OSError:
            return False
        return True
