"""From a key to what it does, while a program trains at full speed. Group: keys.

The medium model trains (one thread), `backlit run` shows it at 120x36 on an emulated screen (pyte), and keys are
pressed at random moments. The time runs from the byte sent to the moment when the emulated screen shows the effect; the
emulator's own few milliseconds are in it. What counts as an effect: `m` another word in the weights' border, `tab`
another border lit, `+` and `-` another factor in the header (which stands there only when the probe has answered),
`?` the help, `escape` no help, `space` PAUSED and RUNNING (answered by the probe, too).

"Steps until held" compares the number of updates made when the probe's background thread had read the request (the
program prints it, see endless.py) with the number at which training was held, as the journal says.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator

from tests.support import events_of
from tests.terminal import Terminal
from tui.run.directory import RunDirectory
from tui.run.events import Gate

from .report import Row, quantile
from .rig import HEIGHT, ROOT, WIDTH, backlit, end, folder, only_run, wait, watching

Look = Callable[[Terminal], object]


def keys(quick: bool) -> Iterator[Row]:
    """Every key several times, in rounds."""
    with folder() as root:
        command = backlit("--runs", str(root), "run", "-m", f"{__package__}.endless", "medium", "--say")
        with watching(Terminal(command, WIDTH, HEIGHT, answers=True, cwd=str(ROOT))) as terminal:
            terminal.until(lambda screen: "steps/s" in screen and "change" in screen, 60, "training is shown")
            terminal.keys("+")
            terminal.until(lambda screen: "Y  yes" in screen, 10, "asks whether to steer")
            terminal.keys("Y")
            terminal.until(lambda screen: "× 2" in screen, 10, "the rate is turned")
            run = only_run(root)
            found: dict[str, list[float]] = {}
            for _ in range(1 if quick else 8):
                for key, look in ROUND:
                    time.sleep(random.uniform(0.3, 0.7))
                    found.setdefault(key, []).append(_press(terminal, key, look) * 1000)
            wait(lambda: len(_steps_until_held(run)) >= len(found["space"]) // 2, 10)
            held = _steps_until_held(run)
            end(run)
    every = [value for values in found.values() for value in values]
    worst = ", ".join(f"{key} {quantile(values, 0.95):.0f}" for key, values in found.items())
    note = f"95 % by key: {worst}"
    yield Row("key → visible effect", "byte sent → screen, ms", "≤ 100 ms", every, "p95", [note])
    yield Row("pause", "steps until held", "≤ 1 step", held, "p95")


def _press(terminal: Terminal, key: str, look: Look) -> float:
    """Seconds until what `look` sees has changed."""
    before = look(terminal)
    began = time.perf_counter()
    terminal.keys(key)
    terminal.until(lambda screen: look(terminal) != before, 10, f"an effect of {key}")
    return time.perf_counter() - began


def _line(pattern: str) -> Look:
    """The text that matches, or None."""

    def look(terminal: Terminal) -> object:
        match = re.search(pattern, "\n".join(terminal.text()))
        return match[0] if match else None

    return look


_FRONT = _line(r"▸\w+")


def _lit(terminal: Terminal) -> object:
    """The colours of all upper left corners, and which tab is in front."""
    screen = terminal._screen()
    found = [
        (y, x, cell.fg) for y, row in list(screen.buffer.items()) for x, cell in list(row.items()) if cell.data == "╭"
    ]
    return sorted(found), _FRONT(terminal)


_MODE = _line(r"Weights · [^─]*")
_FACTOR = _line(r"lr \S+( = \S+ × \S+)?")
_STATE = _line(r"PAUSED|RUNNING")
_HELP = _line(r"╭─ Help")

ROUND: tuple[tuple[str, Look], ...] = (
    ("m", _MODE),
    ("tab", _lit),
    ("-", _FACTOR),
    ("?", _HELP),
    ("escape", _HELP),
    ("+", _FACTOR),
    ("space", _STATE),
    ("space", _STATE),
)


def _steps_until_held(run: RunDirectory) -> list[float]:
    """For every hold: updates made between the request and the hold. Requests that hold nothing are passed over."""
    asked = [int(number) for number in re.findall(r"request at (\d+)", run.output_file.read_text())]
    out = []
    for event in events_of(run):
        if isinstance(event, Gate) and event.held:
            before = [number for number in asked if number <= event.step]
            if before:
                out.append(float(event.step - before[-1]))
    return out
