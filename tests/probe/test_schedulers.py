"""The learning-rate dial under every scheduler that torch has: their own sequences stay as they are, bit for bit."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from typing import Any, Callable, Optional

import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

from tui.run import events
from tui.run.directory import RunDirectory

from .conftest import Relay, Watch

STEPS = 36
COMMANDS = {8: events.SetRate(factor=0.5), 17: events.SetRate(value=0.03), 26: events.SetRate()}
"""By the number of updates made before them."""

Make = Callable[[Any], Any]

RECIPES: dict[str, Make] = {
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 4), lr_scheduler.ExponentialLR(o, 0.9)], optimizer=o
    ),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 20),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 4, cycle_momentum=False),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.3, 1.0, 20),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [3, 12, 20, 30], 0.1),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.95),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, [0.1, 0.3], total_steps=STEPS + 1, cycle_momentum=False),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, STEPS),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1, factor=0.7),
    "SWALR": lambda o: swa_utils.SWALR(o, swa_lr=0.05, anneal_epochs=30),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 0.1, 2), lr_scheduler.ExponentialLR(o, 0.9)], [12]
    ),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3, 0.5),
}  # fmt: skip

ABSTRACT = {"LRScheduler", "_LRScheduler"}


def schedulers_of_torch() -> set[str]:
    """The name of every class in torch.optim that is a scheduler: a subclass of theirs, or named and stepped like one."""
    found: dict[str, type[Any]] = {}
    for module in pkgutil.iter_modules(torch.optim.__path__, "torch.optim."):
        for name, thing in vars(importlib.import_module(module.name)).items():
            if isinstance(thing, type) and thing.__module__.startswith("torch.optim."):
                named = name.endswith(("LR", "Scheduler", "Plateau", "Restarts")) and hasattr(thing, "step")
                if named or issubclass(thing, lr_scheduler.LRScheduler):
                    found[thing.__name__] = thing
    heirs = list(lr_scheduler.LRScheduler.__subclasses__())
    while heirs:
        heir = heirs.pop()
        heirs += heir.__subclasses__()
        if heir.__module__.startswith("torch.optim."):
            found[heir.__name__] = heir
    return set(found) - ABSTRACT


def test_every_scheduler_of_this_torch_has_a_recipe() -> None:
    assert schedulers_of_torch() - set(RECIPES) == set()
    assert {"SequentialLR", "ChainedScheduler", "ReduceLROnPlateau", "SWALR"} <= schedulers_of_torch()


class Course:
    """Plain SGD on gradients of one: from a weight of zero an update moves by exactly the rate that was used."""

    def __init__(self, make: Make, tensor_rates: bool) -> None:
        self.weights = [torch.nn.Parameter(torch.zeros(3, dtype=torch.float64)) for _ in range(2)]
        rates: list[Any] = [torch.tensor(rate) if tensor_rates else rate for rate in (0.1, 0.02)]
        self.held = rates
        self.optimizer = torch.optim.SGD([{"params": [w], "lr": rate} for w, rate in zip(self.weights, rates)])
        self.scheduler = make(self.optimizer)
        self.seen: list[tuple[Any, ...]] = []
        """What the program sees of the rates: before and after every update, and after every move of the scheduler."""
        self.scheduled: list[list[float]] = []
        self.used: list[list[float]] = []

    def rates(self) -> list[Any]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def run(self, before: Callable[[int], None] = lambda step: None) -> Course:
        for step in range(STEPS):
            for weight in self.weights:
                weight.data.zero_()
                weight.grad = torch.ones_like(weight)
            before(step)
            self.scheduled.append([float(rate) for rate in self.rates()])
            self.optimizer.step()
            self.used.append([-weight[0].item() for weight in self.weights])
            after = [float(rate) for rate in self.rates()]
            if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
                self.scheduler.step(1.0)
            else:
                self.scheduler.step()
            last = [float(rate) for rate in self.scheduler.get_last_lr()]
            self.seen.append((self.scheduled[-1], after, [float(rate) for rate in self.rates()], last))
        return self


def steered(watch: Watch, course: Course) -> Course:
    watch.attentive()

    def ask(step: int) -> None:
        if step in COMMANDS:
            watch.before_next_update(COMMANDS[step])

    return course.run(ask)


def expected(scheduled: list[float], step: int, kind: Optional[torch.dtype]) -> list[float]:
    """What the weights are to feel of a scheduled rate; `kind` is that of rates that are tensors."""
    if step >= 26 or step < 8:
        return scheduled
    rates = [rate * 0.5 if step < 17 else 0.03 for rate in scheduled]
    return rates if kind is None else torch.tensor(rates, dtype=kind).tolist()


@pytest.mark.parametrize("tensor_rates", [False, True], ids=["numbers", "tensors"])
@pytest.mark.parametrize("name", sorted(schedulers_of_torch() & set(RECIPES)))
def test_the_schedule_is_the_undisturbed_one_and_the_weights_feel_the_dial(
    name: str, tensor_rates: bool, run: RunDirectory, relay: Relay
) -> None:
    # Given a course that nobody watches, and one under the dial: scheduled, × 0.5, fixed at 0.03, released
    alone = Course(RECIPES[name], tensor_rates).run()
    watch = Watch(run, relay)
    watched = steered(watch, Course(RECIPES[name], tensor_rates))
    last = watch.ticks()[-1]
    # Then the program sees the same rates at every moment, bit for bit, and in the very tensors that it made
    assert watched.seen == alone.seen
    assert all(type(rate) is type(other) for rate, other in zip(watched.rates(), alone.rates()))
    if tensor_rates:
        assert all(rate is held for rate, held in zip(watched.rates(), watched.held))
    # And the weights felt what was asked, from the very next update on, in every group
    kind = torch.float32 if tensor_rates else None
    assert watched.used == [expected(rates, step, kind) for step, rates in enumerate(alone.scheduled)]
    assert alone.used == alone.scheduled
    # And nothing is said of a dial any more
    assert (last.factor, last.fixed, last.scheduled) == (None, False, None)
    assert last.rate == alone.scheduled[-1][0]


@pytest.mark.parametrize("first", ["optimizer", "scheduler"])
def test_torchs_own_warnings_about_the_order_of_steps_are_the_same(first: str, run: RunDirectory, relay: Relay) -> None:
    def warned(begin: Callable[[], Any]) -> list[tuple[str, type[Warning], int]]:
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
        watch = begin()
        if watch is not None:
            watch.attentive()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for step in range(3):
                weight.grad = torch.ones_like(weight)
                if step and watch is not None:
                    watch.before_next_update(events.SetRate(factor=2.0))
                for one in (optimizer, scheduler) if first == "optimizer" else (scheduler, optimizer):
                    one.step()
        if watch is not None:
            watch.end()
        return [(str(one.message), one.category, one.lineno) for one in caught]

    alone = warned(lambda: None)
    assert warned(lambda: Watch(run, relay)) == alone
    assert len(alone) == (first == "scheduler")


def test_a_scheduler_stepped_by_the_programs_own_hooks_of_the_step_sees_its_own_rates(
    run: RunDirectory, relay: Relay
) -> None:
    def hooked(watch: Optional[Watch]) -> tuple[list[float], list[float]]:
        weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        decay = lr_scheduler.ExponentialLR(optimizer, 0.9)
        seen, used = [], []

        def warm_up(*step: Any) -> None:
            seen.append(optimizer.param_groups[0]["lr"])
            if len(used) < 4:
                optimizer.param_groups[0]["lr"] = 0.01 * (1 + len(used))

        def move_on(*step: Any) -> None:
            seen.append(optimizer.param_groups[0]["lr"])
            decay.step()

        optimizer.register_step_pre_hook(warm_up)
        optimizer.register_step_post_hook(move_on)
        for step in range(12):
            weight.data.zero_()
            weight.grad = torch.ones_like(weight)
            if watch is not None and step in (2, 8):
                watch.before_next_update(events.SetRate(factor=0.5) if step == 2 else events.SetRate())
            optimizer.step()
            used.append(-weight.item())
        assert len(optimizer._optimizer_step_pre_hooks) == len(optimizer._optimizer_step_post_hooks) == 1
        return seen, used

    seen, used = hooked(None)
    watch = Watch(run, relay)
    watch.attentive()
    seen_watched, used_watched = hooked(watch)
    watch.ticks()
    assert seen_watched == seen
    assert used_watched == [rate * 0.5 if 2 <= step < 8 else rate for step, rate in enumerate(used)]
