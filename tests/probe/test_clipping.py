"""Gradient clipping: seen wherever a program calls torch's functions, and nothing about them changed."""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_  # before any hook is there, as a test is collected

from tui.probe.clipping import Clips
from tui.probe.meter import Readout
from tui.run import events

from .conftest import Watch


def train(clip: Any, sizes: list[float], scaler: Any = None) -> tuple[list[float], list[Any]]:
    """One parameter whose gradient has these sizes. Its gradients as they were when it was updated, and what clipping
    returned."""
    weight = nn.Parameter(torch.zeros(4))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    norms, returned = [], []
    for size in sizes:
        loss = (weight * size / 2).sum()
        if scaler is None:
            loss.backward()
        else:
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
        returned.append(clip([weight]))
        assert weight.grad is not None
        norms.append(weight.grad.norm().item())
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
        optimizer.zero_grad()
    return norms, returned


def share(ticks: list[events.Tick]) -> float:
    """Of the steps, over all ticks."""
    seen = [tick for tick in ticks if tick.clipped is not None]
    return sum(tick.clipped * tick.steps for tick in seen) / sum(tick.steps for tick in seen)


SIZES = [0.5, 3.0, 0.5, 0.5, 8.0, 0.5, 1.5, 0.5] * 5


@pytest.mark.parametrize("how", ["imported before", "module", "torch.nn.utils", "in two pieces"])
def test_the_share_of_clipped_steps_is_seen(watch: Watch, how: str) -> None:
    if how == "in two pieces" and not hasattr(nn.utils, "clip_grads_with_norm_"):
        pytest.skip("torch has them since 2.6")

    def in_two_pieces(parameters: Any, limit: float) -> torch.Tensor:
        norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters])
        nn.utils.clip_grads_with_norm_(parameters, limit, norm)
        return norm

    clip = {
        "imported before": clip_grad_norm_,
        "module": nn.utils.clip_grad.clip_grad_norm_,
        "torch.nn.utils": nn.utils.clip_grad_norm_,
        "in two pieces": in_two_pieces,
    }[how]
    norms, returned = train(lambda parameters: clip(parameters, 1.0), SIZES)
    ticks = watch.ticks()
    assert share(ticks) == pytest.approx(15 / 40, rel=1e-3)
    assert {(tick.clip_at, tick.clip_by) for tick in ticks if tick.clipped is not None} == {(1.0, "")}
    # and clipping has done its work, and returned the norm before
    assert norms == pytest.approx([min(1.0, size) for size in SIZES], rel=1e-4)
    assert [norm.item() for norm in returned] == pytest.approx(SIZES)


def test_a_program_that_does_not_clip_has_nothing_in_its_ticks(watch: Watch) -> None:
    train(lambda parameters: None, SIZES)
    ticks = watch.ticks()
    assert ticks and all(tick.clipped is None and tick.clip_at is None for tick in ticks)
    assert b'"clip' not in watch.run.events_file(0).read_bytes()


def test_a_limit_that_is_infinite_only_asks_for_the_norm(watch: Watch) -> None:
    train(lambda parameters: nn.utils.clip_grad_norm_(parameters, math.inf), SIZES)
    assert all(tick.clipped is None for tick in watch.ticks())


def test_clipping_several_times_in_a_step_is_one_clipped_step(watch: Watch) -> None:
    def twice(parameters: Any) -> None:
        nn.utils.clip_grad_norm_(parameters, 2.0)
        nn.utils.clip_grad_norm_(parameters, 1.0)

    train(twice, SIZES)
    assert share(watch.ticks()) == pytest.approx(15 / 40, rel=1e-3)


def test_entries_that_are_clipped_are_seen_when_it_is_time(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    real = watch.probe.recorder.summary.clips.pace

    def each_other_time(now: float) -> bool:
        nonlocal looked
        looked += 1
        return looked % 2 == 0

    monkeypatch.setattr(real, "due", each_other_time)

    def one_by_one(parameters: Any) -> Iterator[nn.Parameter]:
        yield from parameters  # may be gone through once

    norms, returned = train(lambda parameters: nn.utils.clip_grad_value_(one_by_one(parameters), clip_value=0.5), SIZES)
    ticks = watch.ticks()
    # Every entry is half the norm: those above 1 are brought down to 0.5 each. The first step is before the beginning.
    assert norms == pytest.approx([min(1.0, size) for size in SIZES], rel=1e-4) and returned == [None] * 40
    seen = SIZES[2::2]
    assert sum(size > 1 for size in seen) == 10 and len(seen) == 19
    assert ticks[-1].step == 40
    assert {(tick.clip_at, tick.clip_by) for tick in ticks if tick.clipped is not None} == {(0.5, "value")}
    assert 0 < share(ticks) < 1


def test_a_step_that_a_scaler_skips_is_not_one_that_was_clipped(watch: Watch) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    train(
        lambda parameters: clip_grad_norm_(parameters, 1.0), [0.5, 3.0, math.inf, 0.5, math.nan, 0.5, 0.5, 3.0], scaler
    )
    ticks = watch.ticks()
    assert ticks[-1].step == 6 and share(ticks) == pytest.approx(2 / 6, rel=1e-3)


def test_the_functions_are_what_they_were(watch: Watch) -> None:
    for function, names in (
        (nn.utils.clip_grad_norm_, ["parameters", "max_norm", "norm_type", "error_if_nonfinite", "foreach"]),
        (nn.utils.clip_grad_value_, ["parameters", "clip_value", "foreach"]),
    ):
        assert list(inspect.signature(function).parameters) == names
        assert function.__module__ == "torch.nn.utils.clip_grad" and function.__doc__
        assert getattr(nn.utils.clip_grad, function.__name__) is function
    # an error that they raise looks as it does without us
    weight = nn.Parameter(torch.zeros(2))
    (weight * math.nan).sum().backward()
    with pytest.raises(RuntimeError, match="non-finite") as failed:
        nn.utils.clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)
    assert "tui" not in "".join(frame.filename for frame in traceback.extract_tb(failed.value.__traceback__)[1:])


def test_what_cannot_be_read_is_left_alone() -> None:
    class Sharded(torch.Tensor):
        """As a DTensor: reading it would be a collective."""

        @classmethod
        def __torch_function__(cls, *how: Any) -> Any:
            raise AssertionError("it was touched")

    clips = Clips()
    clips.add(1, torch.ones(1).as_subclass(Sharded), 1.0)
    clips.add(1, None, 1.0)
    clips.add(1, torch.ones(2), 1.0)
    clips.add(1, torch.ones(()), torch.ones(()))
    clips.add(1, torch.ones(()), None)
    clips.look(1, [], 1.0)
    clips.read([])
    assert clips.told() == {}
    clips.add(1, torch.full((), 2.0), 1)
    clips.read([])
    assert clips.told() == {"clipped": 1.0, "clip_at": 1.0, "clip_by": ""}
    clips.forget()
    assert clips.told() == {}


def test_sizes_on_a_device_are_copied_together() -> None:
    class OnDevice(torch.Tensor):
        """Not to be read one by one."""

        is_cpu = False

        def item(self) -> Any:
            raise AssertionError("that would wait for the device")

    clips = Clips()
    for step, size in enumerate([0.5, 2.0, 3.0, math.inf]):
        clips.add(step, torch.zeros(()), 1.0)
        waiting = clips._waiting.pop()
        clips._waiting.append((waiting[0], torch.tensor(size).as_subclass(OnDevice), 1.0, False))
    readouts: list[Readout] = []
    clips.read(readouts)
    assert clips.told() == {} and [readout.collect() for readout in readouts] == [True]
    assert clips.told() == {"clipped": 0.6667, "clip_at": 1.0, "clip_by": ""}
