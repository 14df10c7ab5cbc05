"""The leave dialog: detach, stop, or kill. Nothing is ever killed by one key."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static


class Leave(ModalScreen[str]):
    """Answers "detach", "stop", "kill", or None to stay."""

    def __init__(self, program: str, readonly: bool) -> None:
        super().__init__()
        self._program, self._readonly = program, readonly
        self._k = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Leave"
            yield Static(f"{self._program} is still training.", markup=False)
            yield Static("")
            yield Static(" enter, d  detach: it goes on; backlit attach shows it again", markup=False)
            if not self._readonly:
                yield Static(" s         stop it, as Ctrl-C would", markup=False)
                yield Static(" k k       kill it at once", markup=False, id="kill")
            yield Static(" esc       stay", markup=False)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        key = event.key
        if key in ("enter", "d"):
            self.dismiss("detach")
        elif key == "s" and not self._readonly:
            self.dismiss("stop")
        elif key == "k" and not self._readonly:
            if self._k:
                self.dismiss("kill")
            self._k = True
            self.query_one("#kill", Static).update(" k         once more kills it")
            return
        elif key in ("escape", "q", "ctrl+c", "backspace"):
            self.dismiss(None)
        self._k = False
