"""The doctor's tab: findings by level, what waits for what, the zoom, and the count in the tab's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tui.history.doctor.rules import RULES
from tui.history.source import Source
from tui.run.events import Checkup, Metric, Silence, Tick
from tui.view.panels.doctor import Doctor
from tui.view.scene import Scene

from . import scripted
from .conftest import Opener, Viewer
from .scripted import STATES, Tape


def look(step: int, **how: Any) -> Checkup:
    values: dict[str, Any] = {
        "t": step / 61.7,
        "step": step,
        "samples": 32,
        "classes": 7,
        "labels": [5, 5, 5, 5, 4, 4, 4],
    }
    values |= {"accuracy": 0.8, "sums_to_one": False, "cosine": 0.1, "carried": False, "weights_odd": 0}
    return Checkup(**{**values, **how})


def ill(tape: Tape) -> Tape:
    """Three things at once: two alarms, one notice."""
    quiet = [Silence(6, False, 48, 20, 1000, 0.6)]
    return tape.add(
        *[look(step, sums_to_one=True, carried=True, cosine=0.97, silences=quiet) for step in range(20, 500, 20)]
    )


async def front(viewer: Viewer) -> str:
    """The doctor's tab in front; its text."""
    viewer.scene.tab = "doctor"
    viewer.app.rearrange()
    viewer.app.focus_panel("doctor")
    await viewer.settle()
    return viewer.panel("doctor").text()


async def test_health_says_what_is_watched_and_what_waits(show: Opener, tape: Tape) -> None:
    tape.add(*[look(step) for step in range(20, 500, 20)])
    async with show(tape) as viewer:
        text = await front(viewer)
        assert f"{len(RULES)} rules watch; nothing found in 500 steps" in text
        assert "Not looked for yet" in text and "dead units: no ReLU" in " ".join(text.split())
        assert "✗" not in text and "▲" not in text
        assert viewer.panel("doctor").label(viewer.scene) == "Doctor"


async def test_alarms_first_with_sign_word_and_advice(show: Opener, tape: Tape) -> None:
    async with show(ill(tape)) as viewer:
        text = await front(viewer)
        signs = [line.strip("▸ ")[0] for line in text.splitlines() if line.strip("▸ ")[:1] in ("✗", "▲")]
        assert signs == ["✗", "✗", "▲"]
        words = " ".join(text.split())
        assert "✗ Gradients are never cleared alarm, certain" in words
        assert "cosine 0.970" in words and "→ Call optimizer.zero_grad()" in words
        assert "▲ Many units are dead" in words
        assert "✗3 Doctor" in viewer.screen()


async def test_arrows_choose_and_the_chosen_one_is_whole(show: Opener, tape: Tape) -> None:
    async with show(ill(tape), size=(80, 24)) as viewer:
        first = await front(viewer)
        assert "▸✗ Gradients are never cleared" in first and "outputs above zero" not in first
        await viewer.press("down")
        assert "▸✗ Softmax is applied twice" in viewer.panel("doctor").text()
        await viewer.press("down", "down", "down")
        text = viewer.panel("doctor").text()
        assert "▸▲ Many units are dead" in text and "20 of the 48 units" in " ".join(text.split())
        await viewer.press("up", "up", "up", "up")
        assert viewer.panel("doctor").text() == first


async def test_the_zoom_says_when_why_and_how_to_check(show: Opener, tape: Tape) -> None:
    async with show(ill(tape)) as viewer:
        before = await front(viewer)
        assert "When it speaks" not in before
        await viewer.press("enter")
        text = " ".join(viewer.panel("doctor").text().split())
        for words in ("How to check Print a parameter's .grad", "When it speaks in 3 looks", "Where that comes from"):
            assert words in text
        assert "2 alarms, 1 notice" in viewer.screen()


async def test_a_key_that_helps_is_named_while_it_can(show: Opener, tape: Tape, tmp_path: Path) -> None:
    rising = [Metric(8.2, step, "val_loss", 0.627 + 0.002 * step / 10) for step in (1000, 1100, 1200, 1300)]
    later = [scripted.tick(scripted.reader(), step, step / 61.7) for step in range(505, 1301, 5)]
    tape.add(*[look(step) for step in range(20, 1300, 40)], *later, *rising)
    async with show(tape) as viewer:
        assert "Key e: stop early" in " ".join((await front(viewer)).split())
    async with show(tape, readonly=True) as viewer:
        text = " ".join((await front(viewer)).split())
        assert "validation loss" in text and "Key e" not in text


async def test_a_new_finding_shows_while_it_runs(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        assert "nothing found" in await front(viewer)
        tape.add(look(504, sums_to_one=True), look(505, sums_to_one=True))
        await viewer.until(lambda: "Softmax is applied twice" in viewer.panel("doctor").text())
        assert "✗1 Doctor" in viewer.screen()


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (200, 50), (40, 12)])
async def test_every_size(show: Opener, tape: Tape, size: tuple[int, int]) -> None:
    async with show(ill(tape), size=size) as viewer:
        await front(viewer)
        panel = viewer.panel("doctor")
        if not panel.display:
            await viewer.press("enter")
            return
        width, height = panel.content_size
        for zoomed in ("", "doctor"):
            viewer.scene.zoomed = zoomed
            for high in range(1, height + 1):
                lines = panel.draw(viewer.scene, width, high)
                assert 0 < len(lines) <= high
                assert "Gradients are never" in "".join(text for text, _ in lines[0])


@pytest.mark.parametrize("name", STATES)
def test_every_state(tmp_path: Path, pid: int, name: str) -> None:
    source = Source(STATES[name](tmp_path, pid).run)
    while source.poll() or source.catching_up:
        pass
    panel, scene = Doctor("doctor"), Scene(source)
    for width, height in ((36, 8), (80, 5), (120, 30), (5, 2)):
        assert panel.draw(scene, width, height)
    assert panel.label(scene).endswith("Doctor")
    if name == "nan":
        assert panel.label(scene).startswith("✗")


def test_it_is_examined_once_a_second_at_most(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.view.panels import doctor

    examined: list[int] = []
    monkeypatch.setattr(doctor, "examine", lambda state: examined.append(state.step) or [])
    clock = [100.0]
    monkeypatch.setattr(doctor.time, "monotonic", lambda: clock[0])
    source = Source(tape.run)
    source.poll()
    panel, scene = Doctor("doctor"), Scene(source)
    for step in range(501, 521):
        source.state.apply(Tick(t=step, step=step, loss=0.5))
        panel.label(scene)
        clock[0] += 0.125
    assert examined == [501, 509, 517]
    clock[0] += 10
    panel.label(scene)
    panel.label(scene)
    assert len(examined) == 4
