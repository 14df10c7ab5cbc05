"""Asked to stop, a trainer's own flag is set; a loop of the program's own gets a KeyboardInterrupt."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from tui.probe import trainers
from tui.run import events

from .conftest import Watch


def lightning(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trainer of the shape of Lightning's."""

    class Trainer:
        training = True
        should_stop = False

    module = ModuleType("lightning.pytorch.trainer.trainer")
    module.Trainer = Trainer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Trainer()


def hugging_face(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trainer of the shape of Hugging Face's."""

    class Trainer:
        def __init__(self) -> None:
            self.control = SimpleNamespace(should_training_stop=False)
            self.state = SimpleNamespace(global_step=0)
            self.optimizer = object()

        @property
        def should_stop(self) -> bool:
            return bool(self.control.should_training_stop)

    module = ModuleType("transformers.trainer")
    module.Trainer = Trainer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Trainer()


@pytest.mark.parametrize("make", [lightning, hugging_face])
def test_the_flag_is_set_and_nothing_is_raised(watch: Watch, monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    trainer = make(monkeypatch)
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.01)
    watch.hand.ask(events.Stop())
    made = 0
    while not trainer.should_stop:
        parameter.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        made += 1
    found = watch.end()
    assert [one.do for one in found if isinstance(one, events.Did)] == ["stop"]
    assert [one.step for one in found if isinstance(one, events.End)] == [made]


def test_a_trainer_that_fits_nothing_now_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = lightning(monkeypatch)
    trainer.training = False
    assert trainers.ask_to_stop() == "" and not trainer.should_stop


def test_a_trainer_that_is_done_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = hugging_face(monkeypatch)
    trainer.is_in_train = False
    assert trainers.ask_to_stop() == "" and not trainer.should_stop
    trainer.is_in_train = True
    assert trainers.ask_to_stop() == "Trainer" and trainer.should_stop


def test_without_a_trainer_training_ends_as_after_ctrl_c(watch: Watch) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.01)
    watch.hand.ask(events.Stop())
    made = [0]

    def train() -> None:
        while True:
            parameter.square().sum().backward()
            optimizer.step()
            made[0] += 1

    with pytest.raises(KeyboardInterrupt):
        train()
    # the update after which it ended was made
    assert [one.step for one in watch.end() if isinstance(one, events.End)] == [made[0] + 1]
