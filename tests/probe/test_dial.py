"""The learning-rate dial: what the weights feel, and what the program and its schedulers see."""

from __future__ import annotations

import inspect
import math
from typing import Any, Callable

import pytest
import torch
from torch.optim import lr_scheduler

from tui.probe.dial import Dial
from tui.run import events

from ..support import Hand, until
from .conftest import Watch

STEPS = 12


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(4, dtype=torch.float64))


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 4), lr_scheduler.ExponentialLR(o, 0.9)], optimizer=o
    ),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 4),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 4),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.3, 1.0, 6),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [3, 7], 0.1),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.95),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=STEPS + 1),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 10),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 0.1, 2), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3, 0.5),
}  # fmt: skip


def known_schedulers() -> set[str]:
    return {
        name
        for name, thing in vars(lr_scheduler).items()
        if inspect.isclass(thing)
        and not name.startswith("_")
        and thing.__module__ == lr_scheduler.__name__
        and hasattr(thing, "step")
        and name not in ("LRScheduler", "EpochScheduler")
    }


def test_every_scheduler_of_this_torch_is_tried() -> None:
    assert known_schedulers() <= set(SCHEDULERS)


def rates_seen(make: Callable[[Any], Any], dial: Dial, tensor_rate: bool) -> tuple[list[float], list[float]]:
    """(rates that the program sees, weights) of a run of SGD on a constant gradient."""
    weight = parameter()
    rate: Any = torch.tensor(0.1, dtype=torch.float64) if tensor_rate else 0.1
    optimizer = torch.optim.SGD([weight], lr=rate, momentum=0.0)
    scheduler = make(optimizer)
    seen, weights = [], []
    for _ in range(STEPS):
        weight.grad = torch.ones_like(weight)
        dial.turn(optimizer)
        optimizer.step()
        dial.turn_back(optimizer)
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            scheduler.step(1.0)
        else:
            scheduler.step()
        seen.append(float(optimizer.param_groups[0]["lr"]))
        weights.append(weight[0].item())
    return seen, weights


@pytest.mark.parametrize("tensor_rate", [False, True])
@pytest.mark.parametrize("name", sorted(known_schedulers()))
def test_a_factor_leaves_every_schedulers_own_sequence_alone(name: str, tensor_rate: bool) -> None:
    make = SCHEDULERS[name]
    plain_rates, plain = rates_seen(make, Dial(), tensor_rate)
    dial = Dial()
    dial.set(2.0, None)
    rates, weights = rates_seen(make, dial, tensor_rate)
    # The program sees the same rates, and the weights moved twice as far
    assert rates == plain_rates
    assert [1 - weight for weight in weights] == pytest.approx([2 * (1 - weight) for weight in plain], rel=1e-12)


def test_a_fixed_rate_holds_whatever_the_scheduler_does() -> None:
    dial = Dial()
    dial.set(None, 0.25)
    rates, weights = rates_seen(SCHEDULERS["StepLR"], dial, False)
    assert rates == rates_seen(SCHEDULERS["StepLR"], Dial(), False)[0]
    assert weights == pytest.approx([1 - 0.25 * (step + 1) for step in range(STEPS)], rel=1e-12)


def test_every_group_is_turned_and_turned_back() -> None:
    first, second = parameter(), parameter()
    optimizer = torch.optim.SGD([{"params": [first], "lr": 0.1}, {"params": [second], "lr": 0.01}])
    dial = Dial()
    dial.set(3.0, None)
    dial.turn(optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.3, 0.03])
    assert (dial.scheduled, dial.effective) == pytest.approx((0.1, 0.3))
    dial.turn_back(optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]


def test_a_rate_that_the_program_sets_inside_the_step_is_kept() -> None:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    dial = Dial()
    dial.set(2.0, None)
    dial.turn(optimizer)
    optimizer.param_groups[0]["lr"] = 0.7
    dial.turn_back(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.7


def test_a_step_that_raised_is_undone_when_the_next_one_begins() -> None:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    dial = Dial()
    dial.set(2.0, None)
    dial.turn(optimizer)  # and the step raises: nothing turns it back
    dial.turn(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.2
    dial.turn_back(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_an_optimizer_inside_anothers_step_that_shares_its_groups_is_turned_once() -> None:
    inner = torch.optim.SGD([parameter()], lr=0.1)
    outer = torch.optim.SGD([parameter()], lr=0.1)
    outer.param_groups = inner.param_groups
    dial = Dial()
    dial.set(2.0, None)
    dial.turn(outer)
    dial.turn(inner)
    assert inner.param_groups[0]["lr"] == 0.2
    assert (dial.scheduled, dial.effective) == (0.1, 0.2)
    dial.turn_back(inner)
    assert inner.param_groups[0]["lr"] == 0.2
    dial.turn_back(outer)
    assert inner.param_groups[0]["lr"] == 0.1


def test_two_optimizers_in_turn_are_each_turned_back_though_one_raised() -> None:
    first, second = torch.optim.SGD([parameter()], lr=0.1), torch.optim.SGD([parameter()], lr=0.01)
    dial = Dial()
    dial.set(2.0, None)
    dial.turn(first)  # raises
    dial.turn(second)
    dial.turn_back(second)
    assert second.param_groups[0]["lr"] == 0.01
    dial.turn(first)
    dial.turn_back(first)
    assert first.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize(
    "factor, value, word",
    [(math.nan, None, "not a number"), (math.inf, None, "infinite"), (-1.0, None, "negative"), (None, math.nan, "not a number"),
     (None, -math.inf, "infinite"), (None, -0.1, "negative"), (2.0, 0.1, "together")],
)  # fmt: skip
def test_what_is_no_rate_is_refused_with_a_reason(factor: Any, value: Any, word: str) -> None:
    assert word in Dial().refusal(factor, value)


def test_what_is_a_rate_is_not_refused() -> None:
    for factor, value in ((0.0, None), (1e-9, None), (1e6, None), (None, 0.0), (None, 5.0), (None, None)):
        assert Dial().refusal(factor, value) == ""


# ── through the gate ──


@pytest.mark.parametrize("make", [SCHEDULERS["StepLR"], SCHEDULERS["LambdaLR"]], ids=["StepLR", "LambdaLR"])
def test_a_turn_while_held_holds_for_the_very_next_update(watch: Watch, make: Callable[[Any], Any]) -> None:
    # Given SGD without momentum on a gradient of ones: a weight moves by exactly the rate that was used
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = make(optimizer)
    seen: list[float] = []
    used: list[float] = []

    def train() -> None:
        while True:
            before = weight[0].item()
            weight.sum().backward()
            seen.append(optimizer.param_groups[0]["lr"])
            try:
                optimizer.step()
            finally:
                used.append(before - weight[0].item())
            optimizer.zero_grad()
            scheduler.step()

    answers: list[events.Applied] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        for command in (
            events.Step(n=2),
            events.SetRate(factor=2.0),
            events.Step(n=2),
            events.SetRate(value=0.5),
            events.Step(n=2),
            events.SetRate(factor=math.nan),
            events.SetRate(value=-1.0),
            events.SetRate(factor=math.inf),
            events.Step(n=1),
            events.SetRate(),
            events.Step(n=1),
        ):
            gate = hand.held()
            answers.append(hand.answer(command))
            if isinstance(command, events.Step):
                until(lambda gate=gate, n=command.n: hand.held(gate.step + n))

    watch.pause_at_first()
    watch.steered(train, steer)
    watch.end()
    # Then the weights felt exactly what was asked, from the very next update on
    expected = [*seen[:2], *(2 * rate for rate in seen[2:4]), 0.5, 0.5, 0.5, *seen[7:]]
    assert used == pytest.approx(expected, rel=1e-9)
    # And the program saw its own schedule all the time
    other = torch.optim.SGD([parameter()], lr=0.1)
    schedule = make(other)
    own = []
    for _ in seen:
        own.append(other.param_groups[0]["lr"])
        other.step()
        schedule.step()
    assert seen == own
    # And the answers say what was and what is, as read back, and from which step on
    factor, fixed, *refused, release = [answer for answer in answers if answer.do == "lr"]
    assert (factor.before, factor.after, factor.factor, factor.step) == pytest.approx((seen[2], 2 * seen[2], 2.0, 3))
    assert (fixed.before, fixed.after, fixed.factor, fixed.step) == (pytest.approx(2 * seen[4]), 0.5, None, 5)
    assert [bool(answer.refused) for answer in refused] == [True, True, True]
    assert (release.before, release.after, release.factor, release.step) == (0.5, seen[7], None, 8)


def test_a_turn_while_training_runs_is_answered_with_what_was_used(watch: Watch) -> None:
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    used: list[float] = []
    answers: list[events.Applied] = []

    def train() -> None:
        while True:
            before = weight[0].item()
            weight.sum().backward()
            optimizer.step()
            used.append(before - weight[0].item())
            with torch.no_grad():
                weight.fill_(1.0)
            optimizer.zero_grad()

    def steer(hand: Hand) -> None:
        until(lambda: used)
        answers.append(hand.answer(events.SetRate(factor=3.0)))
        enough = len(used) + 5
        until(lambda: len(used) > enough)

    watch.steered(train, steer)
    watch.end()
    (answer,) = answers
    assert (answer.before, answer.after) == pytest.approx((0.1, 0.3))
    assert used[answer.step - 2] == pytest.approx(0.1)
    assert used[answer.step - 1] == pytest.approx(0.3)
