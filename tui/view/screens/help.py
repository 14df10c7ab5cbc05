"""Help: the panel in focus first, then every key."""

from __future__ import annotations

import textwrap

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ..actions import ACTIONS, MOVES
from ..panels.panel import Panel
from ..scene import Scene


class Help(ModalScreen[None]):
    """What the panel shows, what healthy and trouble look like, and the keys; those not valid now are dim."""

    AUTO_FOCUS = "VerticalScroll"
    BINDINGS = [
        ("escape,q,question_mark,enter,backspace", "dismiss(None)", "back"),
    ]

    def __init__(self, scene: Scene, panel: Panel | None) -> None:
        super().__init__()
        self._scene, self._panel = scene, panel

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide-dialog") as box:
            box.border_title = "Help"
            box.border_subtitle = "↑ ↓ scroll · esc back"
            width = min(80, self.app.size.width - 12)
            if self._panel is not None and self._panel.SHOWS:
                for head, words in (
                    (self._panel.NAME, self._panel.SHOWS),
                    ("Healthy", self._panel.HEALTHY),
                    ("Trouble", self._panel.TROUBLE),
                ):
                    yield Static(Content("\n".join(_hang(head, words, 14, width)) + "\n"))
            for action in ACTIONS:
                lines = _hang(f"{action.shown:>10}", f"{action.label_for(self._scene)}: {action.help}", 12, width)
                yield Static(Content("\n".join(lines)), classes="" if action.valid(self._scene) else "dim")
            for keys, words in MOVES:
                yield Static(Content("\n".join(_hang(keys, words, 18, width))))


def _hang(head: str, words: str, indent: int, width: int) -> list[str]:
    """A paragraph with its head hanging out to the left."""
    lines = textwrap.wrap(words, max(20, width - indent)) or [""]
    return [f"{head:<{indent}}{lines[0]}", *(" " * indent + line for line in lines[1:])]
