"""A program inside a run is the program: its arguments, its modules, its output, its end; and its children are told apart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tui.run import events

from ..support import PROGRAMS, Bare, Hand, events_of, python, until


def test_a_package_that_tells_everything_and_ends_with_status_3(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a package run with -m, that looks for torch first, has a module called tui, and a sitecustomize of the user's
    beside = PROGRAMS / "beside"
    monkeypatch.setenv("PYTHONPATH", str(beside))
    command = [sys.executable, "-m", "package", "--lr", "0.1", "a b"]
    alone = Bare(command, PROGRAMS)
    program = start(command, cwd=PROGRAMS).wait()
    # Then it says the same, to the letter, and ends the same
    assert "the user's" in alone.output and str(beside / "tui.py") in alone.output
    assert program.output == alone.output
    assert (program.run.exit().status, alone.status) == (3, 3)
    # And it was watched
    found = events_of(program.run)
    assert [one.step for one in found if isinstance(one, events.End)] == [3]
    assert found[0].argv[1:] == ["--lr", "0.1", "a b"]


def test_a_program_that_fails_shows_its_own_traceback(start: Any) -> None:
    command = python("raises")
    alone = Bare(command, PROGRAMS)
    program = start(command, cwd=PROGRAMS).wait()
    assert "ValueError: the user's own" in alone.output
    assert program.output == alone.output
    assert (program.run.exit().status, alone.status) == (1, 1)
    assert [one.step for one in events_of(program.run) if isinstance(one, events.End)] == [2]


def test_children_that_train_have_streams_of_their_own_and_workers_have_none(start: Any) -> None:
    program = start(python("children"), cwd=PROGRAMS).wait()
    assert program.output == "workers fork\nworkers spawn\ndone\n"
    assert program.run.streams() == [0, 1]
    parent, child = events_of(program.run, 0), events_of(program.run, 1)
    assert [one.step for one in parent if isinstance(one, events.End)] == [4 + 4 + 5]
    assert [one.step for one in child if isinstance(one, events.End)] == [4]
    assert parent[0].pid != child[0].pid
    assert not [one for one in parent + child if isinstance(one, events.Warning)]


@pytest.mark.parametrize(
    "script",
    ["print('no torch')", "import importlib.util as u; print('no torch', end='\\n' if u.find_spec('torch') else '')"],
)
def test_a_program_that_does_not_import_torch_leaves_no_stream(start: Any, script: str) -> None:
    program = start([sys.executable, "-c", script]).wait()
    assert program.output == "no torch\n"
    assert program.run.streams() == []


def test_steps_turns_and_stop_in_a_process_of_its_own(start: Any, tmp_path: Path) -> None:
    # Given a program that writes down every update it makes, asked to pause before it began
    moves = tmp_path / "moves"
    program = start(
        python("counts", str(moves)), before=lambda run: (run.control / "first.jsonl").write_bytes(b'{"do":"pause"}\n')
    )
    hand = Hand(program.run)

    def made() -> list[float]:
        return [float(line) for line in moves.read_text().splitlines()]

    until(hand.held)
    assert made() == []
    # When it is stepped, then it has made exactly so many
    for n, total in ((1, 1), (5, 6)):
        hand.answer(events.Step(n=n))
        until(lambda total=total: hand.held(total))
        assert len(made()) == total
    # When the rate is turned while it is held, then the very next update has it
    assert hand.answer(events.SetRate(factor=2.0)).after == 1.0
    hand.answer(events.Step(n=2))
    until(lambda: hand.held(8))
    assert made() == [0.5] * 6 + [1.0] * 2
    # When it is stopped, then it is as if Ctrl-C had been pressed: its clean-up runs
    hand.answer(events.Stop())
    program.wait()
    assert "cleaned up" in program.output and "KeyboardInterrupt" in program.output
    assert program.run.exit().signal == 2 or program.run.exit().status == 130
    assert len(made()) == 8  # interrupted inside the ninth, after its update
    assert [one.step for one in events_of(program.run) if isinstance(one, events.End)] == [9]
