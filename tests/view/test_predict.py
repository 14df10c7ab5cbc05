"""The Predict tab: pictures with what was said of them, the plane of two inputs, values against truth."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from tui.run.events import Live, Predictions, Sample, Surface
from tui.view.draw.boundary import boundary
from tui.view.draw.gallery import Plate, gallery, matrix
from tui.view.draw.scatter import scatter

from . import scripted
from .conftest import Opener, Viewer
from .scripted import Tape

SIZES = [(80, 24), (100, 30), (120, 36), (200, 50)]


def sample(place: int, truth: float | None, guess: float, sure: float | None = 0.71, side: int = 8) -> Sample:
    cells = "".join("0f"[(number + place) % 2] for number in range(side * side))
    return Sample(place, side if side else 0, side, cells, truth, guess, [], sure)


def digits(side: int = 8, **how: Any) -> Predictions:
    """Ten classes, 297 samples, eleven wrong."""
    samples = [sample(3, 3, 8, 0.712, side), sample(5, 5, math.nan, math.nan, side)]
    samples += [sample(number, number % 10, number % 10, 0.9999, side) for number in range(6, 20)]
    confusion = [[29 if row == column else 0 for column in range(10)] for row in range(10)]
    confusion[3][8] = 7
    made = Predictions(480, "validation", "classes", 10, 297, 286, 297, confusion, samples)
    return dataclasses.replace(made, **how)


def cross(**how: Any) -> Surface:
    """Two classes: left is 0, right is 1, surely; data on both sides, one on the wrong one."""
    side = 12
    values = [0.99 if column < 6 else 1.99 for _ in range(side) for column in range(side)]
    points = [[-0.5, 0.5, 0, 0], [0.5, 0.5, 1, 1], [0.5, -0.5, 0, 1], [0.75, 0.75, 1, 1]]
    made = Surface(
        "boundary", 500, side, side, side, values, -1.0, 1.0, -1.0, 1.0, ["a", "b"], points=points, classes=2
    )
    return dataclasses.replace(made, **how)


def tape_with(tape: Tape, **live: Any) -> Tape:
    return tape.see(scripted.live(scripted.reader(), **live))


async def front(viewer: Viewer) -> str:
    viewer.app.controls.show_tab("predict")
    await viewer.settle()
    return viewer.panel("predict").text()


# ── drawing ──


def words(line: Any) -> str:
    return "".join(text for text, _ in line).rstrip()


def test_pictures_stand_in_rows_with_their_words_below() -> None:
    plates = [Plate(4, 4, "0f" * 8, [(f"n{place}", "ink")]) for place in range(5)]
    lines = [words(line) for line in gallery(plates, 20, 9)]
    assert lines == [
        "▀▀▀▀  ▀▀▀▀  ▀▀▀▀",
        "▀▀▀▀  ▀▀▀▀  ▀▀▀▀",
        "n0    n1    n2",
        "",
        "▀▀▀▀  ▀▀▀▀",
        "▀▀▀▀  ▀▀▀▀",
        "n3    n4",
    ]


def test_pictures_too_large_for_their_place_are_made_of_means() -> None:
    plate = Plate(28, 28, "0f" * 392, [("✗ 3→8", "ink")])
    lines = gallery([plate] * 6, 48, 10)
    assert len(lines) <= 10 and words(lines[-1]).count("✗ 3→8") == 3
    assert {style for line in lines[:-1] for text, style in line if "▀" in text} == {"w8/8"}
    assert gallery([plate], 3, 1) == [] or len(gallery([plate], 3, 1)) <= 1


def test_a_matrix_of_counts_is_read_by_rows() -> None:
    lines = [words(line) for line in matrix([[12, 0], [3, 7]], ["0", "1"])]
    assert lines == ["    0  1", "0  12  ·", "1   3  7"]


def test_a_scatter_has_its_points_where_they_belong() -> None:
    lines = [words(line) for line in scatter([[0.0, 0.0], [10.0, 10.0], [10.0, 0.0], [math.nan, 1.0]], 20, 11)]
    assert lines[0][19] == "·" and lines[9][0] == "·" and lines[9][19] == "·"
    assert sum(line.count("·") for line in lines[:10]) == 3 and any("╱" in line for line in lines)
    assert lines[10].startswith("0") and lines[10].endswith("10.0")


@pytest.mark.parametrize("pairs", [[], [[1.0, 1.0]], [[math.nan, math.inf]], [[1e308, -1e308], [5e-324, 0.0]]])
def test_any_pairs_make_a_scatter(pairs: Any) -> None:
    assert len(scatter(pairs, 30, 6)) == 6


def test_the_two_sides_are_dark_and_bright_and_a_wrong_point_is_hollow() -> None:
    lines = boundary(cross(), 12, 6)
    styles = [style for line in lines for text, style in line if "▀" in text]
    assert {"w1/1", "w14/14"} <= set(styles)
    signs = {(text, style) for line in lines for text, style in line if "▀" not in text}
    assert ("○", "bad") in signs and ("▲", "w0/14") in signs and ("●", "w15/1") in signs


def test_one_score_parts_at_its_level() -> None:
    values = [column / 11 for _ in range(12) for column in range(12)]
    lines = boundary(cross(values=values, classes=0, level=0.5, points=[]), 12, 6)
    row = "".join(text * 1 for text, _ in lines[0])
    assert row == "▀" * 12
    styles = [style for text, style in lines[0] for _ in text]
    assert [style[1] in "135" and len(style.split("/")[0]) == 2 for style in styles] == [True] * 6 + [False] * 6


def test_more_classes_have_textures_and_signs_of_their_own() -> None:
    values = [column // 4 + 0.9 for _ in range(12) for column in range(12)]
    points = [[-0.9, 0.0, 0, 0], [0.0, 0.0, 1, 1], [0.9, 0.0, 2, 0]]
    lines = boundary(cross(values=values, classes=3, points=points), 12, 6)
    assert words(lines[0]) == "····░░░░::::"
    assert {"●", "▲", "□"} <= {text for line in lines for text, _ in line}


# ── the panel ──


async def test_before_it_says_what_it_waits_for(tape: Tape, show: Opener) -> None:
    async with show(tape) as viewer:
        assert "Predictions come with the next batch" in await front(viewer)


@pytest.mark.parametrize("size", SIZES)
async def test_the_share_of_right_answers_and_the_wrong_ones(tape: Tape, show: Opener, size: tuple[int, int]) -> None:
    async with show(tape_with(tape, predictions=digits()), size) as viewer:
        text = await front(viewer)
        assert "96.3 % right: 286 of 297 evaluated" in text
        if size != (80, 24):
            assert "✗ 3→8 0.71" in text and "✗ 5→NaN" in text and "▀▀▀▀▀▀▀▀" in text
        title = viewer.panel("predict").border_subtitle or ""
        assert "step 480" in title
        # Zoomed: more of them, and what was taken for what
        await viewer.press("enter")
        text = viewer.panel("predict").text()
        assert "✗ 3→8 0.71" in text and "✓ 6→6 1.00" in text
        if size[0] >= 100:
            assert "true ↓ said →" in text and "3   ·  ·  · 29  ·  ·  ·  ·  7  ·" in text


async def test_large_pictures_are_shrunk_to_show_several(tape: Tape, show: Opener) -> None:
    async with show(tape_with(tape, predictions=digits(28))) as viewer:
        text = await front(viewer)
        assert text.count("→") >= 4 and "✗ 3→8 0.71" in text


async def test_samples_without_pictures_are_words(tape: Tape, show: Opener) -> None:
    async with show(tape_with(tape, predictions=digits(0, odd=1))) as viewer:
        text = await front(viewer)
        assert "✗ 3→8 0.71" in text and "✓ 6→6 1.00" in text and "✗ 1 NaN" in text


async def test_what_is_not_known_is_not_claimed(tape: Tape, show: Opener) -> None:
    unknown = digits(known=0, right=0, confusion=[], samples=[sample(1, None, 4)])
    async with show(tape_with(tape, predictions=unknown)) as viewer:
        text = await front(viewer)
        assert "297 samples evaluated, truth not known" in text
        assert "%" not in text and "✗" not in text and "4 0.71" in text and "→" not in text


async def test_the_batch_in_training_is_called_so(tape: Tape, show: Opener) -> None:
    batch = digits(source="training batch", count=32, known=32, right=16)
    async with show(tape_with(tape, predictions=batch)) as viewer:
        assert "50 % right: 16 of 32 in the training batch" in await front(viewer)
        assert "batch in training" in (viewer.panel("predict").border_subtitle or "")


async def test_classes_have_the_names_that_the_program_uses(tape: Tape, show: Opener) -> None:
    sides = digits(classes=2, names=["−1", "+1"], confusion=[[1, 2], [3, 4]], samples=[sample(1, 0, 1, None)])
    async with show(tape_with(tape, predictions=sides)) as viewer:
        assert "✗ −1→+1" in await front(viewer)


@pytest.mark.parametrize("size", SIZES)
async def test_the_plane_has_its_data_and_the_shares(tape: Tape, show: Opener, size: tuple[int, int]) -> None:
    async with show(tape_with(tape, boundary=cross(), predictions=digits(confusion=[])), size) as viewer:
        text = await front(viewer)
        assert "▀" in text and "○" in text and "96.3 %" in text
        if size[1] >= 36:
            joined = " ".join(text.replace("▀", "").split())
            assert "75 %" in joined and "wrong side" in joined
        await viewer.press("enter")
        joined = " ".join(viewer.panel("predict").text().replace("▀", "").split())
        assert "75 % right: 3 of the 4 drawn" in joined and "class 0: dark side" in joined


async def test_a_single_sample_in_training_is_no_accuracy(tape: Tape, show: Opener) -> None:
    one = digits(source="training batch", count=1, known=1, right=1)
    async with show(tape_with(tape, boundary=cross(), predictions=one)) as viewer:
        text = await front(viewer)
        assert "100 %" not in text and "step 500" in (viewer.panel("predict").border_subtitle or "")


async def test_values_are_drawn_against_the_truth(tape: Tape, show: Opener) -> None:
    pairs = [[float(place), place + 0.5] for place in range(20)]
    values = Predictions(480, "validation", "values", 0, 1280, 0, 1280, [], [], pairs, 0.5, 2)
    async with show(tape_with(tape, predictions=values)) as viewer:
        text = await front(viewer)
        assert "off by 0.500 on average, 1,280 values evaluated ✗ 2 NaN" in " ".join(text.split())
        assert "╱" in text and "true →" in text


async def test_one_value_is_two_numbers(tape: Tape, show: Opener) -> None:
    one = Predictions(
        480, "training batch", "values", 0, 1, 0, 1, [], [Sample(0, truth=0.0, guess=0.82)], [[0.0, 0.82]], 0.82
    )
    async with show(tape_with(tape, predictions=one)) as viewer:
        assert "true 0  said 0.820" in await front(viewer)


ODD = {
    "nothing": (Predictions(), None),
    "no samples": (digits(samples=[], confusion=[]), None),
    "cut pictures": (digits(samples=[Sample(0, 8, 8, "0f", 1.0, 2.0)]), None),
    "empty plane": (None, Surface("boundary")),
    "plane without values": (None, cross(values=[1.0])),
    "plane of nan": (None, cross(values=[math.nan] * 144, points=[[math.nan, 1.0, -1.0, -1.0], [0.0, 0.0, 7.0, 9.0]])),
    "flat plane": (None, cross(classes=0, level=math.nan, left=1.0, right=1.0, top=0.0, bottom=0.0)),
    "huge scores": (None, cross(classes=0, values=[1e308, -1e308] * 72)),
}


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@pytest.mark.parametrize("name", ODD)
async def test_nothing_that_a_probe_could_write_breaks_it(tape: Tape, show: Opener, size: Any, name: str) -> None:
    predictions, plane = ODD[name]
    async with show(tape_with(tape, predictions=predictions, boundary=plane), size) as viewer:
        await front(viewer)
        await viewer.press("enter")
        assert viewer.panel("predict").text()


async def test_the_records_come_through_the_file_whole(tape: Tape) -> None:
    from tui.run.events import decode_live

    live = Live(1.0, 5, predictions=digits(), boundary=cross(level=math.nan))
    found = decode_live(tape.see(live).run.live_file(0).read_bytes())
    assert found.predictions is not None and found.boundary is not None
    assert math.isnan(found.boundary.level) and found.boundary.points == cross().points
    assert math.isnan(found.predictions.samples[1].guess or 0.0) and found.predictions.confusion == digits().confusion
