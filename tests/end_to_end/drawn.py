"""What a viewer shows of a run that has ended: the lines that its panels draw, without a terminal."""

from __future__ import annotations

from tui.history.source import Source
from tui.run.directory import RunDirectory
from tui.view.arrange import arrange
from tui.view.draw.cells import clean
from tui.view.panels.gradients import Gradients
from tui.view.panels.header import Header
from tui.view.panels.loss import Loss
from tui.view.panels.network import Network
from tui.view.panels.panel import Panel
from tui.view.scene import Scene

SIZE = (120, 36)
PANELS: tuple[type[Panel], ...] = (Header, Network, Gradients, Loss)


class Drawn:
    """The panels of one stream, each in the place that it has on the screen."""

    def __init__(self, run: RunDirectory, stream: int) -> None:
        source = Source(run, stream)
        while source.poll() or source.catching_up:
            pass
        self.scene = Scene(source)
        places = arrange(*SIZE, tab=self.scene.tab, content=self.scene.content)
        start = self.scene.state.start
        self.rank = start.rank if start is not None else 0
        self.text: dict[str, str] = {}
        for kind in PANELS:
            name = kind.__name__.lower()
            panel, place = kind(name), places[name]
            edge = 2 if panel.NAME else 0
            lines = panel.draw(self.scene, place.width - edge, place.height - edge)
            self.text[name] = "\n".join("".join(clean(text) for text, _ in line).rstrip() for line in lines)

    def __str__(self) -> str:
        return "\n\n".join(f"{name}:\n{text}" for name, text in self.text.items())
