"""What the cards promise beside what the scripts do: `python -m tests.lessons [LESSON …] [--seeds 0 1 2]`.

Runs each lesson as shipped and with each of its `arm:` lines, once a seed, and prints a table. Exit status 1 when an
outcome is out of its range or a lesson failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .nursery import Failed, Nursery
from .outcomes import NEED_ROOT, SUBSETS, Arm, arms, lessons

HEADINGS = ["lesson", "arguments", "metric", "range", "verdict", "values"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit status."""
    args = _options(arguments)
    nursery, pool = Nursery(2), ThreadPoolExecutor(2)
    waiting: list[tuple[Arm, list[Future[dict[str, float]]]]] = []
    for lesson in args.lessons or lessons():
        if lesson in NEED_ROOT and not args.root.is_dir():
            print(f"{lesson} is left out: its images are not in {args.root} (--root ROOT).", flush=True)
            continue
        for arm in arms(lesson):
            root = ("--root", str(args.root)) if lesson in NEED_ROOT else ()
            runs = [pool.submit(nursery.run, lesson, (*arm.arguments, *root, "--seed", str(s))) for s in args.seeds]
            waiting.append((arm, runs))
    rows = []
    for arm, runs in waiting:
        print(f"… {arm.lesson} {' '.join(arm.arguments)}", file=sys.stderr, flush=True)
        rows.append(row(arm, runs))
    nursery.close()
    print("\n".join(table([HEADINGS, *rows])))
    return 0 if all(line[HEADINGS.index("verdict")] == "ok" for line in rows) else 1


def row(arm: Arm, runs: list[Future[dict[str, float]]]) -> list[str]:
    """One line of the table, when the runs of an arm are done."""
    arguments, promised = " ".join(arm.arguments) or "as shipped", f"{arm.low:g} {arm.high:g}"
    try:
        last = [run.result() for run in runs]
    except Failed as error:
        return [arm.lesson, arguments, arm.metric, promised, "FAILED", str(error)]
    if not all(arm.metric in logged for logged in last):
        return [arm.lesson, arguments, arm.metric, promised, "OUT", "not logged"]
    values = [logged[arm.metric] for logged in last]
    verdict = "ok" if all(map(arm.holds, values)) else "OUT"
    return [arm.lesson, arguments, arm.metric, promised, verdict, " ".join(f"{value:.4g}" for value in values)]


def table(rows: list[list[str]]) -> list[str]:
    """Align the columns of rows of equal length."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lessons", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="lessons to run; all of them without a name")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED", help="default: 0 1 2")
    parser.add_argument("--root", type=Path, default=SUBSETS, help="folder with MNIST and FashionMNIST (%(default)s)")
    args = parser.parse_args(arguments)
    args.root = args.root.resolve()  # the lessons run in the project folder
    unknown = [name for name in args.lessons if name not in lessons()]
    if unknown:
        parser.error(f"no such lesson: {', '.join(unknown)}; there are: {', '.join(lessons())}")
    return args


if __name__ == "__main__":
    sys.exit(main())
