"""Explain says what is true: another state, another text; and every number in it was measured in the run."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import pytest

from tui.history.source import Source
from tui.run.directory import replace_bytes
from tui.run.events import Applied, Live, Metric
from tui.view.draw.numbers import count, duration, number, percent, rate
from tui.view.panels.explain import explain, more
from tui.view.scene import Card, Scene
from tui.view.show import _away

from . import scripted
from .conftest import Opener
from .scripted import PHASES, STATES, Tape


def scene_of(tape: Tape, **how: Any) -> Scene:
    """The run as it is read, to its end."""
    source = Source(tape.run)
    while source.poll() or source.catching_up:
        pass
    return Scene(source, **{"asks": False, **how})


def text_of(scene: Scene) -> str:
    return "\n".join("".join(text for text, _ in paragraph) for paragraph in explain(scene))


def numbers_in(text: str) -> list[str]:
    """The numerals of a text, as they are written."""
    return re.findall(r"(?<![\w.])−?\d[\d,]*(?:\.\d+)?(?:e−?\d+)?(?::\d\d)*|NaN|∞", text)


def measured(scene: Scene) -> set[str]:
    """Every number that the state holds or that follows from it, in every way of writing numbers."""
    state, source = scene.state, scene.source
    values: list[float] = []

    def take(value: Any) -> None:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            values.append(value)
        elif isinstance(value, (list, tuple, set)) or type(value).__name__ == "deque":
            for item in value:
                take(item)
        elif dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                take(getattr(value, field.name))

    take([state.tick, state.live, state.gate, state.health, state.marks, source.exit, state.first_loss, state.model])
    for series in (state.train, state.validation, state.accuracy, *state.metrics.values()):
        take([series.last, series.best, series.recent])
    if state.tick is not None and state.tick.steps_per_s:
        values.append(1 / state.tick.steps_per_s)
    if scene.loss is not None and -50 < scene.loss < 50:
        values += [math.exp(-scene.loss), -scene.loss]
    window = state.window(3.0)
    if window:
        values += [window[-1].step - window[0].step, window[-1].t - window[0].t]
        third = max(1, len(window) // 3)
        for part in (window[:third], window[-third:]):
            means = [tick.mean for tick in part if tick.mean is not None and math.isfinite(tick.mean)]
            values += [sum(means) / len(means)] if means else []
    written = set()
    for value in values:
        written |= {number(value), number(value, 2), rate(value), f"{value:.1f}", f"{value:.0f}", duration(value)}
        written |= {percent(value, digits).removesuffix(" %") for digits in (0, 1, 2)}
        if isinstance(value, int):
            written.add(count(value))
    return written


def own_words(scene: Scene) -> list[str]:
    """Texts of the program itself, in which any number may stand."""
    live = scene.state.live
    words = [scene.source.output.last(), scene.program, *(layer.title for layer in scene.state.layers)]
    words += [live.line, live.code] if live is not None else []
    return [word for word in words if word]


@pytest.mark.parametrize("name", STATES)
def test_every_number_comes_from_the_run(tmp_path: Path, pid: int, name: str) -> None:
    scene = scene_of(STATES[name](tmp_path, pid))
    text = text_of(scene)
    assert text
    for word in sorted(own_words(scene), key=len, reverse=True):
        text = text.replace(word, "")
    text = re.sub(r"signal 9|exit status [12]", "", text)
    known = measured(scene)
    assert not [found for found in numbers_in(text) if found not in known], text


def test_the_numbers_of_a_run_are_in_its_text(tape: Tape) -> None:
    """The check above can fail: a text without the numbers would pass it."""
    scene = scene_of(tape)
    text = text_of(scene)
    assert {"185", number(scene.loss), "0.84"} <= set(numbers_in(text))
    assert number(math.exp(-(scene.loss or 0)), 2) in text


def test_two_states_two_texts(tmp_path: Path, pid: int) -> None:
    alike = {"300 layers", "deep model", "strange names", "other host", "empty model"}  # differ by their models only
    texts: dict[str, str] = {}
    for name, make in STATES.items():
        if name not in alike:
            text = text_of(scene_of(make(tmp_path, pid)))
            assert text not in texts, f"{name} reads like {texts[text]}"
            texts[text] = name


@pytest.mark.parametrize("change", [{"loss": 0.9001, "mean": 0.9001}, {"step": 512}, {"steps_per_s": 0.5}])
def test_another_number_another_text(tape: Tape, change: dict[str, Any]) -> None:
    before = text_of(scene_of(tape))
    tape.add(dataclasses.replace(scripted.tick(scripted.reader(), 505, 8.2), **change))
    assert text_of(scene_of(tape)) != before


SAYS = {
    "start": ["No update has been made yet", "first batch has not run"],
    "forward": ["Forward", "went through the layers", "0.513"],
    "loss": ["Loss", "how wrong it was", "0.513"],
    "backward": ["Backward", "No weight has moved yet", "0.513"],
    "update": ["Update", "moved every weight", "encoder.block.0.norm LayerNorm", "0.84 %"],
    "zero_grad": ["Zero-grad", "cleared"],
}


@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_is_explained(tmp_path: Path, pid: int, phase: str) -> None:
    text = text_of(scene_of(scripted.paused(tmp_path, pid, phase)))
    for words in SAYS[phase]:
        assert words in text
    assert ("Paused after 500 updates" in text) == (phase != "start")
    assert "reader.py:8" in text
    others = [one for one in PHASES if one != phase]
    assert not any(SAYS[one][1] in text for one in others)


def test_what_a_read_only_viewer_cannot_do_is_not_offered(tmp_path: Path, pid: int) -> None:
    for name, words in (("paused at loss", "n runs one batch"), ("running", "space pauses"), ("nan", "− lowers it")):
        tape = STATES[name](tmp_path, pid)
        assert words in text_of(scene_of(tape))
        assert words not in text_of(scene_of(tape, readonly=True))


@pytest.mark.parametrize(
    "name, words",
    [
        ("starting", ["Waiting for the first update", "loading the vocabulary"]),
        ("nan", ["✗", "NaN", "first seen at step 505", "0.00231"]),
        ("diverging", ["▲", "Diverging", "it began at"]),
        ("finished", ["Finished after 500 updates", "0.627 at step 400", "74.8 %"]),
        ("stopped", ["Stopped after 500 updates"]),
        ("failed", ["exit status 1", "KeyError: 'zebra [/home/x]'"]),
        ("killed", ["signal 9"]),
        ("not started", ["command not found: nope"]),
        ("lost", ["left no word"]),
    ],
)
def test_what_is_said(tmp_path: Path, pid: int, name: str, words: list[str]) -> None:
    text = text_of(scene_of(STATES[name](tmp_path, pid)))
    assert all(word in text for word in words), text


def test_only_a_cross_entropy_is_a_probability(tmp_path: Path, pid: int) -> None:
    squared = dataclasses.replace(scripted.reader(), loss="mean squared error")
    assert "probability" not in text_of(scene_of(scripted.running(tmp_path, pid, squared)))
    assert "probability" in text_of(scene_of(scripted.running(tmp_path, pid)))


def test_falling_staying_rising(tmp_path: Path, pid: int) -> None:
    for verb, slope in (("fell from", -0.002), ("stayed at", 0.0), ("rose from", 0.002)):
        tape = Tape(tmp_path, pid).add(scripted.start(), scripted.reader())
        for step in range(1, 60):
            loss = 0.8 + slope * step
            tape.add(scripted.tick(scripted.reader(), step, step / 20, loss=loss, mean=loss))
        assert verb in text_of(scene_of(tape))


def test_more_in_the_zoom(tape: Tape) -> None:
    tape.add(Applied(8.2, 480, "a.1", "a", "lr", 0.1, 0.2, 2.0))
    card = Card("x", "X", "?", tries="Press + twice.")
    text = "".join(words for paragraph in more(scene_of(tape, card=card)) for words, _ in paragraph)
    assert "Press + twice." in text and "step 480" in text and "0.1 → 0.2" in text


def test_you_were_away(tape: Tape) -> None:
    scene = scene_of(tape)
    assert _away(tape.run, scene) == ""
    replace_bytes(tape.run.viewers / "left", b'{"time": 1000.0, "step": 100, "loss": 1.9}')
    words = _away(tape.run, scene)
    assert "400 steps" in words and "1.90 → 0.456" in words
    scene.away = words
    assert words in text_of(scene)


async def test_a_change_of_state_is_told_at_once_and_numbers_wait(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        explained = viewer.panel("explain")
        before = explained.text()
        due = explained._next
        model = scripted.reader()
        tape.add(scripted.tick(model, 505, 8.3, loss=0.3456, mean=0.3456))
        tape.see(Live(8.3, 505, order=scripted.ORDER))
        await viewer.until(lambda: viewer.scene.state.step == 505)
        viewer.app._tell(due - 0.1)
        assert explained.text() == before
        viewer.app._tell(due + 0.1)
        assert "0.346" in explained.text()
        # … unless the loss is another by more than a factor of two
        tape.add(scripted.tick(model, 506, 8.35, loss=3.21, mean=3.21))
        tape.see(Live(8.35, 506, order=scripted.ORDER))
        await viewer.until(lambda: "3.21" in explained.text())
        tape.add(scripted.Gate(8.4, 505, True, "loss", "asked"))
        await viewer.until(lambda: "Paused after 506 updates" in explained.text())


async def test_a_metric_of_the_programs_own_changes_nothing_else(show: Opener, tape: Tape) -> None:
    tape.add(Metric(8.2, 500, "[/home/x]", math.nan))
    async with show(tape) as viewer:
        assert "step 500" in viewer.screen()


def test_right_behind_an_undo_it_says_what_was_taken_back_and_not_that_the_optimizer_moved(
    tmp_path: Path, pid: int
) -> None:
    scene = scene_of(scripted.paused(tmp_path, pid, "update"))
    state = scene.state
    assert "moved every weight" in text_of(scene)
    state.apply(Applied(id="u", do="undo", before=float(state.step + 2), after=float(state.step)))
    assert "2 updates were taken back, the last of them that of the batch in hand" in text_of(
        scene
    ) and "moved" not in text_of(scene)
