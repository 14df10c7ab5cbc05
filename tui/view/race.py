"""The screen of a race: every run's curve in one chart, a table below it. It starts what waits, and only looks at the
rest: nobody is announced as looking to the runs, so they go at full speed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any, ClassVar

from rich.cells import chop_cells
from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ..history.race import AVERAGED, TRAIN, Race, higher_is_better
from .app import color_system
from .draw.cells import Line, clean, cut, fit, right, shorten, width_of
from .draw.numbers import duration, percent
from .draw.race import draw_race, off_the_top
from .driver import Driver, PatientApp, slow
from .screens.ask import Choose
from .standings import LEADS, Words, how_it_stands, standings, verdict, words_for
from .theme import Palette, textual_theme

POLL_S = 0.1
TABLE_S = 0.5
CHART_S = 1.0

KEYS = (
    Binding("q,ctrl+c,ctrl+q", "leave", show=False),
    Binding("up", "move(-1)", show=False),
    Binding("down", "move(1)", show=False),
    Binding("enter", "where", show=False),
    Binding("m", "metric", show=False),
    Binding("y", "log_axis", show=False),
    Binding("s", "stop", show=False),
    Binding("question_mark", "help", show=False),
)

ACTION_OF = {key: binding.action for binding in KEYS for key in binding.key.split(",")}

FOOTER = (("m", "metric"), ("y", "log axis"), ("↑ ↓", "run"), ("enter", "where it is"), ("s", "stop all"))

HELP = {
    "m": "another metric: validation loss, training loss, accuracy, whatever was logged",
    "y": "logarithmic axis, and back",
    "↑ ↓": "choose a run: its curve comes to the front",
    "enter": "the command that shows the chosen run by itself, and where it is kept",
    "s": "stop all runs, as Ctrl-C would; asks",
    "q": "leave: asks whether the runs are to end or to go on",
}


class Part(Widget):
    """A region that draws lines, and repaints those that changed."""

    DEFAULT_CSS = "Part { background: $background; color: $foreground; height: 1; }"

    def __init__(self, ident: str, draw: Callable[[int, int], list[Line]], palette: Palette) -> None:
        super().__init__(id=ident)
        self._content, self._palette = draw, palette
        self._lines: list[Line] = []
        self._drawn_for = (-1, -1)

    def tell(self) -> None:
        """What is shown may have changed."""
        width, height = self.content_size
        if width <= 0 or height <= 0:
            return
        drawn = self._content(width, height)[:height]
        lines = [fit([(clean(text), look) for text, look in line], width) for line in drawn]
        lines += [[(" " * width, "ink")]] * (height - len(lines))
        before, self._lines = self._lines, lines
        if self._drawn_for != (width, height):
            self._drawn_for = (width, height)
            self.refresh()
            return
        changed = [Region(0, y, width, 1) for y, (old, new) in enumerate(zip(before, lines)) if old != new]
        if changed:
            self.refresh(*changed)

    def entitle(self, title: str, below: str = "") -> None:
        """Words in the border; never read as markup."""
        title, below = clean(title).replace("[", r"\["), clean(below).replace("[", r"\[")
        if self.border_title != title:
            self.border_title = title
        if self.border_subtitle != below:
            self.border_subtitle = below

    def on_resize(self) -> None:
        self.tell()

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        drawn = self._drawn_for == tuple(self.content_size) and y < len(self._lines)
        line = self._lines[y] if drawn else [(" " * width, "ink")]  # a new size: on_resize is on its way
        return Strip([Segment(text, self._palette.style(look)) for text, look in line], width)


class RaceApp(PatientApp[int]):
    """Looks at a race until it is left."""

    CSS_PATH = "app.tcss"
    TITLE = "backlit race"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self, race: Race, words: Words, colors: str = "", **how: Any) -> None:
        super().__init__(**how)
        self.race, self.words = race, words
        self.palette = Palette(colors or color_system(self))
        self.selected = 0
        self.log_y = False
        self.chosen: str | None = None
        """The metric that a person chose; without one it is the first there is."""
        self.where = False
        self._leaving = False
        self._began = time.monotonic()
        self._ended = 0.0
        self._table_due = self._chart_due = 0.0
        theme = textual_theme(self.palette)
        self.register_theme(theme)
        self.theme = theme.name

    def compose(self) -> ComposeResult:
        parts = {
            "title": self._draw_title,
            "chart": self._draw_chart,
            "table": self._draw_table,
            "note": self._draw_note,
            "keys": self._draw_footer,
        }
        self._parts = {name: Part(name, draw, self.palette) for name, draw in parts.items()}
        for name in ("chart", "table"):
            self._parts[name].add_class("boxed")
        self._parts["title"].styles.height = 2
        self._parts["chart"].styles.height = "1fr"
        self._parts["table"].styles.height = len(self.race.lanes) + 3
        yield from self._parts.values()

    def on_mount(self) -> None:
        self.set_interval(POLL_S, self._poll)

    @property
    def metric(self) -> str:
        metrics = self.race.metrics()
        return self.chosen if self.chosen in metrics else metrics[0]

    # ── what is new ──

    def _poll(self) -> None:
        race = self.race
        over, stands = race.over, how_it_stands(race)
        race.poll()
        if race.over and self._leaving:
            self.exit(0)
            return
        if slow(self):
            return
        self._tell(force=stands != how_it_stands(race) or over != race.over)

    def _tell(self, force: bool = False) -> None:
        now = time.monotonic()
        if not self.race.over or not self._ended:
            self._ended = now
        if force or now >= self._table_due:
            self._table_due = now + TABLE_S
            for name in ("title", "table", "note", "keys"):
                self._parts[name].tell()
        if force or now >= self._chart_due:
            self._chart_due = now + CHART_S
            self._parts["chart"].tell()

    # ── what is shown ──

    def _draw_title(self, width: int, height: int) -> list[Line]:
        race, words = self.race, self.words
        stands = " · ".join(how_it_stands(race))
        if race.over:
            state, look = ("FINISHED", "ink.bold") if race.finished else ("ENDED", "warning.bold")
        else:
            state, look = ("STOPPING", "warning.bold") if race.stopping else ("● RACING", "ink.bold")
        head: Line = [(shorten(words.program, 30), "ink.bold"), ("  ", "ink"), (state, look), (f"  {stands}", "ink")]
        clock: Line = [(duration(self._ended - self._began), "dim")]
        first = [*cut(head, width - width_of(clock) - 1), *right(clock, max(0, width - width_of(head)))]
        turns = "one at a time" if race.at_once == 1 else f"{race.at_once} at once"
        held = " · ".join([*words.held, "full speed", turns])
        second: Line = [("varies ", "dim"), (" and ".join(words.names), "ink.bold")]
        return [first, cut([*second, ("   the same in all: ", "dim"), (held, "ink")], width)]

    def _draw_chart(self, width: int, height: int) -> list[Line]:
        metric, race = self.metric, self.race
        above = off_the_top(race, metric, self.log_y)
        names = [("▸" if one == metric else "") + words_for(one) for one in race.metrics()]
        title = " │ ".join(names)
        notes = [f"averaged over {percent(AVERAGED)} of the steps"] if metric == TRAIN else []
        notes += ["log axis"] if self.log_y else []
        notes += [f"off the top: {above}"] if above else []
        room = self._parts["chart"].outer_size.width - 8
        fits = title if len(title) <= room else f"▸{words_for(metric)} │ m: {len(names) - 1} more"
        self._parts["chart"].entitle(fits, " · ".join(notes))
        if not any(lane.series(metric) is not None for lane in race.lanes):
            words = "Nothing was recorded." if race.over else f"The first {words_for(metric)} is awaited: torch loads."
            return [[(words, "dim")]]
        return draw_race(race, metric, width, height, self.log_y, self.selected)

    def _draw_table(self, width: int, height: int) -> list[Line]:
        metric = self.metric
        best = "highest" if higher_is_better(metric) else "lowest"
        leads = f"{LEADS} {best} at the end" if self.race.leaders(metric) else ""
        self._parts["table"].entitle(words_for(metric), leads)
        return standings(self.race, self.words.names, metric, width, self.selected)

    def _draw_note(self, width: int, height: int) -> list[Line]:
        lane = self.race.lanes[self.selected]
        if self.where:
            if lane.source is None:
                return [[(f" {lane.name} has not been started.", "dim")]]
            path = lane.source.run.path
            lines: list[Line] = [[(" " + part, "ink.bold")] for part in self._command(path.name, width)]
            room = width - width_of(lines[-1]) - 5
            return [*lines[:-1], [*lines[-1], ("  in ", "dim"), (shorten(str(path.parent), room), "dim")]]
        if lane.status in ("failed", "not started", "lost"):
            return [[(" ✗ ", "bad"), (f"{lane.label}: {lane.last_words()}", "ink")]]
        words = verdict(self.race, self.metric)
        return [[(f" {LEADS} {words}", "ink")] if words else [("", "ink")]]

    def _command(self, name: str, width: int) -> list[str]:
        """What shows a run again, whole, to be copied: on as many lines as it takes."""
        return chop_cells(clean(f"{self.words.attach} {name}"), max(10, width - 1))

    def _draw_footer(self, width: int, height: int) -> list[Line]:
        tail: Line = []
        for key, label in (("?", "help"), ("q", "leave")):
            tail += [("  ", "ink"), (key, "ink.bold"), (f" {label}", "dim")]
        line: Line = []
        for key, label in FOOTER:
            if key == "s" and self.race.over:
                continue
            part: Line = [("  " if line else "", "ink"), (key, "ink.bold"), (f" {label}", "dim")]
            if width_of(line) + width_of(part) + width_of(tail) <= width:
                line += part
        return [[*line, *tail]]

    # ── keys ──

    async def on_event(self, event: events.Event) -> None:
        # Here and not in a widget: what is typed ahead of a dialog must find the dialog.
        if isinstance(event, events.Key) and len(self.screen_stack) == 1 and event.key in ACTION_OF:
            await self.run_action(ACTION_OF[event.key])
            return
        await super().on_event(event)

    def action_move(self, lines: int) -> None:
        self.selected = min(len(self.race.lanes) - 1, max(0, self.selected + lines))
        self._make_room()
        self._tell(force=True)

    def action_where(self) -> None:
        self.where = not self.where
        self._make_room()
        self._tell(force=True)

    def _make_room(self) -> None:
        """A command may need several lines."""
        source = self.race.lanes[self.selected].source
        lines = self._command(source.run.path.name, self.size.width) if self.where and source is not None else []
        self._parts["note"].styles.height = min(4, max(1, len(lines)))

    def action_metric(self) -> None:
        metrics = self.race.metrics()
        self.chosen = metrics[(metrics.index(self.metric) + 1) % len(metrics)]
        self._tell(force=True)

    def action_log_axis(self) -> None:
        self.log_y = not self.log_y
        self._tell(force=True)

    def action_help(self) -> None:
        words = (
            "Several runs of one program at full speed, equal in all but what varies. Each has its colour and sign; "
            "✗ in the chart is a value that is no number any more."
        )
        self.push_screen(Choose("Help", words, HELP, other="any key: back"))

    def action_stop(self) -> None:
        if self.race.over:
            return
        choices = {"s": "stop all, as Ctrl-C would"}
        if self.race.stopping:
            choices["k"] = "kill them at once"
        self.push_screen(Choose("Stop", self._asking(), choices), self._answered)

    async def action_quit(self) -> None:
        self.action_leave()

    def action_leave(self) -> None:
        race = self.race
        if race.over:
            self.exit(0)
            return
        waiting = len(race.waiting)
        turn = {0: "", 1: "; 1 that waits starts in its turn"}.get(
            waiting, f"; {waiting} that wait start in their turn"
        )
        goes_on = f"let them go on{turn} ({self.words.attach} shows each)"
        choices = {"d": goes_on, "s": "stop all, as Ctrl-C would, and leave"}
        if race.stopping:
            choices = {"d": "leave them", "s": "stop all, once more", "k": "kill them at once"}

        def answered(key: str | None) -> None:
            self._leaving = self._leaving or key in ("s", "k")
            if key == "d":
                self.exit(0)
            self._answered(key)

        self.push_screen(Choose("Leave", self._asking(), choices), answered)

    def _asking(self) -> str:
        return f"{self.words.program}: {', '.join(how_it_stands(self.race))}."

    def _answered(self, key: str | None) -> None:
        if key == "s":
            self.race.stop(signal.SIGINT)
        elif key == "k":
            self.race.stop(signal.SIGKILL)
        self._tell(force=True)


def show(race: Race, words: Words) -> tuple[int, str]:
    """Runs the screen until it is left; (the app's own status if it failed, else 0; the metric that was shown).

    The priority stays as it is, unlike the dashboard's: what is started from here would inherit a lower one.
    """
    app = RaceApp(race, words, driver_class=Driver)
    app.run()
    return int(app.return_code or 0), app.metric
