"""Terminal output as lines: what would stand on a screen that is endlessly long. Standard library only.

Progress bars draw over what they drew: a carriage return goes to the start of the line, cursor movements go up among
the last lines, and both write over what is there. That much of a terminal is here; colours are kept as the state they
are. Of everything else that a terminal obeys (titles, the clipboard, modes, questions about the device, a second
screen) nothing is kept: no control character is ever in a line.

One character counts as one column, and no line is broken at the terminal's width.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from itertools import groupby
from operator import itemgetter
from typing import Optional

from .graphics import PLAIN, graphics

DEPTH = 100
"""Rows that the cursor can go back up. Terminals have fewer, and nothing moves it beyond what it sees."""
WIDEST = 2000
"""Characters kept of a line."""
MOST_CUT_OFF = 65_536
"""Longest beginning of a sequence that is waited for to go on."""

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|\x1b\[(?P<numbers>[0-?]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b[\]PX^_k][^\x07\x1b\n\x18\x1a]*(?:\x07|\x1b\\|(?=[\n\x18\x1a\x1b]))"  # to the end of its line at most
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b(?![\[\]PX^_k])[0-~]"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])"
)
_CUT_OFF = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_k][^\x07\x1b\n\x18\x1a]*\x1b?|[ -/]*)\Z")
_TAB = 8

Run = tuple[str, str]


class Row:
    """One line: its characters, and a style for each of them once one of them has any."""

    __slots__ = ("text", "_styles")

    def __init__(self) -> None:
        self.text = ""
        self._styles: Optional[list[str]] = None

    def write(self, column: int, text: str, style: str) -> None:
        """Puts text over what stands at a column; blanks fill up to there."""
        text = text[: max(0, WIDEST - column)]
        if not text:
            return
        gap = column - len(self.text)
        if gap > 0:
            self.text += " " * gap
            if self._styles is not None:
                self._styles += [PLAIN] * gap
        if self._styles is None and style != PLAIN:
            self._styles = [PLAIN] * len(self.text)
        end = column + len(text)
        self.text = self.text[:column] + text + self.text[end:]
        if self._styles is not None:
            self._styles[column:end] = [style] * len(text)

    def cut(self, first: int, last: int) -> None:
        """Takes characters out; what follows moves up."""
        self.text = self.text[:first] + self.text[last:]
        if self._styles is not None:
            del self._styles[first:last]

    def runs(self) -> list[Run]:
        """(text, look) of pieces of one look, in order; see `graphics`."""
        if self._styles is None:
            return [(self.text, PLAIN)] if self.text else []
        return [
            ("".join(letter for letter, _ in together), style)
            for style, together in groupby(zip(self.text, self._styles), itemgetter(1))
        ]


class Screen:
    """Lines as output makes them, the last `most` of them."""

    def __init__(self, most: int, first: int = 0) -> None:
        self.rows: deque[Row] = deque(maxlen=most)
        self.first = first
        """The number of rows[0], counted from the first line ever."""
        self._up = -1
        """Rows from the last one up to the cursor; -1 is the line below, which is made when something is written."""
        self._column = 0
        self._look = PLAIN
        self._page: Optional[int] = None
        """The number of the row at which the screen was cleared last: `home` means that one."""
        self._rest = ""

    @property
    def end(self) -> int:
        """The number that the next line will have."""
        return self.first + len(self.rows)

    def feed(self, text: str) -> None:
        """Takes in what came next; a sequence that is not whole yet waits for its end."""
        text = self._rest + text
        cut = _CUT_OFF.search(text, max(0, len(text) - MOST_CUT_OFF))
        self._rest = text[cut.start() :] if cut else ""
        for token in _TOKEN.finditer(text, 0, cut.start() if cut else len(text)):
            if token["text"] is not None:
                self._write(token["text"])
            elif token["control"] is not None:
                self._control(token["control"])
            elif token["final"] is not None and not token["between"]:
                self._sequence(token["final"], token["numbers"])

    # ── the cursor ──

    def _append(self) -> None:
        self.first += len(self.rows) == self.rows.maxlen
        self.rows.append(Row())

    def _write(self, text: str) -> None:
        text = _shown(text)
        if self._up < 0:
            self._append()
            self._up = 0
        self.rows[-1 - self._up].write(self._column, text, self._look)
        self._column = min(WIDEST, self._column + len(text))

    def _control(self, letter: str) -> None:
        if letter == "\n":
            if self._up < 0:
                self._append()
            else:
                self._up -= 1
            self._column = 0
        elif letter == "\r":
            self._column = 0
        elif letter == "\b":
            self._column = max(0, self._column - 1)
        elif letter == "\t":
            self._column = min(WIDEST, self._column // _TAB * _TAB + _TAB)

    def _sequence(self, final: str, numbers: str) -> None:
        if final == "m" and re.fullmatch(r"[\d;:]*", numbers):
            self._look = graphics(self._look, numbers)
        found = re.fullmatch(r"(\d{0,4})(?:;(\d{0,4}))?", numbers)
        if found is None:
            return  # a mode, or a question
        number = int(found[1] or 0)
        many = max(1, number)
        if final in "AF":
            self._up = min(self._up + many, len(self.rows) - 1, DEPTH)
        elif final in "BE":
            self._up = max(min(0, self._up), self._up - many)
        elif final == "C":
            self._column = min(WIDEST, self._column + many)
        elif final == "D":
            self._column = max(0, self._column - many)
        elif final in "G`":
            self._column = many - 1
        elif final in "Hf":
            self._go_to(many, int(found[2] or 1))
        elif final == "J":
            self._erase_screen(number)
        elif final in "KPX" and self._up >= 0:
            self._erase_in_line(self.rows[-1 - self._up], final, number)
        if final in "EF":
            self._column = 0

    def _go_to(self, line: int, column: int) -> None:
        """To a line of the page; without a page there is no telling which line is meant."""
        if self._page is not None:
            up = self.end - self._page - line
            self._up = max(-1, min(up, len(self.rows) - 1, DEPTH))
            self._column = min(WIDEST, max(0, column - 1))

    def _erase_in_line(self, row: Row, final: str, number: int) -> None:
        """K: to the end, from the start, or all. P: characters, what follows moves up. X: characters, nothing moves."""
        if final == "P":
            row.cut(self._column, self._column + max(1, number))
        elif final == "X":
            row.write(self._column, " " * min(max(1, number), len(row.text) - self._column), PLAIN)
        elif number == 0:
            row.cut(self._column, WIDEST)
        elif number == 1:
            row.write(0, " " * min(self._column + 1, len(row.text)), PLAIN)
        elif number == 2:
            row.cut(0, WIDEST)

    def _erase_screen(self, what: int) -> None:
        """Below the cursor all goes. A screen that is cleared stays in the log: what follows begins below it."""
        if what == 0 and self._up >= 0:
            for _ in range(self._up):
                self.rows.pop()
            self._up = 0
            self.rows[-1].cut(self._column, WIDEST)
        elif what == 2:
            self._up, self._column, self._page = -1, 0, self.end


def _shown(text: str) -> str:
    """The text without what has no width or no shape of its own."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _instead(letter) for letter in text)


def _instead(letter: str) -> str:
    if letter.isspace():
        return " "
    return "" if unicodedata.category(letter) == "Cf" else "\ufffd"
