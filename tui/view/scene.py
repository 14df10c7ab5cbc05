"""What the viewer itself knows: which run, what is in focus, what was asked and not answered. No widget, no file."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Optional

from ..history.source import Source
from ..history.state import RunState
from ..run.events import Activation, Picture, Tick
from .machine import Load

MODES = ("change", "weight", "gradient", "output")


@dataclass
class Pending:
    """A request without its answer."""

    do: str
    text: str
    since: float
    factor: Optional[float] = None
    value: Optional[float] = None


@dataclass
class Arm:
    """A lesson with other arguments, to contrast with the lesson as shipped."""

    arguments: tuple[str, ...] = ()
    words: str = "as shipped"
    metric: str = ""
    expect: tuple[float, float] = (0.0, 0.0)
    """Range of the last logged value of the metric; both NaN when the outcome is NaN."""
    near: bool = False
    """Its range may overlap with that of the lesson as shipped."""


@dataclass
class Card:
    """The text of a lesson, as the view shows it."""

    lesson: str
    title: str
    question: str
    about: str = ""
    number: int = 0
    choices: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    """Letters by the value of --case, where it depends on that."""
    later: bool = False
    """The question is asked after watching."""
    metric: str = ""
    expect: tuple[float, float] = (0.0, 0.0)
    arms: list[Arm] = field(default_factory=list)
    race: str = ""
    """Arguments of `backlit race` that the lesson is made for."""
    pace: Optional[float] = None
    show: str = "card"
    """The tab in front at the start."""
    zoom: str = ""
    """The panel that has the screen for itself at the start."""
    before: str = ""
    tries: str = ""
    reveal: str = ""
    checks: list[tuple[str, str]] = field(default_factory=list)
    """Questions with their answers, for after the reveal."""
    path: int = 0
    """Its place on the short path, for whoever has twenty minutes; 0: not on it."""
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The keys that a line of `tries` begins with or names before any other word, by its text."""

    def keys_of(self, line: str) -> tuple[str, ...]:
        """The keys that a thing to try is about."""
        return self.keys.get(line, ())


@dataclass
class LogPlace:
    """How the log is being read."""

    bottom: Optional[tuple[int, int]] = None
    """The lowest row shown: the number of a line, and which part of it; None follows the newest."""
    known: int = 0
    """The number of the next line when following ended: all from there on are new."""
    line: str = ""
    """What the line at its foot is for while there is one: type or find."""
    find: str = ""
    """The text looked for."""
    found: Optional[int] = None
    """The number of the line in hand that has it."""


STANDS_S = 3.0
"""Without an update for longer than this, and than three usual steps, a run is said to do something else."""


@dataclass
class Scene:
    """Everything a panel may look at besides the run's state."""

    source: Source
    readonly: bool = False
    asks: bool = True
    """Ask once before the first key that steers (a run of somebody's own)."""
    may_steer: bool = False
    """The question was answered with yes."""
    zoomed: str = ""
    """id of the panel that has the screen for itself."""
    tab: str = "explain"
    focus: str = "loss"
    layer: Optional[int] = None
    """Row of the layer in focus, or None: the probe's choice."""
    first_unit: int = 0
    mode: str = "change"
    log_y: bool = False
    full_range: bool = False
    order: str = "model"
    """Of the gradient norms: model (the order in the model), largest or worst first."""
    level: Optional[int] = None
    """Of `RunState.levels`, the way in which layers are listed there; None: as fits."""
    filter: str = ""  # noqa: A003
    scroll: dict[str, int] = field(default_factory=dict)
    """Lines scrolled, by panel id."""
    log: LogPlace = field(default_factory=LogPlace)
    size: str = "normal"
    """compact, normal or wide."""
    pending: dict[str, Pending] = field(default_factory=dict)
    card: Optional[Card] = None
    guess: str = ""
    """What the learner predicted: a letter of the card."""
    away: str = ""
    """What happened while nobody looked."""
    arguments: tuple[str, ...] = ()
    """What the lesson was started with."""
    pressed: set[str] = field(default_factory=set)
    """Names of the actions that were asked for in this run."""
    ticked: set[str] = field(default_factory=set)
    """The same of all runs of this lesson: the card ticks these off."""
    surveyed: bool = False
    """A survey of the valley was asked for."""
    left_phases: bool = False
    """The phase view was left during this pause: p does not open it again."""
    armed: bool = False
    """Updates are kept for undo while training runs."""
    sample: int = 0
    """The sample of the batch in focus."""
    interrupted: bool = False
    """The program was sent SIGINT from here."""
    _newest: tuple[int, float] = (-1, 0.0)
    """The newest step, and when it was first seen here."""
    machine: Optional[Load] = None
    """The newest look at the machine, while somebody sees it."""
    results: list[tuple[tuple[str, ...], float]] = field(default_factory=list)
    """What runs of this lesson came to: arguments and outcome, the newest last."""
    steady: Optional[Tick] = None
    """The tick whose loss is shown: renewed four times a second, so that every panel shows the same number."""

    # ── the run ──

    @property
    def loss(self) -> Optional[float]:
        """The newest loss, as all panels show it; while training is held, that of the batch in hand."""
        live = self.state.live
        if live is not None and live.loss is not None and (self.paused or self.opening):
            return live.loss
        tick = self.steady or self.state.tick
        return tick.loss if tick is not None else None

    @property
    def state(self) -> RunState:
        return self.source.state

    @property
    def tick(self) -> Optional[Tick]:
        return self.source.state.tick

    @property
    def picture(self) -> Optional[Picture]:
        live, kept = self.state.live, self.state.keyframe
        newest = live.picture if live is not None else None
        if not self.done or kept is None:
            return newest
        wanted = self.tensor() if self.tensor() >= 0 else (newest.tensor if newest is not None else -1)
        fits = [one for one in kept.pictures if one.tensor == wanted and one.mode == self.mode]
        return fits[0] if fits else newest

    @property
    def activations(self) -> dict[int, Activation]:
        """By module index; empty when none were photographed."""
        live = self.source.state.live
        return {one.module: one for one in live.activations} if live is not None else {}

    @property
    def status(self) -> str:
        """The run's status, or what was asked for and has not come about: "pausing", "stopping"."""
        if self.source.ended:
            return "ended"
        status = self.source.status
        stop_asked = self.state.stop_asked or any(one.do in ("stop", "rewind") for one in self.pending.values())
        if stop_asked and not self.source.over and status != "starting":
            return "stopping"
        if status == "running" and any(one.do in ("pause", "phase") for one in self.pending.values()):
            return "pausing"
        return status

    @property
    def paused(self) -> bool:
        return self.source.status == "paused"

    @property
    def done(self) -> bool:
        """The training that is shown will not change any more."""
        return self.source.over or self.source.ended

    @property
    def steerable(self) -> bool:
        """Can anything that steers still have an effect?"""
        return not self.readonly and not self.done

    @property
    def has_terminal(self) -> bool:
        """Was the program given a terminal of its own?"""
        return isinstance(self.source.about.get("terminal"), dict)

    @property
    def may_type(self) -> bool:
        """Can something be typed into the program?"""
        return self.has_terminal and not self.readonly and not self.source.over

    @property
    def waits_for_input(self) -> bool:
        """Does the program wait for somebody to type?"""
        return self.has_terminal and self.source.waiting.waits and not self.source.over

    @property
    def speed(self) -> Optional[float]:
        """The pace that was asked for and acknowledged; None is full speed."""
        live = self.source.state.live
        return live.speed if live is not None else None

    @property
    def content(self) -> tuple[str, ...]:
        """The tabs that have something to show, of those that exist only then."""
        model, live = self.state.model, self.state.live
        kind = model.loss if model is not None else ""
        there = {
            "card": self.card is not None,
            "doctor": model is not None,
            "predict": bool(kind)
            or (self.card is not None and self.card.show == "predict")
            or (model is not None and any(len(one.shape) == 2 and one.shape[1] == 2 for one in model.tensors[:1]))
            or (live is not None and live.predictions is not None),
            "metrics": bool(self.state.metrics),
            "valley": self.surveyed
            or (model is not None and 0 < model.weights <= 2)
            or (live is not None and live.surface is not None),
        }
        return tuple(name for name, yes in there.items() if yes)

    @property
    def opening(self) -> bool:
        live = self.source.state.live
        return live is not None and live.opening and not self.source.over

    @property
    def program(self) -> str:
        return str(self.source.about.get("name") or "program")

    # ── streams ──

    def stream(self, short: bool = False) -> str:
        """Which of several streams is shown: "stream 2/3 · rank 1 · restart 1", short "2/3 r1"; empty of one."""
        streams = self.source.streams
        one = streams.get(self.source.shown)
        if one is None or len(streams) < 2:
            return ""
        of = f"{streams.at(one.number)}/{len(streams)}"
        rank = one.start.rank if one.start is not None and one.start.world > 1 else None
        if short:
            return of if rank is None else f"{of} r{rank}"
        words = [f"stream {of}"] if rank is None else [f"stream {of}", f"rank {rank}"]
        restart = one.start.restart if one.start is not None else 0
        return " · ".join([*words, f"restart {restart}"] if restart else words)

    def addresses(self) -> list[Optional[int]]:
        """The streams that a request is for, None being all: the one that is shown; of a training of several ranks
        all of these, since each waits for the others."""
        ranks = self.source.ranks()
        if not ranks or ranks[0].start is None or ranks[0].start.world <= 1:
            return [self.source.shown]
        numbers = {one.number for one in ranks}
        if all(one.over or one.number in numbers for one in self.source.streams.all):
            return [None]
        return [one.number for one in ranks if not one.over]

    def turned(self) -> None:
        """Another stream is shown: what was said of the one before is no longer meant."""
        self.pending.clear()
        self.scroll.clear()
        self.layer, self.first_unit, self.sample, self.steady = None, 0, 0, None
        self.level = None
        self.armed = self.surveyed = self.left_phases = False
        if self.tab not in (*self.content, "explain", "log"):
            self.tab = "explain"

    def standing_s(self) -> Optional[float]:
        """Seconds for which a run that goes on has made no update, once that is long for it; else None."""
        tick = self.tick
        if tick is None or self.paused or self.source.over or self.source.ended:
            return None
        now = time.monotonic()
        if tick.step != self._newest[0]:
            self._newest = (tick.step, now)
        still = now - self._newest[1]
        usual = 1.0 / tick.steps_per_s if tick.steps_per_s else 0.0
        return still if still > max(STANDS_S, 3 * usual) else None

    # ── layers ──

    def rows(self) -> list[int]:
        """The layers to list: those whose title has the filter in it."""
        wanted = self.filter.lower()
        return [
            place
            for place, layer in enumerate(self.state.layers)
            if not wanted or wanted in layer.title.lower() or wanted in layer.detail.lower()
        ]

    def shown_layer(self) -> Optional[int]:
        """The layer whose weights are shown."""
        if self.layer is not None and self.layer < len(self.state.layers):
            return self.layer
        picture = self.picture
        if picture is not None:
            for place, layer in enumerate(self.state.layers):
                if picture.tensor in layer.tensors:
                    return place
        return None

    def tensor(self) -> int:
        """What the presence asks the probe for: -1 leaves the choice to it."""
        if self.layer is not None and self.layer < len(self.state.layers):
            return self.state.layers[self.layer].main
        return -1

    # ── requests ──

    def ask(self, ident: str, pending: Pending) -> None:
        self.pending[ident] = pending

    told: list[str] = field(default_factory=list)
    """What came of requests, in words, for the app to say."""

    def settle(self) -> list[str]:
        """Drops what was answered; returns refusals as sentences."""
        refused = []
        for ident in list(self.pending):
            answer = self.state.answers.get(ident)
            if answer is not None:
                pending = self.pending.pop(ident)
                if answer.refused:
                    refused.append(f"{pending.text}: refused, {answer.refused}")
                elif answer.said:
                    self.told.append(f"{pending.text}: {answer.said}")
            elif self.done:
                self.pending.pop(ident)
        return refused

    def waits_long(self, most_s: float = 1.0) -> Optional[Pending]:
        """A request that has been without an answer for long, or None."""
        now = time.monotonic()
        return next((one for one in self.pending.values() if now - one.since > most_s), None)
