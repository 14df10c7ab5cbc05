"""Fixtures for all tests."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tui.run.directory import RunDirectory
from tui.run.events import Live, decode_live

from .support import Bare, Onlooker, Program, python, until

# the same examples every time, and no opinion about seconds: machines are slow at times
settings.register_profile("backlit", deadline=None, derandomize=True)
settings.load_profile("backlit")


# who runs the tests in the background ignores these, and so would every program that is started here
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """An empty run directory."""
    return RunDirectory.create(tmp_path / "runs", "test", {"command": ["true"], "cwd": str(tmp_path)})


TWO_MODELS = python("two_models", "24")


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """What two_models prints by itself."""
    return Bare(TWO_MODELS, tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="session")
def looked_at(reference: Bare, tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, list[Live]]:
    """The same program inside a run, with a restless viewer, and what that one could see. It has ended."""
    program = Program(tmp_path_factory.mktemp("looked at"), TWO_MODELS)
    (program.run.control / "hand.jsonl").write_bytes(b'{"do":"speed","steps_per_s":100000,"id":"a"}\n')
    seen: list[Live] = []

    def look() -> bool:
        try:
            seen.append(decode_live(program.run.live_file(0).read_bytes()))
        except OSError:
            pass  # not there yet
        return program.run.exit() is not None

    with Onlooker(program.run, restless=True):
        until(look)
    return program, seen


@pytest.fixture
def finished(looked_at: tuple[Program, list[Live]]) -> RunDirectory:
    """A real run that has ended. Copy it before changing it."""
    return looked_at[0].run


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Starts programs, and ends those that are left over."""
    started: list[Program] = []

    def begin(command: list[str], **options: Any) -> Program:
        program = Program(tmp_path, command, **options)
        started.append(program)
        return program

    yield begin
    for program in started:
        program.end()
