"""A race as a person has it: real programs of their own, in a real terminal and without one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tui.run.directory import RunDirectory

from ..support import events_of, until
from .conftest import House, ends, shows
from .zoo import has_written

OPTION = """
import argparse, torch
parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=2)
parser.add_argument("--steps", type=int, default=40)
args = parser.parse_args()
print("first", torch.rand(()).item())
layer = torch.nn.Linear(args.width, 1)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)
for step in range(args.steps):
    optimizer.zero_grad()
    layer(torch.ones(1, args.width)).pow(2).sum().backward()
    optimizer.step()
print("width", layer.in_features)
"""

PLAIN = """
import torch
weight = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
optimizer = torch.optim.SGD([weight], lr=2**-7)
rates = set()
for step in range(20):
    before = weight.item()
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
    rates.add(round(before - weight.item(), 12))
print("rates", sorted(rates))
"""

# Not before torch is there: it imports NumPy in C++, and what is raised in that is dropped, a Ctrl-C too.
MANY = "import time, torch\nprint('torch is there', flush=True)\nwhile True: time.sleep(1)\n"


def runs_of(house: House) -> list[RunDirectory]:
    """In the order of their start."""
    return list(RunDirectory.all(house.root))[::-1]


def under_way(house: House, runs: int) -> None:
    """Waits until so many programs of MANY can be interrupted."""
    until(lambda: len(runs_of(house)) == runs)
    for run in runs_of(house):
        has_written("torch is there", run.output_file)


def script(house: House, text: str) -> str:
    (house.folder / "train.py").write_text(text)
    return "train.py"


def test_an_option_of_the_program(house: House) -> None:
    done = house.call("race", script(house, OPTION), "--vary", "width=3,5", "--seed", "4", "--", "--steps", "60")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "backlit: train: 2 finished; train loss" and lines[1].split()[0] == "width"
    three, five = runs_of(house)
    assert [line.split()[1] for line in lines[2:4]] == ["3", "5"] and lines[2].split()[-1] == three.path.name
    for run, width in ((three, "3"), (five, "5")):
        about = run.about()
        assert about["command"][1:] == ["train.py", "--steps", "60", "--width", width]
        assert about["name"] == f"train width={width}" and f"width {width}" in run.output_file.read_text()
        assert events_of(run)[-1].step == 60
    assert three.about()["race"] == five.about()["race"] != ""
    first = [run.output_file.read_text().splitlines()[0] for run in (three, five)]
    assert first[0] == first[1] and "first" in first[0]  # drawn with the same seed
    assert list(three.viewers.iterdir()) == []
    again = house.call("attach", "--plain", three.path.name)
    assert again.returncode == 0 and "width 3" in again.stdout


def test_the_rate_of_a_program_without_such_an_option(house: House) -> None:
    done = house.call("race", script(house, PLAIN), "--vary", "lr=0.25,0.5", "--plain")
    assert done.returncode == 0, done.stderr
    found = [run.output_file.read_text().strip() for run in runs_of(house)]
    assert found == ["rates [0.25]", "rates [0.5]"]  # from the first update on, as the program itself measured it
    assert "lowest train loss at the end" in done.stdout and "with lr=0.5" in done.stdout


def test_a_run_that_fails_is_told_and_is_a_failure(house: House) -> None:
    done = house.call("race", script(house, OPTION), "--vary", "width=3,none", "--", "--steps", "20")
    assert done.returncode == 1
    assert "1 finished, 1 failed" in done.stdout and "invalid int value: 'none'" in done.stdout


def test_a_race_on_the_screen(house: House) -> None:
    terminal = house.open("race", script(house, OPTION), "--vary", "width=3,5", "--at-once", "2", columns=80, rows=24)
    shows(terminal, "varies width", "same in all: seed 0")
    shows(terminal, "FINISHED", "2 finished", "lowest at the end")
    terminal.keys("down", "enter")
    command = f"backlit --runs {house.root} attach {runs_of(house)[1].path.name}"
    terminal.until(lambda screen: command.replace(" ", "") in "".join(screen.split()))
    terminal.keys("q")
    screen = ends(terminal, 0)
    assert "backlit: train: 2 finished; train loss" in screen and runs_of(house)[0].path.name in screen


def test_stopping_ends_all_programs(house: House) -> None:
    terminal = house.open("race", script(house, MANY), "--vary", "lr=1,2,3", "--at-once", "2")
    shows(terminal, "2 starting", "1 waits")
    under_way(house, 2)
    terminal.keys("q", "s")
    screen = ends(terminal, 1)
    assert "2 stopped, 1 not started" in screen
    assert [run.alive() for run in runs_of(house)] == [False, False]


def test_those_that_wait_have_their_turn_when_nobody_looks_any_more(house: House) -> None:
    terminal = house.open("race", script(house, OPTION), "--vary", "width=2,3,4", "--at-once", "1")
    shows(terminal, "2 wait")
    terminal.keys("q", "d")
    assert "those that wait start when there is room" in ends(terminal, 1)
    until(lambda: len(runs_of(house)) == 3 and all(run.exit() is not None for run in runs_of(house)), 150)
    assert [run.exit().code for run in runs_of(house)] == [0, 0, 0]  # type: ignore[union-attr]
    assert len({run.about()["race"] for run in runs_of(house)}) == 1
    assert {run.about()["cwd"] for run in runs_of(house)} == {str(house.folder)}


def test_ctrl_c_without_a_screen_goes_to_all(house: House) -> None:
    command = house.command("race", script(house, MANY), "--vary", "lr=1,2,3", "--at-once", "2", "--plain")
    process = subprocess.Popen(
        command, cwd=house.folder, env=environment(house), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "lr=2 is" not in process.stderr.readline():
        pass
    under_way(house, 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 1 and "2 stopped, 1 not started" in output


def environment(house: House) -> dict[str, str]:
    return {**os.environ, **house.env}


# ── lessons ──


def test_a_lesson_knows_its_own_race(house: House) -> None:
    code = (
        "import sys\nfrom tui.view import cards\nfrom tui.view.scene import Card\n"
        "cards.card_of = lambda name: Card(name, 'A', 'B', race='--vary lr=0.1,1 -- --epochs 2')\n"
        "from tui.cli import main\nmain(sys.argv[1:])\n"
    )
    words = ["--runs", str(house.root), "race", "digits", "--seed", "3", "--plain"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=house.folder,
        env=environment(house),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "digits: 2 finished; val loss" in done.stdout
    for run, rate in zip(runs_of(house), ("0.1", "1")):
        assert run.about()["command"][4:] == ["--epochs", "2", "--seed", "3", "--lr", rate]
        assert "BACKLIT_SPEED" not in run.about()["environment"]


# ── mistakes ──

MISTAKES = {
    "nothing": ([], "what is to be raced?"),
    "no such program": (["nosuch", "--vary", "lr=1,2"], "no lesson and no script nosuch"),
    "nothing varies": (["train.py"], "what is to vary? For example: backlit race train.py"),
    "no values": (["train.py", "--vary", "lr"], "--vary takes NAME=A,B"),
    "one run": (["train.py", "--vary", "lr=1"], "one run is no race"),
    "too many": (["train.py", "--vary", "lr=1,2,3,4", "--vary", "width=1,2"], "4 × 2 = 8 runs are too many"),
    "no such option": (["train.py", "--vary", "depth=1,2"], "train mentions no option --depth"),
    "no rate": (["train.py", "--vary", "lr=a,b"], "a is not a learning rate"),
    "given twice": (["train.py", "--vary", "width=1,2", "--", "--width", "3"], "both varied and given"),
    "a folder": ([".", "--vary", "lr=1,2"], "without a __main__.py"),
    "runs cannot be made": (["train.py", "--vary", "lr=1,2"], "train.py)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_with_one_sentence(house: House, name: str) -> None:
    words, sentence = MISTAKES[name]
    script(house, OPTION)
    if name == "runs cannot be made":
        house.root = house.folder / "train.py" / "runs"
    done = house.call("race", *words)
    said = done.stderr.splitlines()
    assert done.returncode == (1 if name == "runs cannot be made" else 2), done
    assert len(said) == 1 and said[0].startswith("backlit: ") and sentence in said[0] and done.stdout == ""
    assert not house.root.exists() or not runs_of(house)
