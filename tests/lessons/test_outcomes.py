"""What the cards promise, run headless: every arm of every lesson in its range, and the same bits for the same seed."""

from __future__ import annotations

import atexit
import functools
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from . import outcomes
from .nursery import Nursery
from .outcomes import Arm

SEEDS = (0,)
NAMES = [name for name in outcomes.lessons() if outcomes.SUBSETS.is_dir() or name not in outcomes.NEED_ROOT]
ARMS = [arm for name in NAMES for arm in outcomes.arms(name)]
RUNS = [(arm, seed) for arm in ARMS for seed in (SEEDS if not arm.arguments else SEEDS[:1])]
"""Each lesson as shipped and its arms, with the shipped seed (`python -m tests.lessons` runs more)."""
TWICE = NAMES[::4]
"""Lessons that are run a second time with the same seed."""


def name_of(arm: Arm) -> str:
    return f"{arm.lesson} {' '.join(arm.arguments)}".strip()


def arguments(arm: Arm, seed: int) -> tuple[str, ...]:
    root = ("--root", str(outcomes.SUBSETS)) if arm.lesson in outcomes.NEED_ROOT else ()
    return (*arm.arguments, "--seed", str(seed), *root)


Runs = dict[tuple[str, tuple[str, ...], int], Future[dict[str, float]]]
AGAIN = -1
"""Stands for seed 0 once more."""


@functools.cache
def begin() -> Runs:
    """Starts all of them, two at a time, each with one thread; some as shipped with seed 0 twice. When all tests
    are run this is called before the first (tests/conftest.py): those at terminals mostly wait, and leave room."""
    nursery = Nursery(2)
    pool = ThreadPoolExecutor(2)
    wanted = [*RUNS, *((arm, AGAIN) for arm in ARMS if not arm.arguments and arm.lesson in TWICE)]

    def end() -> None:
        pool.shutdown(wait=False, cancel_futures=True)
        nursery.close()

    atexit.register(end)
    return {
        (arm.lesson, arm.arguments, seed): pool.submit(nursery.run, arm.lesson, arguments(arm, max(0, seed)))
        for arm, seed in sorted(wanted, key=lambda one: (one[0].lesson, one[1]))
    }


@pytest.fixture(scope="module")
def runs() -> Runs:
    return begin()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("arm, seed", RUNS, ids=[f"{name_of(arm)} seed {seed}" for arm, seed in RUNS])
def test_the_outcome_is_in_its_range(runs: Runs, arm: Arm, seed: int) -> None:
    value = runs[arm.lesson, arm.arguments, seed].result()[arm.metric]
    assert arm.holds(value), f"{arm.metric} is {value:.6g}, the card says {arm.low:g} to {arm.high:g}"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", TWICE)
def test_the_same_seed_gives_the_same_bits(runs: Runs, name: str) -> None:
    """In two processes, to the last digit, in everything that the lesson logged."""
    assert str(runs[name, (), 0].result()) == str(runs[name, (), AGAIN].result())


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm.arguments], ids=name_of)
def test_what_is_contrasted_lies_apart(arm: Arm) -> None:
    shipped = outcomes.arms(arm.lesson)[0]
    assert arm.near or not arm.overlaps(shipped), f"{arm} and {shipped} overlap"
