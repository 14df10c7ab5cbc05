"""The streams of a run, one line each; Enter shows one."""

from __future__ import annotations

import time

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from ...history.source import Source
from ...history.streams import Stream
from ..draw.cells import clean, shorten, width_of

LONGEST_NAME = 40
SHORTEST_NAME = 12
EDGES = 8
"""Cells of a line's room that border and padding take, of the dialog and of an entry."""
WIDEST = 96
ROOM_FOR_TIMES = 84
"""Below so many cells nothing is said of when a stream began: its name needs the place."""


class StreamList(ModalScreen[str]):
    """Answers the number of the stream to show, as text, or None."""

    BINDINGS = [("escape,q,backspace,S", "dismiss(None)", "back")]

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._lines: list[str] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog list-dialog") as box:
            box.border_title = "Streams"
            yield OptionList()
            words = "▸ shown · ● trains · ■ is over\nenter shows it · esc back"
            yield Static(words, classes="dim", markup=False)

    def on_mount(self) -> None:
        self._renew()
        options = self.query_one(OptionList)
        numbers = [one.number for one in self._source.streams.all]
        options.highlighted = numbers.index(self._source.shown) if self._source.shown in numbers else 0
        options.focus()
        self.set_interval(0.5, self._renew)

    def _renew(self) -> None:
        """The source goes on being read behind the dialog: streams begin and end."""
        streams, options = self._source.streams.all, self.query_one(OptionList)
        lines = lines_of(self._source, min(WIDEST, int(0.95 * self.app.size.width)) - EDGES)
        for place, (before, line) in enumerate(zip(self._lines, lines)):
            if line != before:
                options.replace_option_prompt_at_index(place, Content(line))
        known = len(self._lines)
        options.add_options(
            Option(Content(line), id=str(one.number)) for line, one in list(zip(lines, streams))[known:]
        )
        self._lines = lines
        living = sum(not one.over for one in streams)
        self.query_one(".dialog").border_subtitle = f"{living} of {len(streams)} train"

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)


def lines_of(source: Source, width: int) -> list[str]:
    """One line a stream: shown, alive or over, place, program with its arguments, rank, process, when it began."""
    streams = source.streams.all
    digits = len(str(len(streams)))
    heads, tails = [], []
    deep = max((len(" · ".join(one.place)) for one in streams), default=0)
    for place, one in enumerate(streams, 1):
        sign = ("▸" if one.number == source.shown else " ") + ("■" if one.over else "●")
        heads.append(f"{sign} {place:>{digits}}  ")
        tails.append(_tail(one, deep, width >= ROOM_FOR_TIMES))
    room = width - max(map(_width, heads), default=0) - max(map(_width, tails), default=0)
    names = [_called(one, max(SHORTEST_NAME, min(LONGEST_NAME, room))) for one in streams]
    wide = max(map(_width, names), default=0)
    return [
        head + name + " " * (wide - _width(name)) + tail for head, name, tail in zip(heads, names, tails, strict=True)
    ]


def _tail(one: Stream, deep: int, times: bool) -> str:
    """Rank and restart in `deep` cells, process id, when it began."""
    words = f"  {' · '.join(one.place):<{deep}}" if deep else ""
    if one.start is None:
        return words
    words += f"  pid {one.start.pid:<7}"
    return words + (f"  began {time.strftime('%H:%M:%S', time.localtime(one.start.time))}" if times else "")


def _called(one: Stream, width: int) -> str:
    """Script and arguments, not too long."""
    return shorten(clean(" ".join([one.script, *one.arguments])), width)


def _width(text: str) -> int:
    return width_of([(text, "ink")])
