"""Steps per second, watched over bare. Groups: speed, viewer, busy, size.

Whole runs compared with each other scatter by 30 % on ordinary machines, so both halves of a ratio come from one
process: it trains in turn with the probe and without (switch.py says what "without" means), in blocks of about 0.15 s,
and each block with the probe is divided by the mean of the two blocks without around it. The median of these ratios is
the figure. "CPU" is the same for steps per second of the training thread's CPU time (time.thread_time): what the
probe computes, without what it makes training wait.

With a viewer (`backlit attach` at 120x36 in a pseudo-terminal that counts bytes and draws nothing), the viewer is
stopped in the blocks without the probe and continued in the others. Its own clock goes on while it is stopped and what
fell due is done when it is continued, so these blocks with the probe are 0.9 s long against 0.15 s: it works at most a
sixth more per second of the block than it would anyway. It is told to take no notice of being continued, and its guard
stands still, or they would repaint and tidy up each time.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from .report import Row, cores, standard_error
from .rig import Sink, backlit, end, folder, program, start, steps_made, viewer_of, wait, watching


def speed(quick: bool) -> Iterator[Row]:
    """Nobody looking, one training thread: medium and small model."""
    for model, budget in (("medium", "≥ 0.99"), ("small", "≥ 0.97")):
        yield from ratio(model, "nobody looking", budget, quick)


def viewer(quick: bool) -> Iterator[Row]:
    """With a viewer, one training thread."""
    for model, budget in (("medium", "≥ 0.97"), ("small", "≥ 0.95")):
        yield from ratio(model, "viewer", budget, quick, viewer=True)


def busy(quick: bool) -> Iterator[Row]:
    """With a viewer, as many training threads as there are processors (a small model's step uses one of them)."""
    for model in ("medium", "small"):
        yield from ratio(model, "viewer, all cores", "≥ 0.92", quick, viewer=True, threads=cores())


def size(quick: bool) -> Iterator[Row]:
    """Many tensors and many weights, nobody looking. Blocks are longer, since steps are."""
    yield from ratio("many", "1,000 tensors, nobody looking", "≥ 0.99", quick, seconds=1.0)
    yield from ratio("large", "100 M weights, nobody looking", "≥ 0.99", quick, seconds=2.0)


def ratio(
    model: str,
    what: str,
    budget: str,
    quick: bool,
    viewer: bool = False,
    threads: int = 1,
    seconds: float = 0.15,
) -> Iterator[Row]:
    """Watched over bare for one model: the wall time's row, then the CPU time's where one thread does the work."""
    pairs = 4 if quick else (20 if seconds >= 1 else 200 if viewer else 600)
    arguments = ["--pairs", str(pairs), "--threads", str(threads), "--off", str(seconds)]
    arguments += ["--on", str(0.9 if viewer else seconds), "--warm-up", "1" if quick else "4"]
    found = measure(model, arguments, viewer)
    usable = [one for one in found if one["looking"] == viewer]
    bare = sum(one["off"][0] for one in found) / len(found)
    ratios = [one["on"][0] / one["off"][0] for one in usable]
    notes = [f"{bare:,.0f} steps/s bare ({1000 / bare:.3g} ms a step); the median ± {standard_error(ratios):.2g}"]
    if len(usable) < len(found):
        notes.append(f"left out {len(found) - len(usable)} blocks: the probe did not know that somebody looks")
    threads_ = "1 thread" if threads == 1 else f"{threads} threads"
    how = f"on/off blocks, {threads_}, wall"
    yield Row(f"{model}: {what}", how, budget, ratios, notes=notes)
    if threads == 1:
        how = f"on/off blocks, {threads_}, CPU"
        yield Row(f"{model}: {what}", how, "", [one["on"][1] / one["off"][1] for one in usable])


def measure(model: str, arguments: list[str], viewer: bool) -> list[dict[str, Any]]:
    """Runs `alternate` in a run of its own, with or without a viewer, and returns its pairs."""
    with folder() as root:
        result, told = root / "result.json", root / "viewer"
        extra = ["--viewer", str(told)] if viewer else []
        run = start(root, program("alternate", model, str(result), *arguments, *extra))

        def done() -> Optional[Path]:
            if run.exit() is not None and not result.exists():
                raise RuntimeError(f"the program failed:\n{run.output_file.read_text()[-2000:]}")
            return result if result.exists() else None

        if not viewer:
            wait(done, 600)
        else:
            wait(lambda: steps_made(run) or done(), 60)
            command = backlit("attach", str(run.path), module=f"{__package__}.steady_viewer")
            with watching(Sink(command)) as terminal:
                hand_over(terminal, told, run.live_file(0))
                wait(done, 600)
        found: list[dict[str, Any]] = json.loads(result.read_text())
        end(run)
        return found


def hand_over(terminal: Sink, told: Path, live: Path) -> None:
    """Once the viewer shows something, tells the program its process id; the guard stands still from then on."""
    wait(lambda: live.exists() and terminal.bytes > 20_000, 30)
    pid = viewer_of(terminal).pid
    os.kill(terminal.process.pid, signal.SIGSTOP)
    new = told.with_suffix(".new")
    new.write_text(str(pid))
    new.rename(told)
