"""Breakpoints, taking updates back, writing the weights: in a real loop, asked for by somebody else."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, Optional

import pytest
import torch
from torch import nn

from tui.probe import undo
from tui.probe.breaks import Breaks
from tui.run import events
from tui.run.events import decode_live

from ..support import Hand, until
from .conftest import Watch

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "AdamW amsgrad": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
}


class Loop:
    """A small model with batch statistics; what it was before every update is written down."""

    def __init__(self, optimizer: str = "Adam", sick_at: Optional[int] = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.sick_at = sick_at
        self.after: list[dict[str, Any]] = [self.state()]
        self.batches = 0

    def state(self) -> dict[str, Any]:
        moments = {
            f"{place} {name}": value.clone() if isinstance(value, torch.Tensor) else value
            for place, parameter in enumerate(self.model.parameters())
            for name, value in self.optimizer.state.get(parameter, {}).items()
        }
        return {**{name: value.clone() for name, value in self.model.state_dict().items()}, **moments}

    def weights(self) -> dict[str, Any]:
        return {name: value.clone() for name, value in self.model.named_parameters()}

    def run(self) -> None:
        while True:
            self.batches += 1
            x = torch.randn(8, 3, generator=torch.Generator().manual_seed(self.batches))
            loss = self.model(x).square().mean()
            if self.batches == self.sick_at:
                loss = loss * math.nan
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.after.append(self.state())


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) if isinstance(one[name], torch.Tensor) else one[name] == other[name]
        for name in one
    )


def step(hand: Hand, n: int = 1) -> None:
    """So many updates; then it is held again, before the one after."""
    before = len(hand.gates())
    hand.ask(events.Step(n=n))
    until(lambda: len(hand.gates()) >= before + 2 and hand.held())


# ── undo ──


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_update_is_taken_back_bit_by_bit(watch: Watch, name: str) -> None:
    loop = Loop(name)
    watch.pause_at_first()
    answers: list[events.Applied] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        step(hand)
        step(hand, 2)
        assert len(loop.after) == 4
        answers.append(hand.answer(events.Undo()))
        until(lambda: (gate := hand.held()) and gate.phase == "update")
        # the third update is taken back, and with it the fourth, which used up the batch in hand
        assert equal(loop.state(), loop.after[2]), "weights, buffers, and the optimizer's state"
        answers.append(hand.answer(events.Undo()))
        assert equal(loop.state(), loop.after[1])
        answers.append(hand.answer(events.Undo()))
        # the very first update made the optimizer's state: it is gone again. The batch of that update had passed the
        # model before anything was kept, so the batch statistics are those behind it.
        statistics = [name for name in loop.state() if "running" in name or "tracked" in name]
        first = {name: value for name, value in loop.after[0].items() if name not in statistics}
        assert equal({name: value for name, value in loop.state().items() if name not in statistics}, first)
        answers.append(hand.answer(events.Undo()))

    watch.steered(loop.run, steer)
    assert [(one.before, one.after) for one in answers[:3]] == [(4.0, 2.0), (2.0, 1.0), (1.0, 0.0)]
    assert all("data" in one.said for one in answers[:3])
    assert "no update is kept" in answers[3].refused


def test_a_step_with_a_line_search_is_taken_back_with_its_history(watch: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3, line_search_fn="strong_wolfe")
    after: list[Any] = []

    def state() -> Any:
        return copy.deepcopy([model.state_dict(), optimizer.state_dict()["state"]])

    def closure() -> Any:
        optimizer.zero_grad()
        loss = model(torch.ones(4, 3)).pow(4).mean()
        loss.backward()
        return loss

    def train() -> None:
        while True:
            after.append(state())
            optimizer.step(closure)

    def steer(hand: Hand) -> None:
        until(lambda: hand.held(1))
        step(hand, 2)
        assert hand.answer(events.Undo()).after == 2.0
        for now, then in zip(state(), after[2]):
            assert str(now) == str(then)
        torch.testing.assert_close(state()[0], after[2][0], rtol=0, atol=0)

    watch.pause_at_first()
    watch.steered(train, steer)


def test_of_two_optimizers_one_is_taken_back_and_that_is_said(watch: Watch) -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizers = [torch.optim.SGD([one], lr=0.1) for one in (first, second)]
    seen: list[Any] = []

    def train() -> None:
        while True:
            for parameter, optimizer in zip((first, second), optimizers):
                parameter.square().sum().backward()
                optimizer.step()
                optimizer.zero_grad()

    def steer(hand: Hand) -> None:
        until(hand.held)
        step(hand, 2)
        seen.append((first.tolist(), second.tolist()))
        seen.append(hand.answer(events.Undo()))
        until(lambda: (gate := hand.held()) and gate.phase == "update")
        seen.append((first.tolist(), second.tolist()))

    watch.pause_at_first()
    watch.steered(train, steer)
    before, answer, after = seen
    assert "the other optimizers" in answer.said
    assert after[1] == before[1] and after[0] != before[0]


def test_what_is_kept_and_the_memory_that_it_takes_are_shown(watch: Watch) -> None:
    loop = Loop("SGD")
    watch.pause_at_first()
    seen: list[Any] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        step(hand, 3)
        seen.append(decode_live(watch.run.live_file(0).read_bytes()).kept)
        assert seen[0].bytes == watch.probe.steering.bench.ring.bytes

    watch.steered(loop.run, steer)
    kept = seen[0]
    assert kept.updates == 3 and kept.budget == undo.BUDGET_BYTES and not kept.armed
    assert kept.bytes > 3 * sum(p.nbytes for p in loop.model.parameters())


def test_a_scaler_that_skips_updates_is_counted_and_no_breakpoint(watch: Watch) -> None:
    model = nn.Linear(3, 2)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=10_000)
    for kind, sick in ((torch.optim.SGD, {2, 5}), (lambda p, lr: torch.optim.AdamW(p, lr=lr, fused=True), {3})):
        optimizer = kind(model.parameters(), lr=0.01)
        made = 0
        for number in range(1, 8):
            loss = model(torch.ones(4, 3)).square().mean() * (math.inf if number in sick else 1.0)
            scaler.scale(loss).backward()
            before = model.weight.detach().clone()
            scaler.step(optimizer)
            scaler.update(2.0)
            optimizer.zero_grad()
            made += not torch.equal(before, model.weight)
            if number == 1:
                watch.probe.steering.bench.breaks.set("odd", 0.0)
        assert made == 7 - len(sick)
    found = watch.end()
    assert [one.step for one in found if isinstance(one, events.End)] == [5 + 6]
    assert [one.skipped for one in found if isinstance(one, events.Tick)][-1] == 3
    assert not [one for one in found if isinstance(one, (events.Gate, events.Warning))]


def test_a_gradient_of_the_second_optimizer_holds_training_too(watch: Watch) -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizers = [torch.optim.SGD([one], lr=0.1) for one in (first, second)]
    rounds = [0]

    def train() -> None:
        while True:
            rounds[0] += 1
            for parameter, optimizer in zip((first, second), optimizers):
                factor = math.nan if rounds[0] == 4 and parameter is second else 1.0
                (parameter.square().sum() * factor).backward()
                optimizer.step()
                optimizer.zero_grad()

    def steer(hand: Hand) -> None:
        hand.ask(events.Break(when="odd"))
        gate = until(hand.held)
        assert "not finite" in gate.why and bool(torch.isfinite(second).all())

    watch.hand.ask(events.Break(when="odd"))
    watch.steered(train, steer)


def test_training_goes_on_from_there(watch: Watch) -> None:
    loop = Loop("SGD")
    watch.pause_at_first()

    def steer(hand: Hand) -> None:
        until(hand.held)
        step(hand, 2)
        hand.answer(events.Undo())
        until(lambda: (gate := hand.held()) and gate.phase == "update")
        step(hand)
        assert equal(loop.after[3], {**loop.after[3]}) and watch.probe.recorder.summary.step == 2

    watch.steered(loop.run, steer)


def test_nothing_is_kept_while_it_runs_unless_armed(watch: Watch) -> None:
    loop = Loop()

    def steer(hand: Hand) -> None:
        until(lambda: loop.batches > 20)
        hand.ask(events.Pause())
        until(hand.held)
        assert len(watch.probe.steering.bench.ring) == 0
        assert "no update is kept" in hand.answer(events.Undo()).refused
        assert "MB" in hand.answer(events.Arm()).said
        hand.ask(events.Resume())
        seen = loop.batches
        until(lambda: loop.batches > seen + 20)
        assert "paused" in hand.answer(events.Undo()).refused
        hand.ask(events.Pause())
        until(hand.held)
        made = watch.probe.recorder.summary.step
        hand.answer(events.Undo())
        until(lambda: (gate := hand.held()) and gate.phase == "update")
        assert watch.probe.recorder.summary.step == made - 1
        assert equal(loop.state(), loop.after[made - 1]), "exactly what it was"

    watch.steered(loop.run, steer)


def test_the_ring_stays_within_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(100, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    one = undo.Moment(optimizer, [], 0).bytes
    ring = undo.Ring(budget=3 * one + 10)
    for number in range(10):
        ring.keep(optimizer, model, number)
    assert len(ring) == 3 and ring.bytes <= ring.budget
    assert ring.take() is not None and ring.take(3) is None
    small = undo.Ring(budget=one - 1)
    small.keep(optimizer, model, 0)
    assert len(small) == 0 and "more than" in small.refused


def test_the_ring_counts_what_small_tensors_take_and_what_is_gone_no_more() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    ring = undo.Ring(budget=100_000)
    for number in range(200):
        ring.keep(optimizer, model, number)
    assert 50 < len(ring) < 100  # each takes two tensors, hardly any numbers
    each = ring.bytes // len(ring)
    assert ring.take(3) is not None and ring.bytes == each * len(ring)
    ring.forget()
    assert ring.bytes == 0


def test_a_model_that_changed_is_not_touched() -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    moment = undo.Moment(optimizer, undo.buffers_of(model), 0)
    with torch.no_grad():
        model.weight.data = torch.ones(3, 2)
    assert "no longer" in moment.come_back() and model.weight.shape == (3, 2)


# ── breakpoints ──


def test_it_holds_before_a_gradient_that_is_not_finite_reaches_the_weights(watch: Watch) -> None:
    loop = Loop("SGD", sick_at=30)

    def steer(hand: Hand) -> None:
        hand.answer(events.Break(when="odd"))
        gate = until(hand.held)
        assert gate.phase == "backward" and "0.weight is not finite" in gate.why
        assert all(bool(torch.isfinite(value).all()) for value in loop.weights().values())
        assert gate.step == 29 and loop.batches == 30

    watch.steered(loop.run, steer)


@pytest.mark.parametrize(
    "when, value, words", [("step", 25, "update 25"), ("loss", 1e-9, "above"), ("norm", 1e-9, "most of it")]
)
def test_other_conditions(watch: Watch, when: str, value: float, words: str) -> None:
    loop = Loop("SGD")
    watch.hand.ask(events.Break(when=when, value=value))

    def steer(hand: Hand) -> None:
        gate = until(hand.held)
        assert words in gate.why
        assert when != "step" or gate.step == 24
        hand.ask(events.Break(when="none"))
        hand.ask(events.Resume())
        seen = loop.batches
        until(lambda: loop.batches > seen + 5)
        assert watch.probe.steering.bench.breaks.conditions == {}

    watch.steered(loop.run, steer)


def test_a_norm_far_above_its_median() -> None:
    breaks = Breaks()
    breaks.set("times", 5.0)
    for number in range(30):
        assert breaks.hit(number, 1.0, [3.0, 4.0], ["a", "b"]) is None
    why = breaks.hit(31, 1.0, [3.0, 40.0], ["a", "b"])
    assert why is not None and "8 times its median" in why and "in b" in why
    assert breaks.hit(32, 1.0, [3.0, 4.0], ["a", "b"]) is None


def test_a_loss_that_is_none_any_more_holds_once() -> None:
    breaks = Breaks()
    breaks.set("loss", 2.0)
    assert breaks.hit(1, 3.0, None, []) == "the loss is 3, above 2" == breaks.hit(2, 3.0, None, [])
    assert breaks.hit(3, math.nan, None, []) is not None
    assert breaks.hit(4, math.nan, None, []) is None


@pytest.mark.parametrize(
    "when, value, words",
    [("never", 1, "there is no breakpoint"), ("norm", -1, "above zero"), ("loss", math.nan, "not finite")],
)
def test_refused(when: str, value: float, words: str) -> None:
    assert words in Breaks().refusal(when, value)
    assert Breaks().refusal("odd", 0.0) == "" and Breaks().refusal("loss", -3.0) == ""


# ── saving ──


def test_weights_are_written_whole(watch: Watch) -> None:
    loop = Loop("Adam")
    watch.pause_at_first()
    files: list[str] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        step(hand, 3)
        first, second = hand.answer(events.Save()), hand.answer(events.Save())
        files.extend(one.said.rpartition(" (")[0] for one in (first, second))
        hand.ask(events.Resume())
        running = hand.answer(events.Save())
        files.append(running.said.rpartition(" (")[0])

    watch.steered(loop.run, steer)
    assert len(set(files)) == 3
    for name in files[:2]:
        saved = torch.load(name, weights_only=True)
        assert saved["step"] == 3
        for key, value in saved["model"].items():
            if "running" not in key and "tracked" not in key:  # the batch in hand has passed already
                assert torch.equal(value, loop.after[3][key]), key
        (state,) = saved["optimizers"]
        assert torch.equal(state["state"][0]["exp_avg"], loop.after[3]["0 exp_avg"])
    folder = watch.run.path / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == sorted(name.rpartition("/")[2] for name in files)


def test_asked_twice_before_the_next_update_both_are_answered(watch: Watch) -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        if step == 1:
            watch.attentive()
            for name in ("one", "two"):
                watch.before_next_update(events.Save(id=name))
        optimizer.zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    answers = {one.id: one for one in watch.end() if isinstance(one, events.Applied)}
    assert "step-2" in answers["one"].said and "already" in answers["two"].refused


def test_a_file_that_cannot_be_written_is_never_called_saved(watch: Watch) -> None:
    loop = Loop("SGD")
    watch.pause_at_first()
    (watch.run.path / "checkpoints").write_text("in the way")

    def steer(hand: Hand) -> None:
        until(hand.held)
        answer = hand.answer(events.Save())
        assert answer.refused and not answer.said

    watch.steered(loop.run, steer)
