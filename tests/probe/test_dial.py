"""The learning-rate dial: what the weights feel, and what the program sees, in every kind of loop that sets a rate."""

from __future__ import annotations

import copy
import math
import types
from typing import Any, Callable, Optional

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from tui.probe.dial import Dial
from tui.run import events
from tui.run.directory import RunDirectory
from tui.run.journal import append_line

from ..support import Hand, events_of, until
from .conftest import Relay, Watch
from .test_schedulers import RECIPES

HALF, FIXED, RELEASE = events.SetRate(factor=0.5), events.SetRate(value=0.25), events.SetRate()


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.zeros(2, dtype=torch.float64))


class Loop:
    """Updates of one program. On gradients of one, from a weight of zero, plain SGD moves by exactly the rate used."""

    def __init__(self, watch: Optional[Watch], *weights: nn.Parameter) -> None:
        self.watch = watch
        self.weights = weights
        self.used: list[list[float]] = []
        if watch is not None:
            watch.attentive()

    def update(self, step: Callable[[], Any], command: Any = None) -> list[float]:
        """One update, before which `command` is asked; the rates that the weights felt."""
        for weight in self.weights:
            weight.data.zero_()
            weight.grad = torch.ones_like(weight)
        if command is not None and self.watch is not None:
            self.watch.before_next_update(command)
        step()
        self.used.append([-weight[0].item() for weight in self.weights])
        return self.used[-1]


def rates_of(optimizer: Any) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def answers(watch: Watch) -> list[events.Applied]:
    return [one for one in events_of(watch.run) if isinstance(one, events.Applied) and one.do == "lr"]


# ── schedules written by hand, groups, tensors ──


@pytest.mark.parametrize("when", ["before", "after", "of its own rate"])
def test_a_schedule_written_by_hand(watch: Watch, when: str) -> None:
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    loop = Loop(watch, weight)
    scheduled, seen = [], []
    for step in range(12):
        (group,) = optimizer.param_groups
        if when == "before":
            group["lr"] = 0.1 / (1 + step)
        scheduled.append(group["lr"])
        loop.update(optimizer.step, {2: HALF, 5: FIXED, 8: RELEASE}.get(step))
        seen.append(group["lr"])
        if when == "after":
            group["lr"] = 0.1 / (2 + step)
        elif when == "of its own rate":
            group["lr"] *= 0.9
    watch.ticks()
    own = [0.1]
    for step in range(1, 12):
        own.append(own[-1] * 0.9 if when == "of its own rate" else 0.1 / (1 + step))
    assert scheduled == seen == own
    turned = [*own[:2], *(rate * 0.5 for rate in own[2:5]), 0.25, 0.25, 0.25, *own[8:]]
    assert loop.used == [[rate] for rate in turned]


def test_a_factor_acts_on_the_rate_of_each_group_and_a_fixed_value_is_the_rate_of_all(
    run: RunDirectory, relay: Relay
) -> None:
    def trained(*commands: Any) -> tuple[list[float], events.Tick]:
        weights = [parameter(), parameter(), parameter()]
        groups = [{"params": [weight], "lr": rate} for weight, rate in zip(weights, (0.01, 0.001, 0.1))]
        optimizer = torch.optim.SGD(groups)
        watch = Watch(run, relay)
        loop = Loop(watch, *weights)
        loop.update(optimizer.step)
        for command in commands:
            loop.update(optimizer.step, command)
        assert rates_of(optimizer) == [0.01, 0.001, 0.1]
        watch.end()
        return loop.used[-1], [one for one in events_of(run, run.streams()[-1]) if isinstance(one, events.Tick)][-1]

    # The first group's rate is shown, and the range of all of them
    used, tick = trained()
    assert used == [0.01, 0.001, 0.1]
    assert (tick.rate, tick.rates, tick.scheduled, tick.schedules) == (0.01, [0.001, 0.1], None, None)
    used, tick = trained(HALF)
    assert used == [0.005, 0.0005, 0.05]
    assert (tick.rate, tick.rates, tick.factor, tick.fixed) == (0.005, [0.0005, 0.05], 0.5, False)
    assert (tick.scheduled, tick.schedules) == (0.01, [0.001, 0.1])
    used, tick = trained(FIXED)
    assert used == [0.25, 0.25, 0.25]
    assert (tick.rate, tick.rates, tick.factor, tick.fixed) == (0.25, None, None, True)
    assert (tick.scheduled, tick.schedules) == (0.01, [0.001, 0.1])
    used, tick = trained(FIXED, RELEASE)
    assert used == [0.01, 0.001, 0.1]
    assert (tick.rate, tick.rates, tick.scheduled, tick.fixed) == (0.01, [0.001, 0.1], None, False)


def test_a_group_added_midway_is_turned_from_its_first_update_on(watch: Watch) -> None:
    first, second = parameter(), parameter()
    optimizer = torch.optim.SGD([first], lr=0.1)
    loop = Loop(watch, first, second)
    loop.update(optimizer.step)
    loop.update(optimizer.step, HALF)
    optimizer.add_param_group({"params": [second], "lr": 0.02})
    loop.update(optimizer.step)
    assert optimizer.defaults["lr"] == 0.1
    assert loop.used[-1] == [0.05, 0.01]
    assert rates_of(optimizer) == [0.1, 0.02]
    tick = watch.ticks()[-1]
    assert (tick.rates, tick.schedules) == ([0.01, 0.05], [0.02, 0.1])


def test_one_tensor_that_is_the_rate_of_several_groups_is_turned_once_and_in_place(watch: Watch) -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    place = rate.data_ptr()  # a captured graph reads it there
    weights = [parameter(), parameter()]
    optimizer = torch.optim.SGD([{"params": [weight]} for weight in weights], lr=rate)
    assert all(group["lr"] is rate for group in optimizer.param_groups)
    loop = Loop(watch, *weights)
    for command in (None, HALF, FIXED, RELEASE):
        loop.update(optimizer.step, command)
        assert all(group["lr"] is rate for group in optimizer.param_groups) and rate.item() == 0.1
        assert rate.data_ptr() == place
    assert loop.used == [[0.1, 0.1], [0.05, 0.05], [0.25, 0.25], [0.1, 0.1]]
    assert rate._version == 0
    watch.ticks()


def test_a_rate_that_a_graph_was_built_on_may_be_turned(watch: Watch) -> None:
    rate = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=rate)
    loop = Loop(watch, weight)
    loop.update(optimizer.step)
    outer = (rate * rate).sum()
    loop.update(optimizer.step, HALF)
    outer.backward()
    assert rate.grad is not None and rate.grad.item() == 0.2
    assert loop.used == [[0.1], [0.05]]


def test_nothing_is_turned_while_a_stream_is_captured(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=rate)
    loop = Loop(watch, weight)
    loop.update(optimizer.step)
    loop.update(optimizer.step, HALF)
    monkeypatch.setattr(torch.cuda, "_initialized", True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    loop.update(optimizer.step)
    monkeypatch.undo()
    loop.update(optimizer.step)
    assert loop.used == [[0.1], [0.05], [0.1], [0.05]]
    watch.ticks()


@pytest.mark.parametrize("rate", [1, 0.1, "float64", "float32"], ids=str)
def test_a_rate_keeps_its_kind(watch: Watch, rate: Any) -> None:
    numpy = pytest.importorskip("numpy")
    rate = getattr(numpy, rate)(0.5) if isinstance(rate, str) else rate
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=1.0)
    loop = Loop(watch, weight)
    loop.update(optimizer.step)
    optimizer.param_groups[0]["lr"] = rate
    loop.update(optimizer.step, HALF)
    assert loop.used[-1] == [float(rate) * 0.5]
    assert optimizer.param_groups[0]["lr"] is rate


# ── refused ──


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


def test_a_rate_for_an_optimizer_without_one_is_refused(watch: Watch) -> None:
    class Rateless(torch.optim.Optimizer):
        def step(self, closure: Any = None) -> None:
            pass

    weight = parameter()
    optimizer = Rateless([weight], {"lr": None})
    loop = Loop(watch, weight)
    loop.update(optimizer.step)
    loop.update(optimizer.step, HALF)
    watch.end()
    (answer,) = answers(watch)
    assert "no learning rate" in answer.refused
    assert optimizer.param_groups[0]["lr"] is None


RAW = {
    '{"do":"lr","value":NaN}': "not a number",
    '{"do":"lr","value":"NaN"}': "not a number",
    '{"do":"lr","factor":"Infinity"}': "infinite",
    '{"do":"lr","value":1e999}': "infinite",
    '{"do":"lr","factor":-2}': "negative",
    '{"do":"lr","value":"fast"}': "value: not a number",
    '{"do":"lr","value":true}': "value: not a number",
    '{"do":"lr","factor":[2]}': "factor: not a number",
    '{"do":"step","n":1.5}': "n: expected int",
    '{"do":"lr","factor":2,"value":0.1}': "together",
}
"""Lines written into control/ by hand, and what the refusal says."""


def test_a_line_written_by_hand_that_is_no_rate_is_refused_with_a_reason(watch: Watch) -> None:
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    loop = Loop(watch, weight)
    found: dict[str, str] = {}

    def train() -> None:
        while True:
            loop.update(optimizer.step)

    def steer(hand: Hand) -> None:
        until(hand.held)
        for number, line in enumerate(RAW):
            append_line(watch.run.control / "raw.jsonl", f'{line[:-1]},"id":"raw-{number}"}}\n'.encode())
            answer = until(lambda number=number: hand.answered(f"raw-{number}"))
            found[line] = answer.refused

    watch.pause_at_first()
    watch.steered(train, steer)
    assert {line: RAW[line] in said for line, said in found.items()} == dict.fromkeys(RAW, True), found
    assert all(used == [0.1] for used in loop.used)


# ── steps inside steps, and steps that raise ──


class Inherits(torch.optim.SGD):
    """Its step calls that of the class it comes from, which torch has wrapped too."""

    breaks_at = ""

    def step(self, closure: Any = None) -> Any:
        if self.breaks_at == "before":
            raise LookupError
        seen = rates_of(self)
        result = super().step(closure)
        assert rates_of(self) == seen  # nothing was turned back in the middle
        if self.breaks_at == "after":
            raise LookupError
        return result


class Lookahead(torch.optim.Optimizer):
    """Shares the groups of the optimizer inside, and is one itself."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self.inner = inner
        super().__init__(inner.param_groups, {"lr": 0.1})
        assert self.param_groups[0] is inner.param_groups[0]

    def step(self, closure: Any = None) -> Any:
        seen = rates_of(self)
        result = self.inner.step(closure)
        assert rates_of(self) == seen
        return result


class Wrapper(torch.optim.Optimizer):
    """The shape of Accelerate's: an optimizer by name only, which hands everything on to the one inside."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def param_groups(self) -> Any:
        return self.optimizer.param_groups

    @property
    def defaults(self) -> Any:
        return self.optimizer.defaults

    def step(self, closure: Any = None) -> Any:
        return self.optimizer.step(closure)


def inherits(weight: nn.Parameter) -> Any:
    torch.optim.SGD([parameter()], lr=0.1)  # torch wraps the step of a class when it is first used
    return Inherits([weight], lr=0.1)


NESTED: dict[str, Callable[[nn.Parameter], Any]] = {
    "super().step()": inherits,
    "lookahead": lambda weight: Lookahead(torch.optim.SGD([weight], lr=0.1)),
    "lookahead of one with super().step()": lambda weight: Lookahead(inherits(weight)),
    "wrapper": lambda weight: Wrapper(torch.optim.SGD([weight], lr=0.1)),
    "wrapped step": lambda weight: wrapped(torch.optim.SGD([weight], lr=0.1)),
}


def wrapped(optimizer: Any) -> Any:
    """As schedulers do it: the optimizer's `step` is replaced by a function around it."""
    step = optimizer.step
    optimizer.step = types.MethodType(lambda self, closure=None: step(closure), optimizer)
    return optimizer


@pytest.mark.parametrize("kind", NESTED)
def test_a_rate_is_turned_once_however_steps_are_nested(watch: Watch, kind: str) -> None:
    weight = parameter()
    optimizer = NESTED[kind](weight)
    inner = getattr(optimizer, "optimizer", optimizer)
    scheduler = lr_scheduler.ExponentialLR(inner, 0.5)
    loop = Loop(watch, weight)
    seen = []
    for step in range(10):
        loop.update(optimizer.step, {2: HALF, 5: FIXED, 8: RELEASE}.get(step))
        seen += rates_of(optimizer)
        scheduler.step()
    own = [0.1 * 0.5**step for step in range(10)]
    assert seen == own
    assert loop.used == [[rate] for rate in (*own[:2], *(rate * 0.5 for rate in own[2:5]), 0.25, 0.25, 0.25, *own[8:])]
    tick = watch.ticks()[-1]
    assert (tick.rate, tick.scheduled) == (own[-1], None)


@pytest.mark.parametrize("breaks_at", ["before", "after"])
@pytest.mark.parametrize("command", [None, RELEASE, FIXED])
def test_a_step_that_raised_is_turned_back_when_the_next_one_begins(watch: Watch, breaks_at: str, command: Any) -> None:
    weight = parameter()
    optimizer = inherits(weight)
    loop = Loop(watch, weight)
    loop.update(optimizer.step)
    loop.update(optimizer.step, HALF)
    optimizer.breaks_at = breaks_at
    for _ in range(3):
        with pytest.raises(LookupError):
            optimizer.step()
    optimizer.breaks_at = ""
    loop.update(optimizer.step, command)
    assert loop.used[-1] == [{None: 0.05, RELEASE: 0.1, FIXED: 0.25}[command]]
    assert rates_of(optimizer) == [0.1]
    watch.ticks()


def test_an_inner_step_that_raised_leaves_the_outer_one_turned_until_its_end(watch: Watch) -> None:
    class Retries(torch.optim.SGD):
        tries = 0

        def step(self, closure: Any = None) -> Any:
            with pytest.raises(LookupError):
                self.inner.step()
            assert rates_of(self) == [0.05] or self.tries == 0
            self.tries += 1
            return super().step(closure)

    weight = parameter()
    optimizer = Retries([weight], lr=0.1)
    optimizer.inner = inherits(parameter())
    optimizer.inner.param_groups[0] = optimizer.param_groups[0]
    optimizer.inner.breaks_at = "before"
    loop = Loop(watch, weight)
    for command in (None, HALF, None, None):
        loop.update(optimizer.step, command)
        assert rates_of(optimizer) == [0.1]
    assert loop.used == [[0.1], [0.05], [0.05], [0.05]]
    watch.ticks()


def test_of_two_optimizers_one_raised_and_the_other_goes_on(watch: Watch) -> None:
    weight = parameter()
    first, second = inherits(weight), torch.optim.SGD([weight], lr=0.01)
    loop = Loop(watch, weight)
    loop.update(first.step)
    loop.update(second.step)
    first.breaks_at = "after"
    with pytest.raises(LookupError):
        loop.update(first.step, HALF)
    first.breaks_at = ""
    assert loop.update(second.step) == [0.005]
    # The second one's beginning turned back what the first one had left
    assert rates_of(first) == [0.1] and rates_of(second) == [0.01]
    assert loop.update(first.step) == [0.05]
    watch.ticks()


# ── rates that the optimizer itself sets or reads elsewhere ──


class Decays(torch.optim.SGD):
    """Lowers its own rate inside its step."""

    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        for group in self.param_groups:
            group["lr"] = 0.1 / (1 + group.setdefault("count", 0) + 1)
            group["count"] += 1
        return result


def test_a_rate_that_the_optimizer_sets_inside_its_step_is_kept(run: RunDirectory, relay: Relay) -> None:
    def trained(watch: Optional[Watch]) -> tuple[list[float], list[list[float]]]:
        weight = parameter()
        optimizer = Decays([weight], lr=0.1)
        loop = Loop(watch, weight)
        seen = []
        for step in range(8):
            loop.update(optimizer.step, {2: HALF, 4: FIXED, 6: RELEASE}.get(step))
            seen += rates_of(optimizer)
        return seen, loop.used

    seen, used = trained(None)
    watch = Watch(run, relay)
    seen_watched, used_watched = trained(watch)
    watch.ticks()
    assert seen_watched == seen
    halves = [[rate * 0.5] for (rate,) in used[2:4]]
    assert used_watched == [*used[:2], *halves, [0.25], [0.25], *used[6:]]


def test_an_optimizer_that_reads_its_rate_from_its_defaults(watch: Watch) -> None:
    class Reads(torch.optim.Optimizer):
        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for weight in group["params"]:
                    weight -= self.defaults["lr"] * weight.grad

    weight = parameter()
    optimizer = Reads([weight], {"lr": 0.1})
    loop = Loop(watch, weight)
    for command in (None, HALF, FIXED, RELEASE):
        loop.update(optimizer.step, command)
        assert optimizer.defaults == {**optimizer.defaults, "lr": 0.1}
    assert loop.used == [[0.1], [0.05], [0.25], [0.1]]


def test_a_copy_of_the_optimizer_made_between_steps_knows_nothing_of_the_dial(watch: Watch) -> None:
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.register_step_post_hook(lambda *step: None)
    loop = Loop(watch, weight)
    loop.update(optimizer.step)
    loop.update(optimizer.step, HALF)
    state = copy.deepcopy(optimizer.state_dict())
    assert [group["lr"] for group in state["param_groups"]] == [0.1]
    optimizer.load_state_dict(state)
    assert loop.update(optimizer.step) == [0.05]
    assert rates_of(optimizer) == [0.1]


def test_with_a_closure_that_is_called_several_times_the_dial_is_turned_for_the_whole_step(watch: Watch) -> None:
    weight = nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = torch.optim.LBFGS([weight], lr=0.1, max_iter=4, line_search_fn=None)
    seen: list[list[float]] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        seen.append(rates_of(optimizer))
        return loss

    watch.attentive()

    def stepped(command: Any) -> tuple[set[float], float]:
        optimizer.state.clear()
        weight.data.fill_(1.0)
        seen.clear()
        if command is not None:
            watch.before_next_update(command)
        optimizer.step(closure)
        assert len(seen) > 1 and rates_of(optimizer) == [0.1]
        return {rate for (rate,) in seen}, 1.0 - weight[0].item()

    plain, moved = stepped(None)
    half, moved_half = stepped(HALF)
    assert (plain, half) == ({0.1}, {0.05})
    assert 0 < moved_half < moved
    assert stepped(RELEASE) == (plain, moved)
    watch.ticks()


def test_with_a_closure_the_dial_is_turned_too_for_an_optimizer_of_first_order(watch: Watch) -> None:
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    loop = Loop(watch, weight)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = weight.sum()
        loss.backward()
        return loss

    for command in (None, HALF, FIXED, RELEASE):
        loop.update(lambda: optimizer.step(closure), command)
        assert rates_of(optimizer) == [0.1]
    assert loop.used == [[0.1], [0.05], [0.25], [0.1]]
    watch.ticks()


def test_of_two_optimizers_the_rate_shown_is_that_of_the_one_that_counts(watch: Watch) -> None:
    first, second = parameter(), parameter()
    critic, maker = torch.optim.SGD([first], lr=0.1), torch.optim.SGD([second], lr=0.02)

    def both() -> None:
        critic.step()
        maker.step()

    loop = Loop(watch, first, second)
    loop.update(both)
    for command in (HALF, *[None] * 20):
        assert loop.update(both, command) == [0.05, 0.01]
    watch.end()
    (answer,) = answers(watch)
    assert (answer.before, answer.after, answer.factor, answer.value) == (0.1, 0.05, 0.5, None)
    tick = [one for one in events_of(watch.run) if isinstance(one, events.Tick)][-1]
    assert (tick.rate, tick.scheduled, tick.factor) == (0.05, 0.1, 0.5)


# ── asked through the files ──


@pytest.mark.parametrize("name", ["StepLR", "LambdaLR"])
def test_a_turn_while_held_holds_for_the_very_next_update(watch: Watch, name: str) -> None:
    make = RECIPES[name]
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


def test_a_turn_while_held_inside_a_closure_holds_for_the_update_that_follows_it(watch: Watch) -> None:
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    loop = Loop(watch, weight)
    read: list[float] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = weight.sum()
        loss.backward()
        return loss

    def train() -> None:
        while True:
            try:
                loop.update(lambda: optimizer.step(closure))
            finally:
                read.extend(rates_of(optimizer))

    given: list[events.Applied] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        for command in (HALF, FIXED, RELEASE):
            gate = hand.held()
            given.append(hand.answer(command))
            hand.ask(events.Step(n=1))
            until(lambda gate=gate: hand.held(gate.step + 1))

    watch.pause_at_first()
    watch.steered(train, steer)
    watch.ticks()
    assert [rate for (rate,) in loop.used[given[0].step - 1 :][:3]] == [0.05, 0.25, 0.1]
    assert [(one.before, one.after) for one in given] == [(0.1, 0.05), (0.05, 0.25), (0.25, 0.1)]
    assert set(read) == {0.1}
