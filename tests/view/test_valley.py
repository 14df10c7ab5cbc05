"""The Valley tab: what stands before anything is computed, the plane of two weights with its path, the slice."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from tui.run.events import Gate, Live, Model, ModuleInfo, Surface, Survey, TensorInfo
from tui.view.draw.field import Frame, field, letter, smooth, spread, trail

from . import scripted
from .conftest import Opener, Viewer
from .scripted import Tape

SIZES = [(80, 24), (100, 30), (120, 36), (200, 50)]


def pair() -> Model:
    """A model of two weights."""
    tensors = [TensorInfo("depth", [1], "float32"), TensorInfo("slope", [1], "float32")]
    return Model(0.1, "Pair", 2, tensors, [ModuleInfo("", "Pair", "", 2, [0, 1])], ["SGD"], "cpu", "")


def bowl(side: int = 21, **how: Any) -> Surface:
    """x² + y², from -2 to 2."""
    places = [4 * place / (side - 1) - 2 for place in range(side)]
    values = [x * x + y * y for y in reversed(places) for x in places]
    made = Surface("plane", 41, side, side, side, values, -2.0, 2.0, -2.0, 2.0, ["depth", "slope"], [0.5, -0.25])
    return dataclasses.replace(made, **how)


def two_weights(tape: Tape, surface: Surface | None) -> Tape:
    model = pair()
    tape.add(scripted.start(), model, *scripted.ticks(model, 50))
    return tape.see(Live(1.0, 50, surface=surface))


async def front(viewer: Viewer) -> str:
    viewer.app.controls.show_tab("valley")
    await viewer.settle()
    return viewer.panel("valley").text()


# ── drawing ──


def test_the_highest_row_of_the_plane_is_drawn_first_and_the_first_column_left() -> None:
    lines = field(["0f", "0f", "88", "88"], {(1, 1): ("●", "")})
    assert list(lines[0]) == [("▀", "w0/0"), ("▀", "w15/15")]
    assert lines[1] == [("▀", "w8/8"), ("●", "w15/8")]


def test_points_fall_on_the_cells_of_their_coordinates() -> None:
    frame = Frame(10, 4, -1.0, 1.0, 0.0, 8.0)
    assert frame.spot(-1.0, 8.0) == (0, 0) and frame.spot(1.0, 0.0) == (3, 9)
    assert frame.spot(0.05, 3.9) == (2, 5)
    assert [frame.spot(x, 1.0) for x in (-1.01, 1.01, math.nan, math.inf)] == [None] * 4


def test_between_values_is_drawn_between_and_what_is_no_number_stays_so() -> None:
    assert smooth([0.0, 1.0], 1, 2, 4, 1) == [[0.125, 0.375, 0.625, 0.875]]
    assert spread([0.0, 1.0], 1, 2, 4, 1) == [[0.0, 0.0, 1.0, 1.0]]
    row = smooth([0.0, math.inf, 0.0], 1, 3, 3, 1)[0]
    assert [math.isfinite(value) for value in row] == [False, False, False] or not math.isfinite(row[1])
    assert smooth([1.0], 2, 2, 4, 4) == []
    assert letter(0.0) == "0" and letter(1.0) == "f" and letter(-3) == "0"


def test_a_trail_joins_neighbours_and_breaks_where_one_is_missing() -> None:
    assert list(trail([(0, 0), (0, 3), None, (5, 5)])) == [(0, 0), (0, 1), (0, 2), (0, 3)]


# ── before anything is computed ──


@pytest.mark.parametrize("size", SIZES)
async def test_before_it_says_what_v_does_and_costs(tape: Tape, show: Opener, size: tuple[int, int]) -> None:
    async with show(tape, size, surveyed=True) as viewer:
        text = " ".join((await front(viewer)).split())
        assert text.startswith("v computes the loss on a plane through the weights")
        if size != (80, 24):
            assert "625 forward passes" in text and "on a copy" in text


async def test_v_asks_pauses_and_sends_and_gives_up(tape: Tape, show: Opener) -> None:
    async with show(tape) as viewer:
        await viewer.press("v", "y")
        assert (await viewer.asked(1)).keep is False
        tape.add(Gate(8.3, 500, True, "backward", "asked"))
        command = await viewer.asked(2)
        assert isinstance(command, Survey) and not command.cancel
        live = scripted.live(scripted.reader(), held=True, phase="backward", surface=bowl(25, kind="slice", done=12))
        tape.answer(command, "survey").see(live)
        await viewer.until(lambda: "row 12 of 25, v again gives it up" in viewer.panel("valley").text())
        await viewer.press("v")
        assert (await viewer.asked(3)).cancel


async def test_a_viewer_that_may_not_steer_is_told_so(tape: Tape, show: Opener) -> None:
    async with show(tape, readonly=True, surveyed=True) as viewer:
        assert "--readonly" in await front(viewer)


async def test_two_weights_need_no_key(tape: Tape, show: Opener) -> None:
    async with show(two_weights(tape, None)) as viewer:
        assert "two weights is drawn with the next step" in " ".join((await front(viewer)).split())


# ── the plane of two weights ──


@pytest.mark.parametrize("size", SIZES)
async def test_the_plane_shows_the_path_and_where_it_stands(tape: Tape, show: Opener, size: tuple[int, int]) -> None:
    path = [[-1.8, 1.5], [1.0, 1.0], [0.5, -0.25]]
    surface = bowl(points=path, loss=0.3125, next=[-0.9, -0.9])
    async with show(two_weights(tape, surface), size) as viewer:
        text = await front(viewer)
        assert "▀▀▀" in text and "○" in text and "◇" in text
        assert "● depth 0.500, slope −0.250: loss 0.312" in text.replace("\n", " ").replace("│", "")
        if size[1] >= 36:
            assert "·" in text and "◇ next: depth −0.900, slope −0.900" in " ".join(text.split())
            assert "depth −2.0 … 2.0 →" in text


async def test_a_plain_with_a_hollow_shows_the_hollow(tape: Tape, show: Opener) -> None:
    values = [0.0 if place == 0 else (2.2 if place % 21 < 6 else 3.0) for place in range(441)]
    async with show(two_weights(tape, bowl(values=values, points=[[0.5, -0.25]])), (120, 50)) as viewer:
        assert "colours: even steps" in await front(viewer)
        row = viewer.panel("valley")._lines[6]
        assert {style for text, style in row if "▀" in text} >= {"w11/11", "w15/15"}


async def test_where_the_path_leaves_the_map_words_say_so(tape: Tape, show: Opener) -> None:
    async with show(two_weights(tape, bowl(points=[[0.5, 0.5], [900.0, 0.5]], here=[900.0, 0.5]))) as viewer:
        assert "depth 900, slope 0.500 ▲ outside the map" in await front(viewer)


async def test_a_plane_with_walls_of_nan_and_infinity_is_drawn(tape: Tape, show: Opener) -> None:
    values = [math.nan if place % 21 < 5 else (math.inf if place % 21 > 15 else 1.0) for place in range(441)]
    async with show(two_weights(tape, bowl(values=values, points=[[math.nan, 1.0], [0.5, -0.25]]))) as viewer:
        text = await front(viewer)
        assert "✗✗✗" in text and "●" in text
        styles = {style for line in viewer.panel("valley")._lines for sign, style in line if "✗" in sign}
        assert styles == {"bad"}


async def test_one_weight_is_a_curve(tape: Tape, show: Opener) -> None:
    values = [(4 * place / 20 - 2) ** 2 for place in range(21)]
    surface = bowl(rows=1, done=1, values=values, names=["depth"], here=[-1.9, 0.0], next=[0.0, 0.0])
    async with show(two_weights(tape, surface)) as viewer:
        rows = (await front(viewer)).splitlines()
        high, low = (next(place for place, row in enumerate(rows) if sign in row) for sign in "●◇")
        assert high < low and rows[high].index("●") < rows[low].index("◇")
        assert "up: loss from 0 to 4.00" in "\n".join(rows)


async def test_a_refusal_is_words(tape: Tape, show: Opener) -> None:
    refused = Surface("plane", refused="the loss of a copy is not that of the program [x]")
    async with show(two_weights(tape, refused)) as viewer:
        assert "No map: the loss of a copy is not that of the program [x]." in " ".join((await front(viewer)).split())


# ── the slice ──


def slice_(**how: Any) -> Surface:
    made = bowl(
        kind="slice", left=-1.0, right=1.0, bottom=-1.0, top=1.0, here=[0.0, 0.0], samples=32, loss=0.0, step=480
    )
    return dataclasses.replace(made, **how)


async def test_the_slice_states_what_can_be_compared(tape: Tape, show: Opener) -> None:
    model = scripted.reader()
    tape.see(scripted.live(model, surface=slice_(next=[0.31, 0.4])))
    async with show(tape, (120, 50)) as viewer:
        text = " ".join((await front(viewer)).split())
        # of x² + y² at 21 x 21 points: within a quarter of the span, 0.2 x 2 each way; below 1, counted
        below = sum(value < 1 for value in slice_().values) / 441
        assert "lowest 0, highest 8.00, within ±0.25 at most 0.320" in text
        assert f"below 1: {100 * below:.0f} % of the area" in text
        assert "next step: 0.51 on this map" in text and "20 updates ago" in text


async def test_two_slices_of_different_heights_have_one_scale(tape: Tape, show: Opener) -> None:
    def colours(viewer: Viewer) -> set[str]:
        return {style for line in viewer.panel("valley")._lines for sign, style in line if "▀" in sign}

    model = scripted.reader()
    tape.see(scripted.live(model, surface=slice_(values=[0.02] * 441)))
    async with show(tape) as viewer:
        await front(viewer)
        low = colours(viewer)
        tape.see(scripted.live(model, surface=slice_(values=[30.0] * 441)))
        await viewer.until(lambda: "highest 30.0" in viewer.panel("valley").text())
        high = colours(viewer)
        assert "0.010" in viewer.panel("valley").text() and "100 loss" in viewer.panel("valley").text()
    assert low == {"w1/1"} and high == {"w13/13"}


async def test_an_unfinished_slice_waits_for_the_next_pause(tape: Tape, show: Opener) -> None:
    tape.see(scripted.live(scripted.reader(), surface=slice_(done=7)))
    async with show(tape) as viewer:
        assert "row 7 of 21, it goes on at the next pause" in await front(viewer)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@pytest.mark.parametrize("surface", ["empty", "cut", "extreme"])
async def test_nothing_that_a_probe_could_write_breaks_it(tape: Tape, show: Opener, size: Any, surface: str) -> None:
    odd = {
        "empty": Surface("slice"),
        "cut": bowl(values=[1.0] * 30, here=[], points=[[1.0], []]),
        "extreme": slice_(values=[1e308, -1e308, math.nan] * 147, left=math.nan, next=[math.nan, 1e308], loss=math.inf),
    }[surface]
    tape.see(scripted.live(scripted.reader(), surface=odd))
    async with show(tape, size) as viewer:
        await front(viewer)
        await viewer.press("enter")
        assert viewer.panel("valley").text()
