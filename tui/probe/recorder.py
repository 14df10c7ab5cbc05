"""What is measured of each step, when, and what is recorded and shown of it.

Everything here is called guarded by `Probe`: a fault of ours becomes one warning, and that measurement is switched off.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Callable, Optional

import torch

from ..run import events
from ..run.events import Kept, Live, Presence, Tick
from ..run.journal import SparserWithAge
from .desk import Desk
from .dial import Dial
from .dynamo import compiled_anything
from .gate import Gate
from .gauges import Turns
from .gaze import LISTEN_S, Gaze
from .keeper import METRIC, Keeper
from .logbook import Logbook, number_of
from .meter import Change, has_norm, name_of_loss
from .optimizers import Optimizers
from .pace import Cost, Pace
from .phases import Phases
from .pictures import Pictures
from .summary import Summary
from .tree import Tree, all_parameters, find_root

SETTLED_S = 3.0
"""After this time each kind of measurement has the share of PACES; before it ticks come up to fifty a second."""
PACES = {True: (0.001, 0.1), False: (0.0003, 0.5)}
"""(share of the time for each of ticks, norms and ratios; seconds between two ticks where steps are fast), with
somebody looking or not."""
FREEZES_S = 5.0
"""A model whose weights are frozen and set free is looked at again at most so often."""

Guard = Callable[..., None]


class Recorder:
    """The measurements of one process, and the desk that they go to once there is one."""

    def __init__(self, gate: Gate, dial: Dial, guard: Guard) -> None:
        self.desk: Optional[Desk] = None
        self.summary = Summary()
        self.phases = Phases()
        self.cost = Cost()
        self.optimizers = Optimizers()
        self.tree: Optional[Tree] = None
        self.pictures = Pictures(self.summary)
        self.gaze = Gaze(guard, self.record, lambda: self.summary.step, dial.wanted)
        self.keeper = Keeper()
        self.logbook = Logbook()
        self.tick: Optional[Tick] = None
        self.kept: Optional[Kept] = None
        """What is held for undo, to be shown."""
        self.counts = ""
        """What is counted where there are no updates to count: see `Model.counts`."""
        self._gate, self._dial, self._guard = gate, dial, guard
        dial.counts = self.optimizers.counts
        self._t0 = time.perf_counter()
        self._age = SparserWithAge()
        self.tick_pace = Pace(share=0.004, every_s=0.02)  # a run of a second is to have a curve, too
        self.norm_pace = Pace(share=0.001, every_s=0.1)
        self.ratio_pace = Pace(share=0.001, every_s=0.2)
        self._norm_turns, self._ratio_turns = Turns(), Turns()
        self.rate_used: Any = None
        """The first group's rate at the last update, as it stood in the group."""
        self._change: Optional[tuple[Change, list[int]]] = None
        self.loss_name: Optional[str] = None
        self._look_again_at = 0.0
        self._stale = False
        """Optimizers were met that the model as it is known does not have."""

    # ── beginning and end ──

    def begin(self, desk: Desk) -> None:
        """Training begins: this is where everything goes from now on."""
        self._t0 = time.perf_counter()
        self.desk = desk

    def now(self) -> float:
        """Seconds since training began."""
        return round(time.perf_counter() - self._t0, 4)

    @property
    def looking(self) -> bool:
        """Does anybody look?"""
        return self.desk is not None and self.desk.looking

    def end(self) -> None:
        """The last tick, the last pictures."""
        desk = self.desk
        if desk is None:
            return
        if self._stale:
            self.look_at_the_model()
        self.summary.collect_all()
        self._dial.ended(self.rate_used)
        self.make_tick(time.perf_counter(), always=True)
        pictures = self.pictures.last(self.tree, desk.wish)
        desk.say(events.Keyframe(self.now(), self.summary.step, pictures))
        desk.show(self.live(""))

    # ── the model ──

    def meet(self, optimizer: Any) -> None:
        """Takes in that an optimizer is about to update. Further ones may be met for the first time one after another:
        the model is looked at again when they have all had their turn, and the one that counts updates."""
        news, counts = self.optimizers.meet(optimizer), self.optimizers.counts(optimizer)
        self._stale = self._stale or news
        if self._stale and (counts or self.tree is None):
            self.look_at_the_model()

    def look_at_the_model(self) -> None:
        """Finds the model that the optimizers in use update, and says what it is if that is news."""
        optimizers = self.optimizers.in_use()
        before = self.tree.model if self.tree is not None else None
        self.tree = Tree(find_root(all_parameters(optimizers)), optimizers, self.now())
        self._stale = False
        self.pictures.meet(self.tree)
        self.summary.forget_tensors()
        self.norm_pace.hurry()
        self.ratio_pace.hurry()
        if before is None or dataclasses.replace(self.tree.model, t=before.t) != before:
            self.say_model()

    def say_model(self) -> None:
        """Records what is being trained."""
        if self.desk is not None and self.tree is not None:
            model = dataclasses.replace(self.tree.model, loss=self.loss_name or "", counts=self.counts)
            self.desk.say(model, urgent=True)

    def name_loss(self, loss: torch.Tensor) -> None:
        """The first loss is there: what kind is it?"""
        self.loss_name = name_of_loss(loss)
        if self.loss_name:
            self.say_model()

    # ── measuring ──

    def before_search(self, optimizer: Any) -> None:
        """A step begins that moves the weights before its gradients can be read: the weights as they are, if due."""
        tree, now = self.tree, time.perf_counter()
        if tree is not None and (self._gate.single or self.ratio_pace.due(now)):
            self._note_weights(tree, self._measurable(tree, optimizer), now)

    def _note_weights(self, tree: Tree, places: list[int], now: float, more: bool = False) -> None:
        if places:
            began = time.thread_time()
            with torch.no_grad():
                self._change = (Change(tree.parameters(places)), places)
            spent = 3 * (time.thread_time() - began)  # comparing costs twice as much again
            self.ratio_pace.done(now, spent, more)

    def measure(self, optimizer: Any, searched: bool = False) -> None:
        """Before an update: gradient norms, the weights as they are, pictures; each when it is due.

        Args:
            searched: the weights have moved already: see `before_search`.
        """
        self.summary.collect()
        now = time.perf_counter()
        single = self._gate.single
        in_use, first = self.optimizers.in_use, self.optimizers.counts(optimizer)
        norms_begin, ratios_begin = self.norm_pace.due(now), self.ratio_pace.due(now)
        norms_due = self._gate.unhurried or self._norm_turns.take(norms_begin, optimizer, in_use)
        ratio_due = not searched and (single or self._ratio_turns.take(ratios_begin, optimizer, in_use))
        exposed = first and self.pictures.exposed  # the forward pass of the first one's model is what it waits for
        photo_due = first and self.looking and (single or self._picture_due(now) or self._looks_elsewhere())
        if not (norms_due or ratio_due or photo_due or exposed):
            return
        tree = self.tree
        if tree is None or (not self._stale and self._is_other(tree, all_parameters([optimizer]), now)):
            self.look_at_the_model()
            tree = self.tree
            assert tree is not None
        places = self._measurable(tree, optimizer)
        began = time.thread_time()
        if norms_due and places:
            self.summary.read_norms(tree, places, getattr(optimizer, "grad_scale", None), first)
            self.norm_pace.done(now, time.thread_time() - began, more=not (norms_begin or self._gate.unhurried))
        if ratio_due:
            self._note_weights(tree, places, now, more=not (ratios_begin or single))
        desk = self.desk
        if desk is not None and desk.looking and (photo_due or exposed):
            self.pictures.take(tree, desk.wish)
            self.gaze.before_update(tree, optimizer)
            desk.show(self.live(self._gate.phase if self._gate.held else ""))
        elif first:
            self.pictures.close()

    def _is_other(self, tree: Tree, parameters: list[torch.Tensor], now: float) -> bool:
        """Is the model no longer the one that is known? Weights that are frozen and set free again and again are looked
        at now and then only: it takes a tenth of a second."""
        if any(tree.place(parameter) is None for parameter in parameters):
            return True
        if now < self._look_again_at or not tree.is_other(parameters):
            return False
        self._look_again_at = now + FREEZES_S
        return True

    def _measurable(self, tree: Tree, optimizer: Any) -> list[int]:
        """The tensors of an optimizer that have a gradient with a norm."""
        places = [place for place in map(tree.place, all_parameters([optimizer])) if place is not None]
        return [place for place in places if has_norm(getattr(tree.parameter(place), "grad", None))]

    def _looks_elsewhere(self) -> bool:
        """Has the viewer turned to something that was not pictured yet?"""
        return self.desk is not None and self.pictures.wants(self.desk.wish)

    def stepped(self, optimizer: Any, first: bool) -> None:
        """After an update. `first`: it counts as a step."""
        if not first:
            self._updated_another(optimizer)
        if first and not self.summary.updated_quietly():
            self.new_epoch()
        if self._change is not None and self.tree is not None:
            change, places = self._change
            self._change = None
            self.summary.read_ratios(change, places, self.tree)
        if first and optimizer.param_groups:
            self.rate_used = optimizer.param_groups[0].get("lr")
        now = time.perf_counter()
        if first and (self._gate.unhurried or self.tick_pace.due(now)):
            if self._dial.at_rest:
                self._dial.read(optimizer)
            if now - self._t0 > SETTLED_S:
                share, self.tick_pace.every_s = PACES[self.looking]
                self.tick_pace.share = self.norm_pace.share = self.ratio_pace.share = share
            began = time.thread_time()
            self.make_tick(now)
            self.tick_pace.done(now, time.thread_time() - began)

    def _updated_another(self, optimizer: Any) -> None:
        """Another optimizer than the one that counts the steps has updated: what was in hand was its loss. Or the one
        that counts has skipped an update."""
        losses = self.summary.losses
        if self.optimizers.counts(optimizer):
            losses.updated()
            return
        loss = losses.take()
        if loss is not None:
            self.logbook.log(self.now(), self.summary.step, {f"loss of {self.optimizers.name(optimizer)}": loss})

    def new_epoch(self) -> None:
        """The update just made was the first of a pass over the training loader."""
        self.summary.new_epoch()
        began = self.summary.epoch_event(self.now())
        if self.desk is not None and self.logbook.may_say(began.t, began):
            self.desk.say(began)

    def make_tick(self, now: float, always: bool = False) -> None:
        """Sums up; records it while the journal may still grow at this age; shows it to whoever looks."""
        desk = self.desk
        if desk is None or (always and not self.summary.unrecorded):
            return
        gate = self._gate
        self.cost.waited(gate.held_s)
        self.tick = self.summary.tick(self.now(), now, gate.held_s, gate.single, self._dial, self.cost.update(now))
        if always or self._age.allows(now - self._t0, desk.journal.bytes):
            desk.say(self.summary.gauges.to_record(self.tick))
            self.summary.recorded()
        self.logbook.pass_on(now - self._t0, desk.say)
        if desk.looking:
            desk.show(self.live(gate.phase if gate.held else ""))

    def turned(self) -> None:
        """The dial was turned while training is held: the next update is certain to use it."""
        if self.tick is not None:
            self.tick = dataclasses.replace(self.tick, **self._dial.told())

    def quiet_until(self) -> Optional[float]:
        """Until when (of perf_counter) nothing is to be measured, unless somebody asks; None: there is always."""
        desk = self.desk
        evaluating = self.looking and desk is not None and Gaze.evaluating(desk.wish)
        if evaluating and self.gaze.listens_at <= time.perf_counter():
            return None
        if self._norm_turns.waiting or self._ratio_turns.waiting:
            return 0.0
        now = time.perf_counter()
        if min(self.norm_pace.at, self.ratio_pace.at) <= now:
            return 0.0
        until = self.tick_pace.at  # norms and ratios wait for the tick that is to tell them
        until = min(until, self.gaze.listens_at) if evaluating else until
        return min(until, self.pictures.pace.at) if self.looking else until

    def measures_at(self, now: float) -> bool:
        """Will norms or ratios be due then?"""
        return min(self.norm_pace.at, self.ratio_pace.at) <= now

    # ── pictures ──

    def expose(self, forward_done: Callable[[], None]) -> None:
        """Before the next forward pass: a hook for one step, when a picture is due or phases are stepped."""
        tree, gate, pictures = self.tree, self._gate, self.pictures
        if tree is None or not tree.has_root or pictures.exposed:
            return
        desk = self.desk
        looking = self.looking and desk is not None
        due = looking and (gate.single or pictures.pace.due(time.perf_counter()) or self._looks_elsewhere())
        if looking and desk is not None and self.summary.pass_ends and self.gaze.listens(desk.wish):
            due = True  # what comes now may be the validation
            self.gaze.listens_at = time.perf_counter() + LISTEN_S
        if (due or gate.by_phase or not self.phases.order) and not compiled_anything():
            look = self.looking or gate.by_phase
            eyes = self.gaze.choose(tree, desk.wish, gate.single) if looking and desk is not None else []
            guard, wish = self._look_at_output if look else None, desk.wish if desk is not None else Presence()
            pictures.expose(tree, guard, forward_done, eyes, self.gaze.specimen, wish, self._guard)

    def _picture_due(self, now: float) -> bool:
        """Is it time, before an update? Then it waits for the next step, which the forward hook sees from its
        beginning; not where there can be no hook, and not the first time."""
        pictures, tree = self.pictures, self.tree
        if not pictures.pace.due(now):
            return False
        can_wait = pictures.picture is not None and not pictures.exposed and tree is not None and tree.has_root
        return not can_wait or compiled_anything()

    def _look_at_output(self, look: Callable[..., None], *args: Any) -> None:
        self._guard("the outputs", look, *args)

    def show_phase(self, phase: str, optimizer: Optional[Any]) -> None:
        """While phases are stepped: everything that can be seen now, at once."""
        if self.desk is not None:
            if phase == "backward":
                self._measure_held(optimizer)
            self.pictures.take_now(self.tree, self.desk.wish, forward_done=phase == "forward")
            if self.tree is not None and self.looking:
                self.gaze.held(self.tree, optimizer, phase, self.desk.wish)
            self.desk.show(self.live(phase))

    def _measure_held(self, optimizer: Optional[Any]) -> None:
        """The gradients of the batch in hand, when a person stands right behind its backward pass."""
        tree = self.tree
        if tree is None or optimizer is None:
            return
        places = self._measurable(tree, optimizer)
        if places:
            self.summary.read_norms(tree, places, getattr(optimizer, "grad_scale", None))
            self.summary.collect_all()
            self.tick = self.summary.with_norms(self.tick)

    def live(self, phase: str) -> Live:
        """The newest snapshot.

        Args:
            phase: at whose end training is held or dwells; "" while it runs.
        """
        pictures = self.pictures
        seen = {"picture": pictures.picture, **self.gaze.shows()}
        return Live(
            t=self.now(),
            step=self.summary.step,
            held=self._gate.held,
            phase=phase,
            order=self.phases.order,
            line=pictures.line,
            code=pictures.code,
            speed=self._gate.speed,
            opening=self._gate.opening is not None,
            loss=self.summary.losses.in_hand() if phase else None,
            tick=self.tick,
            activations=pictures.activations,
            activations_step=pictures.activations_step,
            shapes=pictures.shapes,
            values=pictures.values,
            best=self.keeper.best,
            kept=self.kept,
            **seen,
        )

    def record(self, event: Any) -> None:
        """An eye's event: given its time and step, kept while the journal may still grow."""
        if self.desk is not None and self.logbook.allows(self.now()):
            self.desk.say(dataclasses.replace(event, t=self.now(), step=self.summary.step))

    # ── what the program logs ──

    def hear(self, values: dict[str, Any], mine: bool) -> None:
        """Numbers that the program logs, by whatever way; kept until a stream exists.

        Args:
            mine: this is the thread that trains, as far as that is known.
        """
        now = self.now()
        if not mine:
            self.logbook.leave(now, self.summary.step, values)
            return
        self.logbook.log(now, self.summary.step, values)
        if self.desk is not None:
            self.logbook.pass_on(now, self.desk.say)

    def log(self, values: dict[str, Any], mine: bool) -> None:
        """Numbers given to `tui.log`: a validation loss among them decides which weights are kept."""
        self.hear(values, mine)
        if mine and METRIC in values:
            value = number_of(values[METRIC])  # to copy weights waits for a device anyway
            root = self.tree.root if self.tree is not None else None
            if value is not None:
                self.keeper.logged(value, self.summary.step, root)
