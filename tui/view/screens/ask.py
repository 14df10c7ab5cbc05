"""Two small dialogs: one that asks for a text, one that asks for a key."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class Dialog(ModalScreen[str]):
    """Gives one answer and no more: keys that follow too quickly find it closed already."""

    def answer(self, value: str | None) -> None:
        """Closes the dialog with its answer; a second answer is one too many."""
        if not self._answered:
            self._answered = True
            self.dismiss(value)

    _answered = False

    def action_back(self) -> None:
        self.answer(None)


class Ask(Dialog):
    """Asks for a line of text; Esc answers with None."""

    AUTO_FOCUS = "Input"
    BINDINGS = [("escape", "back", "back")]

    def __init__(self, name: str, question: str, example: str = "", value: str = "") -> None:
        super().__init__()
        self._title, self._question, self._example, self._value = name, question, example, value

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield Static(self._question, markup=False)
            yield Input(value=self._value, placeholder=self._example)
            yield Static("enter: set it · esc: back", classes="dim", markup=False)

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
            self.answer(box.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.answer(event.value)


class Choose(Dialog):
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
        scroll = {"up": -1, "down": 1, "pageup": -8, "pagedown": 8}.get(event.key)
        event.stop()
        if scroll is not None:
            self.query_one(VerticalScroll).scroll_relative(y=scroll, animate=False)
        elif event.key in self._choices:
            self.answer(event.key)
        elif event.key == "escape" or self._other is not None:
            self.answer(None)
