"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tui.run.directory import RunDirectory

from .support import Program


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """An empty run directory."""
    return RunDirectory.create(tmp_path / "runs", "test", {"command": ["true"], "cwd": str(tmp_path)})


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
