"""Several streams in one run: a request is for the stream that it names, and pictures are taken where somebody looks."""

from __future__ import annotations

import json
import os
import threading
from typing import Any, Optional

import pytest
import torch
from torch import nn

from tui.probe.desk import Desk, claim
from tui.run import events
from tui.run.directory import RunDirectory, replace_bytes
from tui.run.journal import append_line

from ..support import until
from .conftest import Watch


def ask(run: RunDirectory, command: Any, stream: Optional[int] = None) -> None:
    append_line(run.control / "viewer.jsonl", events.encode_request(command, stream))


def look(run: RunDirectory, name: str = "viewer", **what: Any) -> None:
    replace_bytes(run.viewers / f"{name}.json", events.encode_bare(events.Presence(**what)))


def heard(desk: Desk) -> list[str]:
    """The ids of the requests that have come since the last call."""
    desk._read_control()
    found = [request.command.id for request in desk.requests if request.command is not None]
    desk.requests.clear()
    return found


def test_a_request_is_for_the_stream_that_it_names_or_for_all(run: RunDirectory) -> None:
    desks = [Desk(run, 0), Desk(run, 1)]
    ask(run, events.Pause("first"), 0)
    ask(run, events.Pause("second"), 1)
    ask(run, events.Step("both", 3))
    append_line(run.control / "hand.jsonl", b'{"do":"speed","id":"by hand","steps_per_s":5}\n')
    assert sorted(heard(desks[0])) == ["both", "by hand", "first"]
    assert sorted(heard(desks[1])) == ["both", "by hand", "second"]
    assert [desk.bad_lines for desk in desks] == [0, 0]


@pytest.mark.parametrize("stream", ["1", 1.0, True, [1], {}, 2**70])
def test_an_address_that_is_none_makes_no_request(run: RunDirectory, stream: Any) -> None:
    desk = Desk(run, 1)
    append_line(run.control / "hand.jsonl", json.dumps({"do": "stop", "stream": stream}).encode() + b"\n")
    assert heard(desk) == [] and desk.bad_lines == 1


def test_a_pause_of_another_stream_does_not_make_one_here_stay(run: RunDirectory) -> None:
    look(run, beat=1, stream=0)
    desks = [Desk(run, 0), Desk(run, 1)]
    for desk in desks:
        desk._see_who_looks(1.0)
    ask(run, events.Pause("a", keep=True), 0)
    for desk in desks:
        desk._read_control()
    assert [desk.pause_stays for desk in desks] == [True, False]


def test_only_the_stream_that_is_looked_at_has_to_show_anything(run: RunDirectory) -> None:
    desks = [Desk(run, 0), Desk(run, 1)]
    look(run, beat=1, stream=1, mode="gradient", tensor=3)
    for desk in desks:
        desk._see_who_looks(100.0)
    assert [desk.looking for desk in desks] == [False, True]
    assert [len(desk.requests) for desk in desks] == [0, 1]  # training is woken, however long nothing will be due
    assert desks[1].wish.mode == "gradient" and desks[0].wish.mode == "change"
    # a pause in the one that is not looked at is not left alone all the same
    assert [desk.last_look for desk in desks] == [100.0, 100.0]
    # two viewers, one each; and one of a time before streams had names looks at all
    look(run, "other", beat=1, stream=0, mode="weight")
    for desk in desks:
        desk._see_who_looks(101.0)
    assert [(desk.looking, desk.wish.mode) for desk in desks] == [(True, "weight"), (True, "gradient")]
    look(run, "old", beat=1, mode="output")
    for desk in desks:
        desk._see_who_looks(102.0)
    assert [desk.wish.mode for desk in desks] == ["output", "output"]
    assert [[request.command for request in desk.requests] for desk in desks] == [[None], [None]]
    # nobody any more
    for name in ("viewer", "other", "old"):
        (run.viewers / f"{name}.json").unlink()
    for desk in desks:
        desk._see_who_looks(103.0)
    assert [(desk.looking, desk.last_look) for desk in desks] == [(False, 102.0), (False, 102.0)]


def test_a_viewer_that_turns_to_another_stream_is_missed_at_once(run: RunDirectory) -> None:
    desk = Desk(run, 0)
    look(run, beat=1, stream=0)
    desk._see_who_looks(1.0)
    assert desk.looking
    look(run, beat=2, stream=1)
    desk._see_who_looks(1.25)
    assert not desk.looking
    # one that leaves on purpose while something is paused says so to all
    look(run, beat=3, stays=True)
    desk._see_who_looks(1.5)
    assert desk.pause_stays


def test_of_threads_that_begin_to_train_at_once_one_is_watched(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(rate: float) -> None:
        layer = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(layer.parameters(), lr=rate)
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    def claim_meanwhile(run: RunDirectory) -> int:
        if not others:
            others.append(threading.Thread(target=train, args=(0.5,)))
            others[0].start()
            others[0].join()  # it has made its step before the first has a stream
        return claim(run)

    others: list[threading.Thread] = []
    monkeypatch.setattr("tui.probe.probe.claim", claim_meanwhile)
    train(0.25)
    ticks = watch.ticks()
    assert watch.run.streams() == [0] and [(tick.step, tick.rate) for tick in ticks] == [(1, 0.25)]


def test_the_background_rests_while_the_process_forks_and_comes_back(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.probe.desk.REST_S", 5.0)
    layer = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.25)

    def train() -> None:
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    def threads() -> set[str]:
        return set(os.listdir("/proc/self/task"))

    before = threads()
    train()
    assert len(threads() - before) == 1
    for number in range(3):
        watch.probe.rest()
        assert threads() <= before
        watch.probe.rest()
        asked = watch.hand.ask(events.SetRate(factor=2.0 + number))
        train()
        until(lambda asked=asked: train() or watch.hand.answered(asked))
    watch.ticks()
    until(lambda: threads() <= before)


def test_what_a_signal_handler_raises_where_the_process_forks_is_raised_at_the_next_moment(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.25)
    optimizer.step()
    desk = watch.probe._desk

    def interrupted() -> None:
        Desk.rest(desk)
        raise KeyboardInterrupt

    monkeypatch.setattr(desk, "rest", interrupted)
    watch.probe.rest()  # Python would drop it here
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    optimizer.step()
    assert watch.ticks()[-1].step == 2
