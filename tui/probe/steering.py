"""Everything that a person, a breakpoint or a tape does to training: asked for, waited for, done, recorded.

The gate holds, the dial turns, the orders answer, the bench undoes and saves; here they meet the moments of a step.
Measurements are guarded by `Probe`; the waiting itself is bare, so that what a signal handler raises reaches the
program.
"""

from __future__ import annotations

import dataclasses
import time
import weakref
from typing import Any, Callable, Optional

from ..run import events
from ..run.directory import RunDirectory
from . import trainers
from .by_hand import ByHand
from .desk import Desk, Request
from .dial import Dial
from .frames import is_foreign
from .gate import Gate
from .orders import Orders
from .ranks import Ranks
from .recorder import Recorder
from .tape import Tape
from .workbench import Workbench

ALONE_S = 60.0
"""A pause that nobody asked to keep ends this long after the last viewer was seen."""

Guard = Callable[..., None]


class Steering:
    """What changes the training of one process."""

    def __init__(
        self, run: RunDirectory, recorder: Recorder, gate: Gate, dial: Dial, guard: Guard, warn: Callable[[str], None]
    ) -> None:
        self.gate, self.dial, self._recorder = gate, dial, recorder
        self._guard, self._warn = guard, warn
        self.orders = Orders(gate, dial, self._say_applied)
        self.bench = Workbench(run, recorder.summary, recorder.optimizers, self.orders.answer)
        self.ranks: Optional[Ranks] = None
        """The other processes of this job, where there are any."""
        self.tape: Optional[Tape] = None
        """What is still to be done again."""
        self.orders.bench = self._obey_bench
        self.orders.did = self.bench.did = self._say_did
        self.bench.by_hand = lambda: isinstance(self.orders.optimizer(), ByHand)
        self.orders.refuses_rewind = recorder.keeper.refusal
        self.orders.others = self._obey_eye
        self._held_since_update: set[str] = set()
        self.wakes: Callable[[], None] = lambda: None
        """Called when something was asked: nothing may be skipped from now on."""

    def begin(self, ranks: Optional[Ranks], tape: Optional[Tape]) -> None:
        """Training begins."""
        self.ranks, self.tape = ranks, tape
        self.bench.rank = ranks.rank if ranks is not None else 0
        if tape is not None:
            self.bench.ring.armed = tape.takes_back

    @property
    def desk(self) -> Optional[Desk]:
        return self._recorder.desk

    @property
    def calm(self) -> bool:
        """Has nothing to be looked after at every step?"""
        return (
            self.gate.calm
            and not self.tape
            and self.bench.calm
            and self.dial.at_rest
            and not (self.orders.stopping or self.orders.rate_waits)
            and (self.ranks is None or self.ranks.calm)
        )

    # ── the moments of a step ──

    def before_update(self, optimizer: Any, first: bool) -> None:
        """Gradients are there, weights have not moved. `first`: the updates of this optimizer are the steps."""
        if first and self.tape is not None:
            self._repeat_rate(self.tape)
        why = self._break_here(optimizer, first) if self.bench.breaks.conditions else ""
        if why or (first and self.gate.holds_before_update("backward" in self._held_since_update)):
            self.hold("backward", why)
        self._go(optimizer, first)

    def before_search(self, optimizer: Any, first: bool) -> None:
        """A step begins that will evaluate the loss at several places: there is nothing to be held at yet."""
        if first and self.tape is not None:
            self._repeat_rate(self.tape)
        self._go(optimizer, first)

    def _go(self, optimizer: Any, first: bool) -> None:
        """The update follows now."""
        if first:
            self._guard("undo", self._keep, optimizer)
        self.turn(optimizer)
        if first and self.orders.rate_waits:
            self.orders.step = self._recorder.summary.step
            self._guard("the answers", self.orders.about_to_update)

    def turn(self, optimizer: Any) -> None:
        """Turns the dial for the update that follows."""
        self._guard("the rate", self.dial.turn, optimizer)

    def _keep(self, optimizer: Any) -> None:
        """Keeps what the update that follows is going to change, if somebody may want it back."""
        if self.gate.single or not self.bench.calm or len(self.bench.ring):
            self.bench.keep(optimizer, self._recorder.tree, self.gate.single)

    def updated(self) -> None:
        """The first optimizer has updated; nothing else has been looked at yet."""
        self.gate.updated()
        self._held_since_update.clear()

    def after_update(self, optimizer: Any, searched: bool) -> None:
        """The first optimizer has updated, and everything was measured.

        Args:
            searched: its weights had moved already when its gradients were there: this is where it can be held.
        """
        recorder = self._recorder
        if self.gate.single or self.bench.ring.armed:
            self._guard("undo", self.bench.updated, recorder.tree)
        if self.bench.waits:
            self._after_asked()
        if self.orders.rewinding is not None:
            self._guard("going back", self._go_back)
        if self.tape is not None:
            self._guard("the tape", self._repeat, self.tape)
        recorder.kept = self.bench.kept
        if searched:
            why = self._break_here(optimizer, True) if self.bench.breaks.conditions else ""
            if why or self.gate.pausing or self.gate.to_go == 0:
                self.hold("update", why)

    def stop_if_asked(self) -> None:
        """Ends training, if that was asked: by the flag of the trainer that runs the loop where there is one, else as
        Ctrl-C landing here would. Raises KeyboardInterrupt."""
        if not self.orders.stopping:
            return
        self.orders.stopping = False
        self._say_did(events.Did(step=self._recorder.summary.step, do="stop"))
        asked: list[str] = []
        self._guard("the trainer's own stop", lambda: asked.append(trainers.ask_to_stop()))
        if not any(asked):
            raise KeyboardInterrupt

    # ── breakpoints, tape ──

    def _break_here(self, optimizer: Any, first: bool) -> str:
        """Does a breakpoint want training held before this update? The reason, in words."""
        found: list[str] = []

        def look() -> None:
            why = self.bench.before_update(optimizer, self._recorder.tree, first)
            if why is not None:
                found.append(why)

        self._guard("the breakpoints", look)
        if found:
            self.gate.pause()
        return found[0] if found else ""

    def _repeat_rate(self, tape: Tape) -> None:
        """The rate that the tape sets with the update that follows."""
        step = self._recorder.summary.step
        deed = tape.before(step + 1)
        while deed is not None:
            self.dial.set(deed.factor, deed.value)
            self._say_did(deed)
            deed = tape.before(step + 1)

    def _repeat(self, tape: Tape) -> None:
        """What the tape did after as many updates as have been made now."""
        summary = self._recorder.summary
        deed = tape.after(summary.step)
        while deed is not None:
            if deed.do == "undo":
                self.bench.repeat(deed, self._recorder.tree)
            elif deed.do == "back":
                self._go_back()
            else:
                self.orders.stopping = True
            deed = tape.after(summary.step)

    # ── undo, saving, going back ──

    def _after_asked(self) -> None:
        """What waited for this update: an undo, after which training is held again; a file to be written."""
        undone = self.bench.undo_wanted
        self.orders.step = self._recorder.summary.step
        self._guard("undo and saving", self.bench.after_update, self._recorder.tree)
        if undone:
            self.gate.pausing = False
            self.gate.to_go = None
            self.hold("update")

    def _obey_bench(self, request: Request) -> bool:
        held = self.gate.phase if self.gate.held else ""
        taken = self.bench.obey(request, held, self._recorder.tree)
        if taken and self.gate.held and self.bench.undo_wanted:
            self.gate.resume()  # on to the end of the update of the batch in hand
        return taken

    def _go_back(self) -> None:
        """The weights of the lowest validation loss, in place; then the end, as after Ctrl-C."""
        recorder = self._recorder
        best, last = recorder.keeper.best, recorder.logbook.newest.get("val_loss")
        try:
            recorder.keeper.put_back(recorder.tree.root if recorder.tree is not None else None)
        except (ValueError, RuntimeError) as error:
            self.orders.rewound(None, None, str(error))
            return
        self._say_did(events.Did(step=recorder.summary.step, do="back"))
        self.orders.step = recorder.summary.step
        self.orders.rewound(last, best.loss if best is not None else None)
        self.orders.stopping = True

    # ── holding ──

    def pass_phase(self, phase: str) -> None:
        """Training passes the end of a phase: held here if somebody steps by phases, dwells during the opening."""
        if not self._recorder.phases.passed(phase):
            return
        gate = self.gate
        if gate.phase_wanted:
            self.hold(phase)
        elif gate.opening is not None:
            self._guard("the snapshot", self._show_phase, phase)
            gate.dwell(phase, self._recorder.summary.step)

    def _show_phase(self, phase: str) -> None:
        self._recorder.show_phase(phase, self.orders.optimizer())

    def hold(self, phase: str, why: str = "") -> None:
        """Waits at the gate. Only measurements are guarded; the wait itself is bare. `why`: which breakpoint it was."""
        desk, gate, recorder = self.desk, self.gate, self._recorder
        if desk is None:
            return
        desk.resume_wanted = False  # that was meant for an earlier one
        try:
            gate.held, gate.phase = True, phase
            self._guard("the tick", recorder.make_tick, time.perf_counter(), True)
            self._held_since_update.add(phase)
            recorder.kept = self.bench.kept
            self._guard("the snapshot", self._show_phase, phase)
            desk.say(events.Gate(recorder.now(), recorder.summary.step, True, phase, why), urgent=True)
            self.orders.step = recorder.summary.step
            self._guard("the answers", self.orders.held)
            gate.hold(phase)
        finally:
            gate.held = False
            desk.say(events.Gate(recorder.now(), recorder.summary.step, False, phase), urgent=True)
        if phase != "backward":  # the update of this batch comes first: after it the next step is looked forward to
            self._guard("the outputs", recorder.expose, self.forward_done)

    def forward_done(self) -> None:
        """The root module put out its result (known only while an exposure is open)."""
        if self.desk is not None and self.desk.mine():
            self.pass_phase("forward")

    def attend(self) -> None:
        """When something was asked, and all the while as the gate waits."""
        desk, gate, recorder = self.desk, self.gate, self._recorder
        if desk is None:
            return
        self.wake_background(desk)
        self.wakes()
        self.orders.step = recorder.summary.step
        if self.ranks is not None:
            self.ranks.attend(self, desk)
        else:
            self.obey(desk)
        if not gate.held:
            return
        if recorder.looking and recorder.pictures.wants(desk.wish):
            self._guard("the snapshot", self._show_phase, gate.phase)
        if recorder.gaze.work():
            self._guard("the snapshot", lambda: desk.show(recorder.live(gate.phase)))
        self._resume_if_forsaken(desk)

    def wake_background(self, desk: Desk) -> None:
        """While training is held, another thread of the program may fork, and the background rests then."""
        if desk.resting:
            self._guard("the background", desk.start)

    def obey(self, desk: Desk) -> None:
        """Carries out everything that was asked of this process."""
        while desk.requests:
            self.carry_out(desk.requests.popleft())

    def carry_out(self, request: Request) -> None:
        """Does, or refuses, one thing that was asked. What fails is refused, and the next one is obeyed again."""

        def obey() -> None:
            try:
                self.orders.obey(request)
            except Exception as error:
                if is_foreign(error):
                    raise
                self.orders.answer(request, refused=f"{type(error).__name__}: {error}")

        self._guard("a request", obey)

    @property
    def speed(self) -> Optional[float]:
        """Steps per second, lately."""
        tick = self._recorder.tick
        return tick.steps_per_s if tick is not None else None

    def let_go(self, why: str) -> None:
        """Ends a pause, and says why."""
        self._warn(f"training goes on: {why}")
        self.gate.resume()

    def _resume_if_forsaken(self, desk: Desk) -> None:
        """A pause never becomes permanent by accident."""
        if desk.resume_wanted or desk.gone:
            why = desk.gone or "a viewer could not write what was asked"
            desk.resume_wanted = False
            self.let_go(why)
        elif not desk.pause_stays and time.monotonic() - desk.last_look > ALONE_S:
            self.let_go("nobody has been looking for a minute")

    # ── saying ──

    def _say_did(self, deed: events.Did) -> None:
        if self.desk is not None:
            self.desk.say(dataclasses.replace(deed, t=self._recorder.now()), urgent=True)

    def _say_applied(self, answer: events.Applied) -> None:
        desk, recorder = self.desk, self._recorder
        if desk is None:
            return
        desk.say(dataclasses.replace(answer, t=recorder.now()), urgent=True)
        if answer.do == "lr" and self.gate.held:
            recorder.turned()
        if recorder.looking:
            recorder.kept = self.bench.kept
            desk.show(recorder.live(self.gate.phase if self.gate.held else ""))

    def _obey_eye(self, command: events.Command) -> Optional[str]:
        try:
            return self._recorder.gaze.obey(command, self._recorder.tree, self.gate.held)
        except Exception as error:
            if is_foreign(error):
                raise
            return f"{type(error).__name__}: {error}"

    def meets(self, optimizer: Any) -> None:
        """This optimizer is about to update, and its updates are the steps."""
        self.orders.optimizer = weakref.ref(optimizer)
        self.dial.counts = self._recorder.optimizers.counts
