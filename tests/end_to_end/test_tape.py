"""A run that was steered by hand, repeated from its tape: the same losses to the last bit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tui.cli import main
from tui.run import events
from tui.view.listing import deeds

from ..support import Hand, Program, until

TRAIN = """
import torch
torch.manual_seed(0)
torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 40, 0.5)
x = torch.randn(64, 4)
y = x.prod(1, keepdim=True)
for batch in range(100_000):
    loss = ((model(x) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    print(batch, loss.item().hex(), flush=True)
"""


def steered(root: Path, script: Path) -> Program:
    """Rates, steps, an undo, and a stop."""
    program = Program(root, [sys.executable, str(script)], before=pause)
    hand = Hand(program.run)

    def held(step: int) -> Any:
        return until(lambda: hand.held(step))

    held(0)
    hand.answer(events.SetRate(factor=5.0))
    hand.ask(events.Step(n=7))
    held(7)
    hand.answer(events.SetRate(value=0.5))
    hand.ask(events.Step(n=3))
    held(10)
    hand.answer(events.Undo())
    until(lambda: (gate := hand.held()) and gate.phase == "update" and gate.step == 9)
    hand.answer(events.SetRate())
    hand.ask(events.Step(n=50))
    held(59)
    hand.ask(events.Stop())
    return program.wait()


def pause(run: Any) -> None:
    Hand(run, "first").ask(events.Pause())


def test_the_tape_repeats_a_steered_run(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    first = steered(tmp_path, script)
    losses = [line for line in first.output.splitlines() if line[:1].isdigit()]
    assert len(losses) >= 60
    kinds = [deed.do for deed in deeds(first.run)]
    assert kinds == ["rate", "rate", "undo", "rate", "stop"]

    again = Program(tmp_path, [sys.executable, str(script)], BACKLIT_TAPE=str(first.run.events_file(0))).wait()
    assert [line for line in again.output.splitlines() if line[:1].isdigit()] == losses
    assert [(deed.do, deed.step, deed.to) for deed in deeds(again.run)] == [
        (deed.do, deed.step, deed.to) for deed in deeds(first.run)
    ]

    plain = Program(tmp_path, [sys.executable, "-c", TRAIN.replace("100_000", str(len(losses)))]).wait()
    assert [line for line in plain.output.splitlines() if line[:1].isdigit()] != losses, "steering changed nothing?"


def test_the_tape_is_printed(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    run = steered(tmp_path, script).run
    shown = CliRunner().invoke(main, ["--runs", str(tmp_path), "tape", str(run.path)])
    assert shown.exit_code == 0, shown.output
    lines = [" ".join(line.split()) for line in shown.output.splitlines()]
    assert lines[:4] == [
        "from update 1 rate × 5",
        "from update 8 rate 0.5",
        "after update 11 undo, back to 9 updates",
        "from update 10 rate released",
    ]
    raw = CliRunner().invoke(main, ["--runs", str(tmp_path), "tape", "--json", str(run.path)])
    assert all(isinstance(events.decode_event(line.encode()), events.Did) for line in raw.output.splitlines())
