"""Log: what the program printed, and what the probe had to say."""

from __future__ import annotations

import re
from itertools import islice

from ...history.screenlines import Row
from ..draw.cells import Line, cut
from ..draw.printed import Place, Printed, cells, marked
from ..scene import Scene
from .panel import Panel

MARK, MARK_IN_HAND = "warning.under", "warning.reverse"


class Log(Panel):
    NAME = "Log"
    PERIOD_S = 0.25
    SHOWS = (
        "The last lines that the program printed, errors included, in its colours. ↑ ↓ PgUp PgDn Home scroll; scrolled "
        "back it stays there, and End goes back to the newest line. s looks for a text: every line stays, ↑ ↓ go from "
        "one place to the next. / leaves out all other lines. With --pty, i types into the program."
    )
    HEALTHY = "Whatever your program prints. All of it is in output.log in the run's directory."
    TROUBLE = "A traceback at the end; a line with ▲ is the probe's, about something it could not watch."

    def __init__(self, ident: str) -> None:
        super().__init__(ident)
        self._room = (80, 1)
        """Width and height of what scrolls, as it was drawn last."""
        self._drew = (-1, False)
        self.foot = 0
        """The row below the output: where a line to type in has its place."""

    # ── words around it ──

    def label(self, scene: Scene) -> str:
        return f"{self.NAME}?" if scene.waits_for_input else self.NAME

    def notes(self, scene: Scene) -> list[str]:
        log = scene.log
        if log.line == "find":
            found = self._found(scene)
            here = found.index(log.found) + 1 if log.found in found else 0
            return [f"{here} of {len(found)}" if found else ("not found" if log.find else "")]
        words = [f"/{scene.filter}"] if scene.filter else []
        if log.bottom is not None:
            back = len(self._printed(scene).numbers(log.bottom[0]))
            new = max(0, scene.source.output.end - log.known)
            words.insert(0, f"{back} line{'s' if back != 1 else ''} back" + (f", {new} new" if new else "") + " · End")
        return [" · ".join(words), words[0] if words else "", ""]

    # ── where it is read ──

    def move(self, scene: Scene, lines: int) -> bool:
        log, room = scene.log, self._room[1]
        printed = self._printed(scene)
        if lines < 0:
            above = [place for place, _ in islice(printed.up(log.bottom), room - lines)]
            steps = min(-lines, max(0, len(above) - room))
            if steps:
                self.hold(scene, above[steps])
            return steps > 0
        if log.bottom is None:
            return False
        below = [place for place, _ in islice(printed.down(log.bottom), lines + 1)]
        log.bottom = below[lines - 1] if len(below) > lines else None
        return True

    def hold(self, scene: Scene, bottom: Place) -> None:
        """Stays where this row is the lowest."""
        if scene.log.bottom is None:
            scene.log.known = scene.source.output.end
        scene.log.bottom = bottom

    def look_for(self, scene: Scene, text: str) -> None:
        """Marks a text and goes to the newest line that has it, at or above what is shown."""
        log = scene.log
        log.find = text
        found = self._found(scene)
        here = log.bottom[0] if log.bottom is not None else scene.source.output.end
        self._take(scene, next((n for n in reversed(found) if n <= here), found[-1] if found else None))

    def next_found(self, scene: Scene, way: int) -> None:
        """To the line before (-1) or after (+1) that has the text; stays at the last one."""
        found, here = self._found(scene), scene.log.found
        if here is not None and found:
            beyond = [n for n in found if (n > here if way > 0 else n < here)]
            self._take(scene, (beyond[0] if way > 0 else beyond[-1]) if beyond else here)

    def stop_looking(self, scene: Scene) -> None:
        """The marks go, and one line more takes the place of what was typed; at the end it follows again."""
        log = scene.log
        log.find, log.found = "", None
        if log.bottom is not None:
            below = [place for place, _ in islice(self._printed(scene).down(log.bottom), 2)]
            log.bottom = below[0] if len(below) == 2 else None

    def _take(self, scene: Scene, number: int | None) -> None:
        """A line in hand, in the middle of the panel."""
        scene.log.found = number
        if number is None:
            return
        printed = self._printed(scene)
        top = (number, 0)
        below = [place for place, _ in islice(printed.down(top), self._room[1] // 2)]
        self.hold(scene, below[-1] if below else top)

    def _found(self, scene: Scene) -> list[int]:
        """The lines shown that have the text that is looked for, ascending."""
        if not scene.log.find:
            return []
        pattern = re.compile(re.escape(scene.log.find), re.IGNORECASE)
        output = scene.source.output
        return [n for n in self._printed(scene).numbers() if pattern.search(output.rows[n - output.first].text)]

    # ── drawing ──

    def _printed(self, scene: Scene) -> Printed:
        # broken where there is room: the last words of a program that failed are to be read whole
        whole = scene.zoomed != self.id and scene.source.status != "failed"
        wanted, log = scene.filter.lower(), scene.log

        def fits(row: Row) -> bool:
            return wanted in row.text.lower()

        def dress(row: Row, number: int) -> Line:
            return marked(cells(row), log.find, MARK_IN_HAND if number == log.found else MARK)

        return Printed(scene.source.output, 0 if whole else self._room[0], fits, dress)

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        below = self._below(scene, height)
        self._room = (width, max(1, height - len(below)))
        printed, bottom = self._printed(scene), scene.log.bottom
        lines = [line for _, line in islice(printed.up(bottom), self._room[1])][::-1]
        if bottom is not None:  # near the first line there is room for more
            lines += [line for _, line in islice(printed.down(bottom), self._room[1] - len(lines))]
        if not lines and len(below) < height:
            said = f"No line contains {scene.filter!r}." if scene.source.output.rows else "Nothing printed yet."
            lines = [[(said, "dim")]] if scene.source.output.rows or not below else []
        self.foot = min(len(lines), height - 1)
        return [cut(line, width) for line in [*lines, *below][-height:]]

    def _below(self, scene: Scene, height: int) -> list[Line]:
        """What stands under the output: the probe's warnings, and that the program waits for input."""
        if scene.log.line:
            return [[]]  # the line to type in lies over it
        below: list[Line] = []
        if scene.log.bottom is None:
            most = max(1, height // 2)
            below += [[("▲ ", "warning"), (text, "ink")] for text in scene.state.warnings[-5:][-most:]]
        if scene.waits_for_input:
            sure = scene.source.waiting.sure
            words = "The program waits for input" if sure else "The program may be waiting for input"
            below.append([("▸ ", "you.bold"), (words, "you"), (": i to type", "dim")])
        return below

    def tell(self, now: float, force: bool = False) -> None:
        """What is typed shows at once, and so does what comes of it."""
        scene = self.backlit.scene
        drew = (scene.source.output.version, scene.waits_for_input)
        force = force or (drew != self._drew and (scene.log.line == "type" or drew[1] != self._drew[1]))
        if force or now >= self._next:
            self._drew = drew
        super().tell(now, force)
