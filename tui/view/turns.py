"""Notices that another stream is shown, and that others have begun, and says so. No widget."""

from __future__ import annotations

from dataclasses import dataclass

from ..history.source import Source
from ..history.streams import Stream


@dataclass
class Turn:
    """What is new about the streams of a run."""

    turned: bool = False
    """Another stream is shown than before."""
    said: str = ""
    """Which one, as the end of a sentence; empty where it was chosen, or is another rank of the same training."""
    others: list[Stream] | None = None
    """What has begun, is not shown and is not another rank of what is shown."""


class Turns:
    """Remembers what was shown and what was known at the last look."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._shown: int | None = source.shown
        self._known = {one.number for one in source.streams.all if one.start is not None}

    def look(self) -> Turn:
        """What is new since the last look."""
        source = self._source
        before, self._shown = self._shown, source.shown
        turn = Turn(before is not None and before != self._shown)
        began = [one for one in source.streams.all if one.start is not None and one.number not in self._known]
        if not began and not turn.turned:
            return turn
        ranks = {one.number for one in source.ranks()}
        if turn.turned and not source.by_hand and before not in ranks and source.shown is not None:
            turn.said = source.streams.turned(source.shown)
        self._known |= {one.number for one in began}
        turn.others = [one for one in began if one.number not in ranks]
        return turn
