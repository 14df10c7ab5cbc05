"""The streams of a run: each process that trains writes one. What is known of those that are not shown is how they
began and whether they are over; which one is shown when nobody has chosen is decided here.
"""

from __future__ import annotations

import bisect
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Optional

from ..run import events
from ..run.directory import RunDirectory, process_start
from ..run.events import BadRecord, End, Start

AT_ONCE = 40
"""Of the streams that are not shown so many are asked at one look whether they are over, in turn."""
QUIET_S = 3.0
"""A stream whose process was never seen counts as over when nothing was written for so long: a process may live where
its number means nothing here, in a container."""
LONGEST_START = 1 << 18
"""Bytes. A longer first line is none."""
CLOCK_S = 60.0
"""A process that began so much later than its stream is another one, which was given the same number."""


@dataclass
class Stream:
    """One training process of a run."""

    number: int
    """That of its files."""
    start: Optional[Start] = None
    """None while its first line is not there."""
    over: bool = False
    """It said that it ended, or its process is gone."""
    noticed: float = 0.0
    """When that was noticed, on the monotonic clock."""
    process: Optional[str] = None
    """When its process began, as the system counts it, once it was seen alive."""

    @property
    def rank(self) -> int:
        return self.start.rank if self.start is not None else 0

    @property
    def script(self) -> str:
        """What a person calls the program: train.py."""
        argv = self.start.argv if self.start is not None else []
        path = PurePath(argv[0]) if argv else PurePath()
        if path.name == "__main__.py":
            return path.parent.name
        return {"": "program", "-c": "python -c", "-": "python -"}.get(path.name, path.name)

    @property
    def place(self) -> list[str]:
        """Which process of one training it is: rank, restart; empty for a training of one process."""
        start = self.start
        if start is None:
            return []
        words = [f"rank {start.rank}/{start.world}"] if start.world > 1 else []
        return [*words, f"restart {start.restart}"] if start.restart else words

    @property
    def name(self) -> str:
        """train.py · rank 1/2"""
        return " · ".join([self.script, *self.place])

    @property
    def arguments(self) -> list[str]:
        return self.start.argv[1:] if self.start is not None else []


class Streams:
    """All streams of one run, in the order in which they began."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.all: list[Stream] = []
        self.here = True
        """The processes of this run are processes of this machine."""
        self._known: dict[int, Stream] = {}
        self._ends: dict[int, float] = {}
        self._newest_of: dict[int, int] = {}
        """The newest stream of each process id."""
        self._turn = 0

    def __len__(self) -> int:
        return len(self.all)

    def get(self, number: Optional[int]) -> Optional[Stream]:
        return self._known.get(number) if number is not None else None

    def at(self, number: int) -> int:
        """Its place among the streams, from 1."""
        return bisect.bisect_right(self.all, number, key=lambda one: one.number)

    # ── looking ──

    def look(self, shown: Optional[int], run_over: bool = False) -> bool:
        """Looks at the directory; True if there is anything new. Never raises for what a file holds.

        Args:
            shown: the stream that is certain to be asked whether it is over.
            run_over: all are over, whatever they say.
        """
        now = time.monotonic()
        before = [(one.start, one.over) for one in self.all]
        for number in self.run.streams():
            if number not in self._known:
                self._known[number] = Stream(number)
        if len(self._known) != len(self.all):
            self.all = [self._known[number] for number in sorted(self._known)]
        for one in self.all:
            if one.start is None:
                one.start = self._first_line(one.number)
                if one.start is not None:
                    self._newest_of[one.start.pid] = max(one.number, self._newest_of.get(one.start.pid, 0))
        for one in self.all if run_over else self._asked(shown):
            if not one.over and (run_over or self._is_over(one)):
                one.over, one.noticed = True, now
        return [(one.start, one.over) for one in self.all] != before

    def _asked(self, shown: Optional[int]) -> Iterator[Stream]:
        """The streams to ask now: the one that is shown, and some of the others."""
        others = [one for one in self.all if not one.over and one.number != shown]
        one = self.get(shown)
        if one is not None:
            yield one
        first = self._turn % len(others) if others else 0
        self._turn = first + AT_ONCE if first + AT_ONCE < len(others) else 0
        yield from others[first : first + AT_ONCE]

    def _first_line(self, number: int) -> Optional[Start]:
        try:
            with open(self.run.events_file(number), "rb") as file:
                line = file.readline(LONGEST_START)
            event = events.decode_event(line) if line.endswith(b"\n") else None
        except (OSError, BadRecord):
            return None
        return event if isinstance(event, Start) else None

    def _is_over(self, one: Stream) -> bool:
        if one.start is not None and self._newest_of[one.start.pid] > one.number:
            return True  # the process has put another program in its own place
        if one.start is not None and self.here:
            began = process_start(one.start.pid)
            if began is not None and began == (one.process or began) and _is_of(began, one.start):
                one.process = began
                return False
        if self._said_end(one.number) is not None:
            return True
        if one.start is None or not self.here or len(self.all) == 1:  # of a single stream the run itself tells soon
            return False
        return one.process is not None or time.time() - self._written(one.number) > QUIET_S

    def _said_end(self, number: int) -> Optional[float]:
        """When it ended, in seconds since its start, if it said so with its last line."""
        try:
            with open(self.run.events_file(number), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 256))
                lines = file.read(256).splitlines(keepends=True)
            event = events.decode_event(lines[-1]) if lines and lines[-1].endswith(b"\n") else None
        except (OSError, BadRecord):
            return None
        return event.t if isinstance(event, End) else None

    def _written(self, number: int) -> float:
        """Unix time at which it last wrote anything."""
        newest = 0.0
        for path in (self.run.events_file(number), self.run.live_file(number)):
            try:
                newest = max(newest, os.stat(path).st_mtime)
            except OSError:
                continue
        return newest

    def _end_of(self, one: Stream) -> float:
        """Unix time of its last sign of life, it being over."""
        end = self._ends.get(one.number)
        if end is None:
            said = self._said_end(one.number)
            end = one.start.time + said if one.start and said is not None else self._written(one.number)
            self._ends[one.number] = end
        return end

    # ── which one ──

    def mates(self, one: Stream) -> list[Stream]:
        """The ranks of the same training, `one` among them; just `one` where a training is one process."""
        start = one.start
        if start is None or start.world <= 1:
            return [one]
        return [
            other
            for other in self.all
            if other.start is not None
            and (other.start.world, other.start.restart, other.start.argv) == (start.world, start.restart, start.argv)
            and (not one.over or other.start.time <= self._end_of(one))
            and (not other.over or start.time <= self._end_of(other))
        ]

    def choose(self, shown: Optional[int]) -> Optional[int]:
        """The stream to show when nobody has chosen one: it stays with a training until that is over and another one
        has begun since; of the ranks of a training it is the lowest that lives. None: there is no stream."""
        if not self.all:
            return None
        here = self.get(shown)
        if here is None:
            living = [one for one in self.all if not one.over]
            here = min(living, key=_by_rank) if living else self.all[0]
        while here.over:
            newer = self._after(here)
            if newer is None:
                break
            here = newer
        return min((one for one in self.mates(here) if one.over == here.over), key=_by_rank, default=here).number

    def _after(self, one: Stream) -> Optional[Stream]:
        """What began since this one is over: one that lives, if there is one."""
        end = self._end_of(one)

        def newer(other: Stream) -> bool:
            return other.number > one.number and other.start is not None and other.start.time >= end

        living = [other for other in self.all if not other.over and newer(other)]
        return min(living, key=_by_rank) if living else next(filter(newer, self.all[self.at(one.number) :]), None)

    # ── words ──

    def title(self, number: int) -> str:
        """2: eval.py; where there is but one: train.py"""
        one = self.get(number)
        if one is None:
            return ""
        return f"{self.at(number)}: {one.name}" if len(self.all) > 1 else one.name

    def turned(self, number: int) -> str:
        """How to say that this one is shown from now on."""
        one = self._known[number]
        if one.start is not None and one.start.restart:
            return f"turned to restart {one.start.restart} of {one.script}"
        nth = 1 + sum(1 for other in self.all if other.number < number and other.rank == one.rank)
        return f"turned to the {ordinal(nth)} training: {one.script}"


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def ordinal(number: int) -> str:
    """second, 11th, 22nd"""
    if 1 <= number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _by_rank(one: Stream) -> tuple[int, int]:
    return one.rank, one.number


def _is_of(began: str, start: Start) -> bool:
    """Can a process that began then, in clock ticks since the machine did, have written this stream?"""
    if not began.isdigit() or not hasattr(time, "CLOCK_BOOTTIME"):
        return True
    machine = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return machine + int(began) / os.sysconf("SC_CLK_TCK") <= start.time + CLOCK_S
