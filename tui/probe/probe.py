"""The probe of one process: wires hooks, measurements, gate and dial to one run directory.

A process that never trains leaves no trace. The first moment of training claims a stream; from then on every moment
passes through `Probe`. Each measurement is guarded: a fault of ours becomes one warning and is switched off. The gate
waits outside all guards, so that what a signal handler raises reaches the program untouched.
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import platform
import random
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any, Callable, Optional

import torch

from ..run import events
from ..run.directory import RunDirectory
from ..run.events import Live, Presence, Tick
from ..run.journal import SparserWithAge
from . import hooks
from .desk import Desk, claim
from .dial import Dial
from .frames import is_foreign
from .gate import Gate
from .gaze import LISTEN_S, Gaze
from .keeper import Keeper
from .logbook import Logbook
from .meter import Change, name_of_loss, readable
from .optimizers import Optimizers
from .orders import Orders
from .pace import Cost, Pace
from .phases import Phases
from .pictures import Pictures
from .summary import Summary
from .tape import Tape, tape_of_this_process
from .tree import Tree, all_parameters, find_optimizers, find_root
from .workbench import Workbench

ALONE_S = 60.0
"""A pause that nobody asked to keep ends this long after the last viewer was seen."""

SETTLED_S = 3.0
"""After this time ticks come ten a second where steps are fast; before it, up to fifty."""
LOOK_AGAIN_S = 0.2
"""A viewer that has just come is noticed within this time."""

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
    # a forked child has no thread, no stream and nothing to say; if it trains, it starts afresh
    os.register_at_fork(after_in_child=_probe.forget)


def log_metrics(values: dict[str, Any]) -> None:
    """What `tui.log` calls."""
    if _probe is not None:
        _probe.guard("the log", _probe.log, values)


class Probe:
    """Everything the probe knows of this process. The public methods are the moments that `hooks` announces."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self.forget()

    def forget(self) -> None:
        """The state of a process that has not trained yet."""
        environment = os.environ.get
        self._pid = os.getpid()
        self._thread: Optional[int] = None
        self._desk: Optional[Desk] = None
        self._t0 = time.perf_counter()
        self._off: set[str] = set()
        self._told = False
        self._hold_first = bool(environment("BACKLIT_HOLD"))
        self._dial = Dial()
        self._gate = Gate(self._attend, _positive(environment("BACKLIT_SPEED")), bool(environment("BACKLIT_OPENING")))
        self._orders = Orders(self._gate, self._dial, self._say_applied)
        self._summary = Summary()
        self._phases = Phases()
        self._cost = Cost()
        self._age = SparserWithAge()
        self._tick_pace = Pace(share=0.004, every_s=0.02)  # a run of a second is to have a curve, too
        self._norm_pace = Pace(share=0.002, every_s=0.1)
        self._ratio_pace = Pace(share=0.002, every_s=0.2)
        self._pictures = Pictures(self._summary)
        self._gaze = Gaze(self.guard, self._record, lambda: self._summary.step, self._dial.wanted)
        self._keeper = Keeper()
        self._optimizers = Optimizers()
        self._bench = Workbench(self._run, self._summary, self._optimizers, self._orders.answer)
        self._orders.bench = self._obey_bench
        self._orders.did = self._bench.did = self._say_did
        self._tape = tape_of_this_process()
        if self._tape is not None:
            self._bench.ring.armed = self._tape.takes_back
        self._orders.refuses_rewind = self._keeper.refusal
        self._orders.others = self._obey_eye
        self._first_forward: Any = register_first_forward(self) if self._hold_first else None
        rate = _positive(environment("BACKLIT_RATE"))
        if rate is not None:
            self._dial.set(None, rate)
        self._tree: Optional[Tree] = None
        self._change: Optional[tuple[Change, list[int]]] = None
        self._loss_name: Optional[str] = None
        self._tick: Optional[Tick] = None
        self._logbook = Logbook()
        self._held_since_update: set[str] = set()
        self._quiet_until = 0.0
        """Before this time (of perf_counter) nothing is due: see `_look_ahead`."""
        self.walking = True
        """The phases of a step are followed: somebody may hold at them, or their order is not known yet."""

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
        self._quiet_until = 0.0
        self._warn(f"{what}: no longer watched ({type(error).__name__}: {error})")

    def _warn(self, text: str) -> None:
        if self._desk is not None:
            self._desk.say(events.Warning(self._now(), self._summary.step, text), urgent=True)
        if self._desk is None or self._desk.gone:
            self._tell(text)

    def _tell(self, text: str) -> None:
        """On standard error, once in the life of the process: where nothing can be recorded."""
        if not self._told:
            self._told = True
            try:
                sys.stderr.write(f"backlit: {text}\n")
            except Exception:
                pass

    def _now(self) -> float:
        return round(time.perf_counter() - self._t0, 4)

    def _mine(self) -> bool:
        """Is this the thread that trains?"""
        return self._thread == threading.get_ident()

    # ── the moments ──

    def batch(self, iterator: Any, data: Any) -> None:
        """A loader yielded."""
        if self._thread is not None and not self._mine():
            return
        self.guard("the loader", self._summary.loaded, iterator, data)
        if self._gaze.feeds is not None and self._looking:
            self.guard("the batches", self._gaze.feeds, data)
        if self._desk is not None:
            if self.walking:
                self._phases.passed("batch")
        elif self._hold_first:
            self.hold_first()

    def hold_first(self) -> None:
        """The first batch is there, or the first forward pass begins: whoever started the run wants to be asked."""
        self.guard("the start", self._claim, None)
        if self._gate.pausing:
            self._gate.pausing = False
            self._hold("start")

    def loss(self, loss: torch.Tensor) -> None:
        """The outermost backward begins."""
        if self._desk is not None and self._thread != threading.get_ident():
            return
        if self._loss_name is None:
            self.guard("the kind of loss", self._name_loss, loss)
        if "the loss" not in self._off:
            began = time.perf_counter()
            try:
                self._summary.losses.add(loss)
            except Exception as error:
                self._fault("the loss", error)
            self._cost.spend(time.perf_counter() - began)
        if self.walking and self._desk is not None:
            if self._gaze.open and self._tree is not None:
                self._gaze.judged(self._tree, loss)
            self._pass("loss")

    def gradients(self) -> None:
        """The outermost backward ended."""
        if self.walking and self._desk is not None and self._mine():
            self._pass("backward")

    def before_step(self, optimizer: Any) -> None:
        """An optimizer is about to update: gradients are there, weights have not moved."""
        desk = self._desk
        if desk is None:
            self.guard("the start", self._claim, optimizer)
            self._cost = Cost()  # finding the model is paid once; what is shown is what watching goes on costing
            desk = self._desk
            if desk is None:
                return
        if self._thread != threading.get_ident():
            return
        # On most steps nothing is due and nobody asks for anything. What counts then is how little is touched: with
        # cold caches every function and object costs.
        now = time.perf_counter()
        if now < self._quiet_until and not desk.requests and self._optimizers.steps_again(optimizer):
            self._cost.spend(time.perf_counter() - now)
            return
        self._quiet_until = 0.0
        self.guard("the optimizers", self._meet, optimizer)
        first = self._optimizers.counts(optimizer)
        self._dial.settle(optimizer)
        if desk.requests:
            self._attend()
        self.guard("the gradients", self._measure, optimizer)
        if first and self._tape is not None:
            self._repeat_rate(self._tape)
        why = ""
        if first and self._bench.breaks.set_:
            why = self._break_here(optimizer)
        if first and self._gate.holds_before_update("backward" in self._held_since_update):
            self._hold("backward", why)
        if first and (self._gate.single or not self._bench.calm or len(self._bench.ring)):
            self.guard("undo", self._bench.keep, optimizer, self._tree, self._gate.single)
        self.guard("the rate", self._dial.turn, optimizer)
        if first and self._orders.rate_waits:
            self._orders.step = self._summary.step
            self.guard("the answers", self._orders.about_to_update)

    def after_step(self, optimizer: Any) -> None:
        """An optimizer has updated: weights have moved."""
        if self._desk is None or self._thread != threading.get_ident():
            return
        if self._gaze.follows is not None and self._looking:
            self.guard("the path", self._gaze.follows)
        now = time.perf_counter()
        if now < self._quiet_until and now < self._tick_pace.at:
            try:
                if not self._summary.updated_quietly():
                    self._new_epoch()
            except Exception as error:
                self._fault("the step", error)
            self._cost.spend(time.perf_counter() - now)
            return
        self.guard("the rate", self._dial.turn_back, optimizer)
        first = self._optimizers.counts(optimizer)
        self.guard("the step", self._stepped, optimizer, first)
        if not first:
            return
        if self._gaze.open and self._tree is not None:
            self._gaze.after_update(self._tree, optimizer)
        if self._gate.single or self._bench.ring.armed:
            self.guard("undo", self._bench.updated, self._tree)
        if self._bench.waits:
            self._after_asked()
        if self._orders.rewinding is not None:
            self.guard("going back", self._go_back)
        if self._tape is not None:
            self.guard("the tape", self._repeat, self._tape)
        self._pass("update")
        self._gate.slow_down()
        self.guard("the outputs", self._expose)
        self.guard("the pace", self._look_ahead)
        if self._orders.stopping:
            self._orders.stopping = False
            self._say_did(events.Did(step=self._summary.step, do="stop"))
            raise KeyboardInterrupt

    def _break_here(self, optimizer: Any) -> str:
        """Does a breakpoint want training held before this update? The reason, in words."""
        found: list[str] = []

        def look() -> None:
            why = self._bench.before_update(optimizer, self._tree)
            if why is not None:
                found.append(why)

        self.guard("the breakpoints", look)
        if found:
            self._gate.pause()
        return found[0] if found else ""

    def _say_did(self, deed: events.Did) -> None:
        if self._desk is not None:
            self._desk.say(dataclasses.replace(deed, t=self._now()), urgent=True)

    def _repeat_rate(self, tape: Tape) -> None:
        """The rate that the tape sets with the update that follows."""
        deed = tape.before(self._summary.step + 1)
        while deed is not None:
            self._dial.set(deed.factor, deed.value)
            self._say_did(deed)
            deed = tape.before(self._summary.step + 1)

    def _repeat(self, tape: Tape) -> None:
        """What the tape did after as many updates as have been made now."""
        deed = tape.after(self._summary.step)
        while deed is not None:
            if deed.do == "undo":
                self._bench.repeat(deed, self._tree)
            elif deed.do == "back":
                self._go_back()
            else:
                self._orders.stopping = True
            deed = tape.after(self._summary.step)

    def _after_asked(self) -> None:
        """What waited for this update: an undo, after which training is held again; a file to be written."""
        undone = self._bench.undo_wanted
        self._orders.step = self._summary.step
        self.guard("undo and saving", self._bench.after_update, self._tree)
        if undone:
            self._gate.pausing = False
            self._gate.to_go = None
            self._hold("update")

    def _obey_bench(self, request: Any) -> bool:
        held = self._gate.phase if self._gate.held else ""
        taken = self._bench.obey(request, held, self._tree)
        if taken and self._gate.held and self._bench.undo_wanted:
            self._gate.resume()  # on to the end of the update of the batch in hand
        return taken

    def _go_back(self) -> None:
        """The weights of the lowest validation loss, in place; then the end, as after Ctrl-C."""
        best, last = self._keeper.best, self._logbook.newest.get("val_loss")
        try:
            self._keeper.put_back(self._tree.root if self._tree is not None else None)
        except (ValueError, RuntimeError) as error:
            self._orders.rewound(None, None, str(error))
            return
        self._say_did(events.Did(step=self._summary.step, do="back"))
        self._orders.step = self._summary.step
        self._orders.rewound(last, best.loss if best is not None else None)
        self._orders.stopping = True

    def _look_ahead(self) -> None:
        """Until when there will be nothing to do, unless somebody asks for something."""
        calm = (
            self._gate.calm and not self._tape and self._bench.calm and self._dial.at_rest and not self._orders.stopping
        )
        evaluating = self._looking and self._desk is not None and Gaze.evaluating(self._desk.wish)
        calm = calm and not (evaluating and self._gaze.listens_at <= time.perf_counter())
        self.walking = not calm or not self._phases.order or self._pictures.exposed
        if self.walking or self._summary.readouts or self._orders.rate_waits or self._off:
            self._quiet_until = 0.0
            return
        until = min(self._norm_pace.at, self._ratio_pace.at, time.perf_counter() + LOOK_AGAIN_S)
        until = min(until, self._gaze.listens_at) if evaluating else until
        self._quiet_until = min(until, self._pictures.pace.at) if self._looking else until

    def zeroed(self, optimizer: Any) -> None:
        """The gradients were cleared."""
        if self.walking and self._desk is not None and self._mine():
            self._pass("zero_grad")

    def _forward_done(self) -> None:
        """The root module put out its result (known only while an exposure is open)."""
        if self._desk is not None and self._mine():
            self._pass("forward")

    def _pass(self, phase: str) -> None:
        """Training passes the end of a phase: hold here if somebody steps by phases, dwell during the opening."""
        if not self._phases.passed(phase):
            return
        gate = self._gate
        if gate.phase_wanted:
            self._hold(phase)
        elif gate.opening is not None:
            self.guard("the snapshot", self._show_phase, phase)
            gate.dwell(phase, self._summary.step)

    # ── beginning and end ──

    def _claim(self, optimizer: Any) -> None:
        """The first moment of training: a stream of our own, and what is being trained."""
        number = claim(self._run)
        desk = Desk(self._run, number)
        if number > 0:
            desk.skip_old_requests()
        else:
            self._gate.pausing = self._hold_first  # whoever trains first; the ones after it are not held one by one
        self._hold_first = False
        if self._first_forward is not None:
            self._first_forward.remove()
            self._first_forward = None
        self._t0 = time.perf_counter()
        self._thread = threading.get_ident()
        desk.say(
            events.Start(
                time=time.time(),
                pid=os.getpid(),
                python=platform.python_version(),
                torch=torch.__version__,
                argv=list(getattr(sys, "argv", [])),
                rank=_integer("RANK", 0),
                world=_integer("WORLD_SIZE", 1),
                threads=torch.get_num_threads(),
            )
        )
        desk.start()
        self._desk = desk
        atexit.register(self._end, os.getpid())
        for one in [optimizer] if optimizer is not None else find_optimizers():
            self._meet(one)
        self._logbook.pass_on(0.0, desk.say)

    def _meet(self, optimizer: Any) -> None:
        """Takes in that an optimizer is about to update."""
        if self._optimizers.meet(optimizer):
            self._look_at_the_model()
        if self._optimizers.counts(optimizer):
            self._orders.optimizer = weakref.ref(optimizer)

    def _look_at_the_model(self) -> None:
        optimizers = self._optimizers.in_use()
        self._tree = Tree(find_root(all_parameters(optimizers)), optimizers, self._now())
        self._pictures.meet(self._tree)
        self._summary.forget_tensors()
        self._norm_pace.hurry()
        self._ratio_pace.hurry()
        if self._desk is not None:
            self._desk.say(dataclasses.replace(self._tree.model, loss=self._loss_name or ""), urgent=True)

    def _end(self, opened_by: int) -> None:
        """At the end of the process that opened the stream, and nowhere else: the last tick, the last picture."""
        desk = self._desk
        if desk is None or os.getpid() != opened_by:
            return
        self._logbook.pass_on_all(desk.say)
        self.guard("the end", self._last_words, desk)
        desk.say(events.End(self._now(), self._summary.step))
        desk.close()

    def _last_words(self, desk: Desk) -> None:
        self._summary.collect_all()
        self._make_tick(time.perf_counter(), always=True)
        pictures = self._pictures.last(self._tree, desk.wish)
        desk.say(events.Keyframe(self._now(), self._summary.step, pictures))
        desk.show(self._live(""))

    # ── measuring ──

    def _name_loss(self, loss: torch.Tensor) -> None:
        self._loss_name = name_of_loss(loss)
        if self._loss_name and self._tree is not None and self._desk is not None:
            self._desk.say(dataclasses.replace(self._tree.model, loss=self._loss_name))

    def _measure(self, optimizer: Any) -> None:
        """Before an update: gradient norms, the weights as they are, pictures; each when it is due."""
        self._summary.collect()
        now = time.perf_counter()
        single = self._gate.single
        norms_due = self._gate.unhurried or self._norm_pace.due(now)
        ratio_due = single or self._ratio_pace.due(now)
        photo_due = self._looking and (single or self._picture_due(now) or self._looks_elsewhere())
        if not (norms_due or ratio_due or photo_due or self._pictures.exposed):
            return
        tree = self._tree
        if tree is None or any(tree.place(p) is None for p in all_parameters([optimizer])):
            self._look_at_the_model()
            tree = self._tree
            assert tree is not None
        places = [tree.index[id(parameter)] for parameter in all_parameters([optimizer]) if readable(parameter.grad)]
        if norms_due and places:
            self._summary.read_norms(tree, places, getattr(optimizer, "grad_scale", None))
            self._norm_pace.done(now, time.perf_counter() - now)
        if ratio_due and places:
            began = time.perf_counter()
            with torch.no_grad():
                self._change = (Change(tree.parameters(places)), places)
            self._ratio_pace.done(began, 3 * (time.perf_counter() - began))  # comparing costs twice as much again
        desk = self._desk
        if desk is not None and desk.looking and (photo_due or self._pictures.exposed):
            self._pictures.take(tree, desk.wish)
            self._gaze.before_update(tree, optimizer)
            desk.show(self._live(self._gate.phase if self._gate.held else ""))
        else:
            self._pictures.close()

    @property
    def _looking(self) -> bool:
        return self._desk is not None and self._desk.looking

    def _looks_elsewhere(self) -> bool:
        """Has the viewer turned to something that was not pictured yet?"""
        return self._desk is not None and self._pictures.wants(self._desk.wish)

    def _stepped(self, optimizer: Any, first: bool) -> None:
        """After an update."""
        if first:
            if not self._summary.updated_quietly():
                self._new_epoch()
            self._gate.updated()
            self._held_since_update.clear()
        if self._change is not None and self._tree is not None:
            change, places = self._change
            self._change = None
            self._summary.read_ratios(change, places, self._tree)
        now = time.perf_counter()
        if first and (self._gate.unhurried or self._tick_pace.due(now)):
            if self._dial.at_rest:
                self._dial.read(optimizer)
            if now - self._t0 > SETTLED_S:
                self._tick_pace.share, self._tick_pace.every_s = 0.001, 0.1
            self._make_tick(now)
            self._tick_pace.done(now, time.perf_counter() - now)

    def _new_epoch(self) -> None:
        """The update just made was the first of a pass over the training loader."""
        self._summary.new_epoch()
        began = self._summary.epoch_event(self._now())
        if self._desk is not None and self._logbook.may_say(began.t, began):
            self._desk.say(began)

    def _make_tick(self, now: float, always: bool = False) -> None:
        """Sums up; records it while the journal may still grow at this age; shows it to whoever looks."""
        desk = self._desk
        if desk is None or (always and not self._summary.unrecorded):
            return
        gate = self._gate
        self._cost.waited(gate.held_s)
        self._tick = self._summary.tick(self._now(), now, gate.held_s, gate.single, self._dial, self._cost.update(now))
        if always or self._age.allows(now - self._t0, desk.journal.bytes):
            desk.say(self._tick)
            self._summary.recorded()
        self._logbook.pass_on(now - self._t0, desk.say)
        if desk.looking:
            desk.show(self._live(gate.phase if gate.held else ""))

    # ── pictures ──

    def _expose(self) -> None:
        """Before the next forward pass: a hook for one step, when a picture is due or phases are stepped."""
        tree, gate, pictures = self._tree, self._gate, self._pictures
        if tree is None or not tree.has_root or pictures.exposed:
            return
        desk = self._desk
        looking = self._looking and desk is not None
        due = looking and (gate.single or pictures.pace.due(time.perf_counter()) or self._looks_elsewhere())
        if looking and desk is not None and self._summary.pass_ends and self._gaze.listens(desk.wish):
            due = True  # what comes now may be the validation
            self._gaze.listens_at = time.perf_counter() + LISTEN_S
        if (due or gate.by_phase or not self._phases.order) and not hooks.compiled_anything():
            look = self._looking or gate.by_phase
            eyes = self._gaze.choose(tree, desk.wish, gate.single) if looking and desk is not None else []
            guard, wish = self._look_at_output if look else None, desk.wish if desk is not None else Presence()
            pictures.expose(tree, guard, self._forward_done, eyes, self._gaze.specimen, wish, self.guard)

    def _picture_due(self, now: float) -> bool:
        """Is it time, before an update? Then it waits for the next step, which the forward hook sees from its
        beginning; not where there can be no hook, and not the first time."""
        pictures, tree = self._pictures, self._tree
        if not pictures.pace.due(now):
            return False
        can_wait = pictures.picture is not None and not pictures.exposed and tree is not None and tree.has_root
        return not can_wait or hooks.compiled_anything()

    def _look_at_output(self, look: Callable[..., None], *args: Any) -> None:
        self.guard("the outputs", look, *args)

    def _show_phase(self, phase: str) -> None:
        """While phases are stepped: everything that can be seen now, at once."""
        if self._desk is not None:
            if phase == "backward":
                self._measure_held()
            self._pictures.take_now(self._tree, self._desk.wish, forward_done=phase == "forward")
            if self._tree is not None and self._looking:
                self._gaze.held(self._tree, self._orders.optimizer(), phase, self._desk.wish)
            self._desk.show(self._live(phase))

    def _measure_held(self) -> None:
        """The gradients of the batch in hand, when a person stands right behind its backward pass."""
        tree, optimizer = self._tree, self._orders.optimizer()
        if tree is None or optimizer is None:
            return
        places = [place for place in map(tree.place, all_parameters([optimizer])) if place is not None]
        places = [place for place in places if readable(getattr(tree.parameter(place), "grad", None))]
        if places:
            self._summary.read_norms(tree, places, getattr(optimizer, "grad_scale", None))
            self._summary.collect_all()
            self._tick = self._summary.with_norms(self._tick)

    def _live(self, phase: str) -> Live:
        pictures = self._pictures
        seen = {"picture": pictures.picture, **self._gaze.shows()}
        return Live(
            t=self._now(),
            step=self._summary.step,
            held=self._gate.held,
            phase=phase,
            order=self._phases.order,
            line=pictures.line,
            code=pictures.code,
            speed=self._gate.speed,
            opening=self._gate.opening is not None,
            loss=self._summary.losses.in_hand() if phase else None,
            tick=self._tick,
            activations=pictures.activations,
            activations_step=pictures.activations_step,
            values=pictures.values,
            best=self._keeper.best,
            **seen,
        )

    def _record(self, event: Any) -> None:
        """An eye's event: given its time and step, kept while the journal may still grow."""
        if self._desk is not None and self._logbook.allows(self._now()):
            self._desk.say(dataclasses.replace(event, t=self._now(), step=self._summary.step))

    def _obey_eye(self, command: events.Command) -> Optional[str]:
        try:
            return self._gaze.obey(command, self._tree, self._gate.held)
        except Exception as error:
            if is_foreign(error):
                raise
            return f"{type(error).__name__}: {error}"

    # ── holding ──

    def _hold(self, phase: str, why: str = "") -> None:
        """Waits at the gate. Only measurements are guarded; the wait itself is bare. `why`: which breakpoint it was."""
        desk, gate = self._desk, self._gate
        if desk is None:
            return
        gate.held, gate.phase = True, phase
        self.guard("the tick", self._make_tick, time.perf_counter(), True)
        self._held_since_update.add(phase)
        self.guard("the snapshot", self._show_phase, phase)
        desk.say(events.Gate(self._now(), self._summary.step, True, phase, why), urgent=True)
        self._orders.step = self._summary.step
        self.guard("the answers", self._orders.held)
        try:
            gate.hold(phase)
        finally:
            gate.held = False
            desk.say(events.Gate(self._now(), self._summary.step, False, phase), urgent=True)
        if phase != "backward":  # the update of this batch comes first: after it the next step is looked forward to
            self.guard("the outputs", self._expose)

    def _attend(self) -> None:
        """When something was asked, and all the while as the gate waits."""
        desk, gate = self._desk, self._gate
        if desk is None:
            return
        self._quiet_until, self.walking = 0.0, True
        self._orders.step = self._summary.step
        while desk.requests:
            self.guard("a request", self._orders.obey, desk.requests.popleft())
        if not gate.held:
            return
        if self._looking and self._pictures.wants(desk.wish):
            self.guard("the snapshot", self._show_phase, gate.phase)
        if self._gaze.work():
            desk.show(self._live(gate.phase))
        if desk.resume_wanted or desk.gone:
            why = desk.gone or "a viewer could not write what was asked"
            desk.resume_wanted = False
            self._warn(f"training goes on: {why}")
            gate.resume()
        elif not desk.pause_stays and time.monotonic() - desk.last_look > ALONE_S:
            self._warn("training goes on: nobody has been looking for a minute")
            gate.resume()

    def _say_applied(self, answer: events.Applied) -> None:
        if self._desk is None:
            return
        self._desk.say(dataclasses.replace(answer, t=self._now()), urgent=True)
        if answer.do == "lr" and self._tick is not None and self._gate.held:
            scheduled, effective = self._dial.scheduled, self._dial.effective
            self._tick = dataclasses.replace(
                self._tick, rate=effective, scheduled=scheduled if scheduled != effective else None
            )
        if self._looking:
            self._desk.show(self._live(self._gate.phase if self._gate.held else ""))

    # ── what the program logs ──

    def log(self, values: dict[str, Any]) -> None:
        """Numbers given to `tui.log`; kept until a stream exists."""
        now = self._now()
        self._logbook.log(now, self._summary.step, values)
        if "val_loss" in values:
            value = self._logbook.newest.get("val_loss")
            root = self._tree.root if self._tree is not None else None
            if value is not None:
                self._keeper.logged("val_loss", value, self._summary.step, root)
        if self._desk is not None:
            self._logbook.pass_on(now, self._desk.say)


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


def _integer(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name, ""))
    except ValueError:
        return default
