"""A probe in this process: torch's doors are hooked once, and lead to the probe of the test that runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any, Callable, Optional

import pytest

from tui.probe.desk import Request
from tui.probe.quiet import Quiet
from tui.run import events
from tui.run.directory import RunDirectory

from ..support import Hand, Onlooker, events_of, until


class Relay:
    """Hears the moments of torch, and passes them to the probe of the day."""

    def __init__(self) -> None:
        self.probe: Any = None
        self.quiet = Quiet()

    def __getattr__(self, moment: str) -> Callable[..., Any]:
        def pass_on(*arguments: Any) -> Any:
            return getattr(self.probe, moment)(*arguments) if self.probe is not None else None

        return pass_on


@pytest.fixture(scope="session")
def relay() -> Relay:
    import torch

    from tui.probe import hooks

    torch.set_num_threads(1)
    relay = Relay()
    hooks.install(relay)
    return relay


class Watch:
    """What a test sees of the run that its own training loop is."""

    def __init__(self, run: RunDirectory, relay: Relay) -> None:
        from tui.probe.probe import Probe

        self.run = run
        self.hand = Hand(run)
        self.probe = Probe(run, relay.quiet)
        self._relay = relay
        relay.probe = self.probe
        self.probe.begins_afresh = relay.begins_afresh
        relay.begins_afresh()

    def end(self) -> list[Any]:
        """Training is over: everything that was recorded."""
        self._relay.probe = None
        self._relay.quiet.until = 0.0
        if self.probe._desk is not None:
            self.probe._end(os.getpid())
            self.probe._desk = None
        return events_of(self.run)

    def ticks(self) -> list[events.Tick]:
        """Ends, and gives the ticks; a probe that switched something off fails the test."""
        found = self.end()
        assert [one.text for one in found if isinstance(one, events.Warning)] == []
        return [one for one in found if isinstance(one, events.Tick)]

    def steered(self, train: Callable[[], None], steer: Callable[[Hand], None], looked_at: bool = True) -> None:
        """Trains in this thread while `steer` runs in another; when it returns, training ends with the next update."""
        failure: list[BaseException] = []

        def person() -> None:
            try:
                steer(self.hand)
            except BaseException as error:
                failure.append(error)
            self.hand.ask(events.Stop())

        thread = threading.Thread(target=person)
        onlooker: Optional[Onlooker] = Onlooker(self.run) if looked_at else None
        if onlooker is not None:
            onlooker.__enter__()
        thread.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                train()
        finally:
            thread.join()
            if onlooker is not None:
                onlooker.__exit__()
        if failure:
            raise failure[0]

    def before_next_update(self, command: Any) -> None:
        """Asks, from the thread that trains and once training has begun. It takes effect with the very next update
        where `attentive` was called before; else it may be the one after."""
        self.probe._desk.requests.append(Request("test", command))

    def attentive(self) -> None:
        """From now on no update is passed over quietly."""
        self.probe.steering.gate.speed = 1e9

    def pause_at_first(self) -> None:
        """Asks, before anything began, to be held before the first update."""
        self.hand.ask(events.Pause())

    def walk(self, count: int) -> list[str]:
        """The phases at which training is held, one after another."""
        for _ in range(count):
            seen = len(self.hand.gates())
            self.hand.ask(events.Phase())
            until(lambda seen=seen: len(self.hand.gates()) >= seen + 2 and self.hand.held())
        return [gate.phase for gate in self.hand.gates() if gate.held]


@pytest.fixture
def watch(run: RunDirectory, relay: Relay) -> Iterator[Watch]:
    watch = Watch(run, relay)
    yield watch
    watch.end()
