"""Going back to the weights of the lowest validation loss, and the rate that a run is started with."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from tui.probe.keeper import Keeper
from tui.run import events

from ..support import Hand, until
from .conftest import Watch


class Training:
    """A loop that says after each step what a validation might; its end is the hand's Stop or Rewind."""

    def __init__(self, watch: Watch, losses: list[float]) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.watch, self.losses = watch, losses
        self.states: list[dict[str, torch.Tensor]] = []

    def state(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def run(self, most: int = 100_000) -> None:
        for step in range(most):
            x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
            self.model(x).square().mean().backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            if step < len(self.losses):
                self.states.append(self.state())
                self.watch.probe.log({"val_loss": self.losses[step]})


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one) and one.keys() == other.keys()


def test_the_best_weights_come_back_bit_by_bit(watch: Watch) -> None:
    training = Training(watch, [3.0, 1.0, math.nan, 2.0, 1.0, 5.0])

    def steer(hand: Hand) -> None:
        until(lambda: len(training.states) == 6)
        answer = hand.answer(events.Rewind())
        assert answer.refused == "" and (answer.before, answer.after) == (5.0, 1.0)

    watch.steered(training.run, steer)
    assert same(training.state(), training.states[1]), "the first of equal ones is kept, NaN never"
    assert watch.probe.recorder.keeper.best == events.Best(
        2, 1.0, 4 * sum(v.numel() for v in training.states[1].values()) + 4
    )


def test_it_stops_as_after_ctrl_c_even_when_paused(watch: Watch) -> None:
    training = Training(watch, [2.0, 1.0, 3.0])

    def steer(hand: Hand) -> None:
        until(lambda: len(training.states) == 3)
        hand.ask(events.Pause())
        until(hand.held)
        hand.answer(events.Rewind())

    watch.steered(training.run, steer)  # which expects the KeyboardInterrupt
    assert same(training.state(), training.states[1])


def test_refused_where_no_loss_was_logged(watch: Watch) -> None:
    training = Training(watch, [])

    def steer(hand: Hand) -> None:
        until(lambda: watch.probe.recorder.summary.step > 3)
        assert "no validation loss" in hand.answer(events.Rewind()).refused

    watch.steered(training.run, steer)


def test_a_model_that_changed_meanwhile_is_not_overwritten() -> None:
    keeper = Keeper()
    model = nn.Linear(2, 2)
    keeper.logged(1.0, 5, model)
    other = nn.Linear(2, 2, bias=False)
    before = other.weight.clone()
    with pytest.raises(ValueError, match="no longer"):
        keeper.put_back(other)
    assert torch.equal(other.weight, before)


def test_worse_losses_keep_nothing() -> None:
    keeper = Keeper()
    model = nn.Linear(2, 2)
    assert keeper.best is None and "no validation loss" in keeper.refusal()
    keeper.logged(1.0, 2, model)
    kept = model.weight.clone()
    with torch.no_grad():
        model.weight.add_(1.0)
    keeper.logged(1.5, 3, model)
    assert keeper.best is not None and keeper.best.step == 2
    keeper.put_back(model)
    assert torch.equal(model.weight, kept)


def test_a_model_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.probe.keeper.MOST_BYTES", 10)
    keeper = Keeper()
    keeper.logged(1.0, 2, nn.Linear(2, 2))
    assert "too large" in keeper.refusal()


def test_a_rate_to_start_with(run: Any, relay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKLIT_RATE", "0.25")
    watch = Watch(run, relay)
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()
        assert optimizer.param_groups[0]["lr"] == 0.1
    assert weight.item() == -0.75, "three steps of 0.25"
    assert watch.ticks()[-1].rate == 0.25
