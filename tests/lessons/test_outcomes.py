"""What the cards promise, run headless: lessons and their arms in their ranges, and the same bits for the same seed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import outcomes
from .nursery import Nursery
from .outcomes import Arm

NAMES = [name for name in outcomes.lessons() if outcomes.SUBSETS.is_dir() or name not in outcomes.NEED_ROOT]
ARMS = [arm for name in NAMES for arm in outcomes.arms(name)]
"""Each lesson as shipped, then its arms."""
RUN = [arm for name in NAMES for arm in outcomes.arms(name)[::2]]
"""Those that are run here, with the shipped seed: each lesson as shipped, and every second arm. `python -m tests.lessons`
runs all of them."""
TWICE = NAMES[::4]
"""Lessons that are run twice with the same seed."""


def name_of(arm: Arm) -> str:
    return f"{arm.lesson} {' '.join(arm.arguments)}".strip()


def arguments(arm: Arm) -> tuple[str, ...]:
    root = ("--root", str(outcomes.SUBSETS)) if arm.lesson in outcomes.NEED_ROOT else ()
    return (*arm.arguments, "--seed", "0", *root)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery(1)
    yield nursery
    nursery.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("arm", RUN, ids=name_of)
def test_the_outcome_is_in_its_range(nursery: Nursery, arm: Arm) -> None:
    first = nursery.run(arm.lesson, arguments(arm))
    value = first[arm.metric]
    assert arm.holds(value), f"{arm.metric} is {value:.6g}, the card says {arm.low:g} to {arm.high:g}"
    if arm.lesson in TWICE and not arm.arguments:
        # In another process, to the last digit, in everything that the lesson logged
        assert str(nursery.run(arm.lesson, arguments(arm))) == str(first)


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm.arguments], ids=name_of)
def test_what_is_contrasted_lies_apart(arm: Arm) -> None:
    shipped = outcomes.arms(arm.lesson)[0]
    assert arm.near or not arm.overlaps(shipped), f"{arm} and {shipped} overlap"
