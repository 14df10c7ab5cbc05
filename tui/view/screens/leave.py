"""The leave dialog: detach, stop, or kill. Nothing is ever killed by one key."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from .ask import Dialog


class Leave(Dialog):
    """Answers "detach", "stop", "kill", or None to stay."""

    def __init__(self, program: str, readonly: bool, paused: bool = False) -> None:
        super().__init__()
        self._program, self._readonly, self._paused = program, readonly, paused
        self._k = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Leave"
            state = "is paused" if self._paused else "is still training"
            stays = "it stays paused" if self._paused else "it goes on"
            yield Static(f"{self._program} {state}.", markup=False)
            yield Static("")
            yield Static(f" enter, d  detach: {stays} (backlit attach)", markup=False)
            if not self._readonly:
                yield Static(" s         stop it, as Ctrl-C would", markup=False)
                yield Static(" k k       kill it at once", markup=False, id="kill")
            yield Static(" esc       stay", markup=False)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        key = event.key
        if key in ("enter", "d"):
            self.answer("detach")
        elif key == "s" and not self._readonly:
            self.answer("stop")
        elif key == "k" and not self._readonly:
            if self._k:
                self.answer("kill")
            self._k = True
            self.query_one("#kill", Static).update(" k         once more kills it")
            return
        elif key in ("escape", "q", "ctrl+c", "backspace"):
            self.answer(None)
        self._k = False
