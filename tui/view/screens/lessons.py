"""The lessons: one line each, what is done, the recommended next one under the cursor; Enter starts one."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from ..learning import Progress, short_path
from ..scene import Card


class Lessons(ModalScreen[str]):
    """Answers the id of the lesson to start, or None."""

    BINDINGS = [("escape,q,backspace", "dismiss(None)", "back")]

    def __init__(self, cards: list[Card], running: str = "", progress: Progress | None = None) -> None:
        super().__init__()
        self._cards, self._program = cards, running
        self._progress = progress or Progress()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog list-dialog") as box:
            box.border_title = "Lessons"
            done = sum(self._progress.done(card.lesson) for card in self._cards)
            box.border_subtitle = f"{done} of {len(self._cards)} done"
            yield OptionList(*(Option(line_of(card, self._progress), id=card.lesson) for card in self._cards))
            words = "✓ done · → the short path: " + ", ".join(short_path(self._cards)) + "\nenter starts · esc back"
            if self._program:
                words += f" · {self._program} then goes on by itself; backlit attach shows it again"
            yield Static(words, classes="dim", markup=False)

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        names = [card.lesson for card in self._cards]
        following = self._progress.next(self._cards)
        options.highlighted = names.index(following) if following in names else 0
        options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)


def line_of(card: Card, progress: Progress) -> Content:
    """One line: done or not, number, id, what it is about."""
    sign = "✓" if progress.done(card.lesson) else ("→" if card.path else " ")
    return Content(f"{sign} {card.number:>2} {card.lesson:<12}{card.about or card.title}")
