"""Several ranks of one job are stopped, stepped, turned and stopped for good together, or not at all."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest

from tui.probe import ranks as module
from tui.probe.desk import Request
from tui.probe.ranks import Ranks
from tui.run import events
from tui.run.directory import RunDirectory

from ..support import Hand, Onlooker, Program, events_of, python, until


class Job(Hand):
    """Two ranks that train together, and somebody who asks rank 0."""

    def __init__(self, start: Any, folder: Path, slower: float = 0.0, timeout_s: float = 600.0) -> None:
        self.folder = folder
        self.program: Program = start(python("ranks", str(folder), "1000000", str(slower), str(timeout_s)))
        super().__init__(self.program.run)
        until(lambda: self.program.run.streams() == [0, 1] and all(events_of(self.run, n) for n in (0, 1)))
        self.leader = next(n for n in (0, 1) if events_of(self.run, n)[0].rank == 0)

    def answered(self, name: str) -> Any:
        found = [one for one in events_of(self.run, self.leader) if isinstance(one, events.Applied) and one.id == name]
        assert len(found) <= 1, "answered twice"
        return found[0] if found else None

    def both_held(self, step: int) -> bool:
        """Are both ranks held after so many updates?"""
        for stream in (0, 1):
            gates = [one for one in events_of(self.run, stream) if isinstance(one, events.Gate)]
            if not gates or not gates[-1].held or gates[-1].step != step:
                return False
        return True

    def moves(self, rank: int) -> list[float]:
        """The rate of each update that a rank has made."""
        return [float(line) for line in (self.folder / f"moves-{rank}").read_text().splitlines()]


def test_all_ranks_stop_between_the_same_two_steps(start: Any, tmp_path: Path) -> None:
    job = Job(start, tmp_path, slower=0.02)
    with Onlooker(job.run):
        # When they are paused
        paused = job.answer(events.Pause())
        assert paused.refused == ""
        until(lambda: job.both_held(paused.step))
        # Then both have made the same updates, to the last
        assert len(job.moves(0)) == len(job.moves(1)) == paused.step
        # When they make three more, with another rate
        job.answer(events.SetRate(factor=0.1))
        job.answer(events.Step(n=3))
        until(lambda: job.both_held(paused.step + 3))
        for rank in (0, 1):
            assert job.moves(rank)[-4:] == pytest.approx([0.5, 0.05, 0.05, 0.05], rel=0.02)
        # When they are stopped, then both end as after Ctrl-C
        job.answer(events.Stop())
        job.program.wait()
    assert len(job.moves(0)) == len(job.moves(1)) == paused.step + 3
    assert "KeyboardInterrupt" in job.program.output


def test_a_pause_ends_before_the_groups_time_out(start: Any, tmp_path: Path) -> None:
    job = Job(start, tmp_path, timeout_s=5.0)
    paused = job.answer(events.Pause(keep=True))
    until(lambda: job.both_held(paused.step))
    until(lambda: len(job.moves(0)) > paused.step + 3)

    def said() -> list[str]:
        return [one.text for one in events_of(job.run, job.leader) if isinstance(one, events.Warning)]

    until(lambda: any("time-out of 5 s" in text for text in said()))


class Rank:
    """One rank without a process: its `Ranks`, and what stands around it."""

    def __init__(self, run: RunDirectory, rank: int, world: int = 2) -> None:
        self.step = 0
        self.done: list[Any] = []
        self.refused: list[str] = []
        self.speed, self.gate, self.orders = 10.0, self, self
        self.held = False
        self.requests: deque[Request] = deque()
        self.chores: list[Any] = []
        self.gone = None
        self.ranks = Ranks(run, rank, world, lambda: self.step)
        self.ranks.begin(self)  # type: ignore[arg-type]

    def carry_out(self, request: Request) -> None:
        self.done.append(request.command)

    def answer(self, request: Request, refused: str = "") -> None:
        self.refused.append(refused)

    def attend(self) -> None:
        self.ranks.listen()
        self.ranks.attend(self, self)  # type: ignore[arg-type]

    def at_the_gate(self) -> bool:
        """One look at the place where it would wait; is it through?"""
        self.attend()
        return self.ranks._hold is None or self.ranks._hold.step != self.step or self.ranks._settle(self)  # type: ignore[arg-type]


def test_a_rank_that_has_passed_the_step_lets_nobody_wait_and_the_next_try_looks_further_ahead(
    run: RunDirectory,
) -> None:
    zero, one = Rank(run, 0), Rank(run, 1)
    zero.attend()  # sees the other
    zero.requests.append(Request("me", events.Pause(id="a")))
    zero.attend()
    first = zero.ranks._hold
    assert first is not None and first.step == 3  # 10 steps a second, 0.3 s ahead
    # When rank 1 is past it already, then rank 0 does not wait there and nothing is done
    one.step = 5
    one.attend()
    zero.step = first.step
    assert zero.at_the_gate() and zero.done == [] and one.done == []
    # Then it tries again with twice the margin
    zero.attend()
    second = zero.ranks._hold
    assert second is not None and second.step - zero.step == 2 * first.step
    # And when both come there, both wait for each other and do it
    one.attend()
    one.step = second.step
    assert not one.at_the_gate()
    zero.step = second.step
    assert zero.at_the_gate() and one.at_the_gate()
    assert zero.done == one.done == [events.Pause(id="a")]


def test_a_rank_that_has_ended_is_not_waited_for(run: RunDirectory) -> None:
    zero, one = Rank(run, 0), Rank(run, 1)
    one.ranks.end()
    zero.attend()
    zero.requests.append(Request("me", events.Pause(id="a")))
    zero.attend()
    assert zero.ranks._hold is not None
    zero.step = zero.ranks._hold.step
    assert zero.at_the_gate() and zero.done == [events.Pause(id="a")]


def test_a_rank_that_never_comes_is_named(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", -100.0)  # nobody waits
    zero, one = Rank(run, 0), Rank(run, 1)
    one.attend()
    zero.attend()
    zero.requests.append(Request("me", events.Pause(id="a")))
    for _ in range(module.TRIES):
        zero.attend()
        assert zero.ranks._hold is not None
        zero.step = zero.ranks._hold.step
        assert zero.at_the_gate()
    assert zero.refused == ["the ranks could not be stopped at one step (rank 1 did not come)"]
    assert zero.ranks.calm and zero.done == []
    # And whoever looks at the other rank reads it there
    one.attend()
    assert one.refused == zero.refused


def test_what_is_announced_before_the_last_was_carried_out_waits_its_turn(run: RunDirectory) -> None:
    zero, one = Rank(run, 0), Rank(run, 1)
    zero.attend()
    zero.requests.append(Request("me", events.Pause(id="a")))
    zero.attend()
    one.attend()
    assert zero.ranks._hold is not None
    zero.step = one.step = zero.ranks._hold.step
    assert not one.at_the_gate() and zero.at_the_gate() and zero.done == [events.Pause(id="a")]
    # rank 0 is held and asked for more before rank 1 has looked again: it reads both at once
    zero.held = True
    zero.attend()
    zero.requests.append(Request("me", events.Step(id="b", n=1)))
    zero.attend()
    assert one.at_the_gate() and one.done == zero.done and not one.ranks.calm
    one.held = True
    one.ranks.attend(one, one)  # type: ignore[arg-type]
    assert not one.at_the_gate()  # it stands there for the second
    assert zero.at_the_gate() and one.at_the_gate()
    assert zero.done == one.done == [events.Pause(id="a"), events.Step(id="b", n=1)] and one.ranks.calm


def test_when_rank_0_ends_before_the_step_nobody_waits(run: RunDirectory) -> None:
    zero, one = Rank(run, 0), Rank(run, 1)
    zero.attend()
    zero.requests.append(Request("me", events.Pause(id="a")))
    zero.attend()
    one.attend()
    assert one.ranks._hold is not None
    one.step = one.ranks._hold.step
    assert not one.at_the_gate()
    zero.ranks.end()
    assert one.at_the_gate() and one.done == [] and one.ranks.calm


@pytest.mark.parametrize(
    "request_, words",
    [
        (Request("me", events.Step(id="a"), "n is no number"), "n is no number"),
        (Request("me", events.Rewind(id="a")), "not while several ranks"),
        (Request("me", events.Break(id="a", when="loss", value=2.0)), "a loss of its own"),
    ],
)
def test_what_not_all_ranks_would_do_alike_is_refused(run: RunDirectory, request_: Request, words: str) -> None:
    zero, one = Rank(run, 0), Rank(run, 1)
    one.attend()
    zero.attend()
    zero.requests.append(request_)
    zero.attend()
    one.attend()
    assert len(zero.refused) == 1 and words in zero.refused[0]
    assert zero.ranks.calm and one.ranks.calm


def test_ranks_that_cannot_be_seen_from_here_are_not_steered(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    zero = Rank(run, 0, world=4)
    zero.requests.append(Request("me", events.Pause(id="a")))
    zero.attend()
    assert zero.refused == ["the job has 4 ranks and only 1 of them can be seen from here"]
    assert zero.ranks.calm
