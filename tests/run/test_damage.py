"""Damage to any file of a run: at most the damaged record is lost, and no reader raises or loops."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tui.history.source import Source
from tui.history.state import RunState
from tui.run.directory import RunDirectory

FLIPS = 200
CUTS = 120


@pytest.fixture
def copy(finished: RunDirectory, tmp_path: Path) -> RunDirectory:
    return RunDirectory(Path(shutil.copytree(finished.path, tmp_path / "copy")))


@pytest.fixture
def read(copy: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Reads the run to its end; gives how many events were taken in."""
    taken = [0]
    apply = RunState.apply

    def counted(state: RunState, event: object) -> None:
        taken[0] += 1
        apply(state, event)  # type: ignore[arg-type]

    monkeypatch.setattr(RunState, "apply", counted)

    def read() -> int:
        taken[0] = 0
        source = Source(copy)
        for _ in range(50):
            if not source.poll():
                break
        else:
            raise AssertionError("the reader never comes to an end")
        # everything that a screen asks
        state = source.state
        state.seconds_left(), state.progress(), state.window(10.0), state.phase, state.step, source.status, source.over
        [health.times_median() for health in state.health]
        RunDirectory.find(copy.path.parent, "copy") if copy.about() else None
        return taken[0]

    return read


NAMES = ["events.0.jsonl", "live.0.json", "run.json", "exit.json", "output.log", "control/hand.jsonl"]


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_costs_at_most_its_record(copy: RunDirectory, read: Callable[[], int], name: str) -> None:
    path = copy.path / name
    whole, content = read(), path.read_bytes()
    assert whole > 90  # two numbers logged in each of 48 epochs, and more
    chance = random.Random(name)
    for _ in range(FLIPS):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            assert read() >= whole - 1
        except RecursionError:
            raise
        except Exception as error:
            if type(error).__name__ in ("Missing", "Unsafe") and name == "run.json":
                continue  # a run that says so in a sentence
            raise


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(copy: RunDirectory, read: Callable[[], int], name: str) -> None:
    path = copy.path / name
    whole, content = read(), path.read_bytes()
    chance = random.Random(name)
    for _ in range(CUTS):
        end = chance.randrange(len(content))
        path.write_bytes(content[:end])
        expected = content[:end].count(b"\n") if name == "events.0.jsonl" else whole
        assert read() == expected


def test_every_newline_may_be_the_damaged_byte(copy: RunDirectory, read: Callable[[], int]) -> None:
    path = copy.events_file(0)
    whole, content = read(), path.read_bytes()
    for place, byte in enumerate(content):
        if byte == 10:
            damaged = bytearray(content)
            damaged[place] = ord("x")
            path.write_bytes(damaged)
            assert read() >= whole - 1


def test_a_missing_file_is_an_absence(copy: RunDirectory, read: Callable[[], int]) -> None:
    for name in ("live.0.json", "exit.json", "output.log", "control/hand.jsonl", "events.0.jsonl"):
        (copy.path / name).unlink()
        read()
    assert read() == 0
