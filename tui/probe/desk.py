"""The background thread: writes what the probe says, reads what people ask. No torch operation happens in it.

Between it and the thread that trains stand two deques and a few plain attributes; locks only begin and end it.
"""

from __future__ import annotations

import _thread
import os
import time
from collections import deque
from pathlib import Path
from typing import Any, Callable, Optional

from ..run import events
from ..run.directory import RunDirectory
from ..run.events import BadRecord, Command, Live, Presence
from ..run.journal import Follower, Journal, create
from ..run.live import replace_bytes

POLL_S = 0.02
RANKS_POLL_S = 0.1
"""While nobody looks, and other ranks may wait for an answer."""
IDLE_POLL_S = 0.25
"""While nobody looks, nor has asked for anything lately."""
REST_S = 0.1
"""A fork waits about so long at most for the thread to end."""
FRESH_S = 5.0
"""A viewer counts as looking when its presence changed within this time of our own clock."""


MOST_SAID = 5_000
"""Events that wait for the background thread, should the disk not answer it; then the oldest are given up."""
MOST_FAULTS = 20
"""Requests of one writer that are answered although they cannot be read."""
LONGEST_REQUEST = 100_000
"""Bytes. A longer line in control/ is no command."""


class Request:
    """A command and who wrote it."""

    def __init__(self, writer: str, command: Optional[Command], fault: str = "") -> None:
        """command: None only wakes the training thread. fault: why it cannot be carried out, whatever it says."""
        self.writer = writer
        self.command = command
        self.fault = fault


class Desk:
    """One stream's files. Methods without an underscore are for the training thread, unless they say otherwise."""

    def __init__(self, run: RunDirectory, stream: int) -> None:
        self.run = run
        self.stream = stream
        self.requests: deque[Request] = deque()
        self.wish = Presence()
        """What the newest fresh viewer of this stream looks at."""
        self.looking = False
        """Does anybody look at this stream?"""
        self.last_look = time.monotonic()
        """When somebody last looked at this run, at whichever stream."""
        self.looks = 0
        """How often it was looked who does."""
        self.resume_wanted = False
        """A viewer could not write its command and left the word `resume` instead."""
        self._word = (0, 0)
        """The word `resume` that was heard last: its inode, and when it was written."""
        self.gone: Optional[str] = None
        """Why the run directory can no longer be read, or None."""
        self.bad_lines = 0
        self.journal = Journal(run.events_file(stream))
        self._kept = False
        self._stays = False
        self.trainer = 0
        """The thread that trains."""
        self.chores: list[Callable[[], None]] = []
        """What else is to be done in the background, at every poll."""
        self._said: deque[Any] = deque(maxlen=MOST_SAID)
        self._live: Optional[Live] = None
        self._followers: dict[str, Follower] = {}
        self._faults: dict[str, int] = {}
        self._beats: dict[str, tuple[bytes, float, Optional[Presence]]] = {}
        """Of each viewer: what it wrote last, when that came, and what it says (None: not to be read)."""
        self._lively_until = 0.0
        """Until then somebody may ask for more, in seconds of time.monotonic()."""
        self._company = False
        """Does anybody look at this run?"""
        self._stop = False
        self.resting = True
        """There is no background thread: it has not begun, or ended because the process was about to fork."""
        self._at_work = _thread.allocate_lock()
        """Held by the background thread as long as it runs."""
        self._bell = _thread.allocate_lock()
        """Released to end its sleep."""
        self._native = 0
        """Its number in the operating system."""
        self.urgent = False

    @property
    def pause_stays(self) -> bool:
        """Whoever asked for the pause said so or has no viewer, or the last viewer left on purpose while paused."""
        return self._kept or self._stays

    # ── for the training thread ──

    def start(self) -> None:
        """Begins to work, unless that is so already. Not with `threading`: a program that counts its threads, or waits
        for all of them, is to find its own only.

        Raises:
            RuntimeError: no thread can be had.
        """
        if not self.resting or self._stop or not self._at_work.acquire(blocking=False):
            return
        try:
            self._bell.acquire(blocking=False)
            self.resting = False
            _thread.start_new_thread(self._work, ())
        except BaseException:  # also what a signal handler raises
            self.resting = True
            self._leave()
            raise

    def rest(self) -> None:
        """The process is about to fork: the thread ends, and `start` is to be called again some time behind it. So it
        is in the middle of nothing, and Python (3.12 and later) finds as many threads as the program has itself, and
        does not warn of ours. In any thread."""
        if self.resting:
            return
        self.resting = True
        self._ring()
        end = time.monotonic() + REST_S
        if not self._at_work.acquire(timeout=REST_S):
            return  # the disk does not answer
        try:
            while os.path.exists(f"/proc/self/task/{self._native}") and time.monotonic() < end:
                time.sleep(0)  # its last few instructions
        finally:
            self._at_work.release()

    def mine(self) -> bool:
        """Is this the thread that trains?"""
        return self.trainer == _thread.get_ident()

    def say(self, event: Any, urgent: bool = False) -> None:
        """Queues one event; `urgent` ones are written within one poll."""
        self._said.append(event)
        if urgent:
            self.urgent = True

    def show(self, live: Live) -> None:
        """The newest snapshot; the one before it is forgotten if it was not written yet."""
        self._live = live

    @property
    def closed(self) -> bool:
        """Was everything said?"""
        return self._stop

    def close(self) -> None:
        """At the end of the process: everything that waits is written now."""
        self._stop = True
        self._ring()
        self._at_work.acquire(timeout=1.0)
        self.resting = True
        self._flush()
        self._write_live()

    def skip_old_requests(self) -> None:
        """A process that starts to train late does not obey what was asked of the ones before it."""
        for name, path in self._control_files():
            try:
                self._followers[name] = Follower(path, os.stat(path).st_size)
                self._followers[name].LONGEST = LONGEST_REQUEST
            except OSError:
                continue

    # ── in the background ──

    def _ring(self) -> None:
        try:
            self._bell.release()
        except RuntimeError:
            pass  # it rings already

    def _work(self) -> None:
        self._native = _thread.get_native_id()
        try:
            self._serve()
            if not self._stop:
                self._flush()  # it may be long before the next moment of training
        except Exception as error:
            self.gone = f"{type(error).__name__}: {error}"
        finally:
            self._leave()

    def _leave(self) -> None:
        try:
            self._at_work.release()
        except RuntimeError:
            pass  # it never began

    def _serve(self) -> None:
        last_flush = last_look = 0.0
        self._lively_until = time.monotonic() + FRESH_S
        while not (self._stop or self.resting):
            now = time.monotonic()
            try:
                self._read_control()
                for chore in self.chores:
                    chore()
                if now - last_look >= 0.25:
                    last_look = now
                    self._see_who_looks(now)
                if self.urgent or now - last_flush >= 0.1:
                    self.urgent = False
                    last_flush = now
                    self._flush()
                self._write_live()
            except Exception as error:  # a fault here must not leave training held
                self.gone = f"{type(error).__name__}: {error}"
            self._bell.acquire(timeout=self._pause_s())

    def _pause_s(self) -> float:
        if self._company or time.monotonic() < self._lively_until:
            return POLL_S
        return RANKS_POLL_S if self.chores else IDLE_POLL_S

    def _flush(self) -> None:
        while self._said:
            try:
                self.journal.add(events.encode(self._said.popleft()))
            except (ValueError, TypeError):
                self.bad_lines += 1
        failing = self.journal.failing
        if self.journal.flush():
            if failing is not None:
                self.say(events.Warning(text=f"recording went on after a gap ({self.journal.lost} lines lost)"))
            if self.gone and self.run.path.is_dir():
                self.gone = None
        elif not self.run.path.is_dir():
            self.gone = "the run directory is gone"

    def _write_live(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            try:
                replace_bytes(self.run.live_file(self.stream), events.encode_bare(live))
            except (OSError, ValueError, TypeError):
                pass  # a picture is droppable

    def _control_files(self) -> list[tuple[str, Path]]:
        try:
            names = sorted(os.listdir(self.run.control))
        except OSError:
            if not self.run.path.is_dir():
                self.gone = "the run directory is gone"
            else:
                self.gone = "its control folder cannot be read"
            return []
        return [(name, self.run.control / name) for name in names if name.endswith(".jsonl")]

    def _read_control(self) -> None:
        for name, path in self._control_files():
            follower = self._followers.get(name)
            if follower is None:
                follower = self._followers[name] = Follower(path)
                follower.LONGEST = LONGEST_REQUEST
            for line in follower.lines():
                self._lively_until = time.monotonic() + FRESH_S
                if len(line) > LONGEST_REQUEST:
                    self.bad_lines += 1
                    continue
                fault = ""
                try:
                    command, stream = events.decode_request(line)
                except BadRecord:
                    wanted = events.faulty_request(line)
                    if wanted is None:
                        self.bad_lines += 1
                        continue
                    command, stream, fault = wanted
                if stream is not None and stream != self.stream:
                    continue  # for another training of the same run
                writer = name[: -len(".jsonl")]
                if fault:
                    told = self._faults[writer] = self._faults.get(writer, 0) + 1
                    if told <= MOST_FAULTS:
                        self.requests.append(Request(writer, command, fault))
                    else:
                        self.bad_lines += 1
                    continue
                if isinstance(command, events.Pause):
                    self._kept = command.keep or not self._views(writer)
                elif isinstance(command, (events.Step, events.Phase)):
                    self._kept = self._kept or not self._views(writer)
                elif isinstance(command, events.Resume):
                    self._kept = False
                self.requests.append(Request(writer, command))

    def _views(self, writer: str) -> bool:
        """Has this writer of commands a viewer?"""
        return writer in self._beats or (self.run.viewers / f"{writer}.json").exists()

    def _see_who_looks(self, now: float) -> None:
        self.looks += 1
        try:
            names = os.listdir(self.run.viewers)
        except OSError:
            names = []
        newest: tuple[float, Optional[Presence]] = (-1.0, None)
        looking = company = False
        for name in names:
            if name == "resume":
                self._hear_the_word(self.run.viewers / name)
                continue
            if not name.endswith(".json"):
                continue
            try:
                content = (self.run.viewers / name).read_bytes()[:100_000]
            except OSError:
                continue
            writer = name[: -len(".json")]
            known = self._beats.get(writer)
            if known is None or known[0] != content:
                self._beats[writer] = known = (content, now, _presence(content))
            _, since, presence = known
            if now - since > FRESH_S:
                continue
            company = True
            if presence is None or presence.stream in (None, self.stream):
                looking = True
                if presence is not None and since >= newest[0]:
                    newest = since, presence
        if newest[1] is not None:
            self.wish = newest[1]
            self._stays = self.wish.stays
        came, self.looking, self._company = looking and not self.looking, looking, company
        if came:
            self.requests.append(Request("", None))  # training is to notice
        if company:
            self.last_look = now

    def _hear_the_word(self, path: Path) -> None:
        """Once, each time that it is written: it stays where it is."""
        try:
            found = os.stat(path)
        except OSError:
            return
        word = (found.st_ino, found.st_mtime_ns)
        if word != self._word:
            self._word, self.resume_wanted = word, True


def _presence(content: bytes) -> Optional[Presence]:
    try:
        return events.decode_presence(content)
    except BadRecord:
        return None


def claim(run: RunDirectory) -> int:
    """Makes the next free event file of the run and returns its number. Raises OSError."""
    number = 0
    while not create(run.events_file(number)):
        number += 1
        if number > 100_000:
            raise OSError("too many streams")
    return number
