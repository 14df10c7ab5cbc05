"""Bytes to the terminal and the viewer's processor time, over a minute of training. Group: traffic.

The default dashboard at 120x36, in a pseudo-terminal that counts bytes and answers as a modern terminal does. The
digits lesson runs at its own pace; the medium model at full speed (one thread); then that model is paused. Measuring
begins some seconds after the first steps. Bytes: kB of each second, and their mean. Processor: the viewer's user and
system time (without its guard, which sleeps) in per cent of one core for each second, and their mean.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from .report import Row
from .rig import Sink, backlit, end, folder, only_run, steps_made, viewer_of, wait, watching


def traffic(quick: bool) -> Iterator[Row]:
    """A lesson, full speed, paused."""
    seconds = 3 if quick else 60
    with folder() as root:
        command = backlit("--runs", str(root / "runs"), "learn", "digits", "--epochs", "200")
        with watching(Sink(command, env=_private(root))) as terminal:
            wait(lambda: terminal.holds("handwriting"), 20)
            run = only_run(root / "runs")
            wait(lambda: steps_made(run) > 20 or terminal.keys("b"), 60)  # the answer; later it does nothing
            yield from _minute(terminal, "digits, own pace", seconds, "≤ 25 kB/s", "≤ 5 %")
            end(run)
    with folder() as root:
        command = backlit("--runs", str(root), "run", "-m", f"{__package__}.endless", "medium")
        with watching(Sink(command)) as terminal:
            run = only_run(root)
            wait(lambda: steps_made(run) > 200, 60)
            yield from _minute(terminal, "medium, full speed", seconds, "≤ 25 kB/s", "≤ 5 %")
            terminal.keys("space")
            wait(lambda: terminal.holds("Steer"), 10)
            since = terminal.bytes
            terminal.keys("Y")
            wait(lambda: terminal.holds("PAUSED", since), 10)
            yield from _minute(terminal, "medium, paused", seconds, "≤ 0.5 kB/s", "≤ 5 %")
            end(run)


def _private(root: Path) -> dict[str, str]:
    """A first visit would be remembered in the user's own folder."""
    return {"XDG_STATE_HOME": str(root / "state")}


def _minute(terminal: Sink, what: str, seconds: int, most_bytes: str, most_cpu: str) -> Iterator[Row]:
    viewer = viewer_of(terminal)
    time.sleep(1 if seconds < 10 else 5)
    kilobytes, shares = [], []
    sent, spent, then = terminal.bytes, _cpu_s(viewer), time.perf_counter()
    for second in range(seconds):
        time.sleep(max(0.0, then + 1.0 - time.perf_counter()))
        now = time.perf_counter()
        sent_now, spent_now = terminal.bytes, _cpu_s(viewer)
        kilobytes.append((sent_now - sent) / 1000 / (now - then))
        shares.append((spent_now - spent) / (now - then) * 100)
        sent, spent, then = sent_now, spent_now, now
        assert viewer.is_running(), f"the viewer ended in second {second}"
    yield Row(f"bytes: {what}", "kB/s on the pty, per second", most_bytes, kilobytes, "mean")
    yield Row(f"viewer CPU: {what}", "% of a core, per second", most_cpu, shares, "mean")


def _cpu_s(viewer: psutil.Process) -> float:
    times = viewer.cpu_times()
    return float(times.user + times.system)
