"""How what a person asks for becomes a request to the run: written down, and remembered until it is answered."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..run import events
from ..run.events import Command
from .scene import Pending, Scene

if TYPE_CHECKING:
    from .app import BacklitApp


class Requests:
    """What all controls stand on."""

    def __init__(self, app: BacklitApp) -> None:
        self.app = app
        self._then: Callable[[], None] | None = None
        """What to ask once training is held."""

    @property
    def scene(self) -> Scene:
        return self.app.scene

    def send(self, command: Command, pending: Pending, to: Sequence[int | None] | None = None) -> None:
        """Writes a request and remembers that its answer is due. `to`: by default what `Scene.addresses` says."""
        try:
            self.app.desk.command(command, self.scene.addresses() if to is None else to)
        except OSError as error:
            said = f"The request could not be written ({error.strerror or error})."
            if self.scene.paused and self.app.desk.ask_to_resume():
                said += " Training was asked to go on."
            self.app.say(said, bad=True)
            return
        self.scene.ask(command.id, pending)
        self.app.hurry()

    def _pending(self, do: str, text: str, factor: float | None = None, value: float | None = None) -> Pending:
        return Pending(do, text, time.monotonic(), factor, value)

    def request(self, command: Command) -> None:
        """What a panel asks for by itself: the weight that is nudged."""
        if self.scene.steerable and self.scene.paused:
            command = dataclasses.replace(command, id=self.app.desk.new_id())
            self.send(command, self._pending("try", "the nudge"))

    def follow_up(self) -> None:
        """What was to be asked once training is held."""
        if self._then is not None and self.scene.paused:
            then, self._then = self._then, None
            then()
        elif not self.scene.steerable:
            self._then = None

    def hold_first(self, then: Callable[[], None]) -> None:
        """Asks for a pause; what is to be asked once training is held comes after."""
        if self.scene.paused:
            then()
            return
        self._then = then
        self.send(events.Pause(self.app.desk.new_id()), self._pending("pause", "pause"))
