"""Scripted runs: run directories written by hand, of programs that no lesson is.

A `Tape` writes what a probe and a supervisor would have written, record by record. `STATES` are whole runs in every
state that a person can meet, with names and depths of their own.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Optional

from tui.run import events
from tui.run.directory import RunDirectory, process_start, replace, replace_bytes
from tui.run.events import (
    Activation,
    Applied,
    End,
    Epoch,
    Gate,
    Live,
    Metric,
    Model,
    ModuleInfo,
    Picture,
    Start,
    TensorInfo,
    Tick,
)
from tui.run.events import Warning as WarningEvent

ORDER = ["forward", "loss", "backward", "update", "zero_grad"]
LEVELS = events.WEIGHT_LEVELS


class Tape:
    """One scripted run.

    Args:
        root: folder of runs.
        pid: a process that lives for as long as the run does; None is a run whose program is gone.
        name: of the run.
        about: more for run.json.
    """

    def __init__(self, root: Path, pid: Optional[int], name: str = "reader", **about: Any) -> None:
        self.run = RunDirectory.create(root, name, {"command": ["python", "reader.py"], "cwd": "/home/x", **about})
        what = self.run.about()
        what["pid"] = pid if pid is not None else 2**22 + 17
        what["pid_start"] = process_start(pid) if pid is not None else 1
        replace(self.run.run_file, {**what, **about})

    def add(self, *records: Any) -> Tape:
        """Appends events."""
        with open(self.run.events_file(0), "ab") as file:
            file.write(b"".join(events.encode(record) for record in records))
        return self

    def see(self, live: Live) -> Tape:
        """Replaces the snapshot."""
        replace_bytes(self.run.live_file(0), events.encode_bare(live))
        return self

    def say(self, text: str) -> Tape:
        """The program prints."""
        with open(self.run.output_file, "ab") as file:
            file.write(text.encode())
        return self

    def end(self, **how: Any) -> Tape:
        """The program has ended."""
        replace(self.run.exit_file, {"time": time.time(), **how})
        return self

    def commands(self) -> list[Any]:
        """Everything that was asked for, by whatever viewer."""
        found = []
        for path in sorted(self.run.control.glob("*.jsonl")):
            found += [events.decode_command(line) for line in path.read_bytes().splitlines()]
        return found

    def presence(self) -> Optional[events.Presence]:
        """What the one viewer says that it looks at."""
        for path in self.run.viewers.glob("*.json"):
            return events.decode_presence(path.read_bytes())
        return None

    def answer(self, command: Any, do: str, step: int = 500, **how: Any) -> Tape:
        """The probe's answer to a command."""
        return self.add(Applied(t=9.0, step=step, id=command.id, do=do, **how))


# ── what is trained ───────────────────────────────────────────────────────────────────────────────────────────────────


def reader(blocks: int = 3) -> Model:
    """An encoder of equal blocks between embeddings and a head, three levels deep."""
    tensors: list[TensorInfo] = []
    modules: list[ModuleInfo] = []

    def module(path: str, kind: str, detail: str = "", shapes: Iterable[list[int]] = ()) -> None:
        places = []
        for place, shape in enumerate(shapes):
            places.append(len(tensors))
            tensors.append(TensorInfo(f"{path}.{'weight' if place == 0 else 'bias'}", list(shape), "float32"))
        modules.append(ModuleInfo(path, kind, detail, sum(math.prod(shape) for shape in shapes), places))

    module("", "Reader")
    module("embeddings", "Embedding", "5000→48", [[5000, 48]])
    module("encoder", "Encoder")
    module("encoder.block", "ModuleList")
    for number in range(blocks):
        base = f"encoder.block.{number}"
        module(base, "Block")
        module(f"{base}.attention", "Linear", "48→48", [[48, 48], [48]])
        module(f"{base}.norm", "LayerNorm", "48", [[48], [48]])
        module(f"{base}.gelu", "GELU")
    module("head", "Linear", "48→7", [[7, 48], [7]])
    weights = sum(math.prod(tensor.shape) for tensor in tensors)
    return Model(0.1, "Reader", weights, tensors, modules, ["AdamW"], "cpu", "cross-entropy")


def chain(layers: int, name: Callable[[int], str] = "stage{:03}".format) -> Model:
    """So many layers in a row, no two of the same sizes."""
    tensors, modules = [], [ModuleInfo("", "Chain", "", 0, [])]
    for place in range(layers):
        modules.append(
            ModuleInfo(name(place), "Linear", f"{place + 1}→{place + 2}", (place + 1) * (place + 2), [place])
        )
        tensors.append(TensorInfo(name(place) + ".weight", [place + 2, place + 1], "float32"))
    return Model(0.1, "Chain", sum(info.weights for info in modules), tensors, modules, ["SGD"], "cpu", "")


def deep(levels: int) -> Model:
    """Modules within modules within modules."""
    modules = [ModuleInfo(".".join(["in"] * level), "Box", "", 6, []) for level in range(levels)]
    modules.append(ModuleInfo(".".join(["in"] * levels), "Linear", "2→3", 6, [0]))
    return Model(0.1, "Box", 6, [TensorInfo("w", [3, 2], "float32")], modules, ["SGD"], "cpu", "")


def start(**how: Any) -> Start:
    return Start(**{"time": time.time() - 60, "pid": 4711, "argv": ["reader.py"], "device": "cpu", **how})


def tick(model: Model, step: int, t: float, **how: Any) -> Tick:
    """What a healthy step looks like; every number is another one."""
    wave = 1 + 0.05 * math.sin(step)
    loss = 0.4 + 1.6 * math.exp(-step / 150) * wave
    norms = [0.003 * 1.7 ** (place % 9) * wave for place in range(len(model.tensors))]
    values: dict[str, Any] = {
        "t": t,
        "step": step,
        "steps": 5,
        "loss": loss,
        "low": loss * 0.97,
        "high": loss * 1.04,
        "mean": loss * 1.01,
        "rate": 0.00231,
        "steps_per_s": 61.7,
        "epoch": 1 + step // 200,
        "batch": 1 + step % 200,
        "batches": 200,
        "norm": 1.37 * wave,
        "norms": norms,
        "norms_step": step,
        "ratios": [0.0021 * (1 + place % 4) for place in range(len(model.tensors))],
        "ratios_step": step,
        "cost": 0.0064,
        "period": 5.0,
    }
    return Tick(**{**values, **how})


def ticks(model: Model, until: int = 500, **how: Any) -> list[Tick]:
    return [tick(model, step, step / 61.7, **how) for step in range(5, until + 1, 5)]


def picture(tensor: int = 3, **how: Any) -> Picture:
    values: dict[str, Any] = {
        "tensor": tensor,
        "mode": "change",
        "units": 6,
        "of": 48,
        "height": 6,
        "width": 8,
        "cells": "".join(LEVELS[(place * 7) % 16] for place in range(6 * 48)),
        "scale": 0.0173,
        "std": 0.0452,
        "low": -0.131,
        "high": 0.127,
        "moved": 0.0823,
        "sampled": 2304,
        "of_weights": 2304,
        "histogram": [1, 4, 9, 30, 62, 88, 61, 33, 8, 3],
    }
    return Picture(**{**values, **how})


def live(model: Model, step: int = 500, **how: Any) -> Live:
    values: dict[str, Any] = {
        "t": step / 61.7,
        "step": step,
        "order": ORDER,
        "picture": picture(),
        "activations": [
            Activation(place, [32, 48], 0.4 + 0.01 * place)
            for place, info in enumerate(model.modules)
            if info.kind == "GELU"
        ],
        "activations_step": step,
    }
    return Live(**{**values, **how})


# ── whole runs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def running(root: Path, pid: Optional[int], model: Optional[Model] = None, **about: Any) -> Tape:
    """500 steps, three evaluations, one change of rate by hand."""
    tape = Tape(root, pid, **about)
    model = model or reader()
    tape.add(start(), model, Metric(0.0, 0, "total_epochs", 12.0), Epoch(0.0, 0, 1, 200), *ticks(model))
    for step, value, right in ((200, 0.913, 0.612), (400, 0.627, 0.754), (480, 0.641, 0.7481)):
        tape.add(Metric(step / 61.7, step, "val_loss", value), Metric(step / 61.7, step, "val_accuracy", right))
    tape.say("reading 5000 words\nepoch 1 done\nepoch 2 done\n")
    return tape.see(live(model))


def paused(root: Path, pid: Optional[int], phase: str, step: int = 500) -> Tape:
    """Held at a phase, with the loss of the batch in hand and the line that comes next; at "start" nothing has run."""
    if phase == "start":
        tape = Tape(root, pid).add(start(), reader(), Gate(0.2, 0, True, phase, "asked"))
        return tape.see(Live(0.2, 0, True, phase, ORDER, "reader.py:80", "for words in loader:"))
    tape = running(root, pid)
    tape.add(Gate(8.2, step, True, phase, "asked"))
    held = live(reader(), step, held=True, phase=phase, loss=0.5127, line="reader.py:88", code="loss.backward()")
    return tape.see(held)


def starting(root: Path, pid: Optional[int]) -> Tape:
    return Tape(root, pid).say("loading the vocabulary\n")


def model_only(root: Path, pid: Optional[int]) -> Tape:
    return Tape(root, pid).add(start(), reader())


def nan(root: Path, pid: Optional[int]) -> Tape:
    model, bad = reader(), math.nan
    tape = running(root, pid)
    nothing = [bad] * len(model.tensors)
    for step in range(505, 601, 5):
        tape.add(
            tick(
                model, step, step / 61.7, loss=bad, low=bad, high=bad, mean=bad, norm=bad, norms=nothing, ratios=nothing
            )
        )
    odd = picture(cells="n" * 6 * 48, scale=bad, std=bad, low=None, high=None, moved=bad, odd=2304, histogram=[])
    return tape.see(live(model, 600, picture=odd, activations=[Activation(7, [32, 48], None, None, True)]))


def diverging(root: Path, pid: Optional[int]) -> Tape:
    model = reader()
    tape = running(root, pid)
    for step in range(505, 1201, 5):
        value = 2.0 * 1.04 ** (step - 500)
        tape.add(tick(model, step, step / 61.7, loss=value, low=value, high=value, mean=value, norm=value))
    return tape


def extremes(root: Path, pid: Optional[int]) -> Tape:
    """Every number is one that breaks things: NaN, infinities, 1e38, 1e308, subnormal, 2**62."""
    values = [math.nan, math.inf, -math.inf, 1e38, -1e38, 1e308, -1e308, 5e-324, 0.0, -0.0]
    model = chain(len(values))
    tape = Tape(root, pid).add(start(), model, Metric(0.0, 0, "total_epochs", 1e8))
    for place, step in enumerate([*range(1, 40), 2**53, 2**62]):
        one, two = values[place % 10], values[(place + 3) % 10]
        tape.add(
            Tick(
                t=float(place),
                step=step,
                steps=1,
                loss=one,
                low=two,
                high=one,
                mean=two,
                rate=two,
                scheduled=one,
                steps_per_s=one,
                epoch=2**60,
                batch=2**60,
                batches=3,
                norm=two,
                norms=list(values),
                norms_step=step,
                ratios=values[::-1],
                cost=one,
                period=two,
            ),
            Metric(float(place), step, "val_loss", two),
            Metric(float(place), step, "val_accuracy", one),
            Applied(float(place), step, f"x{place}", "", "lr", one, two, two),
        )
    # the histogram's counts and the sizes are integers, as large as a record can hold them
    odd = picture(1, scale=1e38, std=math.inf, low=-math.inf, high=math.nan, moved=1e308, histogram=[0, 2**62, 0])
    return tape.see(live(model, 2**62, picture=odd, loss=math.inf, speed=1e308, activations=[]))


def finished(root: Path, pid: Optional[int] = None) -> Tape:
    return running(root, None).add(End(8.2, 500)).say("all done\n").end(status=0)


TRACEBACK = """Traceback (most recent call last):
  File "reader.py", line 91, in <module>
    weights = table[word]
KeyError: 'zebra [/home/x]'
"""


def failed(root: Path, pid: Optional[int] = None) -> Tape:
    return running(root, None).add(End(8.2, 500)).say(TRACEBACK).end(status=1)


def not_started(root: Path, pid: Optional[int] = None) -> Tape:
    return Tape(root, None).end(error="command not found: nope")


def killed(root: Path, pid: Optional[int] = None) -> Tape:
    return running(root, None).end(signal=9)


def stopped(root: Path, pid: Optional[int] = None) -> Tape:
    return running(root, None).add(Applied(8.1, 500, "v.1", "v", "stop"), End(8.2, 500)).end(signal=2)


def lost(root: Path, pid: Optional[int] = None) -> Tape:
    return running(root, None)


def other_host(root: Path, pid: Optional[int] = None) -> Tape:
    return running(root, 17, host=platform.node() + "-other")


def long_model(root: Path, pid: Optional[int]) -> Tape:
    return running(root, pid, chain(300))


def deep_model(root: Path, pid: Optional[int]) -> Tape:
    return running(root, pid, deep(120))


def empty_model(root: Path, pid: Optional[int]) -> Tape:
    return running(root, pid, Model(0.1, "", 0, [], [], [], "", ""))


def nothing_logged(root: Path, pid: Optional[int]) -> Tape:
    """A loop that gives nothing away: no loss, no loader, no norms."""
    tape = Tape(root, pid).add(start(), chain(2))
    return tape.add(*[Tick(t=step / 10, step=step, steps=1, rate=0.1) for step in range(1, 40)])


STRANGE = (
    "[/home/x]",
    "[bold red]not markup[/]",
    "層の名前はとても長い日本語の文字列です" * 3,
    "n" * 300,
    "\\[x]\\",
    "tab\there",
    "red\x1b[31m\x1b[2J",
    "line\nbreak",
    "👩‍👩‍👧‍👦é",
    "",
)


def strange_names(root: Path, pid: Optional[int]) -> Tape:
    """Names, paths and lines that are long, wide, or look like markup or like commands to the terminal."""
    model = chain(30, lambda place: STRANGE[place % len(STRANGE)].replace(".", "") + f"{place:x}")
    tape = running(root, pid, model, name="[/home/x] 走る " + "long " * 50)
    for word in STRANGE:
        tape.say(word + "\n").add(WarningEvent(1.0, 1, word))
    return tape.see(
        live(model, 500, line="[/home/x]/字.py:1", code="x =\t[bold]1[/bold]\x1b[2J", order=["forward", *STRANGE])
    )


PHASES = ("start", *events.PHASES)
STATES: dict[str, Callable[[Path, Optional[int]], Tape]] = {
    "starting": starting,
    "model only": model_only,
    "running": running,
    **{f"paused at {phase}": (lambda root, pid, phase=phase: paused(root, pid, phase)) for phase in PHASES},
    "nan": nan,
    "diverging": diverging,
    "extremes": extremes,
    "finished": finished,
    "failed": failed,
    "not started": not_started,
    "killed": killed,
    "stopped": stopped,
    "lost": lost,
    "other host": other_host,
    "300 layers": long_model,
    "deep model": deep_model,
    "empty model": empty_model,
    "nothing logged": nothing_logged,
    "strange names": strange_names,
}
"""Every state by its name. The second argument is the process that stands for the program while it lives."""

ORDINARY = [name for name in STATES if name not in ("extremes", "strange names", "300 layers", "deep model")]
"""Those with names and numbers as programs have them: nothing of them needs to be cut."""
