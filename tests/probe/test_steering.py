"""Pause, steps, phases, speed, stop: exactly what was asked, in the program's own order, and never for ever by accident."""

from __future__ import annotations

import math
import os
import shutil
import signal
import time
from typing import Any, Callable

import pytest
import torch
from torch import nn

from tui.probe import desk as desk_module
from tui.probe import probe as probe_module
from tui.probe import steering as steering
from tui.run import events

from ..support import Hand, Onlooker, events_of, until
from .conftest import Watch

Mark = Callable[[str], None]


def model_and_optimizer() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    return model, torch.optim.SGD(model.parameters(), lr=0.01)


def zero_last(model: nn.Module, optimizer: Any, mark: Mark) -> None:
    mark("forward")
    out = model(torch.ones(3, 4))
    mark("between")
    loss = out.square().mean()
    mark("backward")
    loss.backward()
    mark("update")
    optimizer.step()
    mark("zero_grad")
    optimizer.zero_grad()
    mark("after")


def zero_first(model: nn.Module, optimizer: Any, mark: Mark) -> None:
    mark("zero_grad")
    optimizer.zero_grad()
    mark("forward")
    out = model(torch.ones(3, 4))
    mark("between")
    loss = out.square().mean()
    mark("backward")
    loss.backward()
    mark("update")
    optimizer.step()
    mark("after")


def zero_between(model: nn.Module, optimizer: Any, mark: Mark) -> None:
    mark("forward")
    out = model(torch.ones(3, 4))
    mark("between")
    loss = out.square().mean()
    mark("zero_grad")
    optimizer.zero_grad()
    mark("backward")
    loss.backward()
    mark("update")
    optimizer.step()
    mark("after")


# where the program stands when training is held at the end of a phase: the loss is complete as backward begins,
# and of backward the update knows as well
STANDS = {"forward": {"forward"}, "loss": {"backward"}, "backward": {"backward", "update"}, "update": {"update"}, "zero_grad": {"zero_grad"}}  # fmt: skip


@pytest.mark.parametrize(
    "loop, cycle",
    [
        (zero_last, ["update", "zero_grad", "forward", "loss", "backward"]),
        (zero_first, ["update", "zero_grad", "forward", "loss", "backward"]),
        (zero_between, ["update", "forward", "zero_grad", "loss", "backward"]),
    ],
)
def test_phases_are_walked_in_the_programs_own_order(watch: Watch, loop: Any, cycle: list[str]) -> None:
    # Given a loop that notes where it is
    model, optimizer = model_and_optimizer()
    place = [""]
    stood: list[str] = []
    phases: list[str] = []

    def train() -> None:
        while True:
            loop(model, optimizer, lambda where: place.__setitem__(0, where))

    def steer(hand: Hand) -> None:
        until(hand.held)
        # When somebody goes on phase by phase
        for _ in range(2 * len(cycle)):
            phases[:] = watch.walk(1)
            stood.append(place[0])

    watch.pause_at_first()
    watch.steered(train, steer)
    # Then every phase is visited once a step, in the program's order, while it stands there
    assert phases == ["backward", *cycle, *cycle]
    for phase, where in zip(phases[1:], stood):
        assert where in STANDS[phase]


def test_the_order_that_is_shown_is_the_programs(run: Any, relay: Any) -> None:
    expected = {
        zero_last: ["forward", "loss", "backward", "update", "zero_grad"],
        zero_first: ["zero_grad", "forward", "loss", "backward", "update"],
        zero_between: ["forward", "loss", "zero_grad", "backward", "update"],
    }
    data = torch.utils.data.DataLoader(torch.ones(40, 4), batch_size=10)
    for loop, order in expected.items():
        watch = Watch(run, relay)
        model, optimizer = model_and_optimizer()
        for _ in range(2):
            for _ in data:
                loop(model, optimizer, lambda where: None)
        found = watch.probe.recorder.phases.order
        watch.end()
        assert found == order


@pytest.mark.parametrize("loop", [zero_last, zero_first, zero_between])
def test_steps_are_exactly_as_many_as_asked(watch: Watch, loop: Any) -> None:
    model, optimizer = model_and_optimizer()
    updates = [0]

    def count(where: str) -> None:
        updates[0] += where == "update"

    def train() -> None:
        while True:
            loop(model, optimizer, count)

    made: list[int] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        for n in (1, 5, 1, 2):
            gate = hand.held()
            assert hand.answer(events.Step(n=n)).after == n
            until(lambda gate=gate, n=n: hand.held(gate.step + n))
            made.append(updates[0])
        assert hand.answer(events.Step(n=0)).refused
        assert hand.answer(events.Step(n=-3)).refused
        made.append(updates[0])

    watch.pause_at_first()
    watch.steered(train, steer)
    # held before the update of which the program says that it comes next
    assert made == [2, 7, 8, 10, 10]


def test_a_step_asked_of_a_run_that_goes_on_holds_after_so_many(watch: Watch) -> None:
    model, optimizer = model_and_optimizer()
    held: list[events.Gate] = []
    asked_at: list[events.Applied] = []

    def train() -> None:
        while True:
            zero_last(model, optimizer, lambda where: None)

    def steer(hand: Hand) -> None:
        until(lambda: watch.probe.recorder.summary.step > 3)
        asked_at.append(hand.answer(events.Step(n=4)))
        held.append(until(hand.held))

    watch.steered(train, steer)
    assert held[0].step == asked_at[0].step + 4


def test_with_several_backward_passes_a_step_the_update_comes_once(watch: Watch) -> None:
    model, optimizer = model_and_optimizer()

    def train() -> None:
        while True:
            for _ in range(3):
                (model(torch.ones(3, 4)).square().mean() / 3).backward()
            optimizer.step()
            optimizer.zero_grad()

    phases: list[str] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        phases[:] = watch.walk(6)

    watch.pause_at_first()
    watch.steered(train, steer)
    assert phases == ["backward", "update", "zero_grad", "forward", "loss", "backward", "update"]


def test_a_program_without_a_module_is_held_and_walked_too(watch: Watch) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def train() -> None:
        while True:
            weight.square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    phases: list[str] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        phases[:] = watch.walk(5)

    watch.pause_at_first()
    watch.steered(train, steer)
    assert phases == ["backward", "update", "zero_grad", "loss", "backward", "update"]


def test_a_line_search_is_held_behind_its_update(watch: Watch) -> None:
    model, _ = model_and_optimizer()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
    calls = [0]

    def closure() -> Any:
        optimizer.zero_grad()
        loss = model(torch.ones(3, 4)).square().mean()
        loss.backward()
        return loss

    def train() -> None:
        while True:
            calls[0] += 1
            optimizer.step(closure)

    made: list[int] = []

    def steer(hand: Hand) -> None:
        until(lambda: hand.held(1))
        hand.ask(events.Step(n=3))
        until(lambda: hand.held(4))
        made.append(calls[0])

    watch.pause_at_first()
    watch.steered(train, steer)
    assert made == [4]
    assert {gate.phase for gate in watch.hand.gates()} == {"update"}
    # And the norms are those of the last gradients of each step
    ticks = [one for one in watch.end() if isinstance(one, events.Tick)]
    assert [one.norms_step for one in ticks][:2] == [1, 2]
    # And its weights have moved in each
    assert any(one.ratios and all(ratio > 0 for ratio in one.ratios if ratio is not None) for one in ticks)


def test_a_closure_of_a_first_order_optimizer_is_held_when_its_gradients_are_there(watch: Watch) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.25)
    seen: list[Any] = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    def train() -> None:
        while True:
            optimizer.step(closure)

    def steer(hand: Hand) -> None:
        until(lambda: hand.held(0))
        seen.append((weight.tolist(), weight.grad.tolist(), optimizer.param_groups[0]["lr"]))  # type: ignore[union-attr]
        hand.answer(events.SetRate(factor=2.0))
        hand.ask(events.Step(n=1))
        until(lambda: hand.held(1))
        seen.append(weight.tolist())

    watch.pause_at_first()
    watch.steered(train, steer)
    assert seen[0] == ([1.0, 1.0], [2.0, 2.0], 0.25)
    assert seen[1] == [0.0, 0.0]  # the very next update used twice the rate
    # And the norm is that of this step's gradients, not of what the step before left
    first = next(one for one in watch.end() if isinstance(one, events.Tick) and one.norms)
    assert first.norms_step == 1 and first.norm == pytest.approx(8**0.5, rel=1e-5)


def test_of_two_optimizers_the_first_one_counts_and_both_are_turned(watch: Watch) -> None:
    critic, maker = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    first, second = torch.optim.SGD([critic], lr=0.1), torch.optim.SGD([maker], lr=0.01)
    moved: list[tuple[float, float]] = []
    lists: list[int] = [0]

    def train() -> None:
        while True:
            before = critic.item(), maker.item()
            lists[0] += 1
            for parameter, optimizer in ((critic, first), (maker, second)):
                parameter.sum().backward()
                optimizer.step()
                optimizer.zero_grad()
            moved.append((before[0] - critic.item(), before[1] - maker.item()))

    seen: list[int] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        hand.ask(events.Step(n=5))
        until(lambda: hand.held(5))
        seen.append(len(moved))
        hand.answer(events.SetRate(factor=2.0))
        hand.ask(events.Step(n=2))
        until(lambda: hand.held(7))

    watch.pause_at_first()
    watch.steered(train, steer)
    assert seen == [5]
    assert [step for one in moved[:7] for step in one] == pytest.approx([0.1, 0.01] * 5 + [0.2, 0.02] * 2, rel=1e-3)


def test_a_second_model_trained_afterwards_is_counted_and_shown(watch: Watch) -> None:
    kept = []
    for width in (4, 6):
        model = nn.Sequential(nn.Linear(4, width), nn.Linear(width, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        kept.append((model, optimizer))  # as a program does that compares them afterwards
        for _ in range(30):
            zero_last(model, optimizer, lambda where: None)
    ticks = watch.ticks()
    assert ticks[-1].step == 60
    models = [one for one in events_of(watch.run) if isinstance(one, events.Model)]
    assert [list(tensor.shape) for tensor in models[-1].tensors][0] == [6, 4]
    assert len(ticks[-1].norms or []) == 4


# ── never for ever ──


def loops(watch: Watch) -> tuple[Callable[[], None], list[int]]:
    model, optimizer = model_and_optimizer()
    updates = [0]

    def train() -> None:
        while True:
            zero_last(model, optimizer, lambda where: None)
            updates[0] += 1

    return train, updates


def test_stop_is_an_interrupt_right_after_an_update(watch: Watch) -> None:
    model, optimizer = model_and_optimizer()
    places = []

    def train() -> None:
        while True:
            zero_last(model, optimizer, places.append)

    watch.pause_at_first()
    watch.steered(train, lambda hand: until(hand.held))
    assert places[-1] == "update"
    assert watch.probe.recorder.summary.step == 1


def test_a_slow_pace_is_kept_and_released(watch: Watch) -> None:
    train, updates = loops(watch)
    refused: list[str] = []

    def steer(hand: Hand) -> None:
        until(lambda: updates[0] > 5)
        # When it is slowed to one step in a thousand seconds, then it stands
        assert hand.answer(events.Speed(steps_per_s=0.001)).after == 0.001
        stands = hand.answer(events.Speed(steps_per_s=0.001)).step
        # And what is no pace is refused
        for wrong in (0.0, -1.0, math.nan, math.inf):
            refused.append(hand.answer(events.Speed(steps_per_s=wrong)).refused)
        assert hand.answer(events.Speed(steps_per_s=0.001)).step <= stands + 1
        # When it is released, then it runs
        assert hand.answer(events.Speed()).after is None
        until(lambda: updates[0] > stands + 20)

    watch.steered(train, steer)
    assert len(refused) == 4 and all(refused)


def test_a_pause_ends_when_the_run_directory_vanishes(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    train, updates = loops(watch)
    held_at: list[int] = []

    def gone() -> None:
        with pytest.raises(KeyboardInterrupt):
            train()

    import threading

    def person() -> None:
        until(watch.hand.held)
        held_at.append(updates[0])
        os.rename(watch.run.path, watch.run.path.with_name("moved away"))
        until(lambda: updates[0] > 10)
        shutil.rmtree(watch.run.path.with_name("moved away"))
        watch.probe.steering.orders.stopping = True

    watch.pause_at_first()
    thread = threading.Thread(target=person)
    thread.start()
    gone()
    thread.join()
    assert held_at == [0]
    assert capsys.readouterr().err.count("backlit:") == 1


def test_a_pause_ends_when_a_viewer_that_cannot_write_leaves_the_word(watch: Watch) -> None:
    train, updates = loops(watch)

    def steer(hand: Hand) -> None:
        until(hand.held)
        (watch.run.viewers / "resume").write_bytes(b"")
        until(lambda: updates[0] > 10)
        # And the word is heard once: a pause after it holds, and goes on holding
        hand.answer(events.Pause())
        gate = until(hand.held)
        seen = watch.probe._desk.looks
        until(lambda: watch.probe._desk.looks > seen + 2)
        assert hand.held() == gate and updates[0] == gate.step
        # Written again it is heard again
        (watch.run.viewers / "resume").unlink()
        (watch.run.viewers / "resume").write_bytes(b"")
        until(lambda: updates[0] > gate.step + 10)

    watch.pause_at_first()
    watch.steered(train, steer)


def test_what_interrupts_the_beginning_of_a_hold_ends_it(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(BaseException):
        pass

    def interrupted(phase: str) -> None:
        monkeypatch.undo()
        raise Mine

    model, optimizer = model_and_optimizer()
    monkeypatch.setattr(watch.probe.steering, "_show_phase", interrupted)
    watch.pause_at_first()
    with pytest.raises(Mine):
        zero_last(model, optimizer, lambda where: None)
    gate = watch.probe.steering.gate
    assert not gate.held
    gate.resume()
    zero_last(model, optimizer, lambda where: None)
    assert watch.ticks()[-1].step == 1


def test_a_request_that_fails_is_refused_and_the_next_is_obeyed(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(speed: Any) -> None:
        raise RuntimeError("out of memory")

    train, updates = loops(watch)
    monkeypatch.setattr(watch.probe.steering.gate, "set_speed", fails)

    def steer(hand: Hand) -> None:
        until(hand.held)
        assert hand.answer(events.Speed(steps_per_s=5.0)).refused == "RuntimeError: out of memory"
        hand.answer(events.Resume())
        until(lambda: updates[0] > 10)
        monkeypatch.undo()

    watch.pause_at_first()
    watch.steered(train, steer)


@pytest.fixture
def quickly_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steering, "ALONE_S", 0.6)
    monkeypatch.setattr(desk_module, "FRESH_S", 0.5)


def test_a_pause_ends_when_its_viewer_died(watch: Watch, quickly_alone: None) -> None:
    train, updates = loops(watch)

    def steer(hand: Hand) -> None:
        with Onlooker(watch.run, hand.name):
            until(lambda: watch.probe._desk is not None and watch.probe._desk.looking)
            hand.answer(events.Pause())
            at = updates[0]
            until(hand.held)
        # the viewer is gone, and said nothing
        until(lambda: updates[0] > at + 10)

    watch.steered(train, steer, looked_at=False)
    assert any("nobody" in one.text for one in watch.end() if isinstance(one, events.Warning))


def test_a_pause_of_a_viewer_that_started_a_moment_ago_ends_too(watch: Watch, quickly_alone: None) -> None:
    # Given a viewer whose presence the probe has not yet seen when its pause comes
    watch.run.viewers.joinpath("hand.json").write_bytes(events.encode_bare(events.Presence(beat=1)))
    train, updates = loops(watch)
    watch.pause_at_first()
    watch.steered(train, lambda hand: until(lambda: updates[0] > 10), looked_at=False)


@pytest.mark.parametrize("how", ["keep", "stays", "by hand"])
def test_a_pause_that_is_meant_to_stay_stays(watch: Watch, quickly_alone: None, how: str) -> None:
    train, updates = loops(watch)
    held_for: list[float] = []

    def steer(hand: Hand) -> None:
        if how == "by hand":
            hand.answer(events.Pause())  # from somebody without a viewer
        else:
            with Onlooker(watch.run, hand.name):
                until(lambda: watch.probe._desk is not None and watch.probe._desk.looking)
                hand.answer(events.Pause(keep=how == "keep"))
                until(hand.held)
            last = events.Presence(beat=10_000, stays=how == "stays")
            (watch.run.viewers / f"{hand.name}.json").write_bytes(events.encode_bare(last))
        gate = until(hand.held)
        desk = watch.probe._desk
        assert desk is not None
        until(lambda: time.monotonic() - desk.last_look > 1.5)
        assert hand.held() == gate
        held_for.append(time.monotonic() - desk.last_look)

    watch.steered(train, steer, looked_at=False)
    assert held_for and held_for[0] > steering.ALONE_S


def test_what_was_asked_before_a_second_process_began_is_not_for_it(watch: Watch, relay: Any) -> None:
    train, updates = loops(watch)
    watch.steered(train, lambda hand: until(lambda: updates[0] > 2))
    watch.end()
    again = Watch(watch.run, relay)
    model, optimizer = model_and_optimizer()
    for _ in range(5):  # the stop of the first one would interrupt it
        zero_last(model, optimizer, lambda where: None)
    again.end()
    assert watch.run.streams() == [0, 1]
    assert [one.step for one in events_of(watch.run, 1) if isinstance(one, events.End)] == [5]


# ── the program's own signals, and faults of ours ──


def test_an_exception_of_the_programs_signal_handler_passes_through_a_hold(watch: Watch) -> None:
    class Mine(Exception):
        pass

    def handler(number: int, frame: Any) -> None:
        raise Mine

    train, _ = loops(watch)
    before = signal.signal(signal.SIGUSR1, handler)
    import threading

    def person() -> None:
        until(watch.hand.held)
        os.kill(os.getpid(), signal.SIGUSR1)

    watch.pause_at_first()
    thread = threading.Thread(target=person)
    thread.start()
    try:
        with pytest.raises(Mine):
            train()
    finally:
        signal.signal(signal.SIGUSR1, before)
        thread.join()


def test_an_exception_of_a_handler_that_ran_inside_a_measurement_passes_through(watch: Watch) -> None:
    def handler(number: int, frame: Any) -> None:
        raise LookupError("mine")

    def measurement() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(LookupError, match="mine"):
            watch.probe.guard("a test", measurement)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert "a test" not in watch.probe._off


def test_a_fault_of_ours_is_one_warning_and_that_measurement_off(watch: Watch) -> None:
    class Odd:
        """Code of the program's that fails when we call it."""

        def __len__(self) -> int:
            raise NotImplementedError("not for you")

    model, optimizer = model_and_optimizer()
    watch.probe.recorder.summary.read_norms = lambda *ignored: len(Odd())  # type: ignore[method-assign, assignment]
    for _ in range(5):
        zero_last(model, optimizer, lambda where: None)
    found = watch.end()
    warnings = [one.text for one in found if isinstance(one, events.Warning)]
    assert len(warnings) == 1 and "not for you" in warnings[0]
    assert [one.step for one in found if isinstance(one, events.End)] == [5]


def test_the_first_minute_ends_with_any_command(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.probe.gate import Opening

    train, updates = loops(watch)
    watch.probe.steering.gate.opening = Opening()
    monkeypatch.setattr(Opening, "PHASE_S", 1000.0)

    def steer(hand: Hand) -> None:
        until(lambda: watch.probe._desk is not None)
        assert updates[0] == 0
        hand.ask(events.Pause())
        until(hand.held)
        hand.answer(events.Resume())
        until(lambda: updates[0] > 20)

    watch.steered(train, steer)


def test_held_at_the_very_start_then_released(run: Any, relay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKLIT_HOLD", "1")
    watch = Watch(run, relay)
    model, optimizer = model_and_optimizer()
    # other tests' optimizers may be alive still: it would look for the model of each
    find = probe_module.find_optimizers
    monkeypatch.setattr(probe_module, "find_optimizers", lambda: [one for one in find() if one is optimizer])
    data = torch.utils.data.DataLoader(torch.ones(40, 4), batch_size=10)
    batches = [0]

    def train() -> None:
        while True:
            for _ in data:
                batches[0] += 1
                zero_last(model, optimizer, lambda where: None)

    seen: list[Any] = []

    def steer(hand: Hand) -> None:
        gate = until(hand.held)
        seen.append((gate.phase, gate.step, batches[0]))
        hand.answer(events.Resume())
        until(lambda: batches[0] > 3)

    watch.steered(train, steer)
    watch.end()
    assert seen == [("start", 0, 0)]


def test_a_step_that_calls_its_parents_step_is_one_update(watch: Watch) -> None:
    class Louder(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    parameter = torch.nn.Parameter(torch.ones(2))
    torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)  # torch wraps its step, too
    optimizer = Louder([parameter], lr=0.01)
    for _ in range(40):
        parameter.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert [one.step for one in watch.end() if isinstance(one, events.End)] == [40]


def test_a_closure_without_a_backward_pass_does_not_hide_the_updates(watch: Watch) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.01)
    made = [0]

    def train() -> None:
        while True:
            parameter.square().sum().backward()
            optimizer.step(lambda: None)  # type: ignore[arg-type, return-value]
            optimizer.zero_grad()
            made[0] += 1

    def steer(hand: Hand) -> None:
        until(lambda: made[0] > 3)
        hand.answer(events.Pause())
        before = made[0]
        hand.ask(events.Step(n=2))
        until(lambda: hand.held(before + 2))
        assert made[0] == before + 2 and hand.gates()[-1].phase == "backward"

    watch.steered(train, steer)


@pytest.mark.parametrize("searches", [False, True], ids=["SGD", "LBFGS"])
def test_what_is_asked_during_a_slow_step_takes_effect_with_it(watch: Watch, searches: bool) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    kind: Any = torch.optim.LBFGS if searches else torch.optim.SGD
    optimizer = kind([parameter], lr=0.01)
    asked_at: list[int] = []
    seen: list[int] = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        if len(seen) == 0 and watch.probe.recorder.summary.step == 3 and not asked_at:
            asked_at.append(3)
            watch.hand.ask(events.Pause())
            until(lambda: watch.probe._desk.requests)  # the background thread has read it
        elif not asked_at:
            slowly = time.monotonic() + 0.03
            until(lambda: time.monotonic() > slowly)
        return loss

    def train() -> None:
        while True:
            if searches:
                optimizer.step(closure)
            else:
                closure()
                optimizer.step()

    def steer(hand: Hand) -> None:
        seen.append(until(hand.held).step)

    watch.steered(train, steer, looked_at=False)
    assert seen == [4 if searches else 3]  # before the very update, or right behind it where there is a line search
