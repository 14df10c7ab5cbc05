"""(to be written)"""

from __future__ import annotations

from ..draw.cells import Line
from ..scene import Scene
from .panel import Panel


class Phases(Panel):
    NAME = "Phases"

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        return [[("nothing yet", "dim")]]
