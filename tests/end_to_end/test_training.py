"""A real training process, watched and steered in a real terminal; the proof is what the program itself wrote down."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import Terminal
from tui.run import events

from ..support import events_of, until
from .conftest import HERE, QUIET, ROOT, House, ends, shows, viewer_of, whole

RATE = 2**-7


class Told:
    """What the program wrote: one line an update."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def updates(self) -> list[tuple[int, float, float]]:
        lines = self.path.read_text().split("\n")[:-1] if self.path.exists() else []
        return [(int(a), float(b), float(c)) for a, b, c in (line.split() for line in lines)]

    def count(self) -> int:
        return len(self.updates())

    def goes_on(self) -> None:
        now = self.count()
        until(lambda: self.count() > now + 3)


def step_of(screen: str) -> int:
    found = re.search(r"step ([\d,]+)", screen)
    assert found, screen
    return int(found[1].replace(",", ""))


def five_lines(screen: str, *words: str) -> None:
    """What stays on the normal screen."""
    lines = [line for line in screen.splitlines() if line.strip()]
    start = next(place for place, line in enumerate(lines) if line.startswith("backlit: "))
    assert len(lines) - start == 5, screen
    assert all(word in screen for word in words), screen
    assert [line.split()[0] for line in lines[start + 2 : start + 4]] == ["time", "directory"]


def test_a_run_from_its_first_step_to_its_last(house: House) -> None:
    told = Told(house.folder / "told")
    terminal = house.open("run", "--speed", "60", str(HERE / "subject.py"), str(told.path), columns=160)
    shows(terminal, "RUNNING", "1–2 units")
    run = house.run()

    # The first key asks; the pause stops it, and what was counted is what was made.
    terminal.keys("space")
    shows(terminal, "Steer this run?")
    assert not list(run.control.iterdir())
    terminal.keys("Y")
    shows(terminal, "PAUSED", "space resume")
    here = told.count()
    shows(terminal, "PAUSED", f"step {here:,}")

    # One batch is exactly one update.
    for _ in range(3):
        terminal.keys("n")
        here += 1
        shows(terminal, "PAUSED", f"step {here:,}")
        assert [number for number, _, _ in told.updates()] == list(range(1, here + 1))
    assert {rate for _, rate, _ in told.updates()} == {RATE}

    # A rate turned up by a rung is the rate that the optimizer uses: the weight says so.
    terminal.keys("+")
    shows(terminal, "× 2")
    terminal.keys("n")
    here += 1
    shows(terminal, f"step {here:,}")
    assert [update[1:] for update in told.updates()[-2:]] == [(RATE, RATE), (2 * RATE, 2 * RATE)]

    # The viewer is killed; the terminal is whole, and training goes on.
    terminal.keys("space")
    shows(terminal, "RUNNING")
    viewer_of(terminal).send_signal(signal.SIGKILL)
    assert terminal.wait_exit() == 128 + 9
    whole(terminal)
    told.goes_on()
    assert told.updates()[-1][1] == 2 * RATE

    # Coming back shows all of it: the curve from the first step, what was done by hand, the dial as it stands.
    second = house.open("attach", columns=160)
    screen = shows(second, "RUNNING", "× 2", "▼")
    assert step_of(screen) > here
    second.keys("q")
    shows(second, "detach")
    second.keys("d")
    five_lines(ends(second, 0), "subject goes on", str(run.path), "backlit attach shows it again")
    told.goes_on()

    # And again, by a piece of its name; stopped as after Ctrl-C.
    third = house.open("attach", "subject", columns=160)
    shows(third, "RUNNING", "× 2")
    third.keys("q")
    shows(third, "stop it")
    third.keys("s")
    shows(third, "Stopped after", "■ STOPPED")
    third.keys("q")
    status = run.exit().code
    assert status != 0
    five_lines(ends(third, status), "subject stopped after", f"exit status {status}")
    made = told.count()
    assert step_of("step " + third.text()[0].split("after ")[1]) == made

    # A run that is over opens the same way, and leaves at once.
    fourth = house.open("attach", str(run.path), columns=160)
    shows(fourth, "■ STOPPED", f"step {made:,}", "▼")
    fourth.keys("q")
    ends(fourth, status)
    assert told.count() == made

    # Every request was answered once, in order, at the step at which it took effect.
    answers = [one for one in events_of(run) if isinstance(one, events.Applied)]
    assert [one.do for one in answers if one.writer] == [one.do for one in answers]
    assert [one.do for one in answers] == ["pause", "step", "step", "step", "lr", "step", "resume", "stop"]
    assert len({one.id for one in answers}) == len(answers) and not any(one.refused for one in answers)


def test_two_viewers_at_once(house: House) -> None:
    told = Told(house.folder / "told")
    done = house.call("run", "--detach", "--speed", "60", str(HERE / "subject.py"), str(told.path))
    run = house.run()
    assert done.returncode == 0 and done.stdout == f"{run.path}\n" and done.stderr == ""
    until(told.count)
    first, second = house.open("attach", columns=160), house.open("attach", columns=120)
    for terminal in (first, second):
        shows(terminal, "RUNNING")
        terminal.keys("space" if terminal is first else "n")
        shows(terminal, "Steer this run?")
    first.keys("Y")
    shows(first, "PAUSED")
    shows(second, "PAUSED")
    here = told.count()
    second.keys("Y")  # the n that was asked about
    for terminal in (first, second):
        shows(terminal, "PAUSED", f"step {here + 1:,}")
    for _ in range(4):
        first.keys("n")
        second.keys("n")
    answers: list[Any] = until(
        lambda: (
            (found := [one for one in events_of(run) if isinstance(one, events.Applied)]) and len(found) == 10 and found
        )
    )
    assert len({one.id for one in answers}) == 10
    assert len({one.writer for one in answers}) == 2
    assert {(one.writer, one.do) for one in answers} >= {(writer, "step") for writer in {one.writer for one in answers}}
    made = told.count()
    assert here + 2 <= made <= here + 9  # two requests that come together may be one batch, none is two
    for terminal in (first, second):
        shows(terminal, "PAUSED", f"step {made:,}")
    assert told.count() == made
    for terminal in (first, second):
        terminal.keys("q", "d")
        ends(terminal, 0)
    assert len(list(run.control.iterdir())) == 2


KEYS = ("tab", "m", "y", "enter", "m", "escape", "3", "down", "a", "5", "tab", "/", "escape", "?", "escape")


def watched(terminal: Terminal, most_s: float = 60.0) -> None:
    """Somebody looks at everything while it runs; --exit ends it."""
    terminal.until(lambda screen: "step" in screen, most_s)
    for key in KEYS:
        if terminal.process.poll() is not None:
            break
        terminal.keys(key)
        seen = terminal.bytes
        terminal.until(lambda screen, seen=seen: terminal.bytes > seen or terminal.process.poll() is not None)
    terminal.wait_exit(most_s)


def check_bits(house: House, command: list[str], words: list[str]) -> None:
    """The program's output, byte for byte, bare and watched."""
    bare = subprocess.Popen(
        command,
        cwd=house.folder,
        env={**os.environ, **QUIET, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    terminal = house.open(*words)
    watched(terminal)
    output, _ = bare.communicate(timeout=120)
    assert output and bare.returncode == 0
    assert house.run().output_file.read_bytes() == output
    assert ends(terminal, 0)
    seen = [one for one in events_of(house.run()) if isinstance(one, events.Tick)]
    assert seen and seen[-1].loss is not None
    assert not [one.text for one in events_of(house.run()) if isinstance(one, events.Warning)]


def test_watching_changes_no_bit_of_a_program_full_of_chance(house: House) -> None:
    script = str(HERE / "chance.py")
    check_bits(house, [sys.executable, script], ["run", "--exit", script])


def test_watching_changes_no_bit_of_digits(house: House) -> None:
    words = ["-P", "-m", "tui.lessons.digits", "--epochs", "3"]
    check_bits(house, [sys.executable, *words], ["run", "--exit", "--", sys.executable, *words])


def test_watching_changes_no_bit_of_mnist(house: House) -> None:
    data = ROOT.parent / "shared" / "data"
    if not (data / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST in {data}")
    words = ["-P", "-m", "tui.lessons.mnist", "--epochs", "1", "--batch", "256", "--root", str(data)]
    check_bits(house, [sys.executable, *words], ["run", "--exit", "--", sys.executable, *words])


def test_the_first_words_to_a_beginner(house: House) -> None:
    """`backlit` alone: the question at once, the answer starts the training, any key goes on at full pace."""
    terminal = house.open(columns=100, rows=30)
    shows(terminal, "Reading digits", "any other key goes on without an answer", most_s=10)
    terminal.keys("b")
    shows(terminal, "step 1", "Linear")
    live = house.run().live_file(0)
    until(lambda: live.exists() and json.loads(live.read_text()).get("opening"))
    terminal.keys("x")
    until(lambda: not json.loads(live.read_text()).get("opening"))
    shows(terminal, "RUNNING", "(slowed)")
    terminal.keys("q")  # a lesson under a minute old just leaves
    terminal.wait_exit(20)
    whole(terminal)
    until(lambda: house.run().exit() is not None)
