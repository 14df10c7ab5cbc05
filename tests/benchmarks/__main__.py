"""The figures of the first rows of the budgets, measured here and now: `python -m tests.benchmarks [NAME ...]`.

Prints a table with medians and quartiles. How each figure is measured stands at the head of the file of its group. It
needs a quiet machine: other work on it shows in every row. Nothing here is asserted; the last column says how the
figure stands to its budget.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Optional

from . import frame, keys, long_runs, snapshot, speed, traffic
from .report import Row, machine, table

GROUPS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "speed": speed.speed,
    "viewer": speed.viewer,
    "busy": speed.busy,
    "size": speed.size,
    "snapshot": snapshot.snapshot,
    "frame": frame.frame,
    "keys": keys.keys,
    "traffic": traffic.traffic,
    "attach": long_runs.attach,
    "week": long_runs.week,
}


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Measures, prints, and returns the exit status: 1 when a group could not be measured."""
    args = _options(arguments)
    rows: list[Row] = []
    status = 0
    print(machine(), flush=True)
    for name in args.names or GROUPS:
        began = time.monotonic()
        print(f"… {name}", end="", file=sys.stderr, flush=True)
        try:
            rows.extend(GROUPS[name](args.quick))
        except Exception:  # one figure that cannot be had must not cost the others
            status = 1
            traceback.print_exc()
        print(f" ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    print("\n".join(table(rows)))
    return status


def _options(arguments: Optional[Sequence[str]]) -> argparse.Namespace:
    groups = "\n".join(f"  {name:<10}{_about(group)}" for name, group in GROUPS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        epilog=f"groups:\n{groups}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="groups to measure; all of them without a name")
    parser.add_argument("--quick", action="store_true", help="a smoke test: figures from too few values")
    args = parser.parse_args(arguments)
    unknown = [name for name in args.names if name not in GROUPS]
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}; there are: {', '.join(GROUPS)}")
    return args


def _about(group: Callable[[bool], Iterator[Row]]) -> str:
    return (inspect.getdoc(group) or "").splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
