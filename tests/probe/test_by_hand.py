"""Training without an optimizer object: updates are told by what the tensors show between two backward passes."""

from __future__ import annotations

from typing import Any, Callable

import pytest
import torch

from tui.probe import probe
from tui.run import events

from ..support import Hand, until
from .conftest import Watch


@pytest.fixture(autouse=True)
def mine(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The optimizers that there are: other tests of this process have left some."""
    there: list[Any] = []
    monkeypatch.setattr(probe, "find_optimizers", lambda: there)
    return there


def net() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


def batch() -> torch.Tensor:
    return torch.ones(4, 3)


def in_place(model: Any) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
            parameter.grad = None


def by_data(model: Any) -> None:
    for parameter in model.parameters():
        parameter.data -= 0.1 * parameter.grad.data
        parameter.grad.data.zero_()


def cleared_only(model: Any) -> None:
    """Only the clearing tells: one weight of many, and not the one that is looked at, has moved."""
    with torch.no_grad():
        model.weight.data[0, 0] -= 0.1
    model.zero_grad()


@pytest.mark.parametrize("update", [in_place, by_data, cleared_only])
def test_updates_by_hand_are_counted_with_their_losses_norms_and_module_tree(
    watch: Watch, update: Callable[[Any], None]
) -> None:
    model = net()
    losses, norms = [], []
    for _ in range(6):
        loss = model(batch()).square().mean()
        loss.backward()
        losses.append(loss.item())
        norms.append(model.weight.grad.norm().item())
        update(model)
    found = watch.end()
    ticks = [one for one in found if isinstance(one, events.Tick)]
    assert [one.step for one in found if isinstance(one, events.End)] == [6]
    assert ticks[-1].loss == pytest.approx(losses[-1], rel=1e-5)
    at = {one.norms_step: one.norms[0] for one in ticks if one.norms}
    assert at and all(at[step] == pytest.approx(norms[step - 1], rel=1e-5) for step in at)
    last = [one for one in found if isinstance(one, events.Model)][-1]
    assert [one.name for one in last.tensors] == ["weight", "bias"] and last.optimizers == [] and last.counts == ""
    assert not [one for one in found if isinstance(one, events.Warning)]


def test_tensors_that_are_made_anew_at_every_step(watch: Watch) -> None:
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    losses = []
    for _ in range(5):
        loss = weight.square().sum()
        loss.backward()
        losses.append(loss.item())
        weight = (weight - 0.1 * weight.grad).detach().requires_grad_()  # type: ignore[operator]
    found = watch.end()
    assert [one.step for one in found if isinstance(one, events.End)] == [5]
    assert [one.loss for one in found if isinstance(one, events.Tick)][-1] == pytest.approx(losses[-1], rel=1e-5)
    assert len([one for one in found if isinstance(one, events.Model)]) == 1  # the same as before is no news


def test_gradients_that_pile_up_before_an_update_are_one_step(watch: Watch) -> None:
    model = net()
    for _ in range(3):
        for _ in range(4):
            model(batch()).square().mean().backward()
        in_place(model)
    assert [one.step for one in watch.end() if isinstance(one, events.End)] == [3]


def test_without_any_sign_of_an_update_the_passes_are_counted_and_said_to_be_passes(watch: Watch) -> None:
    model = net()
    for _ in range(20):
        model(batch()).square().mean().backward()
    found = watch.end()
    assert [one.step for one in found if isinstance(one, events.End)][0] > 0
    assert [one.counts for one in found if isinstance(one, events.Model)][-1] == "backward passes"


def test_a_few_backward_passes_are_no_training(watch: Watch) -> None:
    model = net()
    for _ in range(5):
        model(batch()).square().mean().backward()
    assert watch.end() == []


def test_an_optimizer_that_comes_later_takes_over(watch: Watch, mine: list[Any]) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    mine.append(optimizer)
    for _ in range(3):
        for _ in range(5):  # enough for a look whether there is an optimizer
            model(batch()).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    found = watch.end()
    assert [one.step for one in found if isinstance(one, events.End)] == [3]
    assert [one for one in found if isinstance(one, events.Model)][-1].optimizers == ["SGD"]


def test_it_is_paused_before_the_update_and_what_needs_an_optimizer_is_refused(watch: Watch) -> None:
    model = net()
    made = [0]

    def train() -> None:
        while True:
            model(batch()).square().mean().backward()
            in_place(model)
            made[0] += 1

    def steer(hand: Hand) -> None:
        until(lambda: made[0] > 3)
        hand.answer(events.Pause())
        before = made[0]
        hand.ask(events.Step(n=2))
        until(lambda: hand.held() and made[0] == before + 2)
        assert "by hand" in hand.answer(events.Undo()).refused
        assert "rate" in hand.answer(events.SetRate(factor=0.5)).refused

    watch.steered(train, steer)
