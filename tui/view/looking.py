"""Keys that change what the viewer shows and nothing else."""

from __future__ import annotations

from .arrange import panels, tabs
from .panels.gradients import Gradients
from .panels.weights import next_mode
from .ranking import ORDERS
from .requests import Requests
from .screens.ask import Ask
from .screens.streams import StreamList


class Looking(Requests):
    """Panels, tabs, zoom, and how things are drawn."""

    def _mode(self) -> None:
        self.scene.mode = next_mode(self.scene.mode)

    def _log_axis(self) -> None:
        self.scene.log_y = not self.scene.log_y

    def _range(self) -> None:
        self.scene.full_range = not self.scene.full_range

    def _sort(self) -> None:
        scene = self.scene
        scene.order = ORDERS[(ORDERS.index(scene.order) + 1) % len(ORDERS)]

    def _group(self) -> None:
        panel = self.app.panel("gradients")
        if not isinstance(panel, Gradients) or not panel.regroup(self.scene):
            self.app.say("There are no blocks in this model: no numbered part of a name holds several layers.")

    def _filter(self) -> None:
        def answered(text: str | None) -> None:
            if text is not None:
                self.scene.filter = text.strip()
                self.app.changed()

        self.app.push_screen(
            Ask("Filter", "Show only layers and log lines with (empty: all)", value=self.scene.filter), answered
        )

    def _next(self) -> None:
        self.app.move_focus(+1)

    def _previous(self) -> None:
        self.app.move_focus(-1)

    def show_panel(self, number: int) -> None:
        """A number key: the panel or tab of that number."""
        there = panels(self.scene.content)
        if 1 <= number <= len(there):
            name = there[number - 1]
            if name in tabs(self.scene.size, self.scene.content):
                self.scene.tab = name
            if self.scene.zoomed:
                self.scene.zoomed = name
            self.scene.focus = name
            panel = self.app.panel(name)
            if panel is not None and not panel.display:
                self.app.rearrange()
            self.app.focus_panel(name)

    def show_tab(self, name: str, surveyed: bool = False) -> None:
        """Brings a tab to the front."""
        scene = self.scene
        scene.surveyed = scene.surveyed or surveyed
        scene.tab = scene.focus = name
        if scene.zoomed:
            scene.zoomed = name
        self.app.rearrange()
        self.app.focus_panel(name)

    def _stream(self) -> None:
        """The other stream; of more than two the list."""
        source = self.scene.source
        if len(source.streams) == 2:
            source.show(next(one.number for one in source.streams.all if one.number != source.shown))
            self.app.hurry()
            return

        def chosen(number: str | None) -> None:
            if number is not None:
                source.show(int(number))
                self.app.hurry()

        self.app.push_screen(StreamList(source), chosen)

    def _zoom(self) -> None:
        self.scene.zoomed = self.scene.focus
        self.app.rearrange()

    def _out(self) -> None:
        if self.scene.zoomed == "phases":
            self.scene.left_phases = True
        self.scene.zoomed = ""
        self.app.rearrange()
