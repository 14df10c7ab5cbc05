"""Several trainings in one run: what is known of each, and which of them is read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest

from tui.history import source as source_module
from tui.history import streams as streams_module
from tui.history.source import Source
from tui.history.streams import AT_ONCE, Stream, Streams, ordinal
from tui.run import directory, events
from tui.run.directory import RunDirectory
from tui.run.events import End, Gate, Start, Tick
from tui.run.journal import append_line

from ..support import until

NOW = time.time()


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests before may have taken minutes."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", time.time())


def begin(run: RunDirectory, number: int, at: float = 0.0, pid: Optional[int] = None, **how: Any) -> None:
    """A stream begins, so many seconds after NOW; by default its process is this one's child that never was."""
    start = Start(time=NOW + at, pid=pid or 2**22 + 100 + number, **{"argv": ["train.py"], **how})
    append_line(run.events_file(number), events.encode(start))


def step(run: RunDirectory, number: int, *steps: int) -> None:
    for one in steps:
        append_line(run.events_file(number), events.encode(Tick(t=float(one), step=one, loss=1.0 / one)))


def end(run: RunDirectory, number: int, t: float) -> None:
    """It ends in order, so many seconds after it began."""
    append_line(run.events_file(number), events.encode(End(t=t, step=9)))


@pytest.fixture
def program(run: RunDirectory) -> RunDirectory:
    """The run, its program alive."""
    directory.replace(
        run.run_file, {**run.about(), "pid": os.getpid(), "pid_start": directory.process_start(os.getpid())}
    )
    return run


@pytest.fixture
def process() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts processes that stand for trainings."""
    begun: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen(["sleep", "1000"]))
        return begun[-1]

    yield start
    for one in begun:
        one.kill()
        one.wait()


def shown(source: Source, number: int) -> bool:
    """Reads on; is this stream shown now?"""
    source.poll()
    return source.shown == number


def looked(source: Source) -> None:
    """Polls until the directory has been looked at once more."""
    before = source._next_look

    def again() -> bool:
        source.poll()
        return source._next_look != before

    until(again)


# ── which one is shown ──


def test_the_second_training_is_followed_when_the_first_has_ended_and_it_has_begun(program: RunDirectory) -> None:
    begin(program, 0, argv=["train.py"])
    step(program, 0, 1, 2, 3)
    source = Source(program)
    source.poll()
    assert source.shown == 0 and source.state.step == 3
    # Given that it has ended, then it stays on the screen as long as there is no other
    end(program, 0, t=30.0)
    looked(source)
    assert source.shown == 0 and source.status == "running"
    # When another begins, then that is read, and nothing of the first is left in it
    begin(program, 1, at=31.0, argv=["eval.py"])
    until(lambda: shown(source, 1))
    assert source.state.step == 0 and len(source.state.train) == 0
    step(program, 1, 7)
    source.poll()
    assert source.state.step == 7 and source.state.first_loss == 1 / 7
    assert source.streams.turned(1) == "turned to the second training: eval.py"
    # And how it ended is said of the whole run
    directory.replace(program.exit_file, {"status": 3, "time": time.time()})
    until(lambda: source.poll() or source.over)
    assert source.status == "failed" and source.shown == 1


def test_a_training_that_began_beside_it_is_no_successor(
    program: RunDirectory, monkeypatch: pytest.MonkeyPatch, process: Any
) -> None:
    monkeypatch.setattr(source_module, "SETTLED_S", 0.0)
    first = process()
    begin(program, 0, pid=first.pid, argv=["a.py"])
    begin(program, 1, at=5.0, pid=process().pid, argv=["b.py"])
    source = Source(program)
    source.poll()
    assert source.shown == 0 and not source.ended
    end(program, 0, t=20.0)
    first.kill()
    first.wait()

    def ended() -> bool:
        source.poll()
        return source.ended

    until(ended)
    looked(source)
    assert source.shown == 0 and source.status == "running"
    # but one that begins now is
    begin(program, 2, at=21.0)
    until(lambda: shown(source, 2))
    assert not source.ended


def test_who_chose_by_hand_stays_where_they_are(program: RunDirectory) -> None:
    begin(program, 0)
    begin(program, 1, at=1.0)
    step(program, 1, 4)
    source = Source(program)
    source.poll()
    source.show(1)
    source.poll()
    assert source.shown == 1 and source.state.step == 4 and source.by_hand
    end(program, 1, t=3.0)
    begin(program, 2, at=10.0)
    until(lambda: source.poll() or len(source.streams) == 3)
    looked(source)
    assert source.shown == 1
    # back at the one that is shown by itself, the choice is open again
    source.show(source.streams.choose(None) or 0)
    assert not source.by_hand


def test_the_stream_that_was_asked_for_is_shown(program: RunDirectory) -> None:
    for number in range(3):
        begin(program, number, at=number)
        step(program, number, number + 1)
    source = Source(program, 2)
    source.poll()
    assert source.shown == 2 and source.state.step == 3


def test_a_run_that_is_over_shows_what_following_would_have_come_to(program: RunDirectory) -> None:
    begin(program, 0)
    end(program, 0, t=10.0)
    begin(program, 1, at=5.0)  # beside the first: nobody would have been led there
    end(program, 1, t=50.0)
    begin(program, 2, at=11.0)
    step(program, 2, 5)
    end(program, 2, t=5.0)
    directory.replace(program.exit_file, {"status": 0, "time": time.time()})
    source = Source(program)
    source.poll()
    assert source.shown == 2 and source.state.step == 5 and source.status == "finished"


def test_two_trainings_of_which_the_first_was_long_are_told_apart_while_it_is_still_read(program: RunDirectory) -> None:
    begin(program, 0)
    with open(program.events_file(0), "ab") as file:
        file.write(
            b"".join(events.encode(Tick(t=n / 10, step=n, loss=1.0, low=0.1, high=9.0)) for n in range(1, 14_000))
        )
    begin(program, 1, at=1.0)
    step(program, 1, 2)
    source = Source(program)
    source.SLICE_S = 0.0  # type: ignore[misc]
    source.poll()
    assert source.catching_up
    source.show(1)
    for _ in range(5):
        source.poll()
    assert not source.catching_up and source.state.step == 2 and len(source.state.train) == 1
    source.show(0)
    source.poll()
    assert source.catching_up and source.state.step == 13_999


# ── ranks and restarts ──


def test_of_the_ranks_the_lowest_that_lives_is_shown(program: RunDirectory, process: Any) -> None:
    ranks = {"world": 3, "argv": ["ddp.py"]}
    begin(program, 0, pid=process().pid, rank=2, **ranks)
    source = Source(program)
    source.poll()
    assert source.shown == 0
    begin(program, 1, at=0.1, pid=process().pid, rank=1, **ranks)
    until(lambda: shown(source, 1))
    leader = process()
    begin(program, 2, at=0.2, pid=leader.pid, rank=0, **ranks)
    until(lambda: shown(source, 2))
    assert {one.rank for one in source.ranks()} == {0, 1, 2}
    assert source.streams.title(2) == "3: ddp.py · rank 0/3"
    # its end comes a moment before those of the others: it is not left for them
    leader.kill()
    leader.wait()
    end(program, 2, t=9.0)
    until(lambda: source.poll() or source.streams.all[2].over)
    looked(source)
    assert source.shown == 2
    # of a run that is over too
    directory.replace(program.exit_file, {"status": 0, "time": time.time()})
    again = Source(program)
    again.poll()
    assert again.shown == 2


def test_a_restart_is_followed_though_the_workers_before_it_were_killed(
    program: RunDirectory, process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_module, "QUIET_S", 1e9)  # they were seen alive: that they are gone is seen at once
    workers = [process(), process()]
    for rank, worker in enumerate(workers):
        begin(program, rank, at=-30.0, pid=worker.pid, rank=rank, world=2)
    source = Source(program)
    source.poll()
    assert source.shown == 0 and not any(one.over for one in source.streams.all)
    for worker in workers:  # without a word
        worker.kill()
        worker.wait()
    until(lambda: source.poll() or all(one.over for one in source.streams.all))
    later = time.time() - NOW
    begin(program, 2, at=later, pid=process().pid, rank=1, world=2, restart=1)
    begin(program, 3, at=later, pid=process().pid, rank=0, world=2, restart=1)
    until(lambda: shown(source, 3))
    assert source.streams.turned(3) == "turned to restart 1 of train.py"
    assert {one.number for one in source.ranks()} == {2, 3}


def test_a_process_that_replaces_itself_has_two_streams_and_the_newer_is_alive(program: RunDirectory) -> None:
    begin(program, 0, at=-50.0, pid=os.getpid())
    begin(program, 1, at=-40.0, pid=os.getpid())
    os.utime(program.events_file(0), (NOW - 45.0, NOW - 45.0))
    source = Source(program)
    source.poll()
    assert [one.over for one in source.streams.all] == [True, False] and source.shown == 1


def test_a_process_id_that_another_program_has_now_is_no_sign_of_life(program: RunDirectory, process: Any) -> None:
    begin(program, 0, at=-5000.0, pid=process().pid)
    begin(program, 1, at=-100.0, pid=os.getpid())
    os.utime(program.events_file(0), (NOW - 4000.0, NOW - 4000.0))
    source = Source(program)
    source.poll()
    assert source.streams.all[0].over and source.shown == 1


def test_where_process_ids_mean_nothing_what_is_written_tells(program: RunDirectory) -> None:
    begin(program, 0, at=-100.0)
    begin(program, 1, at=-90.0)
    os.utime(program.events_file(0), (time.time() - 10, time.time() - 10))
    streams = Streams(program)
    streams.look(None)
    assert [one.over for one in streams.all] == [True, False]
    # of a run on another host nothing is known but what it says
    elsewhere = Streams(program)
    elsewhere.here = False
    elsewhere.look(None)
    assert [one.over for one in elsewhere.all] == [False, False]
    end(program, 1, t=95.0)
    elsewhere.look(None)
    assert [one.over for one in elsewhere.all] == [False, True]


# ── bounds and damage ──


def test_a_thousand_streams_cost_a_line_each_and_then_next_to_nothing(
    program: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_module, "process_start", lambda pid: "alive")
    for number in range(1000):
        begin(program, number, at=float(number))
    opened: list[Any] = []
    real = open

    def counted(file: Any, *rest: Any, **how: Any) -> Any:
        opened.append(file)
        return real(file, *rest, **how)

    monkeypatch.setattr(streams_module, "open", counted, raising=False)
    streams = Streams(program)
    streams.look(0)
    assert len(streams) == 1000 and 1000 <= len(opened) <= 1000 + AT_ONCE + 1
    opened.clear()
    asked: list[Stream] = []
    monkeypatch.setattr(Streams, "_is_over", lambda self, one: asked.append(one) or False)
    for number in range(1, 1 + 999 // AT_ONCE + 1):
        streams.look(0)
        assert len(asked) <= number * (AT_ONCE + 1)
    assert not opened
    assert len({one.number for one in asked}) == 1000, "some are never asked"


def test_a_stream_whose_first_line_is_missing_or_damaged_is_a_stream_without_a_name(program: RunDirectory) -> None:
    program.events_file(0).touch()
    program.events_file(1).write_bytes(b'{"k":"start","pid":"not a number"}\n')
    begin(program, 2, argv=["late.py"])
    source = Source(program)
    source.poll()
    assert len(source.streams) == 3 and source.shown == 0
    assert [source.streams.title(number) for number in (0, 1, 2)] == ["1: program", "2: program", "3: late.py"]
    # and the line that was not whole yet is read when it is
    begin(program, 0, argv=["first.py"])
    until(lambda: source.poll() or source.streams.title(0) == "1: first.py")


def test_streams_are_counted_by_their_places_where_one_is_missing(program: RunDirectory) -> None:
    begin(program, 0)
    begin(program, 12, at=5.0)
    streams = Streams(program)
    streams.look(None)
    assert streams.at(12) == 2 and streams.title(12) == "2: train.py"


def test_a_pause_that_was_left_behind_is_remembered(program: RunDirectory, process: Any) -> None:
    begin(program, 0, pid=process().pid)
    append_line(program.events_file(0), events.encode(Gate(held=True, phase="backward")))
    begin(program, 1, at=1.0, pid=process().pid)
    source = Source(program)
    source.poll()
    assert source.holds
    source.show(1)
    source.poll()
    assert source.holds and source.status == "running"
    source.show(0)
    append_line(program.events_file(0), events.encode(Gate(held=False)))
    source.poll()
    source.show(1)
    assert not source.holds


# ── words ──


@pytest.mark.parametrize(
    "argv, script",
    [
        (["/home/x/train.py", "--lr", "1"], "train.py"), (["-c"], "python -c"), (["-"], "python -"), ([""], "program"),
        ([], "program"), (["/lib/package/__main__.py"], "package"), (["/lib/package/fit.py"], "fit.py"),
    ],
)  # fmt: skip
def test_what_a_person_calls_a_program(argv: list[str], script: str) -> None:
    assert Stream(0, Start(argv=argv)).script == script
    assert Stream(0, Start(argv=argv)).arguments == argv[1:]


def test_numbers_in_words() -> None:
    assert [ordinal(n) for n in (1, 2, 10, 11, 12, 13, 21, 22, 103, 111)] == [
        "first", "second", "tenth", "11th", "12th", "13th", "21st", "22nd", "103rd", "111th",
    ]  # fmt: skip


def test_the_second_job_of_several_ranks_is_the_second_training(program: RunDirectory) -> None:
    for number in range(4):
        begin(program, number, at=100.0 * (number // 2), rank=number % 2, world=2, argv=[f"job{number // 2}.py"])
    streams = Streams(program)
    streams.look(None)
    assert streams.turned(2) == "turned to the second training: job1.py"
