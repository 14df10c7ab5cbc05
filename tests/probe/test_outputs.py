"""What a layer put out, as pictures and as histograms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tui.run import events
from tui.run.live import Latest

from ..support import Hand, Onlooker, until
from .conftest import Watch


def training(watch: Watch, model: nn.Module, x: torch.Tensor) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def train() -> None:
        while True:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    return train


def latest(watch: Watch) -> events.Live:
    content = Latest(watch.run.live_file(0)).read()
    return events.decode_live(content) if content else events.Live()


@pytest.mark.parametrize("sample", [0, 1, 99])
def test_feature_maps_of_one_sample(watch: Watch, sample: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    x = torch.randn(2, 1, 4, 4)
    found: list[events.Picture] = []

    def steer(hand: Hand) -> None:
        with Onlooker(watch.run, mode="output", tensor=0, sample=sample, open=["weights"]):
            hand.ask(events.SetRate(value=0.0))
            picture = until(lambda: (one := latest(watch).picture) is not None and one.cells and one)
            found.append(picture)

    watch.steered(training(watch, model, x), steer, looked_at=False)
    (picture,) = found
    assert (picture.units, picture.of, picture.height, picture.width, picture.mode) == (3, 3, 4, 4, "output")
    assert picture.odd == 0 and sum(picture.histogram) == 48


def test_histograms_when_the_network_is_looked_at_closely(watch: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(8, 3)
    found: list[events.Activation] = []

    def steer(hand: Hand) -> None:
        with Onlooker(watch.run, open=["network"]):
            until(lambda: any(one.histogram for one in latest(watch).activations))
            found.extend(latest(watch).activations)

    watch.steered(training(watch, model, x), steer, looked_at=False)
    assert [sum(one.histogram) for one in found] == [32, 32, 16]
    relu = found[1]
    assert relu.low == 0.0 and relu.high is not None and relu.high > 0
    assert relu.on is not None and relu.histogram[0] >= 32 * (1 - relu.on) - 1e-3


def test_outputs_that_are_not_finite(watch: Watch) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    found: list[events.Picture] = []

    def steer(hand: Hand) -> None:
        with Onlooker(watch.run, mode="output", tensor=0, open=["weights"]):
            found.append(until(lambda: (one := latest(watch).picture) is not None and one.cells and one))

    watch.steered(training(watch, model, torch.randn(2, 3)), steer, looked_at=False)
    assert found[0].odd >= 1 and "n" in found[0].cells
