"""Keys → what happens: requests to the run, or a change of what the viewer shows. One method an action."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.screen import Screen

from ..run import events
from ..run.events import Command
from .actions import BY_NAME, Action
from .arrange import panels, tabs
from .panels.card import revealed
from .panels.weights import next_mode
from .scene import Pending, Scene
from .screens.ask import Ask, Choose
from .screens.card import WholeCard
from .screens.help import Help
from .screens.leave import Leave

if TYPE_CHECKING:
    from .app import BacklitApp

RUNGS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class Controls:
    """What the action table's names do."""

    def __init__(self, app: BacklitApp) -> None:
        self.app = app
        self._then: Callable[[], None] | None = None
        """What to ask once training is held."""

    @property
    def scene(self) -> Scene:
        return self.app.scene

    def do(self, name: str) -> None:
        """Carries out an action, if it is valid now; the first steering key in somebody's own run asks."""
        action = BY_NAME[name]
        scene = self.scene
        if not action.valid(scene):
            if action.steers:
                self.app.say("This run is over." if scene.source.over else "This viewer was started with --readonly.")
            return
        if action.steers and scene.asks and not scene.may_steer:
            self._ask_whether_to_steer(action)
            return
        scene.pressed.add(name)
        if name != "restart" and not (name == "card" and scene.card is not None and scene.card.later):
            scene.ticked.add(name)
        getattr(self, "_" + name)()
        self.app.changed()

    def _ask_whether_to_steer(self, action: Action) -> None:
        def answered(yes: str | None) -> None:
            if yes == "Y":
                self.scene.may_steer = True
                self.do(action.name)

        # a capital letter, and every other key says no: text typed into the wrong window must not get through
        words = f"Steer this run? {action.shown} ({action.label_for(self.scene)}) would act on the training."
        self.app.push_screen(
            Choose("Steer", words, {"Y": "yes, from now on (shift+y)"}, other="any other key: no"), answered
        )

    # ── requests ──

    def send(self, command: Command, pending: Pending) -> None:
        """Writes a request and remembers that its answer is due."""
        try:
            self.app.desk.command(command)
        except OSError as error:
            said = f"The request could not be written ({error.strerror or error})."
            if self.scene.paused and self.app.desk.ask_to_resume():
                said += " Training was asked to go on."
            self.app.say(said, bad=True)
            return
        self.scene.ask(command.id, pending)
        self.app.hurry()

    def _pending(self, do: str, text: str, factor: float | None = None, value: float | None = None) -> Pending:
        return Pending(do, text, time.monotonic(), factor, value)

    def _pause(self) -> None:
        if self.scene.paused or self.scene.status == "pausing":
            self._close_phases()
            card = self.scene.card
            if card is not None and self.scene.state.step == 0 and card.show != self.scene.tab:
                self.show_tab(card.show)
            self.send(events.Resume(self.app.desk.new_id()), self._pending("resume", "go on"))
        else:
            self.send(events.Pause(self.app.desk.new_id()), self._pending("pause", "pause"))

    def go_on(self) -> None:
        """The learner has answered: the first batch may run."""
        self.send(events.Resume(self.app.desk.new_id()), self._pending("resume", "go on"))

    def _close_phases(self) -> None:
        self.scene.left_phases = False
        if self.scene.zoomed == "phases":
            self.scene.zoomed = ""
            self.app.rearrange()

    def follow_up(self) -> None:
        """What was to be asked once training is held."""
        if self._then is not None and self.scene.paused:
            then, self._then = self._then, None
            then()
        elif self.scene.source.over:
            self._then = None

    def request(self, command: Command) -> None:
        """What a panel asks for by itself: the weight that is nudged."""
        if self.scene.steerable and self.scene.paused:
            command = dataclasses.replace(command, id=self.app.desk.new_id())
            self.send(command, self._pending("try", "the nudge"))

    def _valley(self) -> None:
        scene = self.scene
        live, model = scene.state.live, scene.state.model
        self.show_tab("valley", surveyed=True)
        if model is not None and model.weights <= 2:
            return
        surface = live.surface if live is not None else None
        if surface is not None and surface.kind == "slice" and surface.done < surface.rows and scene.paused:
            self.send(events.Survey(self.app.desk.new_id(), cancel=True), self._pending("survey", "give up the valley"))
            return

        def answered(key: str | None) -> None:
            if key != "y":
                return

            def survey() -> None:
                self.send(events.Survey(self.app.desk.new_id()), self._pending("survey", "the valley"))

            if scene.paused:
                survey()
            else:
                self._then = survey
                self.send(events.Pause(self.app.desk.new_id()), self._pending("pause", "pause"))

        words = (
            "Compute the loss on a plane through the weights? That is 25 × 25 forward passes of the batch in hand, on "
            "a copy of the model. Training waits meanwhile; v gives it up."
        )
        self.app.push_screen(Choose("Valley", words, {"y": "yes"}, other="any other key: no"), answered)

    def show_tab(self, name: str, surveyed: bool = False) -> None:
        """Brings a tab to the front."""
        scene = self.scene
        scene.surveyed = scene.surveyed or surveyed
        scene.tab = scene.focus = name
        if scene.zoomed:
            scene.zoomed = name
        self.app.rearrange()
        self.app.focus_panel(name)

    def _early(self) -> None:
        live = self.scene.state.live
        best = live.best if live is not None else None
        if best is None or best.refused:
            why = best.refused if best is not None else "the program has logged no validation loss yet"
            self.app.say(f"There is nothing to go back to: {why}.")
            return

        def answered(key: str | None) -> None:
            if key == "y":
                self.send(events.Rewind(self.app.desk.new_id()), self._pending("rewind", "stop early"))

        words = (
            f"Stop here, and put back the weights of step {best.step:,}, whose validation loss {best.loss:.4g} is the "
            "lowest so far? The program then ends as after Ctrl-C."
        )
        self.app.push_screen(Choose("Stop early", words, {"y": "yes"}, other="any other key: no"), answered)

    def _undo(self) -> None:
        self.send(events.Undo(self.app.desk.new_id()), self._pending("undo", "undo"))

    def _arm(self) -> None:
        on = not self.scene.armed
        words = "keep updates for undo" if on else "keep no more updates"
        self.scene.armed = on
        self.send(events.Arm(self.app.desk.new_id(), on), self._pending("arm", words))

    def _save(self) -> None:
        self.send(events.Save(self.app.desk.new_id()), self._pending("save", "write the weights"))

    def _break(self) -> None:
        asks = {
            "a": ("odd", "the loss or a gradient is not finite", ""),
            "b": ("loss", "the loss is above …", "The loss is above"),
            "c": ("norm", "the gradient norm is above …", "The gradient norm is above"),
            "d": ("times", "the gradient norm is so many times its recent median …", "Times its recent median"),
            "e": ("step", "update number … comes next", "Update number"),
            "n": ("none", "no breakpoints any more", ""),
        }

        def set_(when: str, value: float) -> None:
            command = events.Break(self.app.desk.new_id(), when, value)
            self.send(command, self._pending("break", "the breakpoint" if when != "none" else "no breakpoints"))

        def answered(key: str | None) -> None:
            if key is None:
                return
            when, _, question = asks[key]
            if not question:
                set_(when, 0.0)
                return

            def typed(text: str | None) -> None:
                try:
                    value = float((text or "").replace(",", ""))
                except ValueError:
                    if text is not None:
                        self.app.say(f"{text!r} is no number.", bad=True)
                    return
                set_(when, value)

            self.app.push_screen(Ask("Breakpoint", question, "5"), typed)

        words = {key: text for key, (_, text, _) in asks.items()}
        self.app.push_screen(Choose("Breakpoint", "Hold before the update when …", words), answered)

    def _card(self) -> None:
        scene = self.scene
        card = scene.card
        if card is None:
            return
        if card.later and not scene.guess:

            def answered(letter: str | None) -> None:
                scene.guess = letter or ""
                if letter:
                    scene.ticked.add("card")
                self.app.changed()

            self.app.push_screen(Choose(card.title, card.question, card.choices, more=card.before), answered)
            return
        self.app.push_screen(WholeCard(card, revealed(scene)))

    def _restart(self) -> None:
        self.app.school.restart()

    def _edit(self) -> None:
        self.app.school.edit()

    def _step(self) -> None:
        self.send(events.Step(self.app.desk.new_id(), 1), self._pending("step", "one batch"))

    def _steps(self) -> None:
        def answered(text: str | None) -> None:
            if text is None:
                return
            try:
                number = int(text.replace(",", "").replace(" ", ""))
            except ValueError:
                number = 0
            if not 1 <= number <= 10**9:
                self.app.say(f"{text!r} is no number of batches.", bad=True)
                return
            self.send(events.Step(self.app.desk.new_id(), number), self._pending("step", f"{number:,} batches"))

        self.app.push_screen(Ask("Batches", "Run how many batches, then pause?", value="10"), answered)

    def _phase(self) -> None:
        scene = self.scene
        if not scene.left_phases:
            scene.zoomed = scene.focus = "phases"
            self.app.rearrange()
            self.app.focus_panel("phases")
        self.send(events.Phase(self.app.desk.new_id()), self._pending("phase", "one phase"))

    def _rate_up(self) -> None:
        self._turn_rate(+1)

    def _rate_down(self) -> None:
        self._turn_rate(-1)

    def _turn_rate(self, way: int) -> None:
        """One rung of the ladder, from what was asked for last."""
        state = self.scene.state
        asked = [one for one in self.scene.pending.values() if one.do == "lr"]
        if state.fixed and not asked:
            value = (state.tick.rate if state.tick is not None else None) or 0.0
            self._set_value(value * (2.0 if way > 0 else 0.5))
            return
        factor = asked[-1].factor if asked and asked[-1].factor is not None else state.factor
        factor = 1.0 if factor is None else factor
        rungs = [rung for rung in RUNGS if (rung > factor * 1.001 if way > 0 else rung < factor * 0.999)]
        if not rungs:
            self.app.say(f"The ladder ends at ×{RUNGS[-1] if way > 0 else RUNGS[0]:g}; r sets any rate.")
            return
        self._set_factor(min(rungs) if way > 0 else max(rungs))

    def _set_factor(self, factor: float) -> None:
        ident = self.app.desk.new_id()
        self.send(events.SetRate(ident, factor=factor), self._pending("lr", f"×{factor:g}", factor=factor))

    def _set_value(self, value: float) -> None:
        ident = self.app.desk.new_id()
        self.send(events.SetRate(ident, value=value), self._pending("lr", f"{value:g}", value=value))

    def _rate(self) -> None:
        def answered(text: str | None) -> None:
            if text is None:
                return
            word = text.strip().lower().replace("×", "x")
            if not word:
                return
            if word in ("release", "x1"):
                self._set_factor(1.0)
                return
            try:
                number = float(word.lstrip("x"))
            except ValueError:
                self.app.say(f"{text!r} is no rate: type 0.01, x2 or release.", bad=True)
                return
            if number != number or number < 0 or number == float("inf"):
                self.app.say(f"{text!r} is no rate: it must be 0 or more.", bad=True)
            elif word.startswith("x"):
                self._set_factor(number)
            else:
                self._set_value(number)

        words = "A rate such as 0.01 · x2: twice what the program sets · release: what the program sets"
        self.app.push_screen(Ask("Learning rate", words, "for example 0.01"), answered)

    def _slower(self) -> None:
        tick = self.scene.tick
        now = self.scene.speed or (tick.steps_per_s if tick is not None else None) or 20.0
        lower = [rung for rung in SPEEDS if rung < now * 0.99]
        self.set_speed(max(lower) if lower else SPEEDS[0])

    def _faster(self) -> None:
        if self.scene.speed is None:
            self.app.say("It runs at full speed already.")
            return
        higher = [rung for rung in SPEEDS if rung > self.scene.speed * 1.01]
        self.set_speed(min(higher) if higher else None)

    def _full_speed(self) -> None:
        self.set_speed(None)

    def set_speed(self, speed: float | None) -> None:
        words = "full speed" if speed is None else f"{speed:g} steps a second"
        self.send(events.Speed(self.app.desk.new_id(), speed), self._pending("speed", words))

    # ── what is shown ──

    def _mode(self) -> None:
        self.scene.mode = next_mode(self.scene.mode)

    def _log_axis(self) -> None:
        self.scene.log_y = not self.scene.log_y

    def _range(self) -> None:
        self.scene.full_range = not self.scene.full_range

    def _filter(self) -> None:
        def answered(text: str | None) -> None:
            if text is not None:
                self.scene.filter = text.strip()
                self.app.changed()

        self.app.push_screen(
            Ask("Filter", "Show only layers and log lines with (empty: all)", value=self.scene.filter), answered
        )

    def _next(self) -> None:
        self.app.move_focus(+1)

    def _previous(self) -> None:
        self.app.move_focus(-1)

    def show_panel(self, number: int) -> None:
        """A number key: the panel or tab of that number."""
        there = panels(self.scene.content)
        if 1 <= number <= len(there):
            name = there[number - 1]
            if name in tabs(self.scene.size, self.scene.content):
                self.scene.tab = name
            if self.scene.zoomed:
                self.scene.zoomed = name
            self.scene.focus = name
            panel = self.app.panel(name)
            if panel is not None and not panel.display:
                self.app.rearrange()
            self.app.focus_panel(name)

    def _zoom(self) -> None:
        self.scene.zoomed = self.scene.focus
        self.app.rearrange()

    def _out(self) -> None:
        if self.scene.zoomed == "phases":
            self.scene.left_phases = True
        self.scene.zoomed = ""
        self.app.rearrange()

    def _lessons(self) -> None:
        self.app.school.open_lessons()

    def _help(self) -> None:
        self.app.push_screen(Help(self.scene, self.app.panel(self.scene.focus)))

    def _palette(self) -> None:
        self.app.action_command_palette()

    # ── leaving ──

    def _leave(self) -> None:
        scene = self.scene
        if scene.source.over:
            self.app.exit(0)
            return
        if self.app.leaves_at_once() and scene.steerable:
            self.stop()
            self.app.stopped_at_leaving = True
            self.app.exit(0)
            return

        def answered(how: str | None) -> None:
            if how == "detach":
                self.app.detached = True
                self.app.exit(0)
            elif how == "stop":
                self.stop()
            elif how == "kill":
                self.kill()

        screen: Screen[str] = Leave(scene.program, readonly=scene.readonly, paused=scene.paused)
        self.app.push_screen(screen, answered)

    def stop(self) -> None:
        """Asks the program to end as after Ctrl-C; a second time sends it the signal itself."""
        asked = any(one.do == "stop" for one in self.scene.pending.values())
        if self.scene.state.tick is None or asked or self.scene.state.stop_asked:
            self._signal(signal.SIGINT)
        else:
            self.send(events.Stop(self.app.desk.new_id()), self._pending("stop", "stop"))

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """Sends a signal to the program's process group, after making sure that the process is still that program."""
        about = self.scene.source.run.about()
        pid = about.get("pid")
        if not isinstance(pid, int) or self.scene.source.run.alive() is not True:
            self.app.say("The program is not running on this machine.", bad=True)
            return
        try:
            os.killpg(pid, number)
        except OSError as error:
            self.app.say(f"The program could not be signalled ({error.strerror}).", bad=True)
