"""Makes the pictures in screenshots/ and the README's table of keys from real runs: python -m tests.screenshots.

Each picture is the real app over a real training process, driven by keys; its SVG is what Textual exports. The picture
of MNIST needs a folder in torchvision's layout: --root DIR (by default the shared test data, where it is there).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tui.history.source import Source
from tui.run.directory import RunDirectory
from tui.view.actions import ACTIONS, MOVES
from tui.view.app import BacklitApp
from tui.view.cards import all_cards
from tui.view.panels.doctor import Doctor
from tui.view.scene import Scene

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "screenshots"
DATA = ROOT.parent / "shared" / "data"

Do = Callable[[BacklitApp, Pilot[Any]], Awaitable[None]]


async def picture(name: str, run: RunDirectory, size: tuple[int, int], do: Do, lesson: bool = True) -> None:
    """Shows a live run, does `do`, and writes the SVG."""
    cards = {card.lesson: card for card in all_cards()}
    card = cards.get(str(run.about().get("lesson"))) if name.startswith("lesson-") else None
    scene = Scene(Source(run), asks=False, card=card)
    app = BacklitApp(scene, cards=[*cards.values()], lesson=lesson, question=False, colors="truecolor")
    async with app.run_test(size=size) as pilot:
        await do(app, pilot)
        for panel in app._panels.values():
            panel.tell(float("inf"), force=True)
        await pilot.pause()
        svg = app.export_screenshot(title="backlit")
    app.desk.leave(pause_stays=False)
    (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(f"screenshots/{name}.svg  {size[0]}×{size[1]}  step {scene.state.step}", flush=True)


async def until(pilot: Pilot[Any], true: Callable[[], bool], what: str, most_s: float = 90.0) -> None:
    """Waits for something to become true; a picture that cannot be made is an error."""
    for _ in range(int(most_s / 0.05)):
        if true():
            return
        await pilot.pause(0.05)
    raise SystemExit(f"waited {most_s:.0f} s in vain for: {what}")


def step_is(step: int) -> Do:
    async def do(app: BacklitApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: app.scene.state.step >= step, f"step {step}")
        await until(pilot, lambda: app.scene.picture is not None, "a picture of weights")

    return do


def start(folder: str, *arguments: str) -> RunDirectory:
    """Starts a program through the real command, in a folder of runs of its own."""
    env = dict(os.environ, BACKLIT_RUNS=folder)
    command = [sys.executable, "-m", "tui", *arguments]
    made = subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return RunDirectory.open(Path(made.stdout.strip()))


def stop(run: RunDirectory) -> None:
    pid = run.about().get("pid")
    if isinstance(pid, int) and run.alive():
        os.killpg(pid, 15)


async def phases(app: BacklitApp, pilot: Pilot[Any]) -> None:
    """Paused in the middle of a batch, with the rate turned up."""
    await step_is(150)(app, pilot)
    await pilot.press("space")
    await until(pilot, lambda: app.scene.paused, "the pause")
    await pilot.press("plus")
    await until(pilot, lambda: not app.scene.pending, "the rate")
    for phase in ("update", "zero_grad", "forward"):
        await pilot.press("p")
        await until(pilot, lambda phase=phase: app.scene.paused and app.scene.state.phase == phase, phase)  # type: ignore[misc]
    await until(pilot, lambda: not app.scene.pending, "the answers")
    app.clear_notifications()


async def steered(app: BacklitApp, pilot: Pilot[Any]) -> None:
    """Too high a rate, and back."""
    await step_is(250)(app, pilot)
    for key in ("plus", "plus", "plus"):
        await pilot.press(key)
        await until(pilot, lambda: not app.scene.pending, "the rate")
    await until(pilot, lambda: app.scene.state.step > 360, "step 360")


async def finished(app: BacklitApp, pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: app.scene.source.over, "the end")


async def lessons(app: BacklitApp, pilot: Pilot[Any]) -> None:
    await step_is(60)(app, pilot)
    await pilot.press("l")
    await pilot.pause(0.3)


async def keys(app: BacklitApp, pilot: Pilot[Any]) -> None:
    await step_is(60)(app, pilot)
    await pilot.press("question_mark")
    await pilot.pause(0.3)


async def gradients(app: BacklitApp, pilot: Pilot[Any]) -> None:
    await step_is(200)(app, pilot)
    await pilot.press("3", "enter")
    await pilot.pause(0.5)


def tab(name: str, ready: Callable[[BacklitApp], object], step: int = 0, zoom: bool = False) -> Do:
    """A tab in front, once it has what is to be seen."""

    async def do(app: BacklitApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: name in app.scene.content, f"the tab {name}")
        app.controls.show_tab(name)
        await step_is(step)(app, pilot)
        if zoom:
            await pilot.press("enter")
        await until(pilot, lambda: bool(ready(app)), f"something to see in {name}")
        await pilot.pause(1.2)

    return do


def at_loss(app: BacklitApp) -> bool:
    return app.scene.paused and app.scene.state.phase == "loss"


async def by_phase(app: BacklitApp, pilot: Pilot[Any]) -> None:
    """The phase view at the loss of a batch."""
    await step_is(1)(app, pilot)
    await pilot.press("space")
    await until(pilot, lambda: app.scene.paused, "the pause")
    for _ in range(8):
        if at_loss(app):
            break
        seen = app.scene.state.phase
        await pilot.press("p")
        await until(pilot, lambda seen=seen: app.scene.paused and app.scene.state.phase != seen, "the next phase")  # type: ignore[misc]
    await pilot.pause(0.6)
    app.clear_notifications()


async def valley(app: BacklitApp, pilot: Pilot[Any]) -> None:
    """The slice of the loss around the weights, when it is whole."""
    await step_is(60)(app, pilot)
    await pilot.press("v", "y")

    def whole() -> bool:
        surface = app.scene.state.live.surface if app.scene.state.live is not None else None
        return surface is not None and surface.kind == "slice" and surface.done == surface.rows

    await until(pilot, whole, "the valley")
    await pilot.press("enter")
    await pilot.pause(0.6)
    app.clear_notifications()


def revealed(guess: str) -> Do:
    """The end of a lesson, with what came of a prediction."""

    async def do(app: BacklitApp, pilot: Pilot[Any]) -> None:
        app.scene.guess = guess
        await until(pilot, lambda: app.scene.source.over and app.scene.tab == "card", "the reveal")
        await pilot.pause(0.5)

    return do


async def feature_maps(app: BacklitApp, pilot: Pilot[Any]) -> None:
    """What the first layer puts out for one image."""
    await step_is(300)(app, pilot)
    for _ in range(3):
        await pilot.press("m")
    await until(
        pilot,
        lambda: bool(app.scene.picture and app.scene.picture.mode == "output" and app.scene.picture.cells),
        "maps",
    )
    app.controls.show_tab("predict")
    await until(pilot, lambda: has_predictions(app), "predictions")
    await pilot.pause(1.2)


def has_predictions(app: BacklitApp) -> bool:
    live = app.scene.state.live
    return live is not None and live.predictions is not None


def has_boundary(app: BacklitApp) -> bool:
    live = app.scene.state.live
    return live is not None and live.boundary is not None and bool(live.boundary.values)


def has_plane(app: BacklitApp) -> bool:
    live = app.scene.state.live
    return live is not None and live.surface is not None and live.surface.done == live.surface.rows > 0


def has_finding(app: BacklitApp) -> bool:
    panel = app.panel("doctor")
    return isinstance(panel, Doctor) and bool(panel.findings(app.scene))


def write_lessons_table() -> None:
    """The README's lessons, from their cards."""
    rows = ["| | lesson | the question it asks first |", "|---|---|---|"]
    rows += [f"| {card.number} | `{card.lesson}` | {card.about}: {card.question} |" for card in all_cards()]
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    table = "<!-- lessons -->\n" + "\n".join(rows) + "\n<!-- end of lessons -->"
    text = re.sub(r"<!-- lessons -->.*<!-- end of lessons -->", lambda _: table, text, flags=re.S)
    path.write_text(text, encoding="utf-8")
    print("README.md: the table of lessons")


def write_keys_table() -> None:
    """The README's keys, from the action table."""
    rows = ["| key | | |", "|---|---|---|"]
    rows += [f"| `{action.shown}` | {action.label} | {action.help} |" for action in ACTIONS]
    rows += [f"| `{shown}` | | {words} |" for shown, words in MOVES]
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    table = "<!-- keys -->\n" + "\n".join(rows) + "\n<!-- end of keys -->"
    path.write_text(re.sub(r"<!-- keys -->.*<!-- end of keys -->", lambda _: table, text, flags=re.S), encoding="utf-8")
    print("README.md: the table of keys")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="names of pictures; all by default")
    parser.add_argument("--root", type=Path, default=DATA, help="a folder with MNIST in torchvision's layout")
    args = parser.parse_args()
    os.environ.pop("NO_COLOR", None)
    FOLDER.mkdir(exist_ok=True)
    digits = ("learn", "digits", "--detach", "--speed", "20", "--seed", "0")

    def lesson(name: str, speed: str, *arguments: str) -> tuple[str, ...]:
        return ("learn", name, "--detach", "--speed", speed, "--seed", "0", *arguments)

    wide = ("learn", "digits", "--detach", "--speed", "25", "--seed", "0", "--epochs", "12")
    mnist = ("learn", "mnist", "--detach", "--seed", "0", "--root", str(args.root))
    article = ("--data", "mnist", "--hidden", "16", "16", "--activation", "sigmoid", "--root", str(args.root))
    wanted: list[tuple[str, tuple[str, ...], tuple[int, int], Do]] = [
        ("digits-120x36", digits, (120, 36), step_is(420)),
        ("digits-80x24", digits, (80, 24), step_is(300)),
        ("digits-200x50", digits, (200, 50), step_is(500)),
        ("phases-100x30", digits, (100, 30), phases),
        ("rate-100x30", digits, (100, 30), steered),
        ("finished-120x36", wide, (120, 36), finished),
        ("lessons-100x30", digits, (100, 30), lessons),
        ("help-100x30", digits, (100, 30), keys),
        ("gradients-120x36", digits, (120, 36), gradients),
        ("lesson-dart-100x30", lesson("dart", "2"), (100, 30), by_phase),
        ("lesson-neuron-120x36", lesson("neuron", "20"), (120, 36), tab("valley", has_plane, 120)),
        ("lesson-perceptron-120x36", lesson("perceptron", "60"), (120, 36), tab("predict", has_boundary, 150)),
        ("lesson-hidden-120x36", lesson("hidden", "60"), (120, 36), tab("predict", has_boundary, 400)),
        ("lesson-ravine-120x36", lesson("ravine", "30"), (120, 36), tab("valley", has_plane, 90)),
        ("lesson-rate-100x30", lesson("rate", "200", "--lr", "2"), (100, 30), tab("doctor", has_finding, 500)),
        ("lesson-vanishing-120x36", lesson("vanishing", "40"), (120, 36), step_is(200)),
        ("lesson-skip-100x30", lesson("skip", "60"), (100, 30), valley),
        ("lesson-overfit-120x36", lesson("overfit", "60"), (120, 36), revealed("c")),
        ("lesson-convolution-120x36", lesson("convolution", "40", "--model", "cnn"), (120, 36), feature_maps),
        ("lesson-houses-120x36", lesson("houses", "60"), (120, 36), tab("predict", has_predictions, 200)),
        ("mnist-120x36", mnist, (120, 36), step_is(300)),
        ("article-120x36", ("learn", "digits", "--detach", "--speed", "100", *article), (120, 36), step_is(500)),
    ]
    write_keys_table()
    write_lessons_table()
    with tempfile.TemporaryDirectory() as folder:
        for name, command, size, do in wanted:
            if args.only and name not in args.only:
                continue
            if "--root" in command and not (args.root / "MNIST" / "raw").is_dir():
                print(f"{name}: left out, {args.root} has no MNIST")
                continue
            run = start(folder, *command)
            try:
                asyncio.run(picture(name, run, size, do))
            finally:
                stop(run)


if __name__ == "__main__":
    main()
