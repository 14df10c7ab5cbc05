"""Keys that try, take back and keep: breakpoints, undo, saving, the valley, stopping early. Most ask first."""

from __future__ import annotations

from ..run import events
from .looking import Looking
from .screens.ask import Ask, Choose


class Bench(Looking):
    """The workbench."""

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

            self.hold_first(survey)

        words = (
            "Compute the loss on a plane through the weights? That is 25 × 25 forward passes of the batch in hand, on "
            "a copy of the model. Training waits meanwhile; v gives it up."
        )
        self.app.push_screen(Choose("Valley", words, {"y": "yes"}, other="any other key: no"), answered)

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
