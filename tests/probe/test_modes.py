"""Modes that a program puts over torch, and models that it drops: what looks at them leaves no trace."""

from __future__ import annotations

import collections
import gc
import warnings
import weakref
from typing import Any, Callable, ClassVar, Optional

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode

from tui.run import events
from tui.run.directory import RunDirectory

from ..support import Onlooker
from .conftest import Watch

PANELS = ("network", "weights", "gradients", "explain", "doctor", "phases", "predict", "valley")
"""The last two run the program's model, on a copy: there its modes hold."""


class Calls(TorchFunctionMode):
    """Counts what is called from Python."""

    def __init__(self) -> None:
        super().__init__()
        self.made: collections.Counter[str] = collections.Counter()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.made[getattr(function, "__name__", str(function))] += 1
        return function(*args, **(kwargs or {}))


class Net(nn.Module):
    """Remembers, for itself and all its copies, where tensors are made by default. Warns when it is only asked."""

    devices: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(16, 8, device="cpu"), nn.Linear(8, 3, device="cpu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.devices.add(torch.empty(0).device.type)
        if not torch.is_grad_enabled():
            warnings.warn("asked without gradients", stacklevel=1)
        out: torch.Tensor = self.head(torch.relu(self.stem(x)))
        return out


def training(model: nn.Module) -> Callable[[int], None]:
    drawn = torch.Generator(device="cpu").manual_seed(0)
    x = torch.randn(32, 16, generator=drawn, device="cpu")
    y = torch.arange(32, device="cpu") % 3
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def train(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

    return train


def live(run: RunDirectory) -> Optional[events.Live]:
    path = run.live_file(0)
    return events.decode_live(path.read_bytes()) if path.exists() else None


@pytest.mark.parametrize("panels", [(), PANELS[:-2]], ids=["nobody", "panels"])
def test_a_mode_of_the_program_sees_the_calls_of_the_program(
    watch: Watch, run: RunDirectory, panels: tuple[str, ...]
) -> None:
    train = training(Net())
    train(1)
    with Calls() as one:
        train(1)
    with Calls() as many:
        train(400)
        if panels:
            with Onlooker(run, open=panels, restless=True):
                while live(run) is None:
                    train(100)
                train(400)
    steps = watch.ticks()[-1].step - 2
    assert steps >= 400 and many.made == {name: steps * count for name, count in one.made.items()}


def test_everything_is_shown_of_a_program_with_a_default_device(
    watch: Watch, run: RunDirectory, recwarn: pytest.WarningsRecorder
) -> None:
    model = Net()
    train = training(model)
    Net.devices.clear()
    met: set[int] = set()
    hook = register_module_forward_hook(lambda module, given, out: met.add(id(module)))
    torch.set_default_device("meta")
    try:
        with Onlooker(run, open=PANELS, restless=True):
            while live(run) is None:
                train(100)
            train(300)
    finally:
        torch.set_default_device(None)
        hook.remove()
    assert Net.devices == {"meta"}
    assert not [one for one in recwarn if "asked" in str(one.message)]
    with torch.no_grad():
        model(torch.ones(1, 16))
    assert [one for one in recwarn if "asked" in str(one.message)]  # it still can
    assert met == {id(module) for module in model.modules()}  # not those of a copy
    tick = watch.ticks()[-1]  # nothing was switched off
    assert tick.norms is not None and len(tick.norms) == 4 and all(norm and norm > 0 for norm in tick.norms)
    shown = live(run)
    assert shown is not None and shown.picture is not None
    assert shown.predictions is not None and shown.predictions.known == 32


def test_a_model_that_is_dropped_is_gone_though_somebody_looked(watch: Watch, run: RunDirectory) -> None:
    model = nn.Sequential(nn.Linear(16, 400_000), nn.ReLU(), nn.Linear(400_000, 3))  # too large to be held on to
    train = training(model)
    with Onlooker(run, open=PANELS):
        train(4)
        gone = weakref.ref(model)
        del model, train
        gc.collect()
        assert gone() is None
    assert watch.ticks()[-1].step == 4


def test_nothing_of_the_program_is_held_behind_its_end(watch: Watch, run: RunDirectory) -> None:
    def train() -> list[weakref.ReferenceType[Any]]:
        class Own(torch.optim.SGD):
            def step(self, closure: Any = None) -> Any:
                return super().step(closure)

        model = Net()
        optimizer = Own(model.parameters(), lr=0.01)
        x, y = torch.rand(32, 16), torch.arange(32) % 3
        with Onlooker(run, open=PANELS, restless=True):
            while True:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()
                shown = live(run)
                if shown is not None and shown.predictions is not None and shown.picture is not None:
                    return [weakref.ref(one) for one in (model, *model.parameters(), optimizer, Own)]

    held = train()
    watch.end()
    gc.collect()
    assert [one() for one in held] == [None] * 7


def test_other_hooks_of_the_program_before_updates_are_gone_through_undisturbed(watch: Watch) -> None:
    """One of them makes updates itself, with another model: torch is going through the hooks meanwhile."""
    one, other = Net(), Net()
    x, y = torch.rand(32, 16), torch.arange(32) % 3
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.01) for model in (one, other)]
    made = [0, 0]

    def step(number: int) -> None:
        optimizers[number].zero_grad()
        nn.functional.cross_entropy((one, other)[number](x), y).backward()
        optimizers[number].step()
        made[number] += 1

    def between(optimizer: Any, args: Any, kwargs: Any) -> None:
        if optimizer is optimizers[0]:
            step(1)

    handles = [register_optimizer_step_pre_hook(hook) for hook in (between, lambda *ignored: None)]
    try:
        while watch.probe.recorder.summary.step < 2_000:
            step(0)
    finally:
        for handle in handles:
            handle.remove()
    assert made[0] == made[1] >= 2_000


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_trace_of_the_model_is_the_programs_alone(watch: Watch, run: RunDirectory) -> None:
    def traced() -> list[str]:
        return [node.kind() for node in torch.jit.trace(model, torch.ones(2, 16)).inlined_graph.nodes()]

    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
    train = training(model)
    train(1)
    bare = traced()
    assert "aten::linear" in bare
    with Onlooker(run, open=PANELS):
        while live(run) is None:
            train(50)
        for _ in range(3):
            while not watch.probe.recorder.pictures.exposed:
                train(1)
            assert traced() == bare
            train(1)
    watch.ticks()  # nothing was switched off
