"""What a person did to a run, as it took effect; and doing the same again, at the same updates."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Optional

from ..run.events import BadRecord, Did, decode_event

BEFORE = ("rate",)
AFTER = ("undo", "back", "stop")


class Tape:
    """Interventions that are still to be repeated, in their order."""

    def __init__(self, deeds: list[Did]) -> None:
        self._deeds = deque(deed for deed in deeds if deed.do in (*BEFORE, *AFTER))

    def __len__(self) -> int:
        return len(self._deeds)

    @property
    def takes_back(self) -> bool:
        """Is an update taken back somewhere, so that updates have to be kept?"""
        return any(deed.do == "undo" for deed in self._deeds)

    def before(self, step: int) -> Optional[Did]:
        """What comes next, if it takes effect with the update of this number."""
        return self._next(BEFORE, step)

    def after(self, step: int) -> Optional[Did]:
        """What comes next, if it was done when so many updates had been made."""
        return self._next(AFTER, step)

    def _next(self, kinds: tuple[str, ...], step: int) -> Optional[Did]:
        if self._deeds and self._deeds[0].do in kinds and self._deeds[0].step == step:
            return self._deeds.popleft()
        return None


def read_tape(path: str) -> Tape:
    """The tape in a file of events, one a line; other events and damaged lines are passed over. Raises OSError."""
    deeds = []
    for line in Path(path).read_bytes().splitlines():
        if b'"did"' not in line:
            continue
        try:
            event = decode_event(line)
        except BadRecord:
            continue
        if isinstance(event, Did):
            deeds.append(event)
    return Tape(deeds)


def tape_of_this_process() -> Optional[Tape]:
    """The tape that the run was started with, if any; a file that is none counts as none."""
    path = os.environ.get("BACKLIT_TAPE")
    if not path:
        return None
    try:
        return read_tape(path)
    except OSError:
        return None
