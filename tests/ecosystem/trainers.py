"""Loops that somebody else wrote: Lightning, Hugging Face's Trainer, Accelerate. What each program says of itself at its
end is on the screen; output, exit status and weights are those of the same program without us."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.end_to_end.shown import check_the_same, check_what_is_shown
from tests.end_to_end.zoo import Row, Runs

PROGRAMS = Path(__file__).parent / "programs"
ROWS = {
    "Lightning's loop": (("lightning",), Row("loop_lightning", folder=PROGRAMS, alone=True)),
    "Trainer's loop": (("transformers", "accelerate"), Row("loop_transformers", folder=PROGRAMS, alone=True)),
    "Accelerate's loop": (("accelerate",), Row("loop_accelerate", folder=PROGRAMS, alone=True)),
}


def check(only: str, there: Callable[[str], object]) -> tuple[int, int]:
    """Runs the rows whose names have `only` in them.

    Args:
        there: gives the version of a distribution, or None.

    Returns:
        how many were to run, and how many of them did not or are not as they should be.
    """
    wanted = {name: row for name, row in ROWS.items() if only in name.lower()}
    missing = {name for name, (needs, _) in wanted.items() if not all(map(there, needs))}
    os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
    runs = Runs()
    bad = len(missing)
    try:
        for name, (needs, row) in wanted.items():
            said = f"not run: {' or '.join(needs)} is not installed"
            if name not in missing:
                said = fault(runs, row)
                bad += bool(said)
            print(f"{name:24} {said or 'as it should be'}", flush=True)
    finally:
        runs.close()
    return len(wanted), bad


def fault(runs: Runs, row: Row) -> str:
    """What is wrong with a row, or ""."""
    bare, watched = runs.of(row)
    try:
        check_the_same(row, bare, watched)
        check_what_is_shown(row, watched)
    except AssertionError as error:
        return str(error)
    return ""
