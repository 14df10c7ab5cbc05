"""Libraries that programs log with, the real ones: `python -m tests.ecosystem`. Install them with the
extras `test` and `ecosystem`.

Every program runs once by itself and once inside a run. What the run has on record of each metric must be, value by
value and none twice, what the library has on record; losses and exit status must be those of the program by itself.
Nothing leaves this machine. --only NAME runs what has NAME in its name.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from tui.history.source import Source
from tui.run.events import Metric
from tui.run.events import Warning as WarningEvent

from ..support import Bare, Program, events_of
from . import trainers

PROGRAMS = Path(__file__).parent / "programs"
OFFLINE = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True)
class Case:
    """One program. `needs` are distributions; `curve` is the metric that is to be the validation curve."""

    name: str
    script: str
    needs: tuple[str, ...]
    curve: str = "val/loss"
    arguments: tuple[str, ...] = ()


CASES = (
    Case("TensorBoard", "with_tensorboard", ("tensorboard",)),
    Case("tensorboardX", "with_tensorboardx", ("tensorboardX", "tensorboard")),
    Case("wandb", "with_wandb", ("wandb",)),
    Case("MLflow", "with_mlflow", ("mlflow",)),
    Case("Lightning, two loggers", "with_lightning", ("lightning", "tensorboard"), "val_loss", ("two",)),
    Case("Lightning, no logger", "with_lightning", ("lightning", "tensorboard"), "val_loss", ("none",)),
    Case("Lightning Fabric", "with_fabric", ("lightning", "tensorboard")),
    Case("Hugging Face Trainer", "with_transformers", ("transformers", "accelerate", "tensorboard"), "eval_loss"),
    Case("Accelerate", "with_accelerate", ("accelerate", "tensorboard")),
    Case("three at once", "with_everything", ("tensorboard", "wandb", "mlflow")),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    wanted = parser.parse_args().only.lower()
    cases = [case for case in CASES if wanted in case.name.lower()]
    os.environ.update(OFFLINE)
    print(f"{'program':24} {'versions':42} {'values':>6} {'seconds':>7}  result")
    failed = missing = 0
    for case in cases:
        lacking = [name for name in case.needs if version(name) is None]
        versions = ", ".join(f"{name} {version(name)}" for name in case.needs if name not in lacking)
        if lacking:
            missing += 1
            print(f"{case.name:24} {versions:42} {'':>6} {'':>7}  not run: {', '.join(lacking)} is not installed")
            continue
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            count, faults = run(case, Path(folder))
        failed += bool(faults)
        took = time.perf_counter() - began
        print(
            f"{case.name:24} {versions:42} {count:6} {took:7.1f}  {'; '.join(faults) or 'as it should be'}", flush=True
        )
    loops, bad = trainers.check(wanted, version)
    if wanted in "safetensors":
        cases.append(Case("safetensors", "", ("safetensors",)))
        missing += version("safetensors") is None
        failed += version("safetensors") is not None and not saves()
    total, fine = len(cases) + loops, len(cases) - failed - missing + loops - bad
    print(f"{fine} of {total} as they should be, {failed + bad} not, {missing} not run")
    return 1 if fine < total or not total else 0


def saves() -> bool:
    """Are weights written with the real safetensors what they should be?"""
    tests = str(Path(__file__).parents[1] / "probe" / "test_saver.py")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", tests], capture_output=True, text=True)
    result = "as it should be" if done.returncode == 0 else last_line(done.stdout)
    print(f"{'safetensors':24} safetensors {version('safetensors'):57} {result}", flush=True)
    return done.returncode == 0


def version(name: str) -> Optional[str]:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def run(case: Case, folder: Path) -> tuple[int, list[str]]:
    """(how many values were heard, what is wrong)."""

    def command(name: str) -> list[str]:
        place = folder / name
        place.mkdir()
        return [sys.executable, str(PROGRAMS / f"{case.script}.py"), str(place), *case.arguments]

    alone = Bare(command("alone"), folder)
    output, status = alone.output, alone.status
    if status != 0:
        return 0, [f"by itself it ends with status {status}: {last_line(output)}"]
    program = Program(folder, command("watched"), cwd=folder).wait(300)
    ended = program.run.exit()
    faults = []
    if ended is None or ended.status != 0:
        faults.append(f"inside a run it does not end with status 0: {last_line(program.output)}")
    if beginning(program.output, "loss ") != beginning(output, "loss ") or not beginning(output, "loss "):
        faults.append("losses differ")
    found = events_of(program.run)
    faults += [one.text for one in found if isinstance(one, WarningEvent)]
    heard: dict[str, list[float]] = {}
    for one in found:
        if isinstance(one, Metric):
            heard.setdefault(one.name, []).append(one.value)
    faults += differences(heard, program.output)
    source = Source(program.run)
    while source.poll() or source.catching_up:
        pass
    if source.state.validation.last is None or source.state.loss_claim.name != case.curve:
        faults.append(f"{case.curve} is not the validation curve")
    program.end()
    return sum(map(len, heard.values())), faults


def differences(heard: dict[str, list[float]], output: str) -> list[str]:
    """Where what was heard is not what the library has on record."""
    faults = []
    records = dict(json.loads(line[7:]) for line in beginning(output, "RECORD "))
    if not records:
        faults.append("the library has nothing on record")
    for name, values in records.items():
        if name.rpartition("/")[2] in ("epoch", "step"):
            continue
        mine = heard.get(name, [])
        close = len(mine) == len(values) and all(
            math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-9) or (a != a and b != b) for a, b in zip(mine, values)
        )
        if not close:
            faults.append(f"{name}: heard {len(mine)} values, on record are {len(values)}")
    return faults


def beginning(output: str, word: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith(word)]


def last_line(output: str) -> str:
    return (output.strip().splitlines() or ["(nothing)"])[-1][:200]


if __name__ == "__main__":
    sys.exit(main())
