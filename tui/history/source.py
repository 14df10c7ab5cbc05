"""Follows a run that goes on, or reads one that ended: files in, `RunState` out.

Of a long journal the end is read first, so that a screen can be drawn at once; then the whole, a piece at a time.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Optional

from ..run import events
from ..run.directory import Exit, RunDirectory
from ..run.events import BadRecord
from ..run.journal import Follower
from ..run.live import Latest
from ..run.reach import ignores_environment
from ..run.waiting import Waiting, decode_waiting
from .output import Output
from .state import RunState
from .streams import Stream, Streams

LOOK_S = 0.25
"""Between two looks at how the run stands."""
SETTLED_S = 1.0
"""For so long the end of a training may be the end of the run: the exit status follows at once then."""


class Source:
    """One run as it is being read. `poll` takes in what is new; `state` and the rest is what is known.

    Of a run with several streams one is read: `stream`, or what `Streams.choose` says for as long as nobody chooses.
    """

    TAIL_BYTES = 400_000
    """A journal longer than twice this is read from its end first."""
    SLICE_S = 0.04
    """How long one poll may read of what lies behind."""

    def __init__(self, run: RunDirectory, stream: Optional[int] = None) -> None:
        self.run = run
        self.about = run.about()
        self.state = RunState()
        self.output = Output(run.output_file)
        self.waiting = Waiting()
        """Whether a program with a terminal of its own waits for input."""
        self._waiting = Latest(run.terminal_state)
        self.exit: Optional[Exit] = None
        self.alive: Optional[bool] = True
        self.bad_lines = 0
        self.catching_up = False
        self.streams = Streams(run)
        self.shown: Optional[int] = None
        """The number of the stream that is read; None while there is none."""
        self.by_hand = stream is not None
        """Somebody chose the stream: no other takes its place by itself."""
        self._wanted = stream
        self._left_held: set[int] = set()
        self._follower: Optional[Follower] = None
        self._latest: Optional[Latest] = None
        self._behind: Optional[tuple[Follower, RunState]] = None
        self._bad_in_tail = 0
        self._next_look = 0.0
        self._heard = time.monotonic()

    @property
    def status(self) -> str:
        """starting, running, paused, finished, stopped, failed, lost."""
        if self.exit is not None:
            if self.state.stop_asked and (self.exit.code != 0 or self.state.ended):
                return "stopped"
            return "finished" if self.exit.code == 0 else "failed"
        if self.alive is False:
            return "lost"
        if self.state.held and not self.ended:
            return "paused"
        return "running" if self.state.start is not None else "starting"

    @property
    def unseen(self) -> str:
        """Why there is nothing to be seen of a training, where none has begun."""
        if ignores_environment([str(word) for word in self.about.get("command", [])]):
            return "Python was told to ignore its environment (-E or -I), with which the probe comes"
        return "no optimizer made an update that could be seen"

    @property
    def over(self) -> bool:
        """Nothing will change any more."""
        return self.exit is not None or self.alive is False

    @property
    def ended(self) -> bool:
        """The training that is shown is over, and the run goes on."""
        one = self.streams.get(self.shown)
        return one is not None and one.over and not self.over and time.monotonic() - one.noticed >= SETTLED_S

    @property
    def holds(self) -> bool:
        """Training is held: that which is shown, or another one since it was shown."""
        left = [self.streams.get(number) for number in self._left_held]
        return self.state.held or any(one is not None and not one.over for one in left)

    def ranks(self) -> list[Stream]:
        """The streams that are one training together with the one that is shown; empty while none is."""
        one = self.streams.get(self.shown)
        return self.streams.mates(one) if one is not None else []

    def poll(self) -> bool:
        """Reads what is new; True if anything changed. Never raises for what a file holds."""
        changed = self._look()
        if self._follower is not None:
            for line in self._follower.lines():
                changed = self._take(self.state, line) or changed
            changed = self._catch_up() or changed
        if self._latest is not None:
            content = self._latest.read()
            if content is not None:
                changed = self._see(content) or changed
        changed = self.output.poll() or changed
        said = self._waiting.read()
        if said is not None:
            self.waiting, changed = decode_waiting(said), True
        if changed:
            self._heard = time.monotonic()
        return changed

    def show(self, number: int) -> None:
        """Somebody chooses a stream. Choosing the one that is shown by itself leaves it to `Streams.choose` again."""
        self.by_hand = number != self.streams.choose(None)
        self._wanted = number
        self._read(number)

    def silent_s(self) -> float:
        """How long nothing has been heard from the run: all that another host's viewer can say."""
        return time.monotonic() - self._heard

    def _look(self) -> bool:
        """How the run stands, which streams it has, and which of them is to be read: four times a second at most, and
        at once when the first stream begins. Before what is new is read: the last look comes before the last lines."""
        if self.exit is not None:
            return False
        now = time.monotonic()
        begins = self.shown is None and self.run.events_file(0).exists()
        if now < self._next_look and not begins:
            return False
        self._next_look = now + LOOK_S
        before = (self.exit, self.alive)
        self.alive = self.run.alive()  # first: a program that ends between the two is not lost
        self.exit = self.run.exit()
        if not self.about.get("pid"):
            self.about = self.run.about() or self.about
        self.streams.here = self.alive is not None
        changed = self.streams.look(self.shown, run_over=self.over)
        number = self._wanted if self.by_hand else self.streams.choose(self.shown)
        if number is not None and self.streams.get(number) is not None:
            changed = self._read(number) or changed
        return changed or before != (self.exit, self.alive)

    def _read(self, number: int) -> bool:
        """Reads this stream from now on; True if it was another before."""
        if self._follower is not None and number == self.shown:
            return False
        if self.shown is not None and self.state.held:
            self._left_held.add(self.shown)
        self._left_held.discard(number)
        self.shown, self.state = number, RunState()
        self._follower, self._behind, self.catching_up, self._bad_in_tail = None, None, False, 0
        path = self.run.events_file(number)
        self._latest = Latest(self.run.live_file(number))
        try:
            size = os.stat(path).st_size
        except OSError:
            return False
        if size <= 2 * self.TAIL_BYTES:
            self._follower = Follower(path)
            return True
        whole = Follower(path)
        whole.MOST = 1 << 18
        self._behind = (whole, RunState())
        self.catching_up = True
        head = Follower(path)
        head.MOST = self.TAIL_BYTES
        for line in head.lines()[:50]:
            if b'"k":"start"' in line or b'"k":"model"' in line or b'"k":"metric"' in line:
                self._take(self.state, line)
        self._follower = Follower(path, self._line_start(path, size - self.TAIL_BYTES))
        return True

    def _catch_up(self) -> bool:
        """Reads on in the whole journal; when it has caught up, its state replaces the tail's."""
        if self._behind is None or self._follower is None:
            return False
        whole, state = self._behind
        deadline = time.monotonic() + self.SLICE_S
        while True:
            for line in whole.lines():
                self._take(state, line)
            if whole.offset >= self._follower.offset:  # the two are at the same line
                self._replace(state, whole)
                return True
            if time.monotonic() >= deadline:
                return False

    def _replace(self, state: RunState, whole: Follower) -> None:
        """What the whole journal says takes the place of what its tail said."""
        live = self.state.live
        self.state = state
        if live is not None:
            state.see(live)
        whole.MOST = Follower.MOST
        self._follower = whole
        self._behind, self.catching_up = None, False
        self.bad_lines -= self._bad_in_tail

    def _take(self, state: RunState, line: bytes) -> bool:
        try:
            event = events.decode_event(line)
        except BadRecord:
            self.bad_lines += 1
            if self._behind is not None and state is self.state:
                self._bad_in_tail += 1  # the whole journal will show it once more
            following = line.find(b'{"k":', 1)  # where the end of a line was damaged, the next one is still whole
            return following > 0 and self._take(state, line[following:])
        state.apply(event)
        return True

    @staticmethod
    def _line_start(path: Path, offset: int) -> int:
        """Where the first whole line after `offset` begins."""
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                file.readline()
                return file.tell()
        except OSError:
            return offset

    def _see(self, content: bytes) -> bool:
        try:
            self.state.see(events.decode_live(content))
        except BadRecord:
            self.bad_lines += 1
            return False
        return True
