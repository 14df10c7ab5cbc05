"""Two small dialogs: one that asks for a text, one that asks for a key."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class Ask(ModalScreen[str]):
    """Asks for a line of text; Esc answers with None."""

    AUTO_FOCUS = "Input"
    BINDINGS = [("escape", "dismiss(None)", "back")]

    def __init__(self, name: str, question: str, example: str) -> None:
        super().__init__()
        self._title, self._question, self._example = name, question, example

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield Static(self._question, markup=False)
            yield Input(placeholder=self._example)
            yield Static("enter takes it · esc back", classes="dim", markup=False)

    def on_key(self, event: events.Key) -> None:
        """What was typed before the input had the focus."""
        box = self.query_one(Input)
        if box.has_focus:
            return
        if event.is_printable and event.character:
            event.stop()
            box.insert_text_at_cursor(event.character)
        elif event.key == "enter":
            event.stop()
            self.dismiss(box.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)


class Choose(ModalScreen[str]):
    """Asks for one key of several; Esc answers with None, and so does any key when `other` says so."""

    def __init__(
        self, name: str, question: str, choices: dict[str, str], other: str | None = None, more: str = ""
    ) -> None:
        super().__init__()
        self._title, self._question, self._choices = name, question, choices
        self._other, self._more = other, more

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as box:
            box.border_title = self._title
            yield Static(self._question, markup=False)
            yield Static("")
            for key, words in self._choices.items():
                yield Static(Text.assemble((f" {key}  ", "bold"), words), classes="choice")
            yield Static("")
            yield Static(self._other or "esc back", classes="dim", markup=False)
            if self._more:
                yield Static("\n" + self._more, classes="dim", markup=False)

    def on_key(self, event: events.Key) -> None:
        if event.key in ("up", "down", "pageup", "pagedown"):
            return
        event.stop()
        if event.key in self._choices:
            self.dismiss(event.key)
        elif event.key == "escape" or self._other is not None:
            self.dismiss(None)
