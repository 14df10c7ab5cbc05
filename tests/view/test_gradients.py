"""The table of gradient norms: blocks, order, what is not finite, clipping, several optimizers."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any, Optional

import pytest

from tui.history.layers import Health
from tui.history.source import Source
from tui.run.events import Model, Tick
from tui.view.draw.norms import odd_words, trend
from tui.view.ranking import badness, ranked
from tui.view.scene import Scene

from . import scripted
from .conftest import Opener, Viewer
from .scripted import Tape

BLOCKS = 12
READER = scripted.reader(BLOCKS)
"""26 layers, in 14 rows by block."""
NAMES = [tensor.name.rpartition(".")[0] for tensor in READER.tensors]


def tick(step: int, norms: list[Optional[float]], **how: Any) -> Tick:
    total = math.sqrt(sum(norm * norm for norm in norms if norm is not None))
    values: dict[str, Any] = {"norms": norms, "norm": total, "ratios": [0.002] * len(norms), **how}
    return scripted.tick(READER, step, step / 61.7, **values)


def norms_of(changed: dict[str, float], base: float = 0.01) -> list[Optional[float]]:
    """By layer: the norm of each of its two tensors; of all others `base`."""
    return [next((norm for name, norm in changed.items() if name == layer), base) for layer in NAMES]


@pytest.fixture
def run(tmp_path: Path, pid: int) -> Tape:
    """A reader of twelve blocks, all of whose gradients are alike."""
    return Tape(tmp_path, pid).add(scripted.start(), READER, *(tick(step, norms_of({})) for step in range(1, 41)))


def table(viewer: Viewer) -> list[str]:
    return viewer.panel("gradients").text().splitlines()


def layers(viewer: Viewer) -> list[str]:
    """The first words of the rows between head and foot."""
    rows = [re.split("  |[━╸✗‹]", row)[0] for row in table(viewer)[1:]]
    return [row.strip() for row in rows[: next(n for n, row in enumerate(rows) if row.startswith("all"))]]


def now(row: str) -> str:
    """The number after the bar."""
    found = re.search(r"[━╸] +(\S+) ", row)
    assert found is not None, row
    return found[1]


def border(viewer: Viewer) -> str:
    panel = viewer.panel("gradients")
    return f"{panel.border_title} | {panel.border_subtitle}"


# ── blocks ──


@pytest.mark.parametrize("size, rows", [((80, 24), 3), ((120, 36), 12)])
async def test_many_layers_are_put_together_by_block(show: Opener, run: Tape, size: tuple[int, int], rows: int) -> None:
    run.add(tick(41, norms_of({"encoder.block.0.attention": 3.0, "encoder.block.0.norm": 4.0})))
    async with show(run, size=size) as viewer:
        found = layers(viewer)
        assert len(found) == rows and found[0].startswith("embeddings")
        block = next(row for row in table(viewer) if "block.0 (2)" in row)
        assert now(block) == "7.1"  # √(3² + 3² + 4² + 4²)
        assert "by block" in border(viewer)
        assert f"{rows} of 14 shown" in table(viewer)[-1]


async def test_g_takes_blocks_apart_and_puts_them_together(show: Opener, run: Tape) -> None:
    async with show(run) as viewer:
        await viewer.press("g")
        assert "by block" not in border(viewer) and not any("(2)" in row for row in layers(viewer))
        assert "12 of 26 shown" in table(viewer)[-1]
        await viewer.press("g")
        assert "by block" in border(viewer) and "12 of 14 shown" in table(viewer)[-1]


async def test_a_choice_stays_when_the_place_grows(show: Opener, run: Tape) -> None:
    async with show(run, size=(120, 36)) as viewer:
        await viewer.press("3", "enter")
        assert "by block" not in border(viewer) and len(layers(viewer)) == 26  # there is room for all of them
        await viewer.press("g")
        assert "by block" in border(viewer) and len(layers(viewer)) == 14
        await viewer.press("escape")
        assert "by block" in border(viewer)


async def test_a_model_without_blocks_says_so(show: Opener, tape: Tape) -> None:
    await_words = "There are no blocks in this model"
    tape.add(scripted.chain(5))
    async with show(tape) as viewer:
        before = table(viewer)
        await viewer.press("g")
        await viewer.says(await_words)
        assert layers(viewer) and len(table(viewer)) == len(before)


async def test_arrows_go_from_row_to_row_and_the_layer_follows(show: Opener, run: Tape) -> None:
    async with show(run, size=(80, 24)) as viewer:
        await viewer.press("3", "pagedown", "pagedown", "pagedown", "pagedown", "pagedown")
        assert layers(viewer)[-1].startswith("head")
        viewer.scene.layer = 0
        await viewer.press("down")
        shown = viewer.scene.shown_layer()
        assert shown is not None and viewer.scene.state.layers[shown].name == "encoder.block.0.attention"
        await viewer.press("down")
        shown = viewer.scene.shown_layer()
        assert shown is not None and viewer.scene.state.layers[shown].name == "encoder.block.1.attention"
        assert any("block.1 (2)" in row for row in layers(viewer))


async def test_a_filter_leaves_few_enough_to_list_each(show: Opener, run: Tape) -> None:
    async with show(run, size=(80, 24)) as viewer:
        await viewer.press("slash")
        await viewer.type("block.7")
        assert [row.split()[0][-7:] for row in layers(viewer)] == ["tention", ".7.norm"]
        assert "/block.7" in border(viewer) and "by block" not in border(viewer)


# ── order ──


async def test_x_sorts_and_says_how(show: Opener, run: Tape) -> None:
    changed = {f"encoder.block.{n}.attention": 0.1 * 1.5**n for n in range(BLOCKS)}
    for step in range(41, 120):
        run.add(tick(step, norms_of(changed)))
    async with show(run) as viewer:
        model = layers(viewer)
        assert "first" not in border(viewer)
        await viewer.press("x")
        assert "largest first" in border(viewer)
        assert [row.split(".")[-1] for row in layers(viewer)[:4]] == ["11 (2)", "10 (2)", "9 (2)", "8 (2)"]
        await viewer.press("x")
        assert "worst first" in border(viewer)
        await viewer.press("x")
        assert layers(viewer) == model and "first" not in border(viewer)


async def test_what_is_hidden_and_bad_is_told_and_comes_first_when_asked(show: Opener, run: Tape) -> None:
    bad = norms_of({"encoder.block.9.norm": math.nan})
    places = [place for place, name in enumerate(NAMES) if name == "encoder.block.9.norm"]
    run.add(tick(41, bad, odd=[places[0], 12, 3, places[1], 0, 2]))
    async with show(run, size=(80, 24)) as viewer:
        assert "✗ 1 hidden: x" in table(viewer)[-1] and "NaN" not in "".join(table(viewer)[:-1])
        await viewer.press("x", "x")
        assert "block.9 (2)" in layers(viewer)[0]
        assert "✗ NaN 12 · Inf 5 of 2,448" in table(viewer)[1] and "✗ NaN" in table(viewer)[1][-8:]
        assert "hidden" not in table(viewer)[-1] and "3 of 14 shown" in table(viewer)[-1]
        # a row that the person goes to is shown; sorting again shows the first ones
        await viewer.press("3", "pagedown", "pagedown", "pagedown", "pagedown", "pagedown")
        assert "✗ 1 hidden" in table(viewer)[-1]
        await viewer.press("x", "x", "x")
        assert "block.9 (2)" in layers(viewer)[0]


def health(*values: float, ratio: Optional[float] = 0.002) -> Health:
    found = Health()
    for step, value in enumerate(values, 1):
        found.add(value, step)
    if ratio is not None:
        found.moved(ratio, 1)
    return found


def test_worst_is_not_finite_then_a_spike_then_the_update_then_what_is_far_from_the_others() -> None:
    steady = [0.1] * 40
    kinds = [
        health(*steady, math.inf),
        health(*steady, 4.0),
        health(*steady, ratio=2.0),
        health(*steady, ratio=0.2),
        health(*[1e-6] * 40),
        health(*[0.01] * 40),
        health(*steady),
    ]
    found = [badness(one, 0.1) for one in kinds]
    assert found == sorted(found, reverse=True) and len(set(found)) == len(found)
    assert found[-1] == 0 and found[0] >= 1000
    assert badness(health(*[0.0] * 40, ratio=0.0), 0.1) > found[-2]
    assert badness(Health(), None) == 0.0


def test_small_changes_do_not_make_rows_change_places(run: Tape) -> None:
    source = Source(run.run)
    source.poll()
    scene = Scene(source, order="largest")
    before = ranked(scene, 3).rows
    for step in range(41, 60):
        wobble = [0.01 * (1 + 0.1 * math.sin(step + place)) for place in range(len(READER.tensors))]
        source.state.apply(tick(step, wobble))
        assert ranked(scene, 3).rows == before


# ── what is not finite ──


async def test_what_is_hidden_is_told_where_room_is_short(show: Opener, run: Tape) -> None:
    run.add(tick(41, norms_of({"head": math.nan})))
    async with show(run, size=(120, 36)) as viewer:
        assert table(viewer)[-1].endswith("‖g‖ NaN   ✗ 1 hidden: x")


def test_words_for_entries_that_are_not_finite() -> None:
    assert odd_words((12, 3), 4096)[0] == "✗ NaN 12 · Inf 3 of 4,096"
    assert odd_words((4096, 0), 4096)[:2] == ["✗ NaN 4,096 of 4,096", "✗ NaN 4,096"]
    assert odd_words((0, 1), 9)[0] == "✗ Inf 1 of 9"
    assert "overflow" in odd_words((0, 0), 9)[0]


@pytest.mark.parametrize("width", [8, 12])
@pytest.mark.parametrize("count", [3, 12, 100, 256])
def test_a_norm_that_was_not_finite_stays_in_the_trend(width: int, count: int) -> None:
    values = [0.1] * (count - 2) + [math.nan, 0.1]
    drawn = "".join(text for text, _ in trend(health(*values), width, 10.0))
    assert drawn.count("✗") == 1 and len(drawn) == min(width, count)


# ── clipping ──


@pytest.mark.parametrize(
    "how, words, foot",
    [
        ({"clipped": 0.34, "clip_at": 1.0}, "clipped 34 % of steps", "after clipping at 1"),
        (
            {"clipped": 0.34, "clip_at": 0.5, "clip_by": "value"},
            "clipped in 34 % of steps",
            "after clipping",
        ),
        ({"clipped": 0.001, "clip_at": 1.0}, "clipped under 1 % of steps", "after clipping at 1"),
        ({"clipped": 0.0, "clip_at": 1.0}, "clipped 0 % of steps", ""),
        ({}, "", ""),
    ],
)
async def test_clipping_is_told_when_it_is_seen(
    show: Opener, run: Tape, how: dict[str, Any], words: str, foot: str
) -> None:
    run.add(*(tick(step, norms_of({}), **how) for step in range(41, 50)))
    async with show(run, size=(80, 24)) as viewer:
        assert words in border(viewer) and ("clipped" in border(viewer)) == bool(words)
        assert ("entries clipped" in border(viewer)) == ("clip_by" in how)
        if words:
            assert f"{words} at {how['clip_at']:g}" in border(viewer)
        assert foot in table(viewer)[-1] and ("clipping" in table(viewer)[-1]) == bool(foot)
    async with show(run, size=(120, 36)) as viewer:
        assert words.replace("in ", "").removesuffix(" of steps") in border(viewer)


# ── several optimizers ──


def two(model: Model, second: str) -> Model:
    """The same model, with an optimizer of its own for what is under a path."""
    tensors = [dataclasses.replace(one, optimizer=int(one.name.startswith(second))) for one in model.tensors]
    return dataclasses.replace(model, tensors=tensors, optimizers=["Adam", "AdamW"])


@pytest.mark.parametrize(
    "size, keys, expected",
    [
        ((120, 36), ["g"], ["─ 1 Adam", "embeddings", "…r.block.0 (2)", "…r.block.1 (2)", "─ 2 AdamW", "head"]),
        ((80, 24), ["g"], ["1 embeddings", "1 encoder.block.0 (2)", "1 encoder.block.1 (2)"]),
        ((120, 36), ["3", "enter", "g"], ["embeddings", "encoder.block.0 (2)"]),
    ],
)
async def test_rows_tell_whose_they_are(
    show: Opener, tmp_path: Path, pid: int, size: tuple[int, int], keys: list[str], expected: list[str]
) -> None:
    model = two(scripted.reader(2), "head")
    tape = Tape(tmp_path, pid).add(
        scripted.start(), model, *scripted.ticks(model, 100, norms_at=[0, 0], ratios_at=[0, 0])
    )
    async with show(tape, size=size) as viewer:
        await viewer.press(*keys)
        found = layers(viewer)
        for row, words in zip(found, expected):
            assert row.startswith(words), found
        if "enter" in keys:
            assert table(viewer)[1].endswith("1 Adam") and table(viewer)[4].endswith("2 AdamW")
            assert "optimizer" in table(viewer)[0]
        elif size == (80, 24):
            assert "1 Adam · 2 AdamW" in table(viewer)[-1]


async def test_one_optimizer_needs_no_name(show: Opener, run: Tape) -> None:
    async with show(run) as viewer:
        assert "AdamW" not in viewer.panel("gradients").text()
        await viewer.press("3", "enter")
        assert "AdamW" not in viewer.panel("gradients").text()


async def test_a_layer_that_nobody_updates_says_so(show: Opener, tmp_path: Path, pid: int) -> None:
    model = scripted.reader(1)
    tensors = [
        dataclasses.replace(one, trainable=not one.name.startswith("head"), optimizer=-1 if place < 1 else 0)
        for place, one in enumerate(model.tensors)
    ]
    model = dataclasses.replace(model, tensors=tensors)
    norms: list[Optional[float]] = [None, *[0.1] * (len(tensors) - 3), None, None]
    tape = Tape(tmp_path, pid).add(scripted.start(), model, scripted.tick(model, 5, 0.1, norms=norms))
    async with show(tape) as viewer:
        assert "in no optimizer" in table(viewer)[1]
        assert "frozen" in next(row for row in table(viewer) if row.startswith("head"))
