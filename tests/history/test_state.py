"""What is true of a run now: a fold over scripted events."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.history.layers import combined
from tui.history.state import RunState
from tui.run import events
from tui.run.events import Applied, End, Epoch, Gate, Live, Metric, Model, ModuleInfo, Start, TensorInfo, Tick
from tui.run.events import Warning as WarningEvent

from ..run.test_events import records

MODEL = Model(
    name="Net",
    tensors=[TensorInfo("a.weight", [3, 2]), TensorInfo("a.bias", [3]), TensorInfo("b.weight", [2, 3]), TensorInfo("loose", [7])],
    modules=[ModuleInfo("", "Net"), ModuleInfo("a", "Linear", "2→3", 9, [0, 1]), ModuleInfo("b", "Linear", "3→2", 6, [2])],
)  # fmt: skip


def fold(*happened: Any) -> RunState:
    state = RunState()
    for event in happened:
        state.apply(event)
    return state


def test_a_run_as_it_goes() -> None:
    state = fold(
        Start(pid=7, argv=["train.py"]),
        MODEL,
        Tick(1.0, 10, 10, 2.0, 1.5, 3.0, 2.2, epoch=1, batch=10, batches=100, steps_per_s=10.0, norm=1.0, norms=[3.0, 4.0, 1.0, None], norms_step=10),
        Metric(1.0, 10, "val_loss", 1.9),
        Metric(1.0, 10, "val_accuracy", 0.5),
        Metric(1.0, 10, "total_epochs", 2),
        Metric(1.0, 10, "reward", 7.0),
        WarningEvent(text="something"),
        Epoch(2.0, 100, 2, 100),
        Tick(2.0, 150, 140, 1.0, epoch=2, batch=50, batches=100, steps_per_s=10.0),
    )  # fmt: skip
    assert state.start is not None and state.start.pid == 7
    assert [layer.name for layer in state.layers] == ["a", "b", "loose"]
    assert [layer.weights for layer in state.layers] == [9, 6, 7]
    assert state.layers[0].main == 0 and state.layers[0].title == "a Linear"
    assert [health.now for health in state.health] == [5.0, 1.0, None]
    assert (state.step, state.first_loss, state.train.last) == (150, 2.0, 1.0)
    assert state.train.buckets[0].high == 3.0
    assert (state.validation.last, state.accuracy.last, state.metrics["reward"].last) == (1.9, 0.5, 7.0)
    assert state.progress() == pytest.approx(0.75) and state.seconds_left() == pytest.approx(5.0)
    assert state.warnings == ["something"]


def test_two_ticks_out_of_order_leave_the_newer_one_on_show() -> None:
    state = fold(
        MODEL,
        Tick(2.0, 20, norms=[1.0, 0.0, 0.0, 0.0], norms_step=20),
        Tick(1.0, 10, norms=[9.0, 0.0, 0.0, 0.0], norms_step=10),
    )
    assert state.step == 20
    assert state.health[0].now == 1.0


def test_the_newest_snapshot_is_ahead_of_the_journal_and_stays_so() -> None:
    state = fold(MODEL, Tick(1.0, 10))
    state.see(Live(step=30, tick=Tick(3.0, 30)))
    state.apply(Tick(2.0, 20))
    assert state.step == 30
    assert [bucket.last for bucket in fold(Tick(1.0, 10, loss=1.0), Tick(2.0, 20, loss=1.0)).train.buckets] == [10, 20]
    state.apply(Tick(4.0, 40))
    assert state.step == 40
    state.see(Live(step=35, tick=Tick(3.5, 35)))
    assert state.step == 40


def test_one_damaged_step_number_does_not_freeze_the_screen() -> None:
    state = fold(Tick(1.0, 10), Tick(2.0, 9_000_000_020), Tick(3.0, 30), Tick(4.0, 40), Tick(5.0, 50))
    assert state.step == 50


def test_held_until_it_goes_on_or_ends() -> None:
    held = Gate(1.0, 5, True, "backward")
    assert fold(held).held and fold(held).phase == "backward"
    assert not fold(held, Gate(2.0, 5, False, "backward")).held
    assert not fold(held, End(2.0, 5)).held and fold(End()).ended


def test_the_dial_as_acknowledged() -> None:
    state = fold(Applied(1.0, 5, "x", "me", "lr", 0.1, 0.2, 2.0))
    assert (state.factor, state.fixed, state.answers["x"].after) == (2.0, None, 0.2)
    assert state.marks[-1].step == 5 and "0.1" in state.marks[-1].text and "0.2" in state.marks[-1].text
    state.apply(Applied(2.0, 6, "y", "me", "lr", 0.2, None, None, "the rate is negative"))
    assert state.factor == 2.0 and len(state.marks) == 1 and state.answers["y"].refused
    state.apply(Applied(3.0, 7, "z", "me", "lr", 0.2, 0.05, value=0.05))
    assert (state.factor, state.fixed) == (None, 0.05)
    state.apply(Applied(4.0, 9, "r", "me", "lr", 0.05, 0.1))
    assert (state.factor, state.fixed) == (None, None)


def test_the_dial_as_updates_say_that_they_used_it() -> None:
    # Nobody asked: a race or a tape set it
    state = fold(Tick(t=1.0, step=5, rate=0.05, scheduled=0.1, factor=0.5))
    assert (state.factor, state.fixed) == (0.5, None)
    state.apply(Tick(t=2.0, step=6, rate=0.25, scheduled=0.1, fixed=True))
    assert (state.factor, state.fixed) == (None, 0.25)
    # A tick of an update before the one with which a change took effect says nothing of that change
    state.apply(Applied(3.0, 9, "x", "me", "lr", 0.25, 0.2, 2.0))
    state.apply(Tick(t=3.1, step=8, rate=0.25, scheduled=0.1, fixed=True))
    assert (state.factor, state.fixed) == (2.0, None)
    state.apply(Tick(t=3.2, step=9, rate=0.1))
    assert (state.factor, state.fixed) == (None, None)


def test_what_is_kept_is_bounded() -> None:
    state = fold(MODEL)
    for number in range(5_000):
        state.apply(Applied(id=str(number), do="pause"))
        state.apply(WarningEvent(text=str(number)))
        state.apply(Metric(name=f"name {number}", value=1.0))
        state.apply(Tick(t=number / 10, step=number, loss=1.0))
    assert len(state.answers) <= 500 and len(state.warnings) <= 100 and len(state.metrics) <= 200
    assert len(state.recent) <= 10 * RunState.RECENT_S + 2
    assert state.answers["4999"].do == "pause" and state.warnings[-1] == "4999"


def test_an_unusual_gradient_is_told_by_its_recent_median() -> None:
    state = fold(MODEL, *(Tick(step=step, norms=[1.0, None, None, None], norms_step=step) for step in range(1, 40)))
    assert state.health[0].times_median() == pytest.approx(1.0)
    state.apply(Tick(step=40, norms=[8.0, None, None, None], norms_step=40))
    assert state.health[0].times_median() == pytest.approx(8.0)
    state.apply(Tick(step=41, norms=[math.nan, None, None, None], norms_step=41))
    assert state.health[0].times_median() is None and math.isnan(state.health[0].now)


def test_norms_of_several_tensors_together() -> None:
    assert combined([3.0, None, 4.0], (0, 1, 2)) == 5.0
    assert combined([None], (0,)) is None and combined(None, (0,)) is None and combined([1.0], (5,)) is None
    assert math.isnan(combined([1.0, math.nan], (0, 1)))  # type: ignore[arg-type]
    assert combined([1e200, 1.0], (0, 1)) == 1e200


@settings(max_examples=150, deadline=None)
@given(st.tuples(*(records(cls) for cls in (Model, Tick, Tick, Metric, Applied, Gate, Live))))
def test_nothing_that_can_be_read_can_hurt(happened: tuple[Any, ...]) -> None:
    state = RunState()
    for event in happened:
        if isinstance(event, Live):
            state.see(event)
        else:
            state.apply(event)
    state.seconds_left(), state.progress(), state.window(5.0), state.phase, state.held
    [(health.times_median(), layer.title) for health, layer in zip(state.health, state.layers)]
    assert set(events.EVENTS.values()) >= {type(event) for event in happened} - {Live}
