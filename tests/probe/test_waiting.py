"""How long training waits for its loader: timed at the loader's iterator, told as a share of the time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Optional

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from tui.probe import hooks
from tui.probe.dial import Dial
from tui.probe.summary import Summary
from tui.run import events

from .conftest import Relay, Watch


class Slow(Dataset[torch.Tensor]):
    """Four samples, each of which takes half a second of a clock's time."""

    def __init__(self, clock: list[float]) -> None:
        self.clock = clock

    def __len__(self) -> int:
        return 4

    def __getitem__(self, place: int) -> torch.Tensor:
        self.clock[0] += 0.5
        return torch.ones(3)


def test_what_the_iterator_takes_is_timed(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(hooks, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    waits: list[float] = []
    relay.probe = SimpleNamespace(batch=lambda iterator, data, waited_s: waits.append(waited_s))
    try:
        for _ in DataLoader(Slow(clock), batch_size=2):
            clock[0] += 7.0  # what the program does with it is none of the loader's time
    finally:
        relay.probe = None
    assert waits == [1.0, 1.0]


class Iterator:
    """Stands for a loader's."""


def shares(waits: list[Optional[float]], held_s: float = 0.0) -> list[Optional[float]]:
    """The share that each of these steps of one second tells; None is a step without a loader."""
    summary, iterator, found = Summary(), Iterator(), []
    for second, waited_s in enumerate(waits):
        if waited_s is not None:
            summary.loaded(iterator, torch.ones(2), waited_s)
        summary.updated_quietly()
        now = 10.0 + second * (1.0 + held_s)
        found.append(summary.tick(second, now, second * held_s, False, Dial(), None).wait)
    return found[1:]  # the first begins the account


def test_the_share_is_that_of_the_time_training_ran() -> None:
    assert shares([0.1, 0.25, 0.5, 0.0]) == [0.25, 0.5, 0.0]
    assert shares([0.1, 0.25, 0.5, 0.0], held_s=9.0) == [0.25, 0.5, 0.0]  # while held nothing waits
    assert shares([0.1, 3.0]) == [1.0]  # loaders inside loaders


def test_without_a_loader_there_is_no_share() -> None:
    assert shares([None, None, None]) == [None, None]


def test_ticks_of_a_training_tell_it(watch: Watch) -> None:
    def train() -> None:
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        while True:
            for batch in DataLoader(Slow([0.0]), batch_size=1):
                model(batch).sum().backward()
                optimizer.step()

    def steer(hand: Any) -> None:
        from ..support import events_of, until

        until(lambda: any(isinstance(one, events.Tick) and one.wait is not None for one in events_of(watch.run)))

    watch.steered(train, steer)
    assert all(0 <= one.wait <= 1 for one in watch.ticks() if one.wait is not None)
