"""Several runs side by side: curves, last and best values, who leads, who starts when."""

from __future__ import annotations

import math
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.history.race import TRAIN, Lane, Race, averaged, higher_is_better
from tui.history.series import Series
from tui.history.source import Source
from tui.run.directory import RunDirectory
from tui.run.events import Metric, Tick

from ..support import until
from ..view import scripted
from ..view.scripted import Tape

NAN = math.nan


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    """A process that stands for the program."""
    program = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    yield program.pid
    program.kill()
    program.wait()


def ran(root: Path, name: str, losses: list[float], pid: int | None = None, **metrics: list[float]) -> Tape:
    """A run with these losses, one a step, and these metrics."""
    tape = Tape(root, pid, name).add(scripted.start())
    for step, loss in enumerate(losses, start=1):
        tape.add(Tick(t=step / 10, step=step, loss=loss))
        tape.add(*(Metric(step / 10, step, name, values[step - 1]) for name, values in metrics.items()))
    return tape


def lane_of(tape: Tape, label: str = "lr=1") -> Lane:
    lane = Lane(f"train {label}", label, (label.partition("=")[2],), source=Source(tape.run))
    assert lane.source is not None
    lane.source.poll()
    return lane


def race_of(*lanes: Lane) -> Race:
    return Race(list(lanes), 1, no_start, lambda run, number: True)


def no_start(lane: Lane) -> RunDirectory:
    raise AssertionError("nothing is to be started")


def numbers(values: list[float]) -> list[float]:
    series = Series()
    for step, value in enumerate(values, start=1):
        series.add(step, value)
    return averaged(series.buckets)


# ── numbers ──


def test_the_average_follows_steps_and_not_records() -> None:
    each, tens = Series(), Series()
    for step in range(1, 1001):
        each.add(step, 1.0 / step)
        if step % 10 == 0:
            values = [1.0 / one for one in range(step - 9, step + 1)]
            tens.add(step, values[-1], 10, min(values), max(values), sum(values) / 10)
    assert averaged(tens.buckets)[-1] == pytest.approx(averaged(each.buckets)[-1], rel=0.02)


@given(st.lists(st.floats(-1e300, 1e300) | st.sampled_from([NAN, math.inf, -math.inf]), max_size=40))
def test_an_average_stays_between_its_values_and_nan_shows(values: list[float]) -> None:
    found = numbers(values)
    assert [math.isfinite(one) for one in found] == [math.isfinite(one) for one in values]
    finite = [one for one in values if math.isfinite(one)]
    slack = 1e-9 * max(map(abs, finite), default=0.0)
    assert all(min(finite) - slack <= one <= max(finite) + slack for one in found if math.isfinite(one))


def test_last_and_best(tmp_path: Path) -> None:
    lane = lane_of(ran(tmp_path, "a", [3.0, 2.0, 2.5], val_loss=[5.0, 3.0, 4.0], val_accuracy=[0.1, 0.9, 0.8]))
    assert (lane.last("val_loss"), lane.best("val_loss")) == (4.0, 3.0)
    assert (lane.last("val_accuracy"), lane.best("val_accuracy")) == (0.8, 0.9)
    train = lane.last(TRAIN)
    assert train is not None and 2.0 < train < 2.5 and lane.best(TRAIN) <= train
    assert lane.last("nosuch") is None and lane.best("nosuch") is None and lane.curve("nosuch") == ([], [])


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_told_as_it_is(tmp_path: Path, bad: float) -> None:
    lane = lane_of(ran(tmp_path, "a", [3.0, 2.0, bad], score=[1.0, 2.0, bad]))
    for metric in (TRAIN, "score"):
        last = lane.last(metric)
        assert last is not None and repr(last) == repr(bad)
        assert math.isnan(lane.curve(metric)[1][-1])
    assert lane.best("score") == 2.0 and lane.best(TRAIN) is not None
    only = lane_of(ran(tmp_path, "b", [bad, bad]))
    assert only.best(TRAIN) is None and repr(only.last(TRAIN)) == repr(bad)


def test_which_metrics_should_rise() -> None:
    assert all(higher_is_better(name) for name in ("val_accuracy", "test_acc", "F1", "reward"))
    assert not any(higher_is_better(name) for name in (TRAIN, "val_loss", "loss_acc", "perplexity", "mse"))


def test_the_metrics_of_all_runs(tmp_path: Path) -> None:
    one = lane_of(ran(tmp_path, "a", [1.0], speed=[1.0]))
    assert race_of(one).metrics() == [TRAIN, "speed"]
    two = lane_of(ran(tmp_path, "b", [1.0], val_loss=[1.0], val_accuracy=[0.5], extra=[1.0]))
    assert race_of(one, two, Lane("c")).metrics() == ["val_loss", TRAIN, "val_accuracy", "extra", "speed"]


# ── who leads ──


def test_nobody_leads_before_the_end_and_nobody_who_failed_leads(tmp_path: Path, pid: int) -> None:
    values = {"good": 0.2, "failed": 0.1, "nan": NAN}
    lanes = {}
    for name, value in values.items():
        tape = ran(tmp_path, name, [1.0], val_loss=[value])
        lanes[name] = lane_of(tape.end(status=1 if name == "failed" else 0), name)
    running = ran(tmp_path, "running", [1.0], pid, val_loss=[0.05])
    race = race_of(*lanes.values(), lane_of(running))
    assert not race.over and race.leaders("val_loss") == []
    running.end(status=0)
    settle(race, lambda: race.over)
    assert race.leaders("val_loss") == [3] and not race.finished
    assert race_of(*lanes.values()).leaders("val_loss") == [0]
    assert race_of(lanes["nan"]).leaders("val_loss") == []


def test_equals_lead_together_and_accuracy_leads_by_its_height(tmp_path: Path) -> None:
    accuracies = (0.5, 0.75, 0.75)
    lanes = [
        lane_of(ran(tmp_path, str(place), [1.0], val_accuracy=[value], val_loss=[value]).end(status=0))
        for place, value in enumerate(accuracies)
    ]
    race = race_of(*lanes)
    assert race.finished and race.leaders("val_accuracy") == [1, 2] and race.leaders("val_loss") == [0]


@pytest.mark.parametrize(
    "name, status",
    [
        ("running", "running"),
        ("finished", "finished"),
        ("failed", "failed"),
        ("lost", "lost"),
        ("starting", "starting"),
    ],
)
def test_the_state_of_a_run(tmp_path: Path, pid: int, name: str, status: str) -> None:
    lane = lane_of(scripted.STATES[name](tmp_path, pid))
    assert lane.status == status and lane.over == (status not in ("running", "starting"))
    assert Lane("a").status == "waits" and not Lane("a").over
    assert Lane("a", error="no room").status == "not started" and Lane("a", error="no room").over


def test_a_run_without_a_process_is_starting_at_first(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunDirectory, "alive", lambda run: False)
    lane = Lane("a", source=Source(run))
    assert lane.source is not None
    lane.source.poll()
    assert lane.source.status == "lost" and lane.status == "starting"
    monkeypatch.setattr("tui.history.race.STARTING_S", 0.0)
    assert lane.status == "lost"


def test_a_run_that_ends_while_it_is_looked_at_is_not_lost(
    tmp_path: Path, pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = ran(tmp_path, "a", [1.0], pid)

    def ends_after(look: Callable[[RunDirectory], Any]) -> Callable[[RunDirectory], Any]:
        def looked(run: RunDirectory) -> Any:
            found = look(run)
            tape.end(status=0)
            return found

        return looked

    for look in (RunDirectory.alive, RunDirectory.exit):  # right after the first, whichever that is
        monkeypatch.setattr(RunDirectory, look.__name__, ends_after(look))
    assert lane_of(tape).status == "finished"


def test_progress_is_told_only_where_the_end_is_known(tmp_path: Path, pid: int) -> None:
    known, unknown = Tape(tmp_path, pid, "a"), Tape(tmp_path, pid, "b")
    for tape in (known, unknown):
        tape.add(scripted.start(), Tick(step=10, loss=1.0, epoch=2, batch=50, batches=100))
    known.add(Metric(0.0, 0, "total_epochs", 4.0))
    assert lane_of(known).progress() == pytest.approx(0.375) and lane_of(unknown).progress() is None


# ── whose turn it is ──


class Stable:
    """Starts runs, and knows what was asked of them."""

    def __init__(self, root: Path, pid: int) -> None:
        self.root, self.pid = root, pid
        self.tapes: dict[str, Tape] = {}
        self.signals: list[tuple[str, int]] = []
        self.ready = True

    def start(self, lane: Lane) -> RunDirectory:
        if "broken" in lane.name:
            raise OSError("no room")
        self.tapes[lane.name] = ran(self.root, lane.name, [1.0], self.pid)
        return self.tapes[lane.name].run

    def signal(self, run: RunDirectory, number: int) -> bool:
        if self.ready:
            self.signals.append((run.about()["name"], number))
        return self.ready


@pytest.fixture
def stable(tmp_path: Path, pid: int) -> Stable:
    return Stable(tmp_path, pid)


def settle(race: Race, condition: Callable[[], bool]) -> None:
    until(lambda: race.poll() or condition())


def test_runs_start_in_turn(stable: Stable) -> None:
    race = Race([Lane(name) for name in "abcd"], 2, stable.start, stable.signal)
    race.poll()
    race.poll()
    assert list(stable.tapes) == ["a", "b"] and [lane.name for lane in race.waiting] == ["c", "d"]
    stable.tapes["b"].end(status=0)
    settle(race, lambda: len(stable.tapes) == 3)
    assert [lane.name for lane in race.under_way] == ["a", "c"]
    for name in "acd":
        settle(race, lambda name=name: name in stable.tapes)
        stable.tapes[name].end(status=0)
    settle(race, lambda: race.over)
    assert race.finished


def test_one_that_cannot_start_does_not_hold_up_the_others(stable: Stable) -> None:
    race = Race([Lane("a broken one"), Lane("b")], 1, stable.start, stable.signal)
    race.poll()
    assert list(stable.tapes) == ["b"] and race.lanes[0].status == "not started"
    assert race.lanes[0].last_words() == "no room"
    with pytest.raises(OSError):
        Race([Lane("broken")], 1, stable.start, stable.signal).start_next()


def test_stopping_reaches_every_run_once_and_starts_no_other(stable: Stable) -> None:
    race = Race([Lane(name) for name in "abc"], 2, stable.start, stable.signal)
    race.poll()
    stable.ready = False  # no process yet
    race.stop(signal.SIGINT)
    assert stable.signals == [] and race.stopping
    stable.ready = True
    race.poll()
    race.poll()
    assert stable.signals == [("a", signal.SIGINT), ("b", signal.SIGINT)]
    stable.tapes["a"].end(signal=2)
    settle(race, lambda: race.lanes[0].over)
    race.stop(signal.SIGKILL)
    assert stable.signals[2:] == [("b", signal.SIGKILL)]
    stable.tapes["b"].end(signal=9)
    settle(race, lambda: race.over)
    assert [lane.status for lane in race.lanes] == ["stopped", "stopped", "not started"]
    assert list(stable.tapes) == ["a", "b"] and not race.finished
