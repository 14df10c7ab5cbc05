"""Colours by meaning: pinned where there are few of them, apart from each other, and rising where they are a scale."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from rich.color import Color, ColorSystem

from tui.view import theme
from tui.view.theme import MEANINGS, RAMP, RAMP_16, RAMP_256, Palette

from .conftest import Opener
from .scripted import Tape

SYSTEMS = {"256": (1, ColorSystem.EIGHT_BIT, RAMP_256), "16": (2, ColorSystem.STANDARD, RAMP_16)}


def lands_on(colour: str, system: str) -> int | None:
    """The index that Rich sends to the terminal."""
    return Color.parse(colour).downgrade(SYSTEMS[system][1]).number


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("meaning", MEANINGS)
def test_a_meaning_lands_on_its_pinned_index(meaning: str, system: str) -> None:
    assert lands_on(Palette(system).color(meaning), system) == MEANINGS[meaning][SYSTEMS[system][0]]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("level", range(16))
def test_a_weight_level_lands_on_its_pinned_index(level: int, system: str) -> None:
    assert lands_on(Palette(system).level(level), system) == SYSTEMS[system][2][level]


def test_the_pinned_values_are_those_that_were_designed() -> None:
    designed = {
        "background": ("#121212", 233, 0),
        "line": ("#585858", 240, 8),
        "dim": ("#a8a8a8", 248, 7),
        "ink": ("#eeeeee", 255, 15),
        "train": ("#87d7ff", 117, 14),
        "validation": ("#ffaf5f", 215, 11),
        "gradient": ("#af87ff", 141, 13),
        "warning": ("#ffffaf", 229, 15),
        "bad": ("#ff005f", 197, 9),
        "you": ("#ffffff", 231, 15),
    }
    assert {name: MEANINGS[name] for name in designed} == designed
    assert RAMP_256 == [17, 18, 18, 24, 24, 60, 60, 243, 102, 137, 144, 179, 179, 221, 222, 230]
    assert RAMP_16 == [4] * 4 + [8] * 4 + [7] * 4 + [11] * 4
    assert (RAMP[0], RAMP[15]) == ("#001e51", "#ffeccb")


def lightness(colour: str) -> float:
    """Relative luminance, as the sRGB standard has it."""
    parts = [part / 255 for part in Color.parse(colour).get_truecolor()]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_ramp_gets_lighter_with_every_level() -> None:
    values = [lightness(colour) for colour in RAMP]
    assert all(before < after for before, after in itertools.pairwise(values))


@pytest.mark.parametrize("meaning", [name for name in MEANINGS if name not in ("background", "line", "train_dim")])
def test_text_can_be_read_on_the_background(meaning: str) -> None:
    light, dark = lightness(MEANINGS[meaning][0]), lightness(MEANINGS["background"][0])
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG AA


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_entry_of_the_palette_can_be_had_or_is_refused(system: str) -> None:
    for index in range(256 if system == "256" else 16):
        try:
            colour = theme.rgb_for(index, system)
        except ValueError:
            continue
        assert lands_on(colour, system) == index


@pytest.mark.parametrize("place", [0, 1])
def test_the_meanings_differ(place: int) -> None:
    five = [MEANINGS[name][place] for name in ("train", "validation", "gradient", "warning", "bad")]
    assert len(set(five)) == 5


def test_an_unknown_style_is_an_error() -> None:
    with pytest.raises(KeyError):
        Palette().style("nosuchmeaning")


def test_no_colour_is_written_anywhere_else() -> None:
    folder = Path(theme.__file__).parent
    hexes = {
        str(path.relative_to(folder)): found
        for path in [*folder.rglob("*.py"), *folder.rglob("*.tcss")]
        if path.name != "theme.py" and (found := re.findall(r"#[0-9a-fA-F]{6}\b", path.read_text()))
    }
    assert not hexes


@pytest.mark.parametrize("term, system", [("xterm-256color", "256"), ("xterm-16color", "16")])
async def test_every_colour_on_the_dashboard_is_a_pinned_one(
    show: Opener, tape: Tape, monkeypatch: pytest.MonkeyPatch, term: str, system: str
) -> None:
    """As it would go to the terminal, after all that Textual does to colours."""
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", term)
    column, target, ramp = SYSTEMS[system]
    allowed = {values[column] for values in MEANINGS.values()} | set(ramp)
    async with show(tape) as viewer:
        seen = set()
        for strip in viewer.app.screen._compositor.render_strips():
            for segment in strip:
                style = segment.style
                for colour in (style.color, style.bgcolor) if style is not None else ():
                    if colour is not None and not colour.is_default:
                        seen.add(colour.downgrade(target).number)
        assert len(seen) > 5
        assert seen <= allowed
