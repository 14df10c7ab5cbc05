"""The footer: the keys that are valid now."""

from __future__ import annotations

from ..actions import footer
from ..draw.cells import Line, width_of
from ..scene import Scene
from .panel import Panel


class Footer(Panel, can_focus=False):
    PERIOD_S = 0.1

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        actions = footer(scene)
        last = [action for action in actions if action.name in ("help", "leave")]
        line: Line = []
        tail: Line = []
        for action in last:
            tail += [("  ", "ink"), (action.shown, "ink.bold"), (" " + action.label_for(scene), "dim")]
        for action in actions:
            if action in last:
                continue
            keys, label = action.together if action.together[0] else (action.shown, action.label_for(scene))
            part: Line = [("  " if line else "", "ink"), (keys, "ink.bold"), (" " + label, "dim")]
            if width_of(line) + width_of(part) + width_of(tail) > width:
                continue
            line += part
        return [[*line, *tail]]
