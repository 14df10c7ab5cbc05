"""A viewer under test: the app over a scripted run, with no terminal."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from textual import events
from textual.keys import key_to_character
from textual.pilot import Pilot
from textual.widgets import Input

from tui.history.source import Source
from tui.view.app import BacklitApp
from tui.view.panels.panel import Panel
from tui.view.scene import Scene

from . import scripted
from .scripted import Tape


@pytest.fixture(scope="session")
def pid() -> Iterator[int]:
    """A process that stands for the program: it lives, and can be signalled without harm."""
    program = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    yield program.pid
    program.kill()
    program.wait()


@pytest.fixture
def tape(tmp_path: Path, pid: int) -> Tape:
    """A run that goes on."""
    return scripted.running(tmp_path, pid)


@pytest.fixture
def state(tmp_path: Path, pid: int) -> Callable[[str], Tape]:
    """Any of the scripted states."""
    return lambda name: scripted.STATES[name](tmp_path, pid)


class Viewer:
    """The app at work, and a hand at its keys."""

    def __init__(self, tape: Tape, app: BacklitApp, pilot: Pilot[int]) -> None:
        self.tape, self.app, self.pilot = tape, app, pilot

    @property
    def scene(self) -> Scene:
        return self.app.scene

    async def settle(self) -> None:
        """Until everything that is under way is laid out and drawn. Pilot.pause also waits for an idle processor."""
        for _ in range(2):
            await self.pilot._wait_for_screen()
        self.app.screen._on_timer_update()
        await self.pilot._wait_for_screen()

    async def press(self, *keys: str) -> None:
        """Presses keys, as Textual names them, one after the other."""
        for key in keys:
            event = events.Key(key, key_to_character(key))
            event.set_sender(self.app)
            self.app.post_message(event)
            await self.settle()

    async def type(self, text: str) -> None:
        """Into the dialog that is open, then Enter."""
        self.app.screen.query_one(Input).value = text
        await self.press("enter")

    async def until(self, condition: Callable[[], Any], most_s: float = 30.0) -> Any:
        """Waits for what the app's own polling brings about."""
        deadline = time.monotonic() + most_s
        while not (value := condition()):
            assert time.monotonic() < deadline, f"it did not come about; the screen:\n{self.screen()}"
            await asyncio.sleep(0.005)
        return value

    async def asked(self, count: int = 1) -> Any:
        """The newest command, when there are so many."""
        await self.until(lambda: len(self.tape.commands()) >= count)
        commands = self.tape.commands()
        assert len(commands) == count, commands
        return commands[-1]

    async def says(self, words: str) -> None:
        """Waits for a message with these words."""
        await self.until(lambda: any(words in one.message for one in self.app._notifications))

    async def turn_to(self, tape: Tape) -> None:
        """Shows another run, read to its end."""
        self.tape = tape
        self.app.turn_to(tape.run, None)
        while self.scene.source.poll() or self.scene.source.catching_up:
            pass
        self.app.rearrange()
        await self.settle()

    def panel(self, name: str) -> Panel:
        found = self.app.panel(name)
        assert found is not None
        return found

    def rows(self) -> list[str]:
        """The screen as it would be painted."""
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    def screen(self) -> str:
        return "\n".join(row.rstrip() for row in self.rows())

    def words(self) -> str:
        """The text of the dialog on top, its line breaks taken out."""
        region = self.app.screen.query_one(".dialog").region
        strips = self.app.screen._compositor.render_strips()[region.y : region.bottom]
        return " ".join(" ".join(strip.crop(region.x, region.right).text.strip("│ ") for strip in strips).split())

    def dialog(self) -> str:
        """The name of the screen on top."""
        return type(self.app.screen).__name__


Opener = Callable[..., contextlib.AbstractAsyncContextManager[Viewer]]


@contextlib.asynccontextmanager
async def opened(
    tape: Tape, size: tuple[int, int] = (120, 36), app_: Optional[dict[str, Any]] = None, **how: Any
) -> AsyncIterator[Viewer]:
    """The app over a run. `how` is for the scene, `app_` for the app."""
    scene = Scene(Source(tape.run), **{"asks": False, **how})
    scene.source.poll()
    app = BacklitApp(scene, **(app_ or {}))
    async with app.run_test(size=size) as pilot:
        viewer = Viewer(tape, app, pilot)
        await viewer.settle()
        yield viewer


@pytest.fixture
def show() -> Opener:
    return opened
