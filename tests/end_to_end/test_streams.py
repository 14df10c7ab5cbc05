"""A shell script that trains two models at once and then a third, in a real terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from ..support import PROGRAMS, until
from .conftest import House, ends, shows


class Job:
    """What the trainings wrote down, and how they are told that it is enough."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def made(self, name: str) -> list[float]:
        """What each update of a training moved its weight by: the rate."""
        path = self.folder / f"{name}.moves"
        return [float(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []

    def goes_on(self, name: str) -> None:
        now = len(self.made(name))
        until(lambda: len(self.made(name)) > now + 3)

    def enough(self, name: str) -> None:
        (self.folder / f"{name}.enough").touch()


def test_three_trainings_of_one_command_are_shown_and_steered_apart(house: House, tmp_path: Path) -> None:
    job = Job(tmp_path)
    script = str(PROGRAMS / "two_trainings.sh")
    terminal = house.open("run", "--speed", "40", "--", "sh", script, sys.executable, str(tmp_path), columns=140)
    shows(terminal, "stream 1/2", "RUNNING")

    # A pause and a rate are for the training that is shown; the other goes on as it was.
    terminal.keys("space", "Y")
    shows(terminal, "PAUSED", "stream 1/2")
    held = len(job.made("left"))
    job.goes_on("right")
    assert len(job.made("left")) == held
    terminal.keys("S")
    shows(terminal, "stream 2/2", "RUNNING")
    terminal.keys("+")
    until(lambda: job.made("right")[-1] == 1.0)
    assert len(job.made("left")) == held

    # Back at the first: it is held as it was, and goes on at the rate that it had.
    terminal.keys("S")
    shows(terminal, "stream 1/2", "PAUSED")
    terminal.keys("space")
    job.goes_on("left")
    assert set(job.made("left")) == {0.5}

    # It ends: the third begins, and is turned to.
    job.enough("left")
    shows(terminal, "stream 3/3", "step")
    job.goes_on("last")
    for name in ("right", "last"):
        job.enough(name)
    shows(terminal, "FINISHED", "stream 3/3")
    terminal.keys("q")
    assert "3: two_trainings.py of 3 streams made" in ends(terminal, 0)
