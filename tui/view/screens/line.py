"""A line to type in at the foot of the Log tab: to look for a text, and to answer the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.widgets import Input, Static

if TYPE_CHECKING:
    from ..app import BacklitApp
    from ..panels.log import Log

PAGE = 10
CONTROL = {"ctrl+c": b"\x03", "ctrl+d": b"\x04"}


class Entry(Input):
    """Takes its keys one after the other: what is typed ahead after Enter belongs to the next line."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key in ("enter", "ctrl+c", "ctrl+d"):
            event.stop()
            event.prevent_default()
            cast("Line", self.screen).pressed(event.key)
        else:
            await super()._on_key(event)


class Line(ModalScreen[None]):
    """Lies under the last row of the log, which goes on above it. Esc takes it away, and so does the log's going."""

    AUTO_FOCUS = "Input"
    PROMPT: ClassVar[str] = ""
    FOR: ClassVar[str] = ""
    """What `scene.log.line` says meanwhile."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", show=False),
        Binding("up", "go(-1)", show=False),
        Binding("down", "go(1)", show=False),
        Binding("pageup", f"scroll(-{PAGE})", show=False),
        Binding("pagedown", f"scroll({PAGE})", show=False),
    ]

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static(self.PROMPT, markup=False)
            yield Entry(compact=True, select_on_focus=False)

    @property
    def backlit(self) -> BacklitApp:
        return cast("BacklitApp", self.app)

    @property
    def input(self) -> Input:
        return self.query_one(Input)

    def pressed(self, key: str) -> None:
        """enter, ctrl+c or ctrl+d."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.backlit.scene.log.line = self.FOR
        self.set_interval(0.05, self.look)
        self.look()
        self.backlit.changed()

    def look(self) -> None:
        """Stays where the log is."""
        if not self._log.display:
            self.action_back()
            return
        region = self._log.content_region
        if region.height < 1:
            return  # it is only just brought to the front
        box = self.query_one(Horizontal)
        box.styles.offset = (region.x, region.y + self._log.foot)
        box.styles.width = region.width

    def on_key(self, event: events.Key) -> None:
        """What was typed before the input had the focus."""
        box = self.input
        if not box.has_focus and event.is_printable and event.character:
            event.stop()
            box.insert_text_at_cursor(event.character)
        elif not box.has_focus and event.key == "enter":
            event.stop()
            self.pressed(event.key)

    def on_resize(self) -> None:
        self.call_after_refresh(self.look)

    def action_back(self) -> None:
        if self.is_attached and self.backlit.scene.log.line:
            self.backlit.scene.log.line = ""
            self.dismiss(None)
            self.backlit.changed()

    def action_scroll(self, lines: int) -> None:
        if self._log.move(self.backlit.scene, lines):
            self.backlit.changed()


class Find(Line):
    """Looks while it is typed."""

    PROMPT = "find "
    FOR = "find"

    def on_input_changed(self, event: Input.Changed) -> None:
        self._log.look_for(self.backlit.scene, event.value)
        self.backlit.changed()

    def pressed(self, key: str) -> None:
        if key == "enter":
            self.action_go(-1)

    def action_go(self, way: int) -> None:
        self._log.next_found(self.backlit.scene, way)
        self.backlit.changed()

    def action_back(self) -> None:
        self._log.stop_looking(self.backlit.scene)
        super().action_back()


class Type(Line):
    """Gives the program a line at a time; ↑ ↓ bring back what was typed before, except where it asked for a secret."""

    PROMPT = "▸ "
    FOR = "type"

    def __init__(self, log: Log, give: Callable[[bytes], bool], before: list[str]) -> None:
        """give: types bytes; False when that could not be. before: lines typed before, to which this adds."""
        super().__init__(log)
        self._give, self._before = give, before
        self._back = 0

    def look(self) -> None:
        scene = self.backlit.scene
        if not scene.may_type:
            self.action_back()
            return
        self.input.password = scene.source.waiting.secret
        super().look()

    def pressed(self, key: str) -> None:
        if key in CONTROL:
            self._give(CONTROL[key])
            return
        box, line = self.input, self.input.value
        if not self._give(line.encode() + b"\r"):
            return  # it stays, to be sent again
        if line and not box.password and self._before[-1:] != [line]:
            self._before.append(line)
        self._back = 0
        box.value = ""

    def action_go(self, way: int) -> None:
        if not self.input.password:
            self._back = max(0, min(len(self._before), self._back - way))
            self.input.value = self._before[-self._back] if self._back else ""
            self.input.cursor_position = len(self.input.value)
