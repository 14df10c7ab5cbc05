"""The checkup: what it measures of single steps is true, and looking changes nothing."""

from __future__ import annotations

import math
from typing import Any, Callable, Optional

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tui.probe import specimen
from tui.probe.checker import EVERY_S, Checker
from tui.run.events import Checkup, Presence
from tui.run.events import Warning as WarningEvent

from ..history.bench import EveryNth, hurry
from ..support import Onlooker, events_of, until
from .conftest import Relay, Watch

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def watched(watch: Watch, step: Callable[[], None], steps: int = 6) -> list[Checkup]:
    """Makes steps, all but the first of them looked at; what was recorded of them."""
    with Onlooker(watch.run):
        step()
        hurry(watch, 1)
        for _ in range(steps):
            step()
    found = watch.end()
    assert [one.text for one in found if isinstance(one, WarningEvent)] == []
    looks = [one for one in found if isinstance(one, Checkup)]
    assert looks
    return looks


def classifier(
    watch: Watch, model: nn.Module, x: torch.Tensor, y: torch.Tensor, loss: Loss = F.cross_entropy, **how: Any
) -> list[Checkup]:
    optimizer = torch.optim.SGD(model.parameters(), how.pop("lr", 0.1))

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return watched(watch, step, **how)


# ── the batch ──


def test_the_batch_is_measured(watch: Watch) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(40, 5) * 3 + 2, torch.tensor([0, 1, 2, 2] * 10)
    model = nn.Linear(5, 4)
    look = classifier(watch, model, x, y, lr=0.0)[-1]
    right = (model(x).argmax(1) == y).float().mean().item()
    assert (look.samples, look.classes, look.labels) == (40, 4, [10, 10, 20, 0])
    assert look.accuracy == pytest.approx(right, abs=1e-4) and 0 < right < 1
    assert look.input_mean == pytest.approx(x.abs().mean().item(), rel=1e-4)
    assert look.input_std == pytest.approx(x.std(unbiased=False).item(), rel=1e-4)
    assert look.input_high == pytest.approx(x.abs().max().item(), rel=1e-4)
    assert look.sums_to_one is False and not look.normalises and look.weights_odd == 0
    assert look.cosine == pytest.approx(1.0, abs=1e-4) and look.carried is False


def test_labels_to_be_ignored_do_not_count(watch: Watch) -> None:
    y = torch.tensor([0, 1, -100, -100])
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.copy_(torch.tensor([1.0, 0.0]))
    look = classifier(watch, model, torch.ones(4, 2), y, lr=0.0)[-1]
    assert look.labels == [1, 1] and look.accuracy == 0.5


def test_two_classes_as_one_score(watch: Watch) -> None:
    y = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    look = classifier(watch, nn.Linear(3, 1), torch.randn(4, 3), y, F.binary_cross_entropy_with_logits)[-1]
    assert (look.classes, look.labels) == (2, [3, 1]) and look.accuracy is not None


def test_no_classes_no_labels(watch: Watch) -> None:
    look = classifier(watch, nn.Linear(3, 1), torch.randn(4, 3), torch.randn(4, 1), F.mse_loss)[-1]
    assert (look.classes, look.labels, look.accuracy, look.sums_to_one) == (0, [], None, None)
    assert look.samples == 4 and look.input_std is not None


class Scaled(nn.Module):
    """Brings its inputs to scale before the first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x / 255)  # type: ignore[no-any-return]


def test_the_scale_is_that_of_what_the_first_layer_is_given(watch: Watch) -> None:
    look = classifier(watch, Scaled(), torch.full((8, 4), 255.0), torch.zeros(8, dtype=torch.long))[-1]
    assert look.input_mean == 1.0


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(4), nn.BatchNorm1d(4, affine=False), nn.LayerNorm(4)])
def test_a_normalisation_first_is_told(watch: Watch, norm: nn.Module) -> None:
    model = nn.Sequential(norm, nn.Linear(4, 3))
    look = classifier(watch, model, torch.randn(8, 4) * 100, torch.zeros(8, dtype=torch.long))[-1]
    assert look.normalises


def test_words_have_no_scale(watch: Watch) -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 3))
    look = classifier(watch, model, torch.randint(0, 9, (8, 3)), torch.zeros(8, dtype=torch.long))[-1]
    assert look.input_mean is None and look.classes == 3


# ── softmax, once or twice ──


def net(*more: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 4), *more)


class Shares(nn.Module):
    """Positive numbers, divided by their sum."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.exp() / x.exp().sum(1, keepdim=True)


@pytest.mark.parametrize(
    "model, loss, twice",
    [
        (net(), F.cross_entropy, False),
        (net(nn.Softmax(1)), F.cross_entropy, True),
        (net(Shares()), F.cross_entropy, True),
        (net(), lambda scores, y: F.cross_entropy(scores.softmax(1), y), True),
        (net(), lambda scores, y: F.cross_entropy(scores.softmax(1).view(-1, 4), y), True),
        (net(nn.LogSoftmax(1)), F.nll_loss, False),
        (net(nn.LogSoftmax(1)), F.cross_entropy, False),
        (net(nn.Softmax(1)), lambda chances, y: F.nll_loss(chances.log(), y), False),
        (net(nn.ReLU()), F.cross_entropy, False),
    ],
)
def test_softmax_once_or_twice(watch: Watch, model: nn.Module, loss: Loss, twice: bool) -> None:
    torch.manual_seed(0)
    looks = classifier(watch, model, torch.randn(16, 5), torch.randint(0, 4, (16,)), loss)
    assert {look.sums_to_one for look in looks} == {twice}


# ── gradients: cleared or carried over ──


def test_gradients_that_are_not_cleared(watch: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def step() -> None:
        F.cross_entropy(model(torch.randn(16, 6)), torch.randint(0, 3, (16,))).backward()
        optimizer.step()

    looks = watched(watch, step, 30)
    assert all(look.carried for look in looks)
    assert sum(look.cosine or 0 for look in looks[10:]) / len(looks[10:]) > 0.9


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_cleared_before_or_behind_the_step(watch: Watch, to_none: bool, first: bool) -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)

    def step() -> None:
        if first:
            optimizer.zero_grad(set_to_none=to_none)
        F.cross_entropy(model(torch.randn(4, 6)), torch.randint(0, 3, (4,))).backward()
        optimizer.step()
        if not first:
            optimizer.zero_grad(set_to_none=to_none)

    looks = watched(watch, step, 20)
    assert all(look.carried is False for look in looks)
    assert len({look.cosine for look in looks}) > 10


def test_the_cosine_is_that_of_two_updates_in_a_row(watch: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    grads: list[torch.Tensor] = []

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(4, 6)), torch.randint(0, 3, (4,))).backward()
        grads.append(torch.cat([one.grad.flatten().clone() for one in model.parameters()]))  # type: ignore[union-attr]
        optimizer.step()

    looks = watched(watch, step)
    expected = [F.cosine_similarity(one, other, 0).item() for one, other in zip(grads, grads[1:])]
    assert [look.cosine for look in looks] == pytest.approx(expected[-len(looks) :], abs=1e-4)


def test_gradients_gathered_on_purpose_are_cleared_once(watch: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def step() -> None:
        optimizer.zero_grad()
        for _ in range(4):
            (F.cross_entropy(model(torch.randn(4, 6)), torch.randint(0, 3, (4,))) / 4).backward()
        optimizer.step()

    assert all(look.carried is False for look in watched(watch, step))


def test_two_models_that_play_against_each_other(watch: Watch) -> None:
    """The loss of the one leaves gradients in the other, which are cleared before its own turn."""
    torch.manual_seed(0)
    one, other = nn.Linear(4, 4), nn.Linear(4, 1)
    of_one, of_other = torch.optim.SGD(one.parameters(), 0.01), torch.optim.SGD(other.parameters(), 0.01)

    def step() -> None:
        of_other.zero_grad()
        (other(torch.randn(8, 4)).square().mean() + other(one(torch.randn(8, 4)).detach()).mean()).backward()
        of_other.step()
        of_one.zero_grad()
        other(one(torch.randn(8, 4))).square().mean().backward()
        of_one.step()

    looks = watched(watch, step, 10)
    assert not any(look.carried for look in looks)


def test_a_closure_inside_the_step(watch: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1)
    x, y = torch.randn(8, 4), torch.randint(0, 2, (8,))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    with Onlooker(watch.run):
        optimizer.step(closure)
        hurry(watch, 1)
        for _ in range(5):
            optimizer.step(closure)
    assert [one.text for one in watch.end() if isinstance(one, WarningEvent)] == []


# ── silence ──


def silent_model(units: int, off: int) -> nn.Module:
    """`off` of its units are below zero whatever comes in, the others above."""
    model = nn.Sequential(nn.Linear(4, units), nn.ReLU(), nn.Linear(units, 3))
    with torch.no_grad():
        model[0].weight.mul_(0.01)  # type: ignore[operator]
        model[0].bias.fill_(1.0)  # type: ignore[operator]
        model[0].bias[:off] = -1.0  # type: ignore[index]
    return model


def test_units_that_stay_silent(watch: Watch) -> None:
    looks = classifier(watch, silent_model(10, 3), torch.randn(100, 4), torch.randint(0, 3, (100,)), lr=0.0, steps=14)
    first, last = looks[0].silences[0], looks[-1].silences[0]
    assert (first.samples, last.samples) == (100, 1000)
    assert (last.module, last.units, last.silent, last.before) == (2, 10, 3, False)
    assert last.off == pytest.approx(0.3, abs=1e-3)


def test_a_unit_is_silent_after_a_thousand_samples_without_a_word(watch: Watch) -> None:
    model = silent_model(10, 0)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    made = 0

    def step() -> None:
        nonlocal made
        optimizer.zero_grad()
        model(torch.randn(100, 4)).sum().backward()
        optimizer.step()
        made += 1
        if made == 10:
            with torch.no_grad():
                model[0].bias[:4] = -1.0  # type: ignore[index]

    looks = watched(watch, step, 25)
    counts = [look.silences[0].silent for look in looks]
    since = counts.index(4)
    assert set(counts[:since]) == {0} and set(counts[since:]) == {4}
    speaking = sum(1 for look in looks if look.step <= 10)
    assert since == speaking + 10 - 1


class Functional(nn.Module):
    """Rectifies without a module for it, and pools."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 5, 3), nn.Linear(5, 3)
        with torch.no_grad():
            self.one.weight.mul_(0.01)
            self.one.bias.copy_(torch.tensor([1.0, 1.0, 1.0, 1.0, -1.0, -1.0]))  # type: ignore[union-attr]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.one(x)), 2)
        return self.out(F.relu(self.two(x)).mean((2, 3)))  # type: ignore[no-any-return]


def test_channels_behind_a_function(watch: Watch) -> None:
    look = classifier(watch, Functional(), torch.randn(8, 1, 10, 10), torch.zeros(8, dtype=torch.long), lr=0.0)[-1]
    assert [(one.module, one.before, one.units, one.silent) for one in look.silences] == [(2, True, 6, 2)]


def test_channels_of_a_convolution_and_words_of_a_sequence(watch: Watch) -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv1d(2, 7, 3), nn.ReLU()
            self.each, self.again, self.out = nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.relu(self.conv(x)).transpose(1, 2)
            return self.out(self.again(self.each(x)).mean(1))  # type: ignore[no-any-return]

    look = classifier(watch, Both(), torch.randn(8, 2, 12), torch.zeros(8, dtype=torch.long), steps=1)[-1]
    assert [(one.units, one.samples) for one in look.silences] == [(7, 8), (6, 80)]


def test_what_leaks_is_never_dead(watch: Watch) -> None:
    model = nn.Sequential(nn.Linear(4, 10), nn.LeakyReLU(), nn.Linear(10, 10), nn.GELU(), nn.Linear(10, 3))
    look = classifier(watch, model, torch.randn(8, 4), torch.zeros(8, dtype=torch.long))[-1]
    assert look.silences == []


# ── weights ──


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers(watch: Watch, value: float) -> None:
    model = nn.Linear(4, 2)
    model.aside = nn.Parameter(torch.tensor([1.0, value]))  # in no computation: one made of it would spread
    assert classifier(watch, model, torch.randn(8, 4), torch.zeros(8, dtype=torch.long), lr=0.0)[-1].weights_odd == 1


# ── manners ──


def test_nobody_looks_nothing_is_measured(watch: Watch) -> None:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.long)).backward()
        optimizer.step()
    assert not [one for one in watch.end() if isinstance(one, Checkup)]


def test_it_looks_whatever_is_open_and_twice_a_second_at_most(watch: Watch) -> None:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    checker = watch.probe.recorder.gaze.eyes[0]
    assert isinstance(checker, Checker) and checker.wanted(Presence(open=["log"]), False)
    with Onlooker(watch.run, open=["log"]):

        def step() -> list[Any]:
            optimizer.zero_grad()
            F.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.long)).backward()
            optimizer.step()
            return [one for one in events_of(watch.run) if isinstance(one, Checkup)]

        looks = until(lambda: found if len(found := step()) >= 3 else None)
    assert all(later.t - sooner.t >= 0.9 * EVERY_S for sooner, later in zip(looks, looks[1:]))


def test_a_frozen_part_does_not_matter(watch: Watch) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    model[0].requires_grad_(False)
    look = classifier(watch, model, torch.randn(8, 4), torch.zeros(8, dtype=torch.long))[-1]
    assert look.carried is False and look.cosine is not None


def test_large_scores_are_not_held_on_to(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specimen, "MOST_BYTES", 100)
    judged, kept = specimen.Specimen.judged, []

    def judged_and_seen(one: Any, loss: torch.Tensor) -> None:
        judged(one, loss)
        kept.append((one.classes, one.scores, one.output))

    monkeypatch.setattr(specimen.Specimen, "judged", judged_and_seen)
    look = classifier(watch, nn.Linear(4, 9), torch.randn(8, 4), torch.zeros(8, dtype=torch.long))[-1]
    assert (look.classes, look.labels[0], look.accuracy, look.sums_to_one) == (9, 8, None, False)
    assert kept and set(kept) == {(9, None, None)}


def test_watching_changes_no_bit(watch: Watch, relay: Relay) -> None:
    def train(begun: Optional[Callable[[], None]]) -> tuple[list[float], list[torch.Tensor]]:
        torch.manual_seed(3)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Dropout(0.3),
            nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 3),
        )  # fmt: skip
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        losses = []
        for step in range(60):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(torch.randn(12, 1, 8, 8)), torch.randint(0, 3, (12,)))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if step == 0 and begun is not None:
                begun()
        return losses, [*model.parameters(), *model.buffers()]

    with Onlooker(watch.run, open=["doctor"]):
        losses, weights = train(lambda: hurry(watch, 1))
    found = watch.end()
    looks = [one for one in found if isinstance(one, Checkup)]
    assert len(looks) > 50 and looks[-1].cosine is not None and looks[-1].silences
    bare_losses, bare_weights = train(None)
    assert losses == bare_losses
    assert all(torch.equal(one, other) for one, other in zip(weights, bare_weights))


def test_a_pace_that_counts() -> None:
    pace = EveryNth(3)
    assert [pace.due(0.0) for _ in range(6)] == [False, False, True] * 2
