"""What people ask, carried out between two steps: each request is answered with the step at which it took effect."""

from __future__ import annotations

from typing import Any, Callable, Optional

from ..run import events
from ..run.events import Applied
from .desk import Request
from .dial import Dial
from .gate import Gate

LONGEST_ID = 200
"""Letters of a command's id that the answer repeats."""


class Orders:
    """Turns requests into settings of the gate and the dial. Runs in the thread that trains."""

    def __init__(self, gate: Gate, dial: Dial, say: Callable[[Applied], None]) -> None:
        self.gate = gate
        self.dial = dial
        self.optimizer: Callable[[], Any] = lambda: None
        """The optimizer at whose update training is held, or that updated last."""
        self.step = 0
        """Updates made so far."""
        self.stopping = False
        """Raise KeyboardInterrupt after the next update."""
        self.rewinding: Optional[Request] = None
        """Put the best weights back after the next update."""
        self.did: Callable[[events.Did], None] = lambda deed: None
        """Records what took effect."""
        self.bench: Callable[[Request], bool] = lambda request: False
        """Takes the commands of the workbench."""
        self.refuses_rewind: Callable[[], str] = lambda: "no weights are kept"
        self.others: Callable[[events.Command], Optional[str]] = lambda command: None
        """Carries out the commands of the eyes: "" when done, a reason when refused."""
        self._say = say
        self._until_held: list[Request] = []
        self._until_update: list[tuple[Request, Optional[float]]] = []

    def obey(self, request: Request) -> None:
        """Carries out one request, or refuses it with a reason."""
        gate, command = self.gate, request.command
        if command is None:
            return
        if request.fault:
            self.answer(request, refused=request.fault)
            return
        if isinstance(command, events.Pause):
            if gate.held:
                self.answer(request)
            else:
                gate.pause()
                self._until_held.append(request)
        elif isinstance(command, events.Resume):
            gate.resume()
            self.held()
            self.answer(request)
        elif isinstance(command, events.Step):
            if command.n < 1:
                self.answer(request, refused="the number of batches is less than one")
            else:
                gate.step(command.n)
                self.answer(request, after=float(command.n))
        elif isinstance(command, events.Phase):
            if gate.held:
                gate.next_phase()
            else:
                gate.pause()
            self._until_held.append(request)
        elif isinstance(command, events.SetRate):
            self._set_rate(request, command)
        elif isinstance(command, events.Speed):
            self._set_speed(request, command)
        elif isinstance(command, events.Stop):
            self.stopping = True
            gate.resume()
            gate.set_speed(None)
            self.answer(request)
        elif isinstance(command, events.Rewind):
            refused = "the next update is waited for already" if self.rewinding else self.refuses_rewind()
            if refused:
                self.answer(request, refused=refused)
                return
            self.rewinding = request
            gate.resume()
            gate.set_speed(None)
        elif self.bench(request):
            pass
        else:
            answer = self.others(command)
            self.answer(request, refused="nobody here knows that command" if answer is None else answer)

    def held(self) -> None:
        """Training is held now: whoever asked for that gets the answer."""
        waiting, self._until_held = self._until_held, []
        for request in waiting:
            self.answer(request)

    def about_to_update(self) -> None:
        """The dial is turned and the update follows: what the parameter group holds now is what takes effect."""
        waiting, self._until_update = self._until_update, []
        for request, before in waiting:
            self._rate_set(request, before)

    def _rate_set(self, request: Request, before: Optional[float]) -> None:
        dial = self.dial
        step = self.step + 1
        self.answer(request, before, dial.effective, step=step, factor=dial.factor, value=dial.value)

    def rewound(self, before: Optional[float], best: Optional[float], refused: str = "") -> None:
        """The best weights are back in place, or could not be put there."""
        request, self.rewinding = self.rewinding, None
        if request is not None:
            self.answer(request, before=before, after=best, refused=refused)

    @property
    def rate_waits(self) -> bool:
        """Does somebody wait for the next update to hear of a rate?"""
        return bool(self._until_update)

    def _set_rate(self, request: Request, command: events.SetRate) -> None:
        optimizer = self.optimizer()
        refused = self.dial.refusal(command.factor, command.value, optimizer)
        if refused:
            self.answer(request, refused=refused)
            return
        before = self.dial.preview(optimizer)[1] if optimizer is not None else None
        self.dial.set(command.factor, command.value)
        self.did(events.Did(step=self.step + 1, do="rate", factor=command.factor, value=command.value))
        if self.gate.held and optimizer is not None:
            # nothing moves meanwhile: the very next update is certain to use it
            self.dial.foresee(optimizer)
            self._rate_set(request, before)
        else:
            self._until_update.append((request, before))

    def _set_speed(self, request: Request, command: events.Speed) -> None:
        speed = command.steps_per_s
        if speed is not None and not 0 < speed < float("inf"):
            self.answer(request, refused="the speed is not a positive number")
            return
        before = self.gate.speed
        self.gate.set_speed(speed)
        self.answer(request, before=before, after=speed)

    def answer(
        self,
        request: Request,
        before: Optional[float] = None,
        after: Optional[float] = None,
        refused: str = "",
        step: Optional[int] = None,
        factor: Optional[float] = None,
        said: str = "",
        value: Optional[float] = None,
    ) -> None:
        """Says what came of a request."""
        command = request.command
        if command is None:
            return
        do = next(name for name, kind in events.COMMANDS.items() if kind is type(command))
        step = self.step if step is None else step
        name = command.id[:LONGEST_ID]
        self._say(Applied(0.0, step, name, request.writer, do, before, after, factor, refused, said[:1000], value))
