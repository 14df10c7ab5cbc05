"""`backlit learn` without a name: the list of lessons on a screen of its own."""

from __future__ import annotations

from typing import Any

from textual.app import App

from .app import color_system
from .driver import Driver
from .scene import Card
from .screens.lessons import Lessons
from .theme import Palette, textual_theme


class _Choose(App[str]):
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, cards: list[Card], **how: Any) -> None:
        super().__init__(**how)
        self._cards = cards
        theme = textual_theme(Palette(color_system(self)))
        self.register_theme(theme)
        self.theme = theme.name

    def on_mount(self) -> None:
        self.push_screen(Lessons(self._cards), self.exit)


def choose_lesson(cards: list[Card]) -> str | None:
    """The id of the lesson that was chosen, or None."""
    return _Choose(cards, driver_class=Driver).run()
