"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tui.run.directory import RunDirectory

from .support import Onlooker, Program, python


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """An empty run directory."""
    return RunDirectory.create(tmp_path / "runs", "test", {"command": ["true"], "cwd": str(tmp_path)})


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of a real program that was looked at and has ended. Copy it before changing it."""
    program = Program(tmp_path_factory.mktemp("finished"), python("two_models", "4"))
    (program.run.control / "hand.jsonl").write_bytes(b'{"do":"lr","factor":0.5,"id":"a"}\n')
    with Onlooker(program.run):
        program.wait()
    assert program.run.exit() is not None and program.run.live_file(0).exists()
    return program.run


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
