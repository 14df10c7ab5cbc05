"""The benchmark measures and prints; what it prints is nobody's promise here."""

from __future__ import annotations

import re

import pytest

from .__main__ import main


def test_a_row_with_a_number_comes_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "snapshot"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("snapshot")]
    assert lines
    assert all(re.search(r"\d\.\d+ … \d", line) for line in lines)
