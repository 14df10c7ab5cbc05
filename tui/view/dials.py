"""Keys that turn something: the learning rate, the speed."""

from __future__ import annotations

from ..run import events
from .requests import Requests
from .screens.ask import Ask

RUNGS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class Dials(Requests):
    """The learning-rate ladder and the ladder of speeds."""

    def _rate_up(self) -> None:
        self._turn_rate(+1)

    def _rate_down(self) -> None:
        self._turn_rate(-1)

    def _turn_rate(self, way: int) -> None:
        """One rung of the ladder, from what was asked for last."""
        state = self.scene.state
        asked = [one for one in self.scene.pending.values() if one.do == "lr"]
        value = asked[-1].value if asked else state.fixed
        if value is not None:
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
