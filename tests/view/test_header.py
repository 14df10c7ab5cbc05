"""The header's line of numbers: which learning rate was used, and what the dial has to do with it."""

from __future__ import annotations

from typing import Any

import pytest

from . import scripted
from .conftest import Opener
from .scripted import Tape

DIALS: dict[str, tuple[dict[str, Any], str]] = {
    "at rest": ({"rate": 0.002}, "lr 0.002"),
    "a factor": ({"rate": 0.001, "scheduled": 0.002, "factor": 0.5}, "lr 0.001 = 0.002 × 0.5"),
    "a fixed value": ({"rate": 0.25, "scheduled": 0.002, "fixed": True}, "lr 0.25 fixed (scheduled 0.002)"),
    "the value that is scheduled": ({"rate": 0.002, "fixed": True}, "lr 0.002 fixed"),
    "several groups": ({"rate": 0.002, "rates": [0.002, 0.02]}, "lr 0.002…0.02"),
    "several groups, a factor": (
        {"rate": 0.001, "rates": [0.001, 0.01], "scheduled": 0.002, "schedules": [0.002, 0.02], "factor": 0.5},
        "lr 0.001…0.01 = 0.002…0.02 × 0.5",
    ),
    "several groups, a fixed value": (
        {"rate": 0.25, "scheduled": 0.002, "schedules": [0.002, 0.02], "fixed": True},
        "lr 0.25 fixed (scheduled 0.002…0.02)",
    ),
    "the first group has the fixed value already": (
        {"rate": 0.25, "scheduled": 0.25, "schedules": [0.002, 0.25], "fixed": True},
        "lr 0.25 fixed (scheduled 0.002…0.25)",
    ),
    "a factor that makes no number": ({"rate": float("inf"), "scheduled": 0.002, "factor": 1e308}, "lr ∞ = 0.002 × 1e+308"),
    "no rate": ({"rate": None}, "lr –"),
}  # fmt: skip


def rate_of(row: str) -> str:
    """What the header says from "lr" on, up to the progress bar or what watching costs."""
    return row[row.index("lr ") :].split("   ")[0].rstrip()


async def test_the_header_says_the_rate_that_was_used_and_what_the_dial_made_of_which(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        for number, (dial, said) in enumerate(DIALS.values()):
            tape.add(scripted.tick(scripted.reader(), 505 + 5 * number, 9.1 + number, **dial))
            tape.see(scripted.live(scripted.reader(), 505 + 5 * number, tick=None))
            await viewer.until(lambda said=said: rate_of(viewer.rows()[1]) == said)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (100, 30), (200, 50)])
@pytest.mark.parametrize("dial", ["a factor", "a fixed value", "several groups, a factor"])
async def test_where_room_is_short_the_rate_that_was_used_is_said_all_the_same(
    show: Opener, tape: Tape, size: tuple[int, int], dial: str
) -> None:
    how, said = DIALS[dial]
    tape.add(scripted.tick(scripted.reader(), 505, 9.1, **how))
    async with show(tape, size=size) as viewer:
        found = rate_of(viewer.rows()[1])
        used = said.split(" = ")[0].split(" fixed")[0]
        whole, brief = said, used + (" fixed" if how.get("fixed") else f" × {how['factor']:g}")
        assert found in (whole, brief, used)
        assert size[0] < 100 or found == whole


async def test_a_dial_that_was_turned_and_released_is_said_as_long_as_it_is_turned(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        model = scripted.reader()
        await viewer.press("minus")
        await viewer.until(lambda: "×0.5…" in viewer.rows()[1])
        tape.answer(await viewer.asked(), "lr", step=501, before=0.00231, after=0.001155, factor=0.5)
        tape.add(scripted.tick(model, 505, 9.1, rate=0.001155, scheduled=0.00231, factor=0.5))
        tape.see(scripted.live(model, 505, tick=None))
        await viewer.until(lambda: rate_of(viewer.rows()[1]) == "lr 0.001155 = 0.00231 × 0.5")
        await viewer.press("plus")
        tape.answer(await viewer.asked(2), "lr", step=506, before=0.001155, after=0.00231)
        tape.add(scripted.tick(model, 510, 9.2))
        tape.see(scripted.live(model, 510, tick=None))
        await viewer.until(lambda: rate_of(viewer.rows()[1]) == "lr 0.00231")


async def test_a_recording_from_before_ticks_said_the_factor_is_read_as_it_was(show: Opener, tape: Tape) -> None:
    tape.add(scripted.Applied(9.0, 501, "old", "", "lr", 0.00231, 0.00462, 2.0))
    tape.add(scripted.tick(scripted.reader(), 505, 9.1, rate=0.00462, scheduled=0.00231))
    async with show(tape) as viewer:
        assert rate_of(viewer.rows()[1]) == "lr 0.00462 = 0.00231 × 2"
