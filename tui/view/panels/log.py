"""Log: what the program printed, and what the probe had to say."""

from __future__ import annotations

from ..draw.cells import Line, cut, width_of
from ..scene import Scene
from .panel import Panel

MOST_WRAPPED = 400


def _wrapped(line: Line, width: int) -> list[Line]:
    """A line broken at the edge, not at words: a program's spaces mean something."""
    if width_of(line) <= width:
        return [line]
    text, style = "".join(text for text, _ in line), line[-1][1]
    return [[(text[start : start + width], style)] for start in range(0, len(text), max(1, width))]


class Log(Panel):
    NAME = "Log"
    PERIOD_S = 0.25
    SHOWS = "The last lines that the program printed, errors included. ↑ ↓ PgUp PgDn scroll; / filters."
    HEALTHY = "Whatever your program prints. All of it is in output.log in the run's directory."
    TROUBLE = "A traceback at the end; a line with ▲ is the probe's, about something it could not watch."

    def notes(self, scene: Scene) -> list[str]:
        back = scene.scroll.get("log", 0)
        return [f"{back} line{'s' if back > 1 else ''} back" if back else ("/" + scene.filter if scene.filter else "")]

    def move(self, scene: Scene, lines: int) -> bool:
        most = max(0, len(scene.source.output.lines) - 1)
        scene.scroll["log"] = max(0, min(most, scene.scroll.get("log", 0) - lines))
        return True

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        lines: list[Line] = [
            [(line, "ink")] for line in scene.source.output.lines if scene.filter.lower() in line.lower()
        ]
        lines += [[("▲ ", "warning"), (text, "ink")] for text in scene.state.warnings[-5:]]
        if not lines:
            words = "Nothing printed yet." if not scene.source.output.lines else f"No line contains {scene.filter!r}."
            return [[(words, "dim")]]
        if scene.zoomed == self.id or scene.source.status == "failed":
            # wrapped: the last words of a program that failed are to be read whole
            lines = [part for line in lines[-MOST_WRAPPED:] for part in (_wrapped(line, width) or [line])]
        end = max(min(height, len(lines)), len(lines) - scene.scroll.get("log", 0))
        return [cut(line, width) for line in lines[max(0, end - height) : end]]
