"""The Metrics tab: what the program logs by itself, one row a name, train and validation together, one as a chart."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tui.history.source import Source
from tui.history.state import RunState
from tui.run.events import Metric
from tui.view.machine import Gpu, Load
from tui.view.panels.metrics import Metrics, draw_metric, rows_of
from tui.view.scene import Scene

from . import scripted
from .conftest import Opener, Viewer
from .scripted import STATES, Tape


def logged(name: str, values: list[float], every: int = 50) -> list[Metric]:
    return [Metric(place * 0.8, place * every, name, value) for place, value in enumerate(values, 1)]


def busy(tape: Tape) -> Tape:
    """Pairs, singles, a long name, a value that is no number."""
    return tape.add(
        *logged("train/f1", [0.1, 0.4, 0.8]),
        *logged("reward", [-20.0, 310.0, 55.0]),
        *logged("val/f1", [0.2, 0.3, 0.37]),
        *logged("a name that is [bold]longer[/] than its column will ever be, whatever the size", [1.0]),
        *logged("kl", [0.1, math.nan]),
    )


async def front(viewer: Viewer) -> str:
    """The tab in front; its text."""
    viewer.scene.tab = "metrics"
    viewer.app.rearrange()
    viewer.app.focus_panel("metrics")
    await viewer.settle()
    return viewer.panel("metrics").text()


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if name in line)


async def test_the_tab_is_there_once_something_is_logged(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:  # it logs val_loss, val_accuracy and total_epochs
        assert "metrics" not in viewer.scene.content and "Metrics" not in viewer.screen()
        tape.add(Metric(8.0, 500, "reward", 3.25))
        await viewer.until(lambda: "Metrics" in viewer.screen())
        text = await front(viewer)
        assert "3.25" in row(text, "reward")
        assert "0.641" in row(text, "val_loss") and "0.748" in row(text, "val_accuracy")


async def test_last_lowest_and_highest_of_a_row(show: Opener, tape: Tape) -> None:
    async with show(busy(tape), size=(100, 30)) as viewer:
        text = await front(viewer)
        words = row(text, "reward").split()
        assert (words[1], words[-2:]) == ("55.0", ["−20.0", "310"])
    async with show(tape, size=(120, 36)) as viewer:
        await front(viewer)
        viewer.scene.scroll["metrics"] = [one.name for one in rows_of(viewer.scene.state)].index("reward")
        viewer.app.changed()
        await viewer.settle()
        assert "reward: −20.0 … 310" in viewer.screen()


async def test_a_value_that_is_no_number_is_said(show: Opener, tape: Tape) -> None:
    async with show(busy(tape), size=(120, 36)) as viewer:
        await front(viewer)
        await viewer.press("enter")
        line = row(viewer.panel("metrics").text(), "kl ")
        assert "NaN" in line and "✗" in line


def test_train_and_validation_stand_together_on_one_scale(tape: Tape) -> None:
    source = Source(busy(tape).run)
    source.poll()
    names = [one.name for one in rows_of(source.state)]
    assert names[:4] == ["val_loss", "val_accuracy", "train/f1", "val/f1"] and names[4] == "reward"
    panel, scene = Metrics("metrics"), Scene(source)
    text = ["".join(part for part, _ in line) for line in panel.draw(scene, 60, 8)]
    blocks = {name: row("\n".join(text), name)[-30:] for name in ("train/f1", "val/f1")}
    assert "█" in blocks["train/f1"] and "█" not in blocks["val/f1"]  # 0.37 of an axis that goes to 0.8
    assert "▁" in blocks["train/f1"] and "▁" not in blocks["val/f1"]  # 0.2, where 0.1 is the lowest of both


def test_names_that_leave_it_open_are_no_pair(tape: Tape) -> None:
    tape.add(*logged("train/f1", [0.1]), *logged("training f1", [0.2]), *logged("valid/f1", [0.3]))
    source = Source(tape.run)
    source.poll()
    assert [one.name for one in rows_of(source.state)][2:] == ["train/f1", "training f1", "valid/f1"]


async def test_arrows_choose_what_the_chart_shows(show: Opener, tape: Tape) -> None:
    async with show(busy(tape), size=(120, 36)) as viewer:
        await front(viewer)
        await viewer.press("enter", "pageup")
        names = [one.name for one in rows_of(viewer.scene.state)]
        for place, name in enumerate(names):
            text = viewer.panel("metrics").text()
            assert next(line for line in text.splitlines() if line.startswith("▸")).startswith("▸" + name[:6])
            if name == "reward":
                assert "300┤" in text.replace(" ", "") and "step500" in text.replace(" ", "")
            await viewer.press("down")
            assert viewer.scene.scroll["metrics"] == min(place + 1, len(names) - 1)


def test_the_chart_has_both_of_a_pair_and_a_logarithmic_axis_where_it_can(tape: Tape) -> None:
    source = Source(busy(tape).run)
    source.poll()
    state = source.state
    pair = [one for one in rows_of(state) if one.pair == "f1"]
    styles = {style for line in draw_metric(state, pair, 60, 12, False) for text, style in line if text.strip()}
    assert {"train", "validation"} <= styles
    linear = draw_metric(state, pair, 60, 12, False)
    assert draw_metric(state, pair, 60, 12, True) != linear
    negative = [one for one in rows_of(state) if one.name == "reward"]
    assert draw_metric(state, negative, 60, 12, True) == draw_metric(state, negative, 60, 12, False)


async def test_the_zoom_tells_what_the_machine_does(show: Opener, tape: Tape) -> None:
    load = Load(1.87, 3 << 30, 640 << 20, 5, 16, (Gpu(1, "NVIDIA H100", 0.93, 31 << 30, 80 << 30, 412.4, 64),))
    later = [scripted.tick(scripted.reader(), step, step / 61.7, wait=0.07) for step in range(505, 601, 5)]
    tape.add(*later)
    async with show(busy(tape), size=(120, 36)) as viewer:
        viewer.app.machine.look = lambda subject: load if subject is not None else None  # type: ignore[method-assign]
        await front(viewer)
        await viewer.press("enter")
        await viewer.until(lambda: "187 %" in viewer.panel("metrics").text())
        text = viewer.panel("metrics").text()
        assert "187 % of 16 cores, 3.0 GB, up to 640 MB in 4 more processes" in row(text, "CPU")
        assert "93 % 31/80 GB 412 W 64 °C  NVIDIA H100" in row(text, "GPU 1")
        assert "7 % of the time waiting for the loader" in row(text, "data") and "▲" not in row(text, "data")


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (200, 50), (40, 12)])
async def test_every_size(show: Opener, tape: Tape, size: tuple[int, int]) -> None:
    async with show(busy(tape), size=size) as viewer:
        await front(viewer)
        panel = viewer.panel("metrics")
        if not panel.display:
            return
        width, height = panel.content_size
        for zoomed in ("", "metrics"):
            viewer.scene.zoomed = zoomed
            for high in range(1, height + 1):
                assert panel.draw(viewer.scene, width, high)
            for place in range(len(rows_of(viewer.scene.state))):
                viewer.scene.scroll["metrics"] = place
                text = "\n".join("".join(part for part, _ in line) for line in panel.draw(viewer.scene, width, height))
                assert text.count("▸") == 1


@pytest.mark.parametrize("name", STATES)
def test_every_state(tmp_path: Path, pid: int, name: str) -> None:
    tape = STATES[name](tmp_path, pid)
    for value in (math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 0.0):
        tape.add(Metric(1.0, 2**53, "odd", value), Metric(1.0, 1, "val/odd", -value))
    source = Source(tape.run)
    while source.poll() or source.catching_up:
        pass
    panel, scene = Metrics("metrics"), Scene(source)
    for width, height in ((36, 8), (80, 5), (120, 30), (5, 2), (1, 1)):
        assert panel.draw(scene, width, height)
        panel.notes(scene)


# ── what the names say ──


def state(*metrics: Any) -> RunState:
    found = RunState()
    for place, (name, value) in enumerate(metrics):
        found.apply(Metric(float(place), place, name, value))
    return found


@pytest.mark.parametrize(
    "name", ["val_loss", "eval_loss", "Loss/validation", "valid/loss", "dev-loss", "val_loss_epoch"]
)
def test_a_validation_loss_by_any_name_is_the_validation_curve(name: str) -> None:
    found = state((name, 0.5), (name, 0.4))
    assert (found.validation.last, found.loss_claim.name, found.metrics) == (0.4, name, {})


@pytest.mark.parametrize(
    "name", ["test_loss", "loss", "train/loss", "val_loss/dataloader_idx_1", "val_mae", "loss_scale"]
)
def test_other_losses_are_metrics(name: str) -> None:
    found = state((name, 0.5))
    assert len(found.validation) == 0 and found.metrics[name].last == 0.5


def test_the_first_that_reads_so_has_the_curve_and_the_exact_name_takes_it_over() -> None:
    found = state(("eval_loss", 0.5), ("valid_loss", 0.7))
    assert found.validation.last == 0.5 and found.metrics["valid_loss"].last == 0.7
    found.apply(Metric(9.0, 9, "val_loss", 0.3))
    found.apply(Metric(9.0, 10, "eval_loss", 0.6))
    assert [one[1] for one in found.validation.recent] == [0.3]
    assert [one[1] for one in found.metrics["eval_loss"].recent] == [0.5, 0.6]


def test_an_accuracy_is_a_share_and_percentages_stay_what_they_are() -> None:
    assert state(("eval_accuracy", 0.75)).accuracy.last == 0.75
    assert state(("val/acc", 1.0000001)).accuracy.last == pytest.approx(1.0)
    found = state(("val_acc", 0.9), ("val_acc", 45.0), ("val_acc", 0.5))
    assert len(found.accuracy) == 0 and [one[1] for one in found.metrics["val_acc"].recent] == [0.9, 45.0, 0.5]
