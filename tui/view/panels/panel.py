"""The base of all panels: draws lines from the scene, keeps them, and repaints only the cells that changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ...run.events import Command
from ..draw.cells import Line, clean, fit, width_of
from ..scene import Scene

if TYPE_CHECKING:
    from ..app import BacklitApp


BORDER = 6
"""Cells of a border's edge that words cannot have: corners, the line beside them, a blank on both sides."""


class Panel(Widget, can_focus=True):
    """One region of the dashboard.

    A subclass draws: `draw` returns at most `height` lines for a place of width x height cells; `names` and `notes`
    return words for its upper and lower border, the fullest first: the first that fits is taken. They read the scene
    and nothing else.
    """

    NAME: ClassVar[str] = ""
    """What stands in the border, and in the list of panels."""
    PERIOD_S: ClassVar[float] = 0.25
    """At most so often while training runs."""
    SHOWS: ClassVar[str] = ""
    """Help: what this panel shows."""
    HEALTHY: ClassVar[str] = ""
    """Help: what healthy looks like."""
    TROUBLE: ClassVar[str] = ""
    """Help: what trouble looks like."""

    def __init__(self, ident: str) -> None:
        super().__init__(id=ident)
        self._lines: list[Line] = []
        self._strips: list[Strip] = []
        self._drawn_for = (-1, -1)
        self._next = 0.0

    # ── for subclasses ──

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        """The content, at most `height` lines."""
        raise NotImplementedError

    def names(self, scene: Scene) -> list[str]:
        return [self.NAME]

    def notes(self, scene: Scene) -> list[str]:
        return []

    def label(self, scene: Scene) -> str:
        """Its name among the tabs."""
        return self.NAME

    def move(self, scene: Scene, lines: int) -> bool:
        """Arrows and page keys: True if something moved."""
        return False

    def sideways(self, scene: Scene, way: int) -> bool | Command:
        """Left and right: True if something moved, or a request to be sent."""
        return False

    # ── drawing ──

    @property
    def backlit(self) -> BacklitApp:
        return cast("BacklitApp", self.app)

    def tell(self, now: float, force: bool = False) -> None:
        """The scene may have changed: draw again if it is time."""
        if not self.display or (not force and now < self._next):
            return
        self._next = now + self.PERIOD_S
        self._redraw()

    def _redraw(self) -> None:
        scene = self.backlit.scene
        width, height = self.content_size
        if width <= 0 or height <= 0:
            return
        palette = self.backlit.palette
        drawn = self.draw(scene, width, height)[:height]
        lines = [fit([(clean(text), style) for text, style in line], width) for line in drawn]
        blank: Line = [(" " * width, "ink")]
        lines += [blank] * (height - len(lines))
        same_size = self._drawn_for == (width, height)
        regions = []
        strips = list(self._strips) if same_size else [Strip.blank(width)] * height
        for y, line in enumerate(lines):
            if same_size and line == self._lines[y]:
                continue
            strips[y] = Strip([Segment(text, palette.style(style)) for text, style in line], width)
            first, last = _changed(self._lines[y], line) if same_size else (0, width)
            regions.append(Region(first, y, max(1, last - first), 1))
        self._lines, self._strips, self._drawn_for = lines, strips, (width, height)
        self._name_border(scene)
        if not same_size:
            self.refresh()
        elif regions:
            self.refresh(*regions)

    def _name_border(self, scene: Scene) -> None:
        if not self.NAME:
            return
        tabs = self.backlit.tab_titles(self.id or "")
        width = self.outer_size.width - BORDER
        for attribute, words in (
            ("border_title", [*tabs, *self.names(scene), self.NAME]),
            ("border_subtitle", self.notes(scene)),
        ):
            fits = next((word for word in map(clean, words) if cell_len(word) <= width), "")
            escaped = fits.replace("[", r"\[")
            if getattr(self, attribute) != escaped:
                setattr(self, attribute, escaped)

    def render_line(self, y: int) -> Strip:
        if self._drawn_for != tuple(self.content_size):
            self._redraw()
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.content_size.width, Style(bgcolor=self.backlit.palette.color("background")))

    def on_resize(self) -> None:
        self._drawn_for = (-1, -1)
        self.tell(time.monotonic(), force=True)

    def text(self) -> str:
        """What is drawn, as plain text: for tests."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self._lines)


def _changed(before: Line, after: Line) -> tuple[int, int]:
    """The first and the last cell (exclusive) in which two lines of equal width differ, at the bounds of runs."""
    total = width_of(after)
    first = 0
    for old, new in zip(before, after):
        if old != new:
            if old[1] == new[1]:
                same = 0
                for a, b in zip(old[0], new[0]):
                    if a != b or ord(a) > 0x2E80:
                        break
                    same += 1
                first += same
            break
        first += width_of([new])
    last = total
    for old, new in zip(reversed(before), reversed(after)):
        if old != new:
            break
        last -= width_of([new])
    return min(first, max(0, total - 1)), max(last, first + 1)
