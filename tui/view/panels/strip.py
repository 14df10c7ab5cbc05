"""The step strip: the phases of one step in this program's order; the current one is lit while stepping."""

from __future__ import annotations

from ...run.events import PHASES
from ..draw.cells import Line
from ..scene import Scene
from .panel import Panel

WORDS = {"forward": "forward", "loss": "loss", "backward": "backward", "update": "update", "zero_grad": "zero-grad"}
STYLES = {"forward": "train", "loss": "train", "backward": "gradient", "update": "you", "zero_grad": "ink"}


class Strip(Panel, can_focus=False):
    PERIOD_S = 0.1

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        live = scene.state.live
        order = live.order if live is not None and live.order else list(PHASES)
        phase = scene.state.phase if scene.paused or scene.opening else ""
        line: Line = [("one step  ", "dim")]
        for place, name in enumerate(order):
            if place:
                line.append((" → ", "line"))
            if name == phase:
                line.append((f"▸{WORDS.get(name, name)}◂", STYLES.get(name, "ink") + ".reverse"))
            else:
                line.append((f" {WORDS.get(name, name)} ", "dim"))
        if phase and live is not None and live.code:
            line += [("   ", "ink"), (live.line + "  ", "dim"), (live.code, "train")]
        return [line]
