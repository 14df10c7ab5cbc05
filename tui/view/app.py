"""The Textual app: owns the source and the scene; routes what is new to the panels and keys to the controls."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.timer import Timer

from ..history.source import Source
from ..run.directory import RunDirectory
from .actions import ACTIONS
from .arrange import ALONE, PANELS, arrange, front, panels, size_class, tabs
from .controls import Controls
from .desk import Looks, ViewerDesk
from .driver import PatientApp, slow
from .learning import Progress
from .machine import Machine, Subject
from .panels.card import CardPanel, revealed
from .panels.doctor import Doctor
from .panels.explain import Explain
from .panels.footer import Footer
from .panels.gradients import Gradients
from .panels.header import Header
from .panels.log import Log
from .panels.loss import Loss
from .panels.metrics import Metrics
from .panels.network import Network
from .panels.panel import Panel
from .panels.phases import Phases
from .panels.predict import Predict
from .panels.strip import Strip
from .panels.valley import Valley
from .panels.weights import Weights
from .scene import Card, Scene
from .school import School
from .screens.ask import Choose
from .theme import Palette, textual_theme
from .turns import Turns

PANEL_CLASSES: tuple[tuple[str, type[Panel]], ...] = (
    ("header", Header),
    ("network", Network),
    ("weights", Weights),
    ("gradients", Gradients),
    ("loss", Loss),
    ("explain", Explain),
    ("card", CardPanel),
    ("doctor", Doctor),
    ("metrics", Metrics),
    ("predict", Predict),
    ("valley", Valley),
    ("log", Log),
    ("phases", Phases),
    ("strip", Strip),
    ("footer", Footer),
)
"""Every panel by its id: the one place where a panel is registered."""

WHOLE = 1_000_000
"""More lines than any panel has."""
POLL_S = 0.05
HURRIED_POLL_S = 0.02
HURRY_S = 0.6

KEYS: tuple[Binding, ...] = (
    *(Binding(",".join(action.keys), f"act('{action.name}')", action.label, show=False) for action in ACTIONS),
    *(Binding(str(number), f"panel({number})", show=False) for number in range(1, 10)),
    Binding("up", "move(-1)", show=False),
    Binding("down", "move(1)", show=False),
    Binding("left", "sideways(-1)", show=False),
    Binding("right", "sideways(1)", show=False),
    Binding("pageup", "move(-10)", show=False),
    Binding("pagedown", "move(10)", show=False),
    Binding("home", f"move(-{WHOLE})", show=False),
    Binding("end", f"move({WHOLE})", show=False),
)
"""Every key of the dashboard."""

ACTION_OF = {key: binding.action for binding in KEYS for key in binding.key.split(",")}


class BacklitApp(PatientApp[int]):
    """The viewer of one run."""

    CSS_PATH = "app.tcss"
    TITLE = "backlit"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "f35"  # ctrl+p comes from the action table
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self, scene: Scene, **how: Any) -> None:
        """how: `exits` leave at the end · `start_lesson` starts a lesson with arguments and gives its run ·
        `edit_lesson` gives the learner's own copy of its script · `again` starts what a run.json says once more ·
        `cards` the lessons there are · `lesson` the run is a lesson · `question` the card's question is to be asked
        first · `progress` what the learner has done · `colors` the colour system, by default what the terminal has ·
        `driver_class`."""
        self.exits: bool = how.pop("exits", False)
        self.start_lesson: Callable[[str, list[str]], RunDirectory] | None = how.pop("start_lesson", None)
        self.again: Callable[[dict[str, Any]], RunDirectory] | None = how.pop("again", None)
        self.progress: Progress = how.pop("progress", None) or Progress()
        self._question: bool = how.pop("question", True)
        self.starts: bool = how.pop("starts", True)
        """A lesson whose question is answered starts at once; else it waits for a key."""
        self.edit_lesson: Callable[[str, bool], Path] | None = how.pop("edit_lesson", None)
        self.cards: list[Card] = how.pop("cards", [])
        self.lesson: bool = how.pop("lesson", False)
        colors: str = how.pop("colors", "")
        super().__init__(**how)
        self.scene = scene
        self._turns = Turns(scene.source)
        self.palette = Palette(colors or color_system(self))
        self.desk = ViewerDesk(scene.source.run)
        self.machine = Machine()
        self.controls = Controls(self)
        self.school = School(self)
        self.detached = False
        self.stopped_at_leaving = False
        self._panels: dict[str, Panel] = {}
        self._began = time.monotonic()
        self._hurrying: Timer | None = None
        self._steady_due = 0.0
        self._seen: tuple[object, ...] = ()
        theme = textual_theme(self.palette)
        self.register_theme(theme)
        self.theme = theme.name

    def compose(self) -> ComposeResult:
        for name, kind in PANEL_CLASSES:
            panel = kind(name)
            if name in PANELS or name in ALONE:
                panel.add_class("boxed")
                panel.border_title = kind.NAME
            self._panels[name] = panel
            yield panel

    def on_mount(self) -> None:
        self.rearrange()
        self.focus_panel(self.scene.focus)
        self.set_interval(POLL_S, self._poll)
        self.school.open_card(ask=self._question)

    def on_resize(self, event: events.Resize) -> None:
        self.rearrange(event.size.width, event.size.height)

    # ── what is new ──

    def _poll(self) -> None:
        """Reads what the run has written and hands it on; paints less while the terminal reads slowly."""
        now = time.monotonic()
        scene = self.scene
        scene.source.poll()
        if scene.source.catching_up:
            self.hurry()
        for sentence in scene.settle():
            self.say(sentence, bad=True)
        while scene.told:
            self.say(scene.told.pop(0))
        self._take_turns()
        self._look(now)
        if self.exits and scene.source.over and scene.source.exit is not None:
            self.exit(0)
            return
        if slow(self):
            return
        if not scene.paused:
            scene.machine = self.machine.look(self._subject())
        seen: tuple[object, ...] = (
            scene.status,
            scene.state.phase,
            scene.state.step if scene.paused else -1,
            len(scene.pending),
        )
        seen = (*seen, (len(scene.state.layers), scene.content), self._held_live(), scene.waits_for_input)
        force = seen != self._seen
        if seen[4:5] != self._seen[4:5]:
            self.rearrange()
        self.controls.follow_up()
        self.controls.tell_waiting()
        if scene.status == "failed" and self._seen[:1] != ("failed",):
            self._show_the_log()
        elif scene.card is not None and revealed(scene) and self._seen[:1] != (scene.status,):
            self.school.reveal(scene.card)
        self._seen = seen
        self._tell(now, force)

    def _take_turns(self) -> None:
        """Another stream is shown, or another has begun."""
        turn, streams = self._turns.look(), self.scene.source.streams
        if turn.turned:
            self.scene.turned()
            self.rearrange()
        if turn.said:
            self.say(f"{turn.said[0].upper()}{turn.said[1:]}.")
        elif turn.others and (self.scene.source.ended or len(streams) - len(turn.others) == 1):
            self.say(f"Another training has begun: {streams.title(turn.others[-1].number)}. S shows it.")

    def _subject(self) -> Subject | None:
        """Whose load is looked at: nobody's where it is not shown, or where the program does not run here and now."""
        scene, metrics = self.scene, self._panels.get("metrics")
        pid, state = scene.source.about.get("pid"), scene.state
        shown = scene.size != "compact" or (metrics is not None and metrics.display)
        if not shown or state.start is None or scene.source.over or scene.source.alive is not True:
            return None
        device = state.model.device if state.model is not None else ""
        return Subject(pid, state.start.pid, device) if isinstance(pid, int) else None

    def _held_live(self) -> object:
        """While training is held every new snapshot is shown at once."""
        return self.scene.state.live if self.scene.paused else None

    def _show_the_log(self) -> None:
        """The program failed: its last words are what matters now."""
        self.scene.tab = self.scene.focus = "log"
        self.scene.log.bottom = None
        self.rearrange()
        self.focus_panel("log")

    def _tell(self, now: float, force: bool = False) -> None:
        if force or now >= self._steady_due or self.scene.steady is None:
            self.scene.steady, self._steady_due = self.scene.tick, now + 0.3
        for panel in self._panels.values():
            panel.tell(now, force and panel.id != "explain")

    def changed(self) -> None:
        """The scene changed by a key: show it at once."""
        self._tell(time.monotonic(), force=True)
        self._look(time.monotonic())

    def hurry(self) -> None:
        """An answer is due: look for it more often for a while."""
        if self._hurrying is not None:
            self._hurrying.stop()
        self._hurrying = self.set_interval(HURRIED_POLL_S, self._poll, repeat=int(HURRY_S / HURRIED_POLL_S))

    def _look(self, now: float) -> None:
        weights = self._panels.get("weights")
        rows, columns = weights.room if isinstance(weights, Weights) and weights.display else (24, 40)
        scene = self.scene
        shown = [name for name, panel in self._panels.items() if panel.display and panel.NAME]
        looks = Looks(scene.tensor(), scene.mode, rows, columns, scene.first_unit, shown, scene.sample)
        looks.stream = scene.source.shown
        self.desk.look(looks, now)

    # ── places and focus ──

    def rearrange(self, width: int | None = None, height: int | None = None) -> None:
        """Gives every panel its place for the size of the terminal, the tab in front and the zoom."""
        width, height = width or self.size.width, height or self.size.height
        scene = self.scene
        scene.size = size_class(width, height)
        self.controls.fit_terminal(width, height)
        layers = len(scene.state.layers) or 3
        places = arrange(width, height, scene.tab, scene.zoomed, layers, scene.content, self._reading)
        for name, panel in self._panels.items():
            place = places.get(name)
            panel.display = place is not None
            if place is not None:
                panel.styles.offset = (place.x, place.y)
                panel.styles.width, panel.styles.height = place.width, place.height
        if scene.focus not in places:
            shown = [name for name in (*ALONE, *PANELS) if name in places]
            if shown:
                self.focus_panel(shown[0])
        self._tell(time.monotonic(), force=True)

    @property
    def _reading(self) -> bool:
        """Is the card to be read now, after the end?"""
        return self.scene.tab == "card" and self.scene.card is not None and revealed(self.scene)

    def panel(self, name: str) -> Panel | None:
        return self._panels.get(name)

    def focus_panel(self, name: str) -> None:
        panel = self._panels.get(name)
        if panel is not None and panel.display:
            self.scene.focus = name
            self.screen_stack[0].set_focus(panel)  # not into a dialog that may be open

    def move_focus(self, way: int) -> None:
        """To the next panel; tabs come one after the other, zoomed panels change places."""
        scene = self.scene
        there = tabs(scene.size, scene.content)
        names = [name for name in panels(scene.content) if scene.zoomed or self._panels[name].display or name in there]
        here = names.index(scene.focus) if scene.focus in names else 0
        name = names[(here + way) % len(names)]
        if name in there:
            scene.tab = name
        if scene.zoomed:
            scene.zoomed = name
        scene.focus = name
        if not self._panels[name].display:
            self.rearrange()
        self.focus_panel(name)

    def tab_titles(self, name: str) -> list[str]:
        """Border titles of a tab, the fullest first: every tab's name, the one in front marked."""
        scene = self.scene
        there = tabs(scene.size, scene.content)
        if name not in there or scene.zoomed or front(scene.size, scene.tab, scene.content) != name:
            return []
        labels = {tab: self._panels[tab].label(scene) for tab in there}
        return [
            " │ ".join(f"▸{label}" if tab == name else label[:most] for tab, label in labels.items())
            for most in (20, 4, 3)
        ]

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Panel) and event.widget.id in (*PANELS, *ALONE):
            self.scene.focus = event.widget.id

    # ── keys ──

    def action_act(self, name: str) -> None:
        self.controls.do(name)

    def action_panel(self, number: int) -> None:
        self.controls.show_panel(number)

    def action_move(self, lines: int) -> None:
        panel = self._panels.get(self.scene.focus)
        if panel is not None and panel.move(self.scene, lines):
            self.changed()

    def action_sideways(self, way: int) -> None:
        panel = self._panels.get(self.scene.focus)
        moved = panel.sideways(self.scene, way) if panel is not None else False
        if not isinstance(moved, bool):
            self.controls.request(moved)
        if moved:
            self.changed()

    async def action_quit(self) -> None:
        self.controls.do("leave")

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key):
            self._skip_opening()
            # Here and not in the panel: what is typed ahead of a dialog must find the dialog, not the dashboard.
            if len(self.screen_stack) == 1 and event.key in ACTION_OF:
                await self.run_action(ACTION_OF[event.key])
                return
        await super().on_event(event)

    def _skip_opening(self) -> None:
        """Any key ends the slow opening, except those of a question."""
        scene = self.scene
        asked = any(one.do == "speed" for one in scene.pending.values())
        may = scene.steerable and (scene.may_steer or not scene.asks)
        if scene.opening and may and not asked and not isinstance(self.screen, Choose):
            self.controls.set_speed(scene.card.pace if scene.card is not None else None)

    def get_system_commands(self, screen: Screen[Any]) -> Iterator[SystemCommand]:
        for action in ACTIONS:
            if action.valid(self.scene) and action.name != "palette":
                yield SystemCommand(
                    f"{action.label_for(self.scene)} ({action.shown})",
                    action.help,
                    lambda name=action.name: self.controls.do(name),
                )

    def say(self, text: str, bad: bool = False) -> None:
        """One sentence for a few seconds. What the program or a person wrote is never read as markup."""
        if any(one.message == text for one in self._notifications):
            return  # it is on the screen already
        self.notify(text, severity="error" if bad else "information", timeout=5, markup=False)

    # ── lessons ──

    def turn_to(self, run: RunDirectory, card: Card | None, arguments: tuple[str, ...] = ()) -> None:
        """Turns to another run; the one before goes on or ends by itself."""
        self.desk.leave(pause_stays=False)
        old = self.scene
        same = card is not None and old.card is not None and card.lesson == old.card.lesson
        self.scene = Scene(
            Source(run),
            readonly=old.readonly,
            asks=False,
            tab=old.tab,
            focus=old.focus,
            card=card,
            guess=old.guess if same else "",
            arguments=arguments,
        )
        self.desk = ViewerDesk(run)
        self._turns = Turns(self.scene.source)
        self.lesson, self._began, self._seen = card is not None, time.monotonic(), ()
        self.rearrange()
        if same:
            self.scene.ticked = old.ticked
        self.school.open_card(ask=True, again=same and (bool(old.guess) or card is None or card.later))

    def leaves_at_once(self) -> bool:
        """A lesson under a minute old has nothing to lose."""
        return self.lesson and time.monotonic() - self._began < 60.0


def color_system(app: App[Any]) -> str:
    """truecolor, 256, 16 or none, as the terminal and the environment say."""
    if os.environ.get("NO_COLOR"):
        return "none"
    return {"256": "256", "standard": "16", "windows": "16"}.get(app.console.color_system or "", "truecolor")
