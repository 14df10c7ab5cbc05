"""Any PyTorch program, unmodified: the same output, end and weights as by itself, and on the screen what it printed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from .shown import check_the_same, check_what_is_shown
from .zoo import Row, Runs

ROWS = [
    Row("ranks_ddp", ranks=2, alone=True),
    Row("ranks_fsdp"),
    Row("compiled_module", compiles=True),
    Row("compiled_step", compiles=True),
    Row("workers"),
    Row("by_hand_in_place"),
    Row("by_hand_data"),
    Row("by_hand_anew"),
    Row("lbfgs"),
    Row("closure"),
    Row("amp"),
    Row("amp_fused"),
    Row("accumulation"),
    Row("added_midway"),
    Row("outputs"),
    Row("irregular"),
    Row("loop", elsewhere=True, alone=True),
    Row("loader"),
    Row("-m course.train --steps 30 --width 12", alone=True),
    Row("gan"),
    Row("in_backward"),
    Row("language"),
    Row("lstm"),
    Row("conv"),
    Row("scripted"),
    Row("mirror", alone=True),
    Row("chatty"),
    Row("raises", alone=True, status=1),
    Row("faults", alone=True, status=1),
    Row("exits", status=3),
    Row("interrupted", status=-signal.SIGINT),
    Row(
        "signals",
        alone=True,
        signals=(("waits for SIGUSR1", signal.SIGUSR1), ("waits for SIGTERM", signal.SIGTERM)),
        status=4,
    ),
    Row("forks"),
    Row("second"),
    Row("no_torch", trains=False),
]

COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


@pytest.fixture(scope="session")
def runs() -> Iterator[Runs]:
    runs = Runs()
    yield runs
    runs.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("row", ROWS, ids=[row.words for row in ROWS])
def test_program(runs: Runs, row: Row) -> None:
    if row.compiles and not COMPILER:
        pytest.skip("torch.compile needs a C++ compiler, and there is none")
    bare, watched = runs.of(row)
    check_the_same(row, bare, watched)
    check_what_is_shown(row, watched)
