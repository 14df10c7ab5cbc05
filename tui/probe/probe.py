"""The probe of one process: torch's moments on one side, measuring and steering on the other.

A process that never trains leaves no trace. The first moment of training claims a stream; from then on every moment
passes through `Probe`. Each measurement is guarded: a fault of ours becomes one warning and is switched off. The gate
waits outside all guards, so that what a signal handler raises reaches the program untouched.
"""

from __future__ import annotations

import atexit
import os
import platform
import random
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

import torch

from ..run import events
from ..run.directory import RunDirectory
from . import hooks
from .by_hand import WAIT_PASSES, ByHand
from .desk import Desk, claim
from .dial import Dial
from .frames import is_foreign
from .gate import Gate
from .loggers import Loggers, install
from .modes import beside
from .nesting import stacked
from .optimizers import searches
from .quiet import Quiet
from .ranks import Ranks, place_in_job
from .recorder import Recorder
from .steering import Steering
from .tape import tape_of_this_process
from .tree import find_optimizers

QUICK = 50.0
"""Steps per second. Where they are slower, the hook before an update costs nothing that counts, and stays in place: a
request is not to wait for one more of them. Unless there are many optimizers: four times as many updates do count."""

_probe: Optional[Probe] = None


def begin(run_path: str) -> None:
    """Installs the hooks for this process. Called by the injector right after torch was imported."""
    global _probe
    seed = os.environ.get("BACKLIT_SEED")
    if seed:  # asked for with --seed; nothing else here ever touches a random generator
        random.seed(int(seed))
        torch.manual_seed(int(seed))
    _probe = Probe(RunDirectory(Path(run_path)))
    hooks.install(_probe)
    _probe.loggers = install(_probe)
    # a forked child has no thread, no stream and nothing to say; if it trains, it starts afresh
    os.register_at_fork(before=_probe.rest, after_in_child=_probe.forget)


def log_metrics(values: dict[str, Any]) -> None:
    """What `tui.log` calls."""
    if _probe is not None:
        _probe.guard("the log", _probe.log, values)


class Probe:
    """Everything the probe knows of this process. The public methods are the moments that `hooks` announces."""

    def __init__(self, run: RunDirectory, quiet: Optional[Quiet] = None) -> None:
        """quiet: the one that the hooks hold already."""
        self._run = run
        self._first_forward: Any = None
        self._hold_at_start = bool(os.environ.get("BACKLIT_HOLD"))
        self._over = False
        """The process is at its end."""
        self.begins_afresh: Callable[[], None] = lambda: None
        self.loggers: Optional[Loggers] = None
        """The doors of what the program logs with."""
        self.quiet = quiet or Quiet()
        self.forget()

    def forget(self) -> None:
        """The state of a process that has not trained yet: at first, in a forked child, and when all is over."""
        environment = os.environ.get
        self._beginning = threading.Lock()
        """Held from the first moment of training on."""
        self._thread: Optional[int] = None
        self._desk: Optional[Desk] = None
        self._off: set[str] = set()
        self._told = False
        self._unsaid: list[str] = []
        """Warnings from before there was a stream."""
        self._raised: Optional[BaseException] = None
        """What a signal handler raised while the process was about to fork."""
        self._hold_first = self._hold_at_start
        dial = Dial()
        gate = Gate(self._attend, _positive(environment("BACKLIT_SPEED")), bool(environment("BACKLIT_OPENING")))
        self.recorder = Recorder(gate, dial, self.guard)
        self.steering = Steering(self._run, self.recorder, gate, dial, self.guard, self._warn)
        self.steering.wakes = self._wake
        self._cost = self.recorder.cost
        self._summary = self.recorder.summary
        self._optimizers = self.recorder.optimizers
        rate = _positive(environment("BACKLIT_RATE"))
        if rate is not None:
            dial.set(None, rate)
        if self._first_forward is not None:
            self._first_forward.remove()
        self._first_forward = register_first_forward(self) if self._hold_first else None
        self._inside: Optional[weakref.ReferenceType[Any]] = None
        """The optimizer in whose step forward and backward run, while that step is looked at."""
        self._by_hand: Optional[ByHand] = None
        """What is watched where no optimizer makes the updates."""
        self._hollow = 0
        """The id of an optimizer whose closures do not run backward: some libraries pass one always."""
        self._announced = 0
        """The id of the optimizer whose step began last, if more than counting was done there."""
        self._passes = 0
        """Backward passes before the first update."""
        self.quiet.__init__()  # type: ignore[misc]
        self.quiet.in_hand = self._summary.losses.in_hand_now
        self.quiet.spend = self._cost.spend
        self.quiet.summary = self._summary
        self.quiet.new_epoch = self.recorder.new_epoch
        self.quiet.fault = self._fault
        self.begins_afresh()
        self.walking = True
        """The phases of a step are followed: somebody may hold at them, or their order is not known yet."""

    def rest(self) -> None:
        """The process is about to fork. The background thread comes back with the next batch, update or hold. What a
        signal handler raises here Python would drop: it is raised then, too."""
        desk = self._desk
        if desk is not None:
            try:
                desk.rest()
            except BaseException as error:
                self._raised = error
            self.quiet.until = 0.0

    def _back(self, desk: Desk) -> None:
        """The first moment behind a fork."""
        self.guard("the background", desk.start)
        error, self._raised = self._raised, None
        if error is not None:
            raise error

    # ── guarding ──

    def guard(self, what: str, function: Callable[..., None], *args: Any) -> None:
        """Runs a piece of ours. A fault of its own switches it off with one warning; an exception that came from the
        program (one of its signal handlers ran meanwhile) goes on its way."""
        if what in self._off:
            return
        began = time.perf_counter()
        try:
            function(*args)
        except Exception as error:
            self._fault(what, error)
        self._cost.spend(time.perf_counter() - began)

    def _fault(self, what: str, error: Exception) -> None:
        """For `except` blocks only: see `guard`."""
        if is_foreign(error):
            raise error
        self._off.add(what)
        self.quiet.until = 0.0
        self._warn(f"{what}: no longer watched ({type(error).__name__}: {error})")

    def _warn(self, text: str) -> None:
        if self._desk is None:
            self._unsaid.append(text)  # the program's own output is not the place for it
            return
        self._desk.say(events.Warning(self.recorder.now(), self._summary.step, text), urgent=True)
        if self._desk.gone:
            self._tell(text)

    def _tell(self, text: str) -> None:
        """On standard error, once in the life of the process: where nothing can be recorded."""
        if not self._told:
            self._told = True
            try:
                sys.stderr.write(f"backlit: {text}\n")
            except Exception:
                pass

    def _mine(self) -> bool:
        """Is this the thread that trains?"""
        return self._thread == threading.get_ident()

    # ── the moments ──

    @beside
    def batch(self, iterator: Any, data: Any, waited_s: float = 0.0) -> None:
        """A loader yielded, after the program had waited for it so long."""
        if self._thread is not None and not self._mine():
            return
        self.guard("the loader", self._summary.loaded, iterator, data, waited_s)
        gaze = self.recorder.gaze
        if gaze.feeds is not None and self.recorder.looking:
            self.guard("the batches", gaze.feeds, data)
        if self._desk is not None:
            if self._desk.resting:
                self._back(self._desk)
            if self.walking:
                self.recorder.phases.passed("batch")
        elif self._hold_first:
            self.hold_first()

    @beside
    def hold_first(self) -> None:
        """The first batch is there, or the first forward pass begins: whoever started the run wants to be asked."""
        if not self._hold_first or self._desk is not None:
            return
        self.guard("the start", self._claim, None)
        if self.steering.gate.pausing:
            self.steering.gate.pausing = False
            self.steering.hold("start")

    @beside
    def loss(self, loss: torch.Tensor) -> None:
        """The outermost backward begins."""
        if self._desk is not None and self._thread != threading.get_ident():
            return
        if self._desk is None or self._by_hand is not None:
            self._without_optimizer(loss)
        if self.recorder.loss_name is None:
            self.guard("the kind of loss", self.recorder.name_loss, loss)
        if "the loss" not in self._off:
            began = time.perf_counter()
            try:
                self._summary.losses.add(loss)
            except Exception as error:
                self._fault("the loss", error)
            self._cost.spend(time.perf_counter() - began)
        if self.walking and self._desk is not None:
            gaze, tree = self.recorder.gaze, self.recorder.tree
            if gaze.open and tree is not None:
                gaze.judged(tree, loss)
            self.steering.pass_phase("loss")

    def clips(self) -> bool:
        """Is it time to look at gradients that are about to be clipped entry by entry?"""
        return self._desk is not None and self._mine() and self._summary.clips.pace.due(time.perf_counter())

    @beside
    def clipped(self, size: torch.Tensor, limit: Any) -> None:
        """Gradients of this norm are being brought down to a limit."""
        if self._desk is None or self._thread == threading.get_ident():
            self._summary.clips.add(self._summary.step, size, limit)

    @beside
    def clipped_entries(self, gradients: list[torch.Tensor], limit: Any) -> None:
        """The entries of these gradients are about to be brought down to a limit."""
        self.guard("the clipping", self._summary.clips.look, self._summary.step, gradients, limit)

    @beside
    def gradients(self) -> None:
        """The outermost backward ended."""
        if not self.walking:
            return
        if self._desk is None:
            if self._by_hand is not None:
                self.guard("updates by hand", self._by_hand.ended)
            return
        if not self._mine():
            return
        self.steering.pass_phase("backward")
        if self._by_hand is not None:
            self._before_update(self._by_hand)
            self.guard("updates by hand", self._by_hand.ended)
            return
        inside = self._inside() if self._inside is not None else None
        if inside is not None and not searches(inside):
            self._inside = None  # once a step
            self._before_update(inside)

    @beside
    def before_step(self, optimizer: Any, inside: bool = False) -> None:
        """An optimizer is about to update: gradients are there, weights have not moved.

        Args:
            inside: it was given a closure: forward and backward run inside its step, gradients are still to come.
        """
        self.quiet.stepped = True
        desk = self._desk
        if desk is None:
            self.guard("the start", self._claim, optimizer)
            self._cost.restart()  # finding the model is paid once; what is shown is what watching goes on costing
            desk = self._desk
            if desk is None:
                return
        if self._thread != threading.get_ident():
            return
        if desk.resting:
            self._back(desk)
        now = time.perf_counter()
        if now < self.quiet.until and not desk.requests and self._optimizers.counts(optimizer):
            return
        self.quiet.until = 0.0
        self._announced = id(optimizer)
        self._by_hand = None
        self.guard("the optimizers", self._meet, optimizer)
        self.steering.dial.settle()
        if not inside or self._hollow == id(optimizer):
            self._before_update(optimizer)
            return
        self._inside, self.walking = weakref.ref(optimizer), True
        self._attend_here(optimizer)
        if searches(optimizer):
            self.guard("the weights", self.recorder.before_search, optimizer)
            self.steering.before_search(optimizer, self._optimizers.counts(optimizer))
        else:
            self.steering.turn(optimizer)  # the closure may look at the rate; what is asked meanwhile turns it again

    def _before_update(self, optimizer: Any) -> None:
        """Gradients are there, weights have not moved, and something may be due."""
        first = self._optimizers.counts(optimizer)
        self._attend_here(optimizer)
        self.guard("the gradients", self.recorder.measure, optimizer)
        self.steering.before_update(optimizer, first)

    def _attend_here(self, optimizer: Any) -> None:
        """Takes what was asked; several ranks wait for each other here."""
        steering, desk = self.steering, self._desk
        if steering.ranks is not None and desk is not None and self._optimizers.counts(optimizer):
            if desk.requests or not steering.ranks.calm:
                self._wake()
                steering.ranks.wait_here(steering, desk)
        elif desk is not None and desk.requests:
            self._attend()

    @beside
    def after_step(self, optimizer: Any) -> None:
        """An optimizer has updated: weights have moved."""
        quiet, recorder, steering = self.quiet, self.recorder, self.steering
        quiet.stepped = True
        if self._desk is None or self._thread != threading.get_ident():
            return
        if self._desk.resting:
            self._back(self._desk)
        if quiet.updates:
            self._optimizers.made(quiet.updates)
            quiet.updates = 0
        if recorder.gaze.follows is not None and recorder.looking:
            self.guard("the path", recorder.gaze.follows)
        announced, self._announced = self._announced == id(optimizer), 0
        if not announced and self._optimizers.is_news(optimizer):
            self.guard("the optimizers", self._meet, optimizer)  # it came while the hook before the update was away
        first = self._optimizers.counts(optimizer) and not self._skips(optimizer)
        searched = searches(optimizer)
        if self._inside is not None and not searched:
            self._hollow = id(optimizer)
        self._inside = None
        if searched:
            self._summary.losses.searches = True
            self._attend_here(optimizer)  # what was asked while it searched is held at its end
            self.guard("the gradients", recorder.measure, optimizer, True)
        self.guard("the rate", steering.dial.turn_back, optimizer)
        self.guard("the step", recorder.stepped, optimizer, first)
        if not first:
            return
        steering.updated()
        if recorder.gaze.open and recorder.tree is not None:
            recorder.gaze.after_update(recorder.tree, optimizer)
        steering.after_update(optimizer, searched)
        steering.pass_phase("update")
        steering.gate.slow_down()
        self.guard("the outputs", recorder.expose, steering.forward_done)
        self.guard("the pace", self._look_ahead, optimizer)
        steering.stop_if_asked()

    @beside
    def scaled(self, optimizer: Any, found: Sequence[torch.Tensor]) -> None:
        """A GradScaler has stepped an optimizer, or has not because gradients were not finite.

        Args:
            found: for an optimizer that looks for itself: whether they were not (above 0), for each device.
        """
        updated, self.quiet.stepped = self.quiet.stepped, False
        if self._thread == threading.get_ident() and self._optimizers.counts(optimizer):
            self.guard("skipped steps", self._summary.scaled, updated, found)

    @staticmethod
    def _skips(optimizer: Any) -> bool:
        """Has an optimizer that works with a GradScaler found gradients that are not finite, and updated nothing? On a
        GPU only the device knows: there it counts as a step, and `scaled` hears of it later."""
        found = getattr(optimizer, "found_inf", None)
        return isinstance(found, torch.Tensor) and found.is_cpu and bool(found.item())

    @beside
    def zeroed(self, optimizer: Any) -> None:
        """The gradients were cleared."""
        if self.walking and self._desk is not None and self._mine():
            self.steering.pass_phase("zero_grad")

    def _attend(self) -> None:
        self.steering.attend()

    def _wake(self) -> None:
        """Something was asked: from now on nothing is skipped until there is nothing to do again."""
        self.quiet.until, self.walking = 0.0, True

    def _look_ahead(self, optimizer: Any) -> None:
        """Until when there will be nothing to do, unless somebody asks for something."""
        recorder = self.recorder
        calm = self.steering.calm
        until = recorder.quiet_until() if calm else None
        self.walking = (
            until is None or not recorder.phases.order or recorder.pictures.exposed or self._by_hand is not None
        )
        if self.walking or until is None or self._summary.readouts or self._off:
            self.quiet.until = 0.0
            return
        speed, requests, there = self.steering.speed, self.quiet.requests, self._optimizers.in_use()
        slow = speed is None or (speed < QUICK and speed * len(there) < 4 * QUICK)
        if slow or requests or searches(optimizer):
            self.quiet.until = 0.0
            return
        if recorder.gaze.follows is None and until > time.perf_counter() and not any(map(stacked, there)):
            others = [one for one in there if one is not optimizer]
            self.quiet.begin(until, recorder.measures_at(until), optimizer, others)
        else:
            self.quiet.until = 0.0

    # ── updates by hand ──

    def _without_optimizer(self, loss: torch.Tensor) -> None:
        """A backward pass begins, and no optimizer has made an update so far."""
        moved: list[bool] = []

        def look() -> None:
            if self._passes == 0:
                self._by_hand = ByHand()
            elif self._passes & (self._passes - 1) == 0 and self._desk is None and find_optimizers():
                self._by_hand = None  # it is about to be used
            self._passes += 1
            if self._by_hand is not None:
                moved.append(self._by_hand.begins(loss))

        self.guard("updates by hand", look)
        by_hand = self._by_hand
        if by_hand is None or not moved:
            return
        counted = moved[0] or bool(self.recorder.counts)
        if self._desk is None:
            if not counted and by_hand.passes <= WAIT_PASSES:
                return
            self.recorder.counts = "" if moved[0] else "backward passes"
            self.guard("the start", self._claim, by_hand)
            self._cost.restart()
        if self.recorder.counts and moved[0]:
            self.recorder.counts = ""
            self.guard("the model", self.recorder.say_model)
        if counted:
            self.after_step(by_hand)

    # ── beginning and end ──

    def _claim(self, optimizer: Any) -> None:
        """The first moment of training: a stream of our own, and what is being trained."""
        if self._over or not self._beginning.acquire(blocking=False):
            return  # another thread begins to train at this very moment
        if self.loggers is not None:
            self.loggers.look()
        number = claim(self._run)
        rank, world = place_in_job()
        restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "")
        desk = Desk(self._run, number)
        if number >= world or rank > 0:  # ranks of one job begin in any order, and the first of them leads
            desk.skip_old_requests()
        # who trains first is held, not those after it one by one, and no rank that others wait for
        self.steering.gate.pausing = self._hold_first and number == 0 and world == 1
        self._hold_first = False
        if self._first_forward is not None:
            self._first_forward.remove()
            self._first_forward = None
        self._thread = desk.trainer = threading.get_ident()
        self.recorder.begin(desk)
        desk.say(
            events.Start(
                time=time.time(),
                pid=os.getpid(),
                python=platform.python_version(),
                torch=torch.__version__,
                argv=list(getattr(sys, "argv", [])),
                rank=rank,
                world=world,
                threads=torch.get_num_threads(),
                restart=int(restart) if restart.isdecimal() else 0,
            )
        )
        self.quiet.requests = desk.requests
        ranks = Ranks(self._run, rank, world, lambda: self._summary.step) if world > 1 else None
        if ranks is not None:
            ranks.begin(desk)
        # a run with several trainings has one tape, of its first; ranks of one job do the same together
        self.steering.begin(ranks, tape_of_this_process() if number == 0 or world > 1 else None)
        desk.start()
        self._desk = desk
        while self._unsaid:
            self._warn(self._unsaid.pop(0))
        _at_exit(self._end, os.getpid())
        for one in [optimizer] if optimizer is not None else find_optimizers():
            self._meet(one)
        self.recorder.logbook.pass_on(0.0, desk.say)

    def _meet(self, optimizer: Any) -> None:
        """Takes in that an optimizer is about to update."""
        self.recorder.meet(optimizer)
        counts, there = self._optimizers.counts(optimizer), self._optimizers.in_use()
        self.quiet.alone = id(optimizer) if counts and len(there) == 1 and not searches(optimizer) else 0
        if counts:
            self.steering.meets(optimizer)

    @beside
    def _end(self, opened_by: int) -> None:
        """At the end of the process that opened the stream, and nowhere else: the last tick, the last picture."""
        desk = self._desk
        if desk is None or desk.closed or os.getpid() != opened_by:
            return
        try:
            if self.quiet.updates:
                self.recorder.rate_used = self.quiet.rate
            if self._by_hand is not None and self._by_hand.last_moved():
                self.guard("the step", self.recorder.stepped, self._by_hand, True)
            self.guard("the tape", self._tape_ends)
            self.recorder.logbook.pass_on_all(desk.say)
            self.guard("the end", self.recorder.end)
            if self.steering.ranks is not None:
                self.steering.ranks.end()
            desk.say(events.End(self.recorder.now(), self._summary.step))
            desk.close()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Everything of the program's that is still held on to. Python takes a program down by dropping what nothing
        refers to: what we refer to, and all that this leads to, would not be finalized, no file of its be flushed."""
        self._hold_at_start = False
        self._over = True  # training that goes on now (at exit, in other threads) is not watched
        self.forget()

    def _tape_ends(self) -> None:
        left = self.steering.tape
        if left:
            self._warn(f"{len(left)} of the tape's entries never came: training ended before them")

    # ── what the program logs ──

    @beside
    def log(self, values: dict[str, Any]) -> None:
        """Numbers given to `tui.log`."""
        self.recorder.log(values, self._thread is None or self._mine())

    def logged(self, numbers: Callable[..., dict[str, Any]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A library that the program logs with is about to be given numbers: `numbers` finds them in the arguments."""
        self.guard("what the program logs", self._hear, numbers, args, kwargs)

    @beside
    def _hear(self, numbers: Callable[..., dict[str, Any]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            values = numbers(*args, **kwargs)
        except (TypeError, ValueError, AttributeError):
            return  # the library will say what is wrong with these arguments
        if values:
            self.recorder.hear(values, self._thread is None or self._mine())


def _at_exit(function: Callable[[int], None], pid: int) -> None:
    """Calls it at the end of this process. A process that multiprocessing has forked runs its own finalizers only."""
    atexit.register(function, pid)
    processes: Any = sys.modules.get("multiprocessing.process")
    if processes is not None and processes.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, function, args=(pid,), exitpriority=100)


def register_first_forward(probe: Probe) -> Any:
    """A global hook until training begins: a loop without a loader is to be held before its first forward pass."""
    from torch.nn.modules.module import register_module_forward_pre_hook

    def begins(module: torch.nn.Module, inputs: Any) -> None:
        if torch.is_grad_enabled() and not hooks.bystander() and find_optimizers():
            probe.hold_first()

    return register_module_forward_pre_hook(begins)


def _positive(text: Optional[str]) -> Optional[float]:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
