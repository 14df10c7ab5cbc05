"""A program that measures the probe in its own process: blocks of steps with the probe in turn with blocks without.

Runs inside a run directory (see rig.py); writes its pairs of blocks to a file as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from pathlib import Path
from typing import Callable

from .models import MODELS, training
from .switch import Switch


def block(step: Callable[[], None], seconds: float) -> tuple[float, float]:
    """Steps for about so long. Returns steps per second of wall time, and per second of this thread's CPU time."""
    steps = 0
    began, began_cpu = time.perf_counter(), time.thread_time()
    end = began + seconds
    while True:
        step()
        steps += 1
        now = time.perf_counter()
        if now >= end:
            break
    return steps / (now - began), steps / (time.thread_time() - began_cpu)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=sorted(MODELS))
    parser.add_argument("result", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--on", type=float, default=0.15, help="seconds of a block with the probe")
    parser.add_argument("--off", type=float, default=0.15, help="seconds of a block without")
    parser.add_argument("--warm-up", type=float, default=3.0)
    parser.add_argument("--viewer", type=Path, help="file in which the process id of a viewer will stand")
    args = parser.parse_args()
    step = training(args.model, args.threads)
    end = time.perf_counter() + args.warm_up
    viewer = 0
    while time.perf_counter() < end or (args.viewer is not None and not viewer):
        step()
        if args.viewer is not None and args.viewer.exists():
            viewer = int(args.viewer.read_text() or 0)
    switch = Switch()

    def without() -> tuple[float, float]:
        if viewer:
            os.kill(viewer, signal.SIGSTOP)
        switch.off()
        measured = block(step, args.off)
        switch.on()
        if viewer:
            os.kill(viewer, signal.SIGCONT)
        return measured

    pairs = []
    before = without()
    for _ in range(args.pairs):
        watched = block(step, args.on)
        looking = switch.probe._desk.looking
        after = without()
        bare = [(one + other) / 2 for one, other in zip(before, after)]
        pairs.append({"on": watched, "off": bare, "looking": looking})
        before = after
    temporary = args.result.with_suffix(".new")
    temporary.write_text(json.dumps(pairs))
    temporary.rename(args.result)


if __name__ == "__main__":
    main()
