"""Steering several ranks of one job: all of them stop between the same two steps, outside any collective, or none does.

No collective of ours is run: each rank appends lines to a file of its own in the run directory and follows the others'.
Rank 0 leads: it alone takes what people ask. It announces `hold S`: nobody passes the update after step S. A rank that
has not got so far answers `will`, one that has answers `missed`. At S each writes `at` and waits. When every rank that
has not ended is there, rank 0 writes `go` and all of them carry the same requests out; on any `missed`, or when they
are not complete in time, it writes `drop`, all are released, nothing is applied, and it tries again with twice the
margin. All ranks wait in the same hook, right before the update: by then gradients have been reduced.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from ..run import events
from ..run.directory import RunDirectory
from ..run.events import BadRecord
from ..run.journal import Follower, append_line
from .desk import Desk, Request
from .gate import SLEEP_S

if TYPE_CHECKING:
    from .steering import Steering

PATIENCE_S = 20.0
"""How long rank 0 waits for the others at a step, and for the others to appear at all."""
MARGIN_S = 0.3
"""The step announced lies about this far ahead: the others read it within a tenth of a second."""
TRIES = 4
TIMEOUT_SHARE = 0.8
"""A pause ends when it has lasted this share of the process group's time-out."""
WAITS_S = 60.0
"""A rank that is not the first waits at a step so long, and three more steps, for the word to go on."""
ALONE = (events.TryWeight, events.Survey, events.Rewind)
"""What needs passes of the model of its own, where a pass may be a collective, or weights that each rank keeps of its
own."""


def place_in_job() -> tuple[int, int]:
    """(rank, world size) of this process in its torch.distributed job; (0, 1) where it is in none."""
    dist: Any = sys.modules.get("torch.distributed")
    try:
        if dist is not None and dist.is_available() and dist.is_initialized():
            return int(dist.get_rank()), int(dist.get_world_size())
    except Exception:  # a build without it, a group that was taken down
        pass
    return 0, 1


def timeout_s() -> float:
    """Seconds after which the default process group gives up a collective: as its backend says, else half an hour."""
    try:
        group: Any = sys.modules["torch.distributed.distributed_c10d"]._get_default_group()
        options = [group._get_backend(device).options for device in group._device_types]
        return min(float(one._timeout.total_seconds()) for one in options)
    except Exception:  # private names of another version
        return 1800.0


class Hold:
    """A step at which all ranks are to wait, and what is to be done there."""

    def __init__(self, number: int, step: int, requests: list[Request]) -> None:
        self.number, self.step, self.requests = number, step, requests
        self.at: set[int] = set()
        self.missed = False
        self.said_at = False
        self.verdict = ""
        """"go" or "drop", once rank 0 has said it."""
        self.until = math.inf
        """When this rank gives up, in time.monotonic()."""


class Ranks:
    """This process among the ranks of its job. `listen` runs in the background thread, all else where training runs."""

    def __init__(self, run: RunDirectory, rank: int, world: int, step: Callable[[], int]) -> None:
        self.rank, self.world = rank, world
        self._step = step
        # the ranks of one job are started by one process, also those of a second job in the same run
        restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self._folder: Path = run.path / "ranks" / f"{os.getppid()}-{restart}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._began = time.monotonic()
        self._followers: dict[int, Follower] = {}
        self._ended: set[int] = set()
        self._hold: Optional[Hold] = None
        self._coming: deque[Hold] = deque()
        """Announced while the one before was still to be carried out here. Only the background touches it."""
        self._held = False
        self._asked: list[Request] = []
        self._number = 0
        self._tries = 0
        self._held_since: Optional[float] = None
        self._timeout_s = timeout_s()
        self._ask_later: Callable[[Request], None] = lambda request: None
        self._say({"join": rank})

    def begin(self, desk: Desk) -> None:
        """Training begins: from now on the others are listened to."""
        self._ask_later = desk.requests.append
        desk.chores.append(self.listen)

    def end(self) -> None:
        """This rank trains no more."""
        self._say({"end": self.rank})

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @property
    def calm(self) -> bool:
        """Is there no step to wait at, and nothing asked?"""
        return self._hold is None and not (self._asked or self._coming)

    # ── in the background ──

    def listen(self) -> None:
        """Reads what the other ranks have written."""
        for rank in range(self.world):
            if rank == self.rank:
                continue
            follower = self._followers.get(rank)
            if follower is None:
                path = self._folder / f"{rank}.jsonl"
                if not path.exists():
                    continue
                follower = self._followers[rank] = Follower(path)
            for line in follower.lines():
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if isinstance(said, dict):
                    self._hear(rank, said)
        if self._coming and self._hold is None:
            self._take_up(self._coming.popleft())

    def _hear(self, rank: int, said: dict[str, Any]) -> None:
        known = [one for one in (self._hold, *self._coming) if one is not None]
        hold = next((one for one in known if one.number == said.get("number")), None)
        if "end" in said:
            self._ended.add(rank)
        elif "hold" in said and rank == 0:
            self._announced(said)
        elif "refused" in said and rank == 0:
            self._refused(said)
        elif hold is not None:
            if "at" in said:
                hold.at.add(rank)
            elif "missed" in said:
                hold.missed = True
            elif "verdict" in said and rank == 0:
                hold.verdict = str(said["verdict"])

    def _announced(self, said: dict[str, Any]) -> None:
        """Rank 0 means to hold all ranks at a step."""
        requests = []
        for line in said.get("commands", ()):
            try:
                requests.append(Request(str(said.get("writer", "")), events.decode_command(str(line).encode())))
            except BadRecord:
                continue
        self._coming.append(Hold(int(said["number"]), int(said["hold"]), requests))

    def _take_up(self, hold: Hold) -> None:
        """First it is set, then looked where training is: from then on the training thread cannot pass that step
        unseen."""
        if hold.verdict:
            return  # given up meanwhile
        self._hold = hold
        self._ask_later(Request("", None))
        step = self._step()
        coming = step < hold.step or (step == hold.step and self._held)
        self._say({"will" if coming else "missed": hold.step, "number": hold.number})
        if not coming:
            hold.missed = True  # for the training thread, should it stand right there
            self._hold = None

    def _refused(self, said: dict[str, Any]) -> None:
        try:
            command = events.decode_command(str(said.get("command")).encode())
        except BadRecord:
            return
        self._ask_later(Request(str(said.get("writer", "")), command, str(said["refused"])))

    # ── where training runs ──

    def attend(self, steering: Steering, desk: Desk) -> None:
        """Between two steps, and all the while as training is held."""
        while desk.requests:
            request = desk.requests.popleft()
            if request.command is None:
                continue
            if request.fault:  # to each rank its own: the others read the same file
                steering.orders.answer(request, refused=request.fault)
            elif self.leads:
                self._ask(steering, request)
        self._held = steering.gate.held
        if self._held:
            self._watch_the_time(steering)
        else:
            self._held_since = None
        if self.leads and self._hold is None and self._asked:
            self._announce(steering)
        if self._held and self._hold is not None and self._hold.step == self._step():
            self._settle(steering)

    def wait_here(self, steering: Steering, desk: Desk) -> None:
        """Right before an update: waits for the others if this is the step at which all are to wait. Runs unguarded:
        what a signal handler of the program raises passes straight through."""
        self.attend(steering, desk)
        while self._hold is not None and self._hold.step <= self._step():
            steering.wake_background(desk)
            if self._settle(steering) or desk.gone:
                break
            time.sleep(SLEEP_S)
        if desk.gone:
            self._hold = None

    def _ask(self, steering: Steering, request: Request) -> None:
        command = request.command
        if isinstance(command, ALONE):
            steering.orders.answer(request, refused="not while several ranks train together")
        elif isinstance(command, events.Break) and command.when == "loss":
            why = "each rank has a loss of its own: one of them alone would be held"
            steering.orders.answer(request, refused=why)
        else:
            self._asked.append(request)

    def _announce(self, steering: Steering) -> None:
        seen = len(self._followers) + 1
        if seen < self.world:
            if time.monotonic() - self._began > PATIENCE_S:
                self._refuse(steering, f"the job has {self.world} ranks and only {seen} of them can be seen from here")
            return
        step = self._step()
        if not steering.gate.held:
            speed = steering.speed or 1.0
            step += max(2, math.ceil(speed * MARGIN_S)) << self._tries
        self._number += 1
        lines = [events.encode(request.command).decode() for request in self._asked]
        hold = Hold(self._number, step, self._asked)
        hold.until = time.monotonic() + PATIENCE_S + (step - self._step()) / max(0.01, steering.speed or 1.0)
        self._hold, self._asked = hold, []
        self._say({"hold": step, "number": hold.number, "commands": lines, "writer": hold.requests[0].writer})

    def _settle(self, steering: Steering) -> bool:
        """At the step of the hold: says so, and when all are there, or cannot be, goes on. True when it is over."""
        hold = self._hold
        if hold is None:
            return True
        if hold.step < self._step() or (hold.missed and not self.leads):
            self._hold = None  # said already: missed
            return True
        if not hold.said_at:
            hold.said_at = True
            self._say({"at": hold.step, "number": hold.number})
            if not self.leads:
                hold.until = time.monotonic() + WAITS_S + 3 / max(0.01, steering.speed or 1.0)
        if self.leads:
            others = set(range(1, self.world)) - self._ended
            if others <= hold.at and not hold.missed:
                hold.verdict = "go"
            elif hold.missed or time.monotonic() > hold.until:
                hold.verdict = "drop"
            if hold.verdict:
                self._say({"verdict": hold.verdict, "number": hold.number})
        elif not hold.verdict and (0 in self._ended or time.monotonic() > hold.until):
            hold.verdict = "drop"  # whoever was to say it is gone
        if not hold.verdict:
            return False
        self._hold = None
        if hold.verdict == "go":
            self._tries = 0
            for request in hold.requests:
                steering.carry_out(request)
        elif self.leads:
            self._try_again(steering, hold)
        return True

    def _try_again(self, steering: Steering, hold: Hold) -> None:
        self._tries += 1
        self._asked = [*hold.requests, *self._asked]
        if self._tries >= TRIES:
            missing = sorted(set(range(1, self.world)) - self._ended - hold.at)
            words = f"rank {', '.join(map(str, missing))}" if missing else "one of them"
            self._refuse(steering, f"the ranks could not be stopped at one step ({words} did not come)")

    def _refuse(self, steering: Steering, why: str) -> None:
        asked, self._asked, self._tries = self._asked, [], 0
        for request in asked:
            steering.orders.answer(request, refused=why)
            if request.command is not None:  # whoever looks at another rank is to read it, too
                line = events.encode(request.command).decode()
                self._say({"refused": why, "command": line, "writer": request.writer})

    def _watch_the_time(self, steering: Steering) -> None:
        """The longest that a pause may last where a process group waits."""
        now = time.monotonic()
        if self._held_since is None:
            self._held_since = now
        if now - self._held_since > TIMEOUT_SHARE * self._timeout_s:
            self._held_since = None
            steering.let_go(f"the process group's time-out of {self._timeout_s:,.0f} s comes near")

    def _say(self, what: dict[str, Any]) -> None:
        try:
            append_line(self._folder / f"{self.rank}.jsonl", json.dumps(what).encode() + b"\n")
        except OSError:
            pass  # the others wait in vain, and give up
