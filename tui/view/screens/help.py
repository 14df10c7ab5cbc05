"""Help: the panel in focus first, then every key."""

from __future__ import annotations

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
            if self._panel is not None and self._panel.SHOWS:
                yield Static(Content(f"{self._panel.NAME}: {self._panel.SHOWS}"))
                yield Static(Content(f"\nHealthy: {self._panel.HEALTHY}"))
                yield Static(Content(f"\nTrouble: {self._panel.TROUBLE}\n"))
            for action in ACTIONS:
                line = f"{action.shown:>11}  {action.label_for(self._scene):<12}  {action.help}"
                yield Static(Content(line), classes="" if action.valid(self._scene) else "dim")
            for keys, words in MOVES:
                yield Static(Content(f"{keys:>17}  {words}"))
