"""What the app does with lessons: asks a card's question, reveals, restarts with other arguments, opens the script."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from .arrange import ALONE
from .learning import arm_of, outcome
from .scene import Card
from .screens.ask import Ask, Choose
from .screens.card import WholeCard
from .screens.lessons import Lessons

if TYPE_CHECKING:
    from .app import BacklitApp


class School:
    """The lessons' side of the app."""

    def __init__(self, app: BacklitApp) -> None:
        self.app = app

    def open_card(self, ask: bool, again: bool = False) -> None:
        """A lesson begins to be shown: its tab, and with `ask` its question, while nothing has run yet.

        again: another run of it has been seen, and this one starts at once.
        """
        scene, card = self.app.scene, self.app.scene.card
        if card is None:
            return
        scene.results = [(one.arguments, one.value) for one in self.app.progress.results(card.lesson)]
        scene.tab = "card" if ask and not self.app.starts and not again else card.show
        self.app.rearrange()
        if not ask or scene.readonly:
            return
        if again:
            self.app.controls.go_on()
        elif card.later:
            self.app.push_screen(WholeCard(card, False), lambda _: self._begin(card))
        elif card.choices and not scene.guess:
            self._ask(card)

    def _ask(self, card: Card) -> None:
        """The card's question, while torch is imported; any other key skips it."""

        def answered(letter: str | None) -> None:
            self.app.scene.guess = letter or ""
            self._begin(card)

        self.app.push_screen(
            Choose(
                card.title,
                card.question,
                card.choices,
                other="↑ ↓ scroll · any other key goes on without an answer",
                more="\n\n".join(card.before.splitlines()),
            ),
            answered,
        )

    def _begin(self, card: Card) -> None:
        """The first batch may run; a lesson that is made for the phase view waits there for the first key."""
        if self.app.scene.source.over:
            return
        if card.zoom in ALONE:
            self.app.scene.zoomed = card.zoom
            self.app.rearrange()
            self.app.focus_panel(card.zoom)
        elif self.app.starts:
            self.app.controls.go_on()

    def reveal(self, card: Card) -> None:
        """The run of a lesson has ended: what came of the prediction, and it is remembered."""
        scene = self.app.scene
        arm = arm_of(card, scene.arguments)
        value = outcome(scene, arm.metric if arm is not None else card.metric)
        self.app.progress.remember(card.lesson, scene.guess, scene.arguments, value)
        scene.scroll["card"] = 0
        scene.log_y = False
        self.app.controls.show_tab("card")

    def open_lessons(self) -> None:
        def chosen(lesson: str | None) -> None:
            if lesson is not None:
                self._start(lesson, [])

        running = "" if self.app.scene.source.over or self.app.lesson else self.app.scene.program
        self.app.push_screen(Lessons(self.app.cards, running, self.app.progress), chosen)

    def _start(self, lesson: str, arguments: list[str]) -> None:
        """Starts a lesson and turns to it; another lesson that still runs is stopped first."""
        if self.app.start_lesson is None:
            return
        if self.app.lesson and self.app.scene.steerable:
            self.app.controls.stop()
        try:
            run = self.app.start_lesson(lesson, arguments)
        except OSError as error:
            self.app.say(f"The lesson cannot be started: {error}", bad=True)
            return
        card = next((card for card in self.app.cards if card.lesson == lesson), None)
        self.app.scene.ticked.add("restart")
        self.app.turn_to(run, card, tuple(arguments))

    def restart(self) -> None:
        """Asks with which arguments, then starts the same program again."""
        scene, card = self.app.scene, self.app.scene.card
        if card is None:
            self._restart_program()
            return
        different = list({arm.arguments: arm for arm in reversed(card.arms)}.values())[::-1]
        arms = [(), *(arm.arguments for arm in different)][:8]
        words = ["as shipped", *(f"{' '.join(arm.arguments)}   {arm.words}" for arm in different)]
        choices = {str(number): words[number - 1] for number in range(1, len(arms) + 1)}
        choices["o"] = "other arguments…"
        copy = self.app.edit_lesson(card.lesson, False) if self.app.edit_lesson is not None else None
        if copy is not None and copy.exists():
            choices["x"] = "the script as it was: your copy is put aside"

        def own(text: str | None) -> None:
            if text is not None:
                try:
                    self._start(card.lesson, shlex.split(text))
                except ValueError as error:
                    self.app.say(f"{text!r}: {error}.", bad=True)

        def answered(key: str | None) -> None:
            if key == "x" and copy is not None:
                copy.replace(copy.with_suffix(".old.py"))
                self._start(card.lesson, list(scene.arguments))
            elif key == "o":
                now = shlex.join(scene.arguments)
                self.app.push_screen(Ask("Restart", f"Arguments of {card.lesson}", "--lr 0.5", value=now), own)
            elif key is not None:
                self._start(card.lesson, list(arms[int(key) - 1]))

        self.app.push_screen(Choose("Restart", f"Start {card.lesson} again?", choices), answered)

    def _restart_program(self) -> None:
        """Somebody's own program: the same command once more, if they say yes."""
        scene = self.app.scene
        if self.app.again is None or not scene.source.over:
            self.app.say(
                "R starts a program again when it has ended." if self.app.again else "It cannot be started from here."
            )
            return

        def answered(key: str | None) -> None:
            if key != "Y" or self.app.again is None:
                return
            try:
                run = self.app.again(scene.source.about)
            except OSError as error:
                self.app.say(f"It cannot be started: {error}", bad=True)
                return
            self.app.turn_to(run, None)
            self.app.lesson, self.app.scene.asks = False, True

        words = f"Run {scene.program} once more, with the command it had? This run is kept."
        self.app.push_screen(Choose("Restart", words, {"Y": "yes (shift+y)"}, other="any other key: no"), answered)

    def edit(self) -> None:
        """The learner's own copy of the lesson's script, in the editor; what runs now is not touched."""
        card = self.app.scene.card
        if card is None or self.app.edit_lesson is None:
            self.app.say("There is no script to edit here.")
            return
        editor = os.environ.get("EDITOR") or ("nano" if shutil.which("nano") else "vi")

        def answered(key: str | None) -> None:
            if key == "y":
                self._open_editor(card, editor)

        words = f"Open your own copy of {card.lesson}.py in {editor}? R starts it afterwards; the shipped one stays."
        if Path(editor).name in ("vi", "vim"):
            words += " In vi: i writes, then esc and :wq save and leave; esc and :q! leave without saving."
        self.app.push_screen(Choose("Edit", words, {"y": "yes"}, other="any other key: no"), answered)

    def _open_editor(self, card: Card, editor: str) -> None:
        assert self.app.edit_lesson is not None
        try:
            path = self.app.edit_lesson(card.lesson, True)
            with self.app.suspend():
                status = subprocess.call([*shlex.split(editor), str(path)])
        except (OSError, ValueError, SuspendNotSupported) as error:
            self.app.say(f"The editor could not be opened: {error}", bad=True)
            return
        self.app.refresh(layout=True)
        self.app.say(f"R starts your copy: {path}" if status == 0 else f"The editor ended with status {status}.")
