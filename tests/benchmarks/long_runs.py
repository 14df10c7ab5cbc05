"""Long runs: attaching to one, and how large its journal becomes. Groups: attach, week.

attach: a journal is written that looks like a live run of the medium model in which every one of 1,000,000 steps was
recorded by a tick of its own (some 350 MB: more than the probe would ever write, and the hardest case for a reader).
`backlit attach` is started at 120x36 on an emulated screen (pyte). "First screen": from process start until the header
has the last step, the network its layers, the weights a picture and the loss its axis. "Curves whole": until the viewer
has read as many bytes as the journal has, to a tenth of a second. Memory is the viewer's resident set after that. The
same again with a journal as large as a week's may become, which is what the 3 s are about.

week: seven days are simulated with the probe's own rules and no training. The size of a tick is what real ticks of the
small, the medium and the 1,000-tensor model have, plus the longer numbers of a long run. A tick is offered ten times a
second and is recorded when `SparserWithAge` allows it; every second an epoch begins and two metrics are logged, through
the real `Logbook`. Not in it: the program's own prints (output.log), answers to keys, and what checkpoints would take.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch

from tests.support import events_of
from tests.terminal import Terminal
from tui.probe.logbook import Logbook
from tui.probe.tree import Tree
from tui.run import events
from tui.run.directory import RunDirectory, process_start, replace_bytes
from tui.run.events import Activation, Epoch, Live, Picture, Start, Tick
from tui.run.journal import SparserWithAge

from .models import MODELS
from .report import Row
from .rig import HEIGHT, ROOT, WIDTH, backlit, end, folder, program, start, steps_made, viewer_of, wait, watching

WEEK_S = 7 * 86_400.0


# ── attaching ──


def attach(quick: bool) -> Iterator[Row]:
    """A million recorded steps, and a journal of a week."""
    whole_week = SparserWithAge()
    lines = 10_000 if quick else 1_000_000
    most = int(whole_week.start_bytes * 7.9)
    for name, count, size, wait_s in (
        ("a week's journal", 10**9, most if not quick else 10**6, "≤ 3 s"),
        (f"{lines:,} ticks", lines, 10**12, ""),
    ):
        firsts, curves, memory = [], [], []
        with folder() as root:
            run = synthetic(root, count, size)
            bytes_ = os.path.getsize(run.events_file(0))
            for _ in range(1 if quick else (5 if wait_s else 2)):
                first, whole, rss = attached(run, bytes_)
                firsts.append(first)
                curves.append(whole)
                memory.append(rss)
        how = f"{bytes_ / 1e6:.0f} MB of ticks"
        yield Row(f"attach: {name}", f"{how} → first screen, s", "≤ 1 s", firsts)
        yield Row(f"attach: {name}", f"{how} → curves whole, s", wait_s, curves)
        yield Row(f"viewer memory: {name}", "RSS after it, MB", "≤ 100 MB", memory)


def synthetic(root: Path, most_ticks: int, most_bytes: int) -> RunDirectory:
    """A run that seems to be alive (its program is this process) with so many ticks, each of one step."""
    about = {"command": ["train.py"], "cwd": str(root), "pid": os.getpid(), "pid_start": process_start(os.getpid())}
    run = RunDirectory.create(root, "long", about)
    tree = Tree(MODELS["medium"](), [], 0.0)
    tick = sample_tick(len(tree))
    with open(run.events_file(0), "wb") as file:
        file.write(events.encode(Start(time=time.time(), pid=os.getpid(), torch=str(torch.__version__), threads=1)))
        file.write(events.encode(tree.model))
        # one line as the encoder makes it; only what changes from step to step is put in anew
        marked = dataclasses.replace(tick, t=8_888_888.5, step=7_777_777, loss=6.66666, norms_step=5_555_555)
        template = events.encode(marked).decode()
        for value, place in (("8888888.5", "{0:.4f}"), ("7777777", "{1}"), ("6.66666", "{2:.6g}"), ("5555555", "{3}")):
            template = template.replace("{", "{{").replace("}", "}}") if place == "{0:.4f}" else template
            assert template.count(value) == 1, template
            template = template.replace(value, place)
        step = written = 0
        while step < most_ticks and written < most_bytes:
            batch = []
            for _ in range(1000):
                step += 1
                batch.append(template.format(step * 0.0042, step, 2.0 / (1 + step / 5000) + step % 17 / 100, step))
                if step >= most_ticks:
                    break
            content = "".join(batch).encode()
            written += file.write(content)
    os.chmod(run.events_file(0), 0o600)
    last = dataclasses.replace(tick, t=step * 0.0042, step=step)
    replace_bytes(run.live_file(0), events.encode_bare(live(last)))
    return run


def sample_tick(tensors: int) -> Tick:
    """A tick with every field that a run without a loader fills, and numbers of full length."""
    return Tick(
        loss=1.23456, low=1.12345, high=1.98765, mean=1.45678, rate=0.001, steps_per_s=234.567, norm=1.23456,
        norms=[0.123456 + place / 1000 for place in range(tensors)],
        ratios=[0.00123456 + place / 1e5 for place in range(tensors)], ratios_step=1_234_567, norms_step=1,
        cost=0.00987654, period=21.1234,
    )  # fmt: skip


def live(tick: Tick) -> Live:
    """A snapshot as the probe makes it at 120x36."""
    cells = "".join("0123456789abcdef"[place * 7 % 16] for place in range(6 * 100))
    picture = Picture(
        units=6, of=512, height=10, width=10, cells=cells, per_cell=9, scale=0.05, std=0.02, low=-0.1, high=0.1,
        moved=0.5, sampled=4096, of_weights=401_408, histogram=[place * (24 - place) for place in range(24)],
    )  # fmt: skip
    seen = [Activation(place, [64, 512], 0.4, 1.0) for place in (2, 4)]
    order = list(events.PHASES)
    return Live(t=tick.t, step=tick.step, order=order, tick=tick, picture=picture, activations=seen)


def attached(run: RunDirectory, size: int) -> tuple[float, float, float]:
    """(seconds to the first full screen, seconds until all is read, megabytes then) of one viewer."""
    step = f"{events.decode_live(run.live_file(0).read_bytes()).step:,}"

    def full(screen: str) -> bool:
        return all(word in screen for word in (f"step {step}", "784→512", "▀▀▀", "┤", "512→10"))

    began = time.perf_counter()
    command = backlit("attach", str(run.path))
    with watching(Terminal(command, WIDTH, HEIGHT, answers=True, cwd=str(ROOT))) as terminal:
        terminal.until(full, 60, "a full first screen")
        first = time.perf_counter() - began
        viewer = viewer_of(terminal)
        wait(lambda: viewer.io_counters().read_chars >= size, 600)
        whole = time.perf_counter() - began
        time.sleep(1.0)
        return first, whole, _rss(viewer)


def _rss(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


# ── the journal ──


def week(quick: bool) -> Iterator[Row]:
    """Seven days for three models."""
    for model in ("small", "medium", "many"):
        size = size_of_a_tick(model, 2.0 if quick else 6.0)
        total, ticks = simulated(size, WEEK_S / 100 if quick else WEEK_S)
        note = f"a tick has {size:,} bytes; {ticks:,} of them"
        yield Row(f"journal of a week: {model}", "simulated, MB", "≤ 60 MB", [total / 1e6], notes=[note])


def size_of_a_tick(model: str, seconds: float) -> int:
    """Bytes of a line, from a run of so long; numbers as long as those of a week are added."""
    with folder() as root:
        run = start(root, program("endless", model))
        wait(lambda: steps_made(run), 60)
        time.sleep(seconds)
        end(run)
        ticks = [event for event in events_of(run) if isinstance(event, Tick)]
    late = [_as_if_late(tick) for tick in ticks[len(ticks) // 2 :]]
    return sum(len(events.encode(tick)) for tick in late) // len(late)


def _as_if_late(tick: Tick) -> Tick:
    """The same after five days: time and steps have more digits, and there is a loader."""
    steps: dict[str, Any] = {"step": tick.step + 10**8, "t": tick.t + 432_000, "steps": tick.steps + 10_000}
    for name in ("norms_step", "ratios_step"):
        if getattr(tick, name) is not None:
            steps[name] = getattr(tick, name) + 10**8
    return dataclasses.replace(tick, **steps, epoch=54_321, batch=543, batches=938, samples_per_s=123_456.0)


def simulated(tick_bytes: int, seconds: float) -> tuple[int, int]:
    """(bytes, ticks) of a journal after so long."""
    age, logbook = SparserWithAge(), Logbook()
    ticks = others = 0

    def say(event: Any) -> None:
        nonlocal others
        others += len(events.encode(event))

    for tenth in range(int(seconds * 10)):
        t = tenth / 10
        # as in the probe: everything written so far counts against what ticks may come to
        if age.allows(t, ticks * tick_bytes + others):
            ticks += 1
        if tenth % 10 == 0:
            epoch = Epoch(t, tenth, tenth // 10 + 1, 938)
            if logbook.may_say(t, epoch):
                say(epoch)
            logbook.log(t, tenth * 100, {"val_loss": 0.123456789, "val_accuracy": 0.987654321})
            logbook.pass_on(t, say)
    return ticks * tick_bytes + others, ticks
