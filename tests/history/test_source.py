"""Following a run: the end first, then the whole; a run that is over; a run that begins."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tui.history.source import Source
from tui.run import directory, events
from tui.run.directory import RunDirectory
from tui.run.events import Model, ModuleInfo, Start, TensorInfo, Tick
from tui.run.journal import append_line, create
from tui.run.live import replace_bytes

TICK = b'{"k":"tick","t":%d.5,"step":%d,"steps":10,"loss":%.4f,"low":0.1,"high":2.5,"mean":1.0,"rate":0.001,"cost":0.003}\n'


def journal(run: RunDirectory, ticks: int) -> None:
    create(run.events_file(0))
    head = events.encode(Start(pid=1)) + events.encode(
        Model(name="Net", tensors=[TensorInfo("w", [2])], modules=[ModuleInfo("", "Net", tensors=[0])])
    )
    body = b"".join(TICK % (n, n * 10, 50.0 if n == 7 else 1.0 + 1.0 / n) for n in range(1, ticks + 1))
    run.events_file(0).write_bytes(head + body)


def test_of_a_long_journal_the_newest_step_comes_first_and_then_the_whole_curve(run: RunDirectory) -> None:
    # Given 300,000 ticks, with a spike in the seventh
    journal(run, 300_000)
    source = Source(run)
    # When it is polled once, then the newest step and the model are there
    assert source.poll()
    assert source.state.step == 3_000_000 and source.catching_up
    assert source.state.model is not None and source.state.start is not None
    # When it is polled on, then so is the whole curve, spike and all, and the screen never goes back
    for _ in range(100_000):
        source.poll()
        assert source.state.step == 3_000_000
        if not source.catching_up:
            break
    assert source.state.train.buckets[0].first == 1
    assert source.state.train.buckets[0].high == 50.0 and source.state.first_loss == 2.0
    assert sum(bucket.count for bucket in source.state.train.buckets) == 3_000_000
    assert source.bad_lines == 0
    # And it goes on from there
    append_line(run.events_file(0), TICK % (300_001, 3_000_010, 1.0))
    source.poll()
    assert source.state.step == 3_000_010
    assert sum(bucket.count for bucket in source.state.train.buckets) == 3_000_010


def test_what_is_written_while_it_catches_up_is_neither_lost_nor_counted_twice(run: RunDirectory) -> None:
    journal(run, 20_000)
    source = Source(run)
    source.SLICE_S = 0.0  # type: ignore[misc]
    source.poll()
    assert source.catching_up
    number = 20_000
    while source.catching_up:
        number += 1
        append_line(run.events_file(0), TICK % (number, number * 10, 1.0))
        source.poll()
        assert source.state.step == number * 10
    source.poll()
    assert sum(bucket.count for bucket in source.state.train.buckets) == number * 10
    assert source.bad_lines == 0


def test_a_model_whose_line_is_longer_than_a_piece_does_not_end_the_catching_up(run: RunDirectory) -> None:
    journal(run, 10_000)
    tensors = [TensorInfo(f"layer.{number}.weight", [100, 100]) for number in range(12_000)]
    big = events.encode(Model(name="Big", tensors=tensors))
    assert len(big) > 1 << 19
    content = run.events_file(0).read_bytes()
    run.events_file(0).write_bytes(big + content[content.index(b'{"k":"tick"') :])
    source = Source(run)
    source.poll()
    while source.catching_up:
        source.poll()
        assert source.state.step == 100_000
    assert source.state.model is not None and len(source.state.model.tensors) == 12_000


def test_a_damaged_line_is_counted_once_and_skipped(run: RunDirectory) -> None:
    journal(run, 20_000)
    content = run.events_file(0).read_bytes()
    run.events_file(0).write_bytes(b"garbage\n" + content + b"more garbage\n" + TICK % (20_001, 200_010, 1.0))
    source = Source(run)
    source.poll()
    while source.catching_up:
        source.poll()
    assert source.bad_lines == 2 and source.state.step == 200_010


def test_a_run_that_has_just_begun_is_followed_from_nothing(run: RunDirectory) -> None:
    source = Source(run)
    source.poll()
    assert source.status == "starting"
    create(run.events_file(0))
    source.poll()
    append_line(run.events_file(0), events.encode(Start(pid=1)))
    append_line(run.events_file(0), events.encode(Tick(step=1, loss=0.5)))
    assert source.poll()
    assert source.state.step == 1 and source.status == "running"
    append_line(run.events_file(0), events.encode(events.Gate(held=True, phase="backward")))
    source.poll()
    assert source.status == "paused"
    replace_bytes(run.live_file(0), events.encode_bare(events.Live(step=5, tick=Tick(step=5))))
    source.poll()
    assert source.state.step == 5


@pytest.mark.parametrize(
    "ended, stop, status",
    [({"status": 0}, False, "finished"), ({"status": 1}, False, "failed"), ({"signal": 9}, False, "failed"), ({"status": 130}, True, "stopped")],
)  # fmt: skip
def test_how_a_run_ended(run: RunDirectory, ended: dict[str, int], stop: bool, status: str) -> None:
    journal(run, 5)
    if stop:
        append_line(run.events_file(0), events.encode(events.Applied(do="stop", id="a")))
    directory.replace(run.exit_file, {**ended, "time": time.time()})
    source = Source(run)
    source.poll()
    assert source.over and source.status == status
    assert source.state.step == 50


def test_a_run_that_was_over_before_the_first_look_is_read_to_its_end(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a stream and an ending that both come about between the two looks of one poll
    source = Source(run)
    real = RunDirectory.exit

    def ends_now(self: RunDirectory) -> object:
        if not self.exit_file.exists():
            journal(run, 5)
            directory.replace(run.exit_file, {"status": 0})
        return real(self)

    monkeypatch.setattr(RunDirectory, "exit", ends_now)
    source.poll()
    assert source.over and source.state.step == 50


def test_a_run_whose_program_is_gone_without_a_word_is_lost(run: RunDirectory) -> None:
    directory.replace(run.run_file, {**run.about(), "pid": 2**22 + 1, "pid_start": "1"})
    source = Source(run)
    source.poll()
    assert source.status == "lost" and source.over


def test_of_another_host_only_the_silence_is_known(run: RunDirectory) -> None:
    directory.replace(run.run_file, {**run.about(), "host": "elsewhere", "pid": os.getpid()})
    journal(run, 3)
    source = Source(run)
    source.poll()
    assert source.alive is None and not source.over and source.silent_s() >= 0


def test_a_real_run_is_read(finished: RunDirectory, tmp_path: Path) -> None:
    source = Source(finished)
    source.poll()
    assert source.status == "finished" and source.bad_lines == 0
    assert source.state.step == 24 * 32 + 24 * 16
    assert source.state.live is not None and source.state.live.picture is not None
    assert source.output.last().startswith("random")
    assert len(source.state.train) > 0 and [layer.kind for layer in source.state.layers][:2] == [
        "Conv2d",
        "BatchNorm2d",
    ]
