"""What viewers write, or anybody with a text editor: commands (`control/<writer>.jsonl`), and who is looking
(`viewers/<name>.json`). Their encoding is that of all records: see `events.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional, Union


@dataclass(frozen=True)
class Pause:
    """Stop before the next update. With `keep` the pause stays when the last viewer is gone."""

    id: str = ""
    keep: bool = False


@dataclass(frozen=True)
class Resume:
    """Go on."""

    id: str = ""


@dataclass(frozen=True)
class Step:
    """Make exactly `n` updates, then pause."""

    id: str = ""
    n: int = 1


@dataclass(frozen=True)
class Phase:
    """Run to the end of the next phase, then pause."""

    id: str = ""


@dataclass(frozen=True)
class SetRate:
    """The learning-rate dial: a factor on the scheduled rate, a fixed value, or neither to release it."""

    id: str = ""
    factor: Optional[float] = None
    value: Optional[float] = None


@dataclass(frozen=True)
class Speed:
    """At most this many steps per second; absent: full speed."""

    id: str = ""
    steps_per_s: Optional[float] = None


@dataclass(frozen=True)
class Stop:
    """End as if Ctrl-C had been pressed right after an update."""

    id: str = ""


@dataclass(frozen=True)
class Rewind:
    """After the next update put the weights of the lowest validation loss back, then stop."""

    id: str = ""


@dataclass(frozen=True)
class TryWeight:
    """On a copy of the model: what would the loss be with one weight moved? Answered in `Walk.nudge`."""

    id: str = ""
    tensor: int = 0
    index: int = 0
    by: float = 0.0


@dataclass(frozen=True)
class Survey:
    """Compute the loss around the weights, on a copy of the model, while training is held. `side` points a side;
    `span` how far to each side, in multiples of the direction. With `cancel` an unfinished one is given up."""

    id: str = ""
    side: int = 25
    span: float = 1.0
    cancel: bool = False


BREAKS = ("odd", "loss", "norm", "times", "step", "none")
"""What a breakpoint can hold for: a loss or gradient that is not finite · a loss above, a gradient norm above, a
gradient norm above so many times its recent median · an update's number · none takes all breakpoints away."""


@dataclass(frozen=True)
class Break:
    """Hold before the update when something comes true: see `BREAKS`."""

    id: str = ""
    when: str = ""
    value: float = 0.0


@dataclass(frozen=True)
class Undo:
    """Take the last update back. Held right after an update, at once; else after the update of the batch in hand, which
    is taken back with it."""

    id: str = ""


@dataclass(frozen=True)
class Arm:
    """Keep updates for undo also while training runs, or no longer."""

    id: str = ""
    on: bool = True


@dataclass(frozen=True)
class Save:
    """Write the weights and the optimizers' state to the run's checkpoints, between two updates."""

    id: str = ""


Command = Union[Pause, Resume, Step, Phase, SetRate, Speed, Stop, Rewind, TryWeight, Survey, Break, Undo, Arm, Save]

COMMANDS: dict[str, type[Any]] = {
    "pause": Pause,
    "resume": Resume,
    "step": Step,
    "phase": Phase,
    "lr": SetRate,
    "speed": Speed,
    "stop": Stop,
    "rewind": Rewind,
    "try": TryWeight,
    "survey": Survey,
    "break": Break,
    "undo": Undo,
    "arm": Arm,
    "save": Save,
}


@dataclass(frozen=True)
class Presence:
    """Who is looking, and at what. `beat` changes every second: that is how the probe knows that somebody still is."""

    beat: int = 0
    tensor: int = -1
    """The tensor in focus; -1 leaves the choice to the probe."""
    mode: str = "change"
    rows: int = 0
    """Height and width of the weights panel, in picture cells."""
    columns: int = 0
    first: int = 0
    """The first unit to show."""
    open: list[str] = field(default_factory=list)  # noqa: A003
    """The panels that are on the screen, by their ids: what nobody has open is not computed."""
    sample: int = 0
    """The sample of the batch in focus."""
    stays: bool = False
    """Written once by a viewer that leaves on purpose while paused: the pause is to stay."""
    stream: Optional[int] = None
    """The stream that is looked at; None: any."""
