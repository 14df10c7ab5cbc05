"""Every record that the two sides of a run may write: the whole vocabulary, its encoding, and nothing else.

The probe writes *events* (`events.<n>.jsonl`) and the newest *snapshot* (`live.<n>.json`); viewers write *commands*
(`control/<writer>.jsonl`) and their *presence* (`viewers/<name>.json`). One JSON object a line; ``k`` names the kind of
an event, ``do`` that of a command. Fields that hold their default are left out. Unknown fields and kinds are ignored
by readers, so both may be added without a new `SCHEMA`.

Non-finite numbers: JSON has none, so a float field holds the strings "NaN", "Infinity" or "-Infinity". This is the one
place that knows.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Union

from .checkup import Checkup, Silence
from .commands import (
    BREAKS,
    COMMANDS,
    Arm,
    Break,
    Command,
    Pause,
    Phase,
    Presence,
    Resume,
    Rewind,
    Save,
    SetRate,
    Speed,
    Step,
    Stop,
    Survey,
    TryWeight,
    Undo,
)
from .sights import Activation, Picture, Predictions, Sample, Shapes, Surface
from .walk import Nudge, Stage, Term, Unit, Verdict, Walk

__all__ = ["Activation", "Checkup", "Nudge", "Picture", "Predictions", "Sample", "Silence", "Stage", "Surface", "Term"]
__all__ += ["Shapes", "Unit", "Verdict", "Walk"]
__all__ += ["BREAKS", "COMMANDS", "Arm", "Break", "Command", "Pause", "Phase", "Presence", "Resume"]
__all__ += ["Rewind", "Save", "SetRate", "Speed", "Step", "Stop", "Survey", "TryWeight", "Undo"]

SCHEMA = 1

PHASES = ("forward", "loss", "backward", "update", "zero_grad")
"""The phases of one training step. Programs put zero_grad first or last; the probe reports the order it saw."""

WEIGHT_LEVELS = "0123456789abcdef"
"""Letters of a picture: level 0 is -scale, level 15 is +scale; 'n' is a value that is not finite, '.' no value."""


class BadRecord(ValueError):
    """A line that is no record of this schema: damaged, of an unknown kind, or with a field of the wrong type."""


# ── events: written by the probe ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Start:
    """A process began to train: the first line of its stream. `time` is Unix seconds, all `t` are seconds since it."""

    schema: int = SCHEMA
    time: float = 0.0
    pid: int = 0
    python: str = ""
    torch: str = ""
    argv: list[str] = field(default_factory=list)
    rank: int = 0
    world: int = 1
    threads: int = 0
    device: str = ""
    restart: int = 0
    """How often torchrun has started its workers again."""


@dataclass(frozen=True)
class TensorInfo:
    """One parameter tensor; its place in `Model.tensors` is the index that ticks and snapshots use."""

    name: str = ""
    shape: list[int] = field(default_factory=list)
    dtype: str = ""
    trainable: bool = True
    picture: list[int] = field(default_factory=list)
    """[units, height, width] when each unit's weights read as a picture, else empty."""
    optimizer: int = 0
    """Place in `Model.optimizers` of the one that updates it; -1 when none does."""
    device: str = ""
    """Where it is, if not on the model's device."""
    form: str = ""
    """What it is besides shape and type, if not a plain dense tensor: "sparse", "not initialised", "part 2×3" …"""


@dataclass(frozen=True)
class ModuleInfo:
    """One module of the tree, in registration order."""

    path: str = ""
    kind: str = ""
    detail: str = ""
    """The sizes that matter, for example "64→32" or "1→16 3×3"."""
    weights: int = 0
    """Weights of this module and all below it."""
    tensors: list[int] = field(default_factory=list)
    """Indices of the parameter tensors that are this module's own."""
    same: str = ""
    """The path under which this very module is in the tree already; what is below it stands there alone."""


@dataclass(frozen=True)
class Model:
    """What is being trained. Written again when the set of parameters changes."""

    t: float = 0.0
    name: str = ""
    weights: int = 0
    tensors: list[TensorInfo] = field(default_factory=list)
    modules: list[ModuleInfo] = field(default_factory=list)
    optimizers: list[str] = field(default_factory=list)
    device: str = ""
    loss: str = ""
    """What kind of loss it is, where autograd tells: "cross-entropy", "mean squared error" …"""
    counts: str = ""
    """What a step is where no update can be seen: "backward passes"; empty: updates."""


@dataclass(frozen=True)
class Tick:
    """A summary of the steps since the previous tick."""

    t: float = 0.0
    step: int = 0
    steps: int = 1
    """How many steps it sums up."""
    loss: Optional[float] = None
    """Loss of the last step; `low`, `high`, `mean` are over the steps summed up."""
    low: Optional[float] = None
    high: Optional[float] = None
    mean: Optional[float] = None
    rate: Optional[float] = None
    """Effective learning rate of the first parameter group."""
    scheduled: Optional[float] = None
    """What the program itself set, when it differs from `rate`."""
    rates: Optional[list[float]] = None
    """Lowest and highest effective rate of all parameter groups, where they differ."""
    schedules: Optional[list[float]] = None
    """Lowest and highest rate that the program itself set, where they differ and the dial is turned."""
    factor: Optional[float] = None
    """The dial: the factor on the scheduled rates; absent when there is none."""
    fixed: bool = False
    """The dial: one rate, whatever is scheduled."""
    steps_per_s: Optional[float] = None
    samples_per_s: Optional[float] = None
    epoch: Optional[int] = None
    """1 in the first pass over the training loader; absent without a loader."""
    batch: Optional[int] = None
    batches: Optional[int] = None
    norm: Optional[float] = None
    """L2 norm of all gradients together, as measured at `norms_step`."""
    norms: Optional[list[Optional[float]]] = None
    """Gradient norm of each tensor; null where a tensor had no gradient."""
    norms_step: Optional[int] = None
    ratios: Optional[list[Optional[float]]] = None
    """‖weight change‖ / ‖weight‖ of each tensor over the step `ratios_step`."""
    ratios_step: Optional[int] = None
    cost: Optional[float] = None
    """Share of the wall time that the probe itself took, lately."""
    period: Optional[float] = None
    """Mean number of steps between two measurements of the gradients, lately."""
    passes: int = 1
    """Backward passes that the last update was made of: its loss is their sum, as its gradients are."""
    skipped: int = 0
    """Steps that a GradScaler has skipped so far, because gradients were not finite."""
    wait: Optional[float] = None
    """Share of the wall time that training waited for its loader, lately; absent without a loader."""
    norms_at: list[int] = field(default_factory=list)
    """With several optimizers: the step at which the norms of each one's tensors were measured; else empty."""
    ratios_at: list[int] = field(default_factory=list)
    """The same of the ratios."""
    odd: list[int] = field(default_factory=list)
    """Gradients that are not finite, three numbers each: tensor, how many entries are NaN, how many infinite."""
    clipped: Optional[float] = None
    """Share of the steps summed up whose gradients were clipped; absent where nothing was seen to clip."""
    clip_at: Optional[float] = None
    """The limit: of the norm of all gradients together, or with `clip_by` "value" of each entry."""
    clip_by: str = ""


@dataclass(frozen=True)
class Metric:
    """A number that the program logged."""

    t: float = 0.0
    step: int = 0
    name: str = ""
    value: float = 0.0


@dataclass(frozen=True)
class Epoch:
    """A pass over the training loader began."""

    t: float = 0.0
    step: int = 0
    epoch: int = 1
    batches: Optional[int] = None


@dataclass(frozen=True)
class Gate:
    """Training stopped at a phase and waits (`held`), or goes on."""

    t: float = 0.0
    step: int = 0
    held: bool = False
    phase: str = ""
    why: str = ""


@dataclass(frozen=True)
class Applied:
    """The answer to a command: it took effect at `step`, or it was `refused` with a reason."""

    t: float = 0.0
    step: int = 0
    id: str = ""
    writer: str = ""
    do: str = ""
    before: Optional[float] = None
    after: Optional[float] = None
    factor: Optional[float] = None
    refused: str = ""
    said: str = ""
    """What came of it, in words, where numbers do not say it."""
    value: Optional[float] = None
    """The fixed rate that the dial holds now."""


@dataclass(frozen=True)
class Did:
    """An intervention took effect: what a tape is made of, and what repeats it.

    `do`: "rate" (with the update `step`: `factor` or `value`, neither for release), "undo" (when `step` updates had
    been made, back to `to`), "back" (to the weights of the lowest validation loss), "stop" (after the update `step`).
    """

    t: float = 0.0
    step: int = 0
    do: str = ""
    factor: Optional[float] = None
    value: Optional[float] = None
    to: Optional[int] = None


@dataclass(frozen=True)
class Warning:  # noqa: A001
    """Something that the probe could not do, said once."""

    t: float = 0.0
    step: int = 0
    text: str = ""


@dataclass(frozen=True)
class End:
    """The process that opened the stream ended in order (how is in exit.json)."""

    t: float = 0.0
    step: int = 0


@dataclass(frozen=True)
class Keyframe:
    """Pictures of several tensors at one step, for when nobody can ask for others any more."""

    t: float = 0.0
    step: int = 0
    pictures: list[Picture] = field(default_factory=list)


Event = Union[Start, Model, Tick, Metric, Epoch, Gate, Applied, Warning, Keyframe, Checkup, Did, End]

EVENTS: dict[str, type[Any]] = {
    "start": Start,
    "model": Model,
    "tick": Tick,
    "metric": Metric,
    "epoch": Epoch,
    "gate": Gate,
    "applied": Applied,
    "warning": Warning,
    "keyframe": Keyframe,
    "checkup": Checkup,
    "did": Did,
    "end": End,
}

# ── the snapshot: newest pictures, replaced as a whole ────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Best:
    """The copy of the weights that had the lowest validation loss; `refused` says why none is kept."""

    step: int = 0
    loss: float = 0.0
    bytes: int = 0  # noqa: A003
    refused: str = ""


@dataclass(frozen=True)
class Kept:
    """Updates that can be taken back, and the memory that they take."""

    updates: int = 0
    bytes: int = 0  # noqa: A003
    budget: int = 0
    armed: bool = False
    refused: str = ""
    """Why nothing is kept."""


@dataclass(frozen=True)
class Live:
    """The newest snapshot of one stream."""

    t: float = 0.0
    step: int = 0
    held: bool = False
    phase: str = ""
    order: list[str] = field(default_factory=list)
    """The phases in the order in which this program runs them."""
    line: str = ""
    """file:number of the program's line that runs now; `code` is its text."""
    code: str = ""
    speed: Optional[float] = None
    """Steps per second that training is slowed to; absent at full speed."""
    opening: bool = False
    """The first minute's slow opening is under way."""
    loss: Optional[float] = None
    """The loss of the batch whose update is not made yet, while training is held or goes by phases."""
    tick: Optional[Tick] = None
    picture: Optional[Picture] = None
    activations: list[Activation] = field(default_factory=list)
    activations_step: int = 0
    shapes: Optional[Shapes] = None
    values: list[list[float]] = field(default_factory=list)
    """Every weight of a model that has few, tensor by tensor (flattened), as they are now."""
    walk: Optional[Walk] = None
    predictions: Optional[Predictions] = None
    surface: Optional[Surface] = None
    boundary: Optional[Surface] = None
    best: Optional[Best] = None
    """The weights that are kept for going back to."""
    kept: Optional[Kept] = None
    """The updates that are kept for undo; absent while none is and none is to be."""


# ── encoding ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_KIND_OF: dict[type[Any], tuple[str, str]] = {
    **{cls: ("k", kind) for kind, cls in EVENTS.items()},
    **{cls: ("do", kind) for kind, cls in COMMANDS.items()},
}

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses as objects without defaults, non-finite floats as their words."""
    if type(value) is float:
        if value - value == 0.0:
            return value
        return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    if type(value) is list:
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return _fields(value)
    return value


def _fields(record: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, default in _defaults(type(record)).items():
        value = getattr(record, name)
        if value is None or (value == default and type(value) is type(default)):
            continue
        out[name] = _plain(value)
    return out


_DEFAULTS: dict[type[Any], dict[str, Any]] = {}


def _defaults(cls: type[Any]) -> dict[str, Any]:
    found = _DEFAULTS.get(cls)
    if found is None:
        found = {}
        for item in dataclasses.fields(cls):
            made = item.default_factory
            found[item.name] = item.default if made is dataclasses.MISSING else made()
        if cls is Start:
            found["schema"] = None  # always written: it is what a newer reader looks at
        _DEFAULTS[cls] = found
    return found


def encode(record: Any) -> bytes:
    """One line, newline included, of an event or a command."""
    key, kind = _KIND_OF[type(record)]
    return _dump({key: kind, **_fields(record)})


def encode_request(command: Command, stream: Optional[int] = None) -> bytes:
    """One line of a command to one stream, or to all of them."""
    address = {} if stream is None else {"stream": stream}
    return _dump({"do": _KIND_OF[type(command)][1], **_fields(command), **address})


def encode_bare(record: Union[Live, Presence]) -> bytes:
    """The whole content of a file that holds one record."""
    return _dump(_fields(record))


def _dump(raw: dict[str, Any]) -> bytes:
    return (json.dumps(raw, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n").encode(
        "utf-8", "replace"
    )


# ── decoding ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def decode_event(line: bytes) -> Event:
    """The event of one line.

    Raises:
        BadRecord: the line is damaged, its kind is unknown, or a field has the wrong type.
    """
    event: Event = _decode(line, "k", EVENTS)
    return event


def decode_command(line: bytes) -> Command:
    """The command of one line, written by a viewer or by hand.

    Raises:
        BadRecord: the same as for events. Nothing in the line is ever evaluated.
    """
    command: Command = _decode(line, "do", COMMANDS)
    return command


def decode_request(line: bytes) -> tuple[Command, Optional[int]]:
    """The command of one line, and the stream that it is for: None means every stream. Raises BadRecord."""
    raw = _object(line)
    stream = raw.get("stream")
    command: Command = _made(raw, "do", COMMANDS)
    return command, None if stream is None else int(_expect(stream, int))


def faulty_request(line: bytes) -> Optional[tuple[Command, Optional[int], str]]:
    """What a line wanted that `decode_request` raises for: the command with its id alone, the stream that it is for,
    what is wrong with which field. None for a line that is no command at all."""
    try:
        raw = _object(line)
    except BadRecord:
        return None
    kind, ident, stream = raw.get("do"), raw.get("id"), raw.get("stream")
    cls = COMMANDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        return None
    readers, _ = _readers(cls)
    for name, value in raw.items():
        try:
            if name in readers:
                readers[name](value)
        except BadRecord as error:
            command: Command = cls(id=ident if isinstance(ident, str) else "")
            return command, stream if isinstance(stream, int) else None, f"{name}: {error}"
    return None


def decode_live(content: bytes) -> Live:
    """The snapshot of one file. Raises BadRecord."""
    live: Live = _build(Live, _object(content))
    return live


def decode_presence(content: bytes) -> Presence:
    """The presence of one file. Raises BadRecord."""
    presence: Presence = _build(Presence, _object(content))
    return presence


def _object(content: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadRecord("not JSON") from error
    if not isinstance(raw, dict):
        raise BadRecord("not an object")
    return raw


def _decode(line: bytes, key: str, kinds: dict[str, type[Any]]) -> Any:
    return _made(_object(line), key, kinds)


def _made(raw: dict[str, Any], key: str, kinds: dict[str, type[Any]]) -> Any:
    kind = raw.get(key)
    cls = kinds.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise BadRecord(f"unknown kind {str(kind)[:40]!r}")
    return _build(cls, raw)


def _build(cls: type[Any], raw: dict[str, Any]) -> Any:
    readers, blank = _readers(cls)
    record = object.__new__(cls)
    values = record.__dict__  # not through __init__: a frozen dataclass sets its fields one by one, and slowly
    values.update(blank)
    for name, value in raw.items():
        reader = readers.get(name)
        if reader is not None:
            values[name] = reader(value)
    return record


_Reader = Callable[[Any], Any]
_READERS: dict[type[Any], tuple[dict[str, _Reader], dict[str, Any]]] = {}


def _readers(cls: type[Any]) -> tuple[dict[str, _Reader], dict[str, Any]]:
    """(what reads each field, the fields of a record that says nothing)."""
    found = _READERS.get(cls)
    if found is None:
        found = ({item.name: _reader(str(item.type)) for item in dataclasses.fields(cls)}, dict(vars(cls())))
        _READERS[cls] = found
    return found


def _reader(annotation: str) -> _Reader:
    """What turns a JSON value into a field of this annotation, or raises BadRecord."""
    if annotation == "Optional[float]":
        return _optional_float
    if annotation == "list[Optional[float]]":
        return lambda value: [_optional_float(one) for one in _expect(value, list)]
    if annotation.startswith("Optional["):
        inner = _reader(annotation[9:-1])
        return lambda value: None if value is None else inner(value)
    if annotation.startswith("list["):
        item = _reader(annotation[5:-1])
        return lambda value: [item(one) for one in _expect(value, list)]
    if annotation == "float":
        return _float
    if annotation == "int":
        return lambda value: _expect(value, int)
    if annotation == "bool":
        return lambda value: _expect(value, bool)
    if annotation == "str":
        return lambda value: _expect(value, str)
    nested: type[Any] = globals()[annotation]
    return lambda value: _build(nested, _expect(value, dict))


def _optional_float(value: Any) -> Optional[float]:
    if type(value) is float:  # most of a journal
        return float(value)
    return None if value is None else _float(value)


def _float(value: Any) -> float:
    kind = type(value)
    if kind is float:
        return float(value)
    if kind is int:
        try:
            return float(value)
        except OverflowError:
            raise BadRecord("a number beyond every float") from None
    if kind is str and value in _WORDS:
        return _WORDS[value]
    raise BadRecord("not a number")


def _expect(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind or (kind is int and abs(value) > 2**62):
        raise BadRecord(f"expected {kind.__name__}")
    return value
