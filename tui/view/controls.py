"""Keys → what happens: requests to the run, or a change of what the viewer shows. One method an action."""

from __future__ import annotations

import os
import signal

from textual.screen import Screen

from ..run import events
from .actions import BY_NAME, Action
from .bench import Bench
from .dials import Dials
from .keyboard import Keyboard
from .panels.card import revealed
from .scene import Scene
from .screens.ask import Ask, Choose
from .screens.card import WholeCard
from .screens.help import Help
from .screens.leave import Leave


class Controls(Dials, Bench, Keyboard):
    """What the action table's names do; dials, workbench and what only changes the view have files of their own."""

    def do(self, name: str) -> None:
        """Carries out an action, if it is valid now; the first steering key in somebody's own run asks."""
        action = BY_NAME[name]
        scene = self.scene
        if not action.valid(scene):
            if action.steers:
                self.app.say(_why_not(action, scene))
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

    # ── going on and holding ──

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

    # ── lessons and help ──

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
        """Asks every training of the run to end as after Ctrl-C; a second time sends the program the signal itself, a
        third time SIGTERM."""
        scene = self.scene
        asked = any(one.do == "stop" for one in scene.pending.values()) or scene.state.stop_asked
        if scene.state.tick is None or asked or scene.source.ended:
            self._signal(signal.SIGTERM if scene.interrupted else signal.SIGINT)
            scene.interrupted = True
        else:
            self.send(events.Stop(self.app.desk.new_id()), self._pending("stop", "stop"), to=(None,))

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


def _why_not(action: Action, scene: Scene) -> str:
    """Why this cannot be done now."""
    if scene.source.over:
        return "This run is over."
    if scene.readonly:
        return "This viewer was started with --readonly."
    if action.name == "type":
        return "The program has no terminal to type into; backlit run --pty gives it one."
    if scene.source.ended:
        return "This training is over" + ("; S shows another." if len(scene.source.streams) > 1 else ".")
    return "That works while training is held: space pauses."
