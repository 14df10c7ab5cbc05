"""The whole card of a lesson: what stands before, what to try, and after the run the reveal and the check questions."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ..scene import Card


class WholeCard(ModalScreen[None]):
    """c opens the answers of the check questions one after the other; any other of its keys closes it."""

    AUTO_FOCUS = "VerticalScroll"
    BINDINGS = [("escape,q,enter,backspace", "dismiss(None)", "back"), ("c", "answer", "answer")]

    def __init__(self, card: Card, revealed: bool) -> None:
        super().__init__()
        self._card, self._revealed = card, revealed
        self._told = 0

    def compose(self) -> ComposeResult:
        card = self._card
        with VerticalScroll(classes="dialog wide-dialog") as box:
            box.border_title = f"{card.number} · {card.title}"
            box.border_subtitle = "↑ ↓ scroll · c answer · esc back" if self._asks else "↑ ↓ scroll · esc back"
            yield Static(card.question, markup=False)
            for letter, words in card.choices.items():
                yield Static(Content(f"  {letter}  {words}"))
            if self._revealed:
                yield _part("Reveal", card.reveal)
                for number, (question, _) in enumerate(card.checks):
                    yield _part("Check yourself", question)
                    yield Static("  c shows the answer", classes="dim", markup=False, id=f"answer-{number}")
            yield _part("Before", card.before)
            yield _part("To try", card.tries)
            if not self._revealed:
                yield Static("\nThe reveal comes when the run has ended.", classes="dim", markup=False)

    @property
    def _asks(self) -> bool:
        return self._revealed and self._told < len(self._card.checks)

    def action_answer(self) -> None:
        """The next answer that is still hidden."""
        if not self._asks:
            return
        place = self.query_one(f"#answer-{self._told}", Static)
        place.update(Content("  " + self._card.checks[self._told][1]))
        place.remove_class("dim")
        place.scroll_visible(animate=False)
        self._told += 1


def _part(head: str, words: str) -> Static:
    lines = [line for line in words.splitlines() if line]
    return Static(
        Content.assemble(f"\n{head}\n", Content("\n".join(lines) if head == "To try" else "\n\n".join(lines))),
        markup=False,
    )
