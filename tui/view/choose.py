"""`backlit learn` without a name: the list of lessons on a screen of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.app import App

from .app import color_system
from .driver import Driver
from .learning import Progress
from .scene import Card
from .screens.lessons import Lessons
from .theme import Palette, textual_theme


class _Choose(App[str]):
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, cards: list[Card], progress: Progress, **how: Any) -> None:
        super().__init__(**how)
        self._cards, self._progress = cards, progress
        theme = textual_theme(Palette(color_system(self)))
        self.register_theme(theme)
        self.theme = theme.name

    def on_mount(self) -> None:
        self.push_screen(Lessons(self._cards, progress=self._progress), self.exit)


def choose_lesson(cards: list[Card], progress: Path | None = None) -> str | None:
    """The id of the lesson that was chosen, or None. `progress`: the file that remembers what is done."""
    return _Choose(cards, Progress(progress), driver_class=Driver).run()
