"""The doctor's table: what it finds in healthy and in broken trainings. `python -m tests.history.doctor_bench`.

With --every N the batches of every Nth step are looked at, as at N/2 steps a second; --seeds S takes S seeds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from tui.history.doctor.rules import examine
from tui.run.directory import RunDirectory

from ..probe.conftest import Relay
from .bench import BROKEN, HEALTHY, Diagnosis, diagnose, images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--texts", action="store_true", help="print what is said, too")
    args = parser.parse_args()
    from tui.probe import hooks

    torch.set_num_threads(1)
    relay = Relay()
    hooks.install(relay)
    digits = images()
    print(f"{'training':28} {'seconds':>7}  found: ✗ alarm ▲ notice, rule@step")
    good = total = 0
    for case in [*HEALTHY, *BROKEN]:
        if args.only not in case.name:
            continue
        for seed in range(args.seeds):
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                run = RunDirectory.create(Path(folder), "bench", {})
                found = diagnose(case, run, relay, digits, args.every, seed)
                took = time.perf_counter() - began
            fine = verdict(found)
            good, total = good + fine, total + 1
            print(f"{case.name:28} {took:7.1f}  {line(found)}{'' if fine else '   ← WRONG'}", flush=True)
            if args.texts:
                for finding in examine(found.state):
                    print(f"    {finding.rule} {finding.level}: {finding.title}. {finding.evidence}")
    print(f"{good} of {total} as they should be")


def verdict(found: Diagnosis) -> bool:
    """No alarm where nothing is wrong; the fault found where something is."""
    if not found.case.fault:
        return not found.rules("alarm")
    return found.case.fault in found.rules("alarm") | found.rules("notice")


def line(found: Diagnosis) -> str:
    signs = {"alarm": "✗", "notice": "▲"}
    expected = f"(expects {found.case.fault}) " if found.case.fault else ""
    return expected + "  ".join(f"{signs[level]}{rule}@{step}" for (rule, level), (step, _) in found.first.items())


if __name__ == "__main__":
    main()
