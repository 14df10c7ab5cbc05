"""The lessons: one line each; Enter starts one."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from ..scene import Card


class Lessons(ModalScreen[str]):
    """Answers the id of the lesson to start, or None."""

    BINDINGS = [("escape,q,backspace", "dismiss(None)", "back")]

    def __init__(self, cards: list[Card], running: str = "") -> None:
        super().__init__()
        self._cards, self._program = cards, running

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide-dialog") as box:
            box.border_title = "Lessons"
            options = [
                Option(Content(f"{card.lesson:<10} {card.title}\n{'':10} {card.about}"), id=card.lesson)
                for card in self._cards
            ]
            yield OptionList(*options)
            words = "enter starts · esc back"
            if self._program:
                words += f" · {self._program} then goes on by itself; backlit attach shows it again"
            yield Static(words, classes="dim", markup=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)
