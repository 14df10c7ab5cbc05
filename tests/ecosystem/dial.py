"""The learning-rate dial under the optimizers and schedulers of real libraries: `python -m tests.ecosystem.dial`.

Every program runs once by itself and once inside a run whose tape turns the dial. The rates that the program sees must be
the same bit for bit; the weights must feel half of them, then a fixed one, then the scheduled ones again.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tui.run import events

from ..support import Bare, Program, events_of
from .__main__ import OFFLINE, PROGRAMS, beginning, last_line, version

CASES = {
    "Accelerate": ("accelerate", "1"),
    "Accelerate, 3 batches an update": ("accelerate", "3"),
    "Lightning": ("lightning", "0"),
    "Lightning, optimized by hand": ("lightning", "1"),
}
TAPE = (
    events.Did(step=6, do="rate", factor=0.5),
    events.Did(step=12, do="rate", value=0.25),
    events.Did(step=18, do="rate"),
)
"""`step` is the number of the first update that feels it; the first update is 1."""


def expected(number: int, rate: float) -> float:
    """What the update of this number is to use of a scheduled rate."""
    if not 6 <= number < 18:
        return rate
    return rate * 0.5 if number < 12 else 0.25


def run(arguments: tuple[str, str], folder: Path) -> list[str]:
    """What is wrong."""
    command = [sys.executable, str(PROGRAMS / "rates.py"), *arguments]
    alone = Bare(command, folder)
    if alone.status != 0:
        return [f"by itself it ends with status {alone.status}: {last_line(alone.output)}"]
    tape = folder / "tape.jsonl"
    tape.write_bytes(b"".join(map(events.encode, TAPE)))
    program = Program(folder, command, cwd=folder, BACKLIT_TAPE=str(tape), **OFFLINE).wait(300)
    ended = program.run.exit()
    faults = []
    if ended is None or ended.status != 0:
        faults.append(f"inside a run it does not end with status 0: {last_line(program.output)}")
    plain, turned = rates(alone.output), rates(program.output)
    if len(plain) < 20 or [seen for seen, _ in plain] != [used for _, used in plain]:
        faults.append("by itself its weights do not feel the rates that it sees")
    if [seen for seen, _ in turned] != [seen for seen, _ in plain]:
        faults.append("the rates that it sees are others")
    if [used for _, used in turned] != [expected(number, rate) for number, (rate, _) in enumerate(plain, 1)]:
        faults.append("its weights do not feel what was asked")
    found = events_of(program.run)
    faults += [one.text for one in found if isinstance(one, events.Warning)]
    last = [one for one in found if isinstance(one, events.Tick)][-1:]
    if [(one.step, one.scheduled, one.factor, one.fixed) for one in last] != [(len(plain), None, None, False)]:
        faults.append("the last tick does not say that the dial was released")
    program.end()
    return faults


def rates(output: str) -> list[tuple[float, float]]:
    """(the rate that the program saw, the one that its weights felt) of every update."""
    lines = [line.split() for line in beginning(output, "rate ")]
    return [(float.fromhex(seen), float.fromhex(used)) for _, seen, used in lines]


def main() -> int:
    failed = missing = 0
    for name, arguments in CASES.items():
        installed = version(arguments[0])
        if installed is None:
            missing += 1
            print(f"{name:34} not run: {arguments[0]} is not installed")
            continue
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            faults = run(arguments, Path(folder))
        failed += bool(faults)
        took = time.perf_counter() - began
        print(
            f"{name:34} {arguments[0]} {installed:10} {took:5.1f} s  {'; '.join(faults) or 'as it should be'}",
            flush=True,
        )
    print(f"{len(CASES) - failed - missing} of {len(CASES)} as they should be, {failed} not, {missing} not run")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
