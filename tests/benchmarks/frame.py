"""From the start of the process to the first painted frame. Group: frame.

`backlit run -m …` is started at 120x36 in a pseudo-terminal; the program imports torch meanwhile. The clock starts
before the process is made and stops with the read that brings the first word of a panel after the alternate screen was
switched on. The file cache is warm: the first start is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from .report import Row
from .rig import Sink, backlit, end, folder, only_run, watching

WORDS = ("Network", "Weights", "Loss")


def frame(quick: bool) -> Iterator[Row]:
    """Ten starts."""
    values = [first_frame() for _ in range(3 if quick else 11)][1:]
    yield Row("first frame", "process start → first words, ms", "≤ 500 ms", values)


def first_frame() -> float:
    """Milliseconds of one start."""
    with folder() as root:
        command = backlit("--runs", str(root), "run", "-m", f"{__package__}.endless", "small")
        began = time.perf_counter()
        with watching(Sink(command)) as terminal:
            deadline = began + 20
            while time.perf_counter() < deadline:
                found = painted_at(terminal)
                if found:
                    break
                time.sleep(0.002)
            else:
                raise AssertionError("no frame within 20 s")
            end(only_run(root))
        return (found - began) * 1000


def painted_at(terminal: Sink) -> float:
    """When the read came in which the first word of a panel stands; 0 if it has not come yet."""
    with terminal._changed:
        raw, reads = bytes(terminal.raw), list(terminal.reads)
    switched = raw.find(b"\x1b[?1049h")
    if switched < 0:
        return 0.0
    places = [place for place in (raw.find(word.encode(), switched) for word in WORDS) if place >= 0]
    return next((at for at, so_far in reads if so_far > min(places)), 0.0) if places else 0.0
