"""What the viewer itself knows: which run, what is in focus, what was asked and not answered. No widget, no file."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Optional

from ..history.source import Source
from ..history.state import Layer, RunState
from ..run.events import Activation, Picture, Tick

MODES = ("change", "weight", "gradient")


@dataclass
class Pending:
    """A request without its answer."""

    do: str
    text: str
    since: float
    factor: Optional[float] = None
    value: Optional[float] = None


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
    metric: str = ""
    expect: tuple[float, float] = (0.0, 0.0)
    pace: Optional[float] = None
    before: str = ""
    tries: str = ""
    reveal: str = ""


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
    filter: str = ""  # noqa: A003
    scroll: dict[str, int] = field(default_factory=dict)
    """Lines scrolled, by panel id."""
    size: str = "normal"
    """compact, normal or wide."""
    pending: dict[str, Pending] = field(default_factory=dict)
    card: Optional[Card] = None
    guess: str = ""
    """What the learner predicted: a letter of the card."""
    away: str = ""
    """What happened while nobody looked."""
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
        if not self.source.over or kept is None:
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
        status = self.source.status
        stop_asked = self.state.stop_asked or any(one.do == "stop" for one in self.pending.values())
        if stop_asked and not self.source.over and status != "starting":
            return "stopping"
        if status == "running" and any(one.do in ("pause", "phase") for one in self.pending.values()):
            return "pausing"
        return status

    @property
    def paused(self) -> bool:
        return self.source.status == "paused"

    @property
    def steerable(self) -> bool:
        """Can anything that steers still have an effect?"""
        return not self.readonly and not self.source.over

    @property
    def speed(self) -> Optional[float]:
        """The pace that was asked for and acknowledged; None is full speed."""
        live = self.source.state.live
        return live.speed if live is not None else None

    @property
    def opening(self) -> bool:
        live = self.source.state.live
        return live is not None and live.opening and not self.source.over

    @property
    def program(self) -> str:
        return str(self.source.about.get("name") or "program")

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

    def layer_named(self, place: int) -> Layer:
        return self.state.layers[place]

    # ── requests ──

    def ask(self, ident: str, pending: Pending) -> None:
        self.pending[ident] = pending

    def settle(self) -> list[str]:
        """Drops what was answered; returns refusals as sentences."""
        refused = []
        for ident in list(self.pending):
            answer = self.state.answers.get(ident)
            if answer is not None:
                pending = self.pending.pop(ident)
                if answer.refused:
                    refused.append(f"{pending.text}: refused, {answer.refused}")
            elif self.source.over:
                self.pending.pop(ident)
        return refused

    def waits_long(self, most_s: float = 1.0) -> Optional[Pending]:
        """A request that has been without an answer for long, or None."""
        now = time.monotonic()
        return next((one for one in self.pending.values() if now - one.since > most_s), None)
