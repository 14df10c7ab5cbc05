"""Keys of the log: looking for a text, and typing into a program that has a terminal of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..run import terminal
from .arrange import arrange
from .panels.log import Log
from .requests import Requests
from .screens.line import Find, Line, Type
from .window import window

if TYPE_CHECKING:
    from .app import BacklitApp


ENOUGH = 10
"""Rows of the log, its border included, in which one can talk with a program."""


class Keyboard(Requests):
    """What is typed, and how large the terminal is that it is typed into."""

    def __init__(self, app: BacklitApp) -> None:
        super().__init__(app)
        self._typed: list[str] = []
        self._sized: tuple[object, ...] = ()
        self._told_waiting = False

    def _find(self) -> None:
        self._open(Find(self._log()), 0)

    def _type(self) -> None:
        self.scene.log.bottom = None  # what comes of it is at the end
        self._open(Type(self._log(), self.give, self._typed), ENOUGH)

    def _open(self, line: Line, rows: int) -> None:
        """A line at the foot of the log, which has the screen for itself meanwhile where it has not so many rows."""
        scene = self.scene
        place = arrange(*self.app.size, "log", content=scene.content).get("log")
        enlarged = not scene.zoomed and (place is None or place.height < rows)
        if enlarged:
            scene.zoomed = "log"
            self.app.rearrange()

        def left(nothing: None) -> None:
            if enlarged and scene is self.scene and scene.zoomed == "log":
                scene.zoomed = ""
                self.app.rearrange()

        self.app.push_screen(line, left)

    def _log(self) -> Log:
        """The log, in front."""
        panel = self.app.panel("log")
        assert isinstance(panel, Log)
        if not panel.display or self.scene.focus != "log":
            self.scene.tab = self.scene.focus = "log"
            if self.scene.zoomed:
                self.scene.zoomed = "log"
            self.app.rearrange()
            self.app.focus_panel("log")
        return panel

    def give(self, data: bytes) -> bool:
        """Types into the program's terminal; False, and a sentence, where that cannot be."""
        try:
            terminal.send(self.scene.source.run, self.app.desk.name, data)
        except OSError as error:
            self.app.say(f"What you typed could not be written ({error.strerror or error}).", bad=True)
            return False
        self.app.hurry()
        return True

    def fit_terminal(self, width: int, height: int) -> None:
        """The program's terminal is as wide as the log; who only looks leaves it as it is."""
        scene = self.scene
        if not scene.may_type:
            return
        size = window(width, height, zoomed=scene.zoomed == "log")
        sized = (scene.source.run.path, *size)
        if sized != self._sized:
            self._sized = sized
            with contextlib.suppress(OSError):  # a full disk: it keeps the size it has
                terminal.resize(scene.source.run, *size)

    def tell_waiting(self) -> None:
        """A program that begins to wait for input says so, where the log does not."""
        waits = self.scene.waits_for_input
        log = self.app.panel("log")
        if waits and not self._told_waiting and not (log is not None and log.display):
            typed = ": i to type" if self.scene.may_type else ""
            self.app.say(f"The program waits for input{typed}.")
        self._told_waiting = waits
