"""Textual's terminal driver, mended where a program that watches for hours over SSH needs it. Written for Textual 8.2.

What Textual's own driver does not do: end on SIGTERM, SIGHUP or a closed terminal (it spins), come back from a bare
SIGSTOP with the right attributes, stop without a race, and write without ever holding up the event loop.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import termios
import threading
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Optional, TextIO, TypeVar

from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from . import terminal

Result = TypeVar("Result")

_MARKS = frozenset((SYNC_START.encode(), SYNC_END.encode()))
_CHUNK = 4096  # small, so that it shows whether a slow terminal reads at all
_SETTING = 64  # a longer text is a frame, not the switching of a mode
_SETTLE_S = 0.1  # continued jobs get SIGTERM and SIGCONT together, and SIGCONT twice
_HANG_UP_S = 1.2  # without a terminal there is nothing to tidy up
_END_S = 5.0


def slow(app: App[Any]) -> bool:
    """Whether the terminal reads more slowly than the app paints: more than one frame waits. Then skip painting."""
    return bool(getattr(app._driver, "backlog", 0) > 1)


class PatientApp(App[Result]):
    """An app that drops what Textual paints by itself (keys, mouse, layout) while the terminal is slow.

    When the terminal has caught up, the newest state is painted once.
    """

    def _display(self, screen: Any, renderable: Any) -> None:
        # The only place through which every frame goes. Were it renamed, frames would wait in the queue instead.
        driver = self._driver
        if isinstance(driver, Driver) and renderable is not None and slow(self):
            driver.missed = True
            self.post_display_hook()
        else:
            super()._display(screen, renderable)


class Driver(LinuxDriver):
    """Use as `driver_class`, inside `guarded`.

    Attributes:
        bytes_written: what the terminal has been given so far.
        missed: a frame was dropped; all is painted again when the terminal has caught up.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: Optional[tuple[int, int]] = None
    ) -> None:
        self.bytes_written = 0
        self.missed = False
        self._output: Optional[_Output] = None
        self._ours: Optional[list[Any]] = None  # the attributes that this driver sets
        self._suspended = False  # the terminal was given back in order, and is to be taken again
        self._given_back = False  # for good, unless it was only to be suspended
        self._ending = False
        self._settling: Optional[asyncio.TimerHandle] = None
        super().__init__(app, debug=debug, mouse=mouse, size=size)  # installs the handlers of SIGTSTP and SIGCONT
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # Textual has none; asyncio's for SIGINT exits 0
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._loop.add_signal_handler(number, self.end, number)

    @property
    def backlog(self) -> int:
        """Frames that wait for the terminal, without the one being written."""
        return self._output.frames if self._output is not None else 0

    @property
    def can_suspend(self) -> bool:
        """Not without a shell that can continue us: as the command of a terminal we would be stopped for ever."""
        return terminal.has_job_control()

    # Output

    def write(self, data: str) -> None:
        # Textual's queue blocks the event loop when 30 texts wait, and for ever after the terminal is gone or while
        # the app is suspended. This one never does; `slow` and PatientApp keep it short.
        if self._output is not None:
            self._output.write(data)

    def start_application_mode(self) -> None:
        before, ours = self.attrs_before, self._ours
        self._given_back = False
        terminal.took()
        if self._output is None:
            self._output = _Output(self, self._file)
            self._output.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer_thread is not None:  # Textual's own, of which nobody makes use
            self._writer_thread.stop()
            self._writer_thread = None
        # After a bare SIGSTOP the terminal may still be as we set it. Textual would take that for the state before,
        # and leave it without echo at the end.
        if before is not None and self.attrs_before == ours:
            self.attrs_before = before
        try:
            self._ours = termios.tcgetattr(self.fileno)
        except termios.error:
            self._ours = None

    def stop_application_mode(self) -> None:
        if self._output is None:
            return  # given back already; changing the terminal from the background would stop us
        self._given_back = True
        self._output.drop_frames()  # nobody will see them, and a slow terminal would take long for them
        super().stop_application_mode()
        if self._mouse_pixels:
            self.write("\x1b[?1016l")  # Textual switches it on, but not off

    def close(self) -> None:
        super().close()
        output, self._output = self._output, None
        # Textual waits for ever for a terminal that nobody reads. Here it is mended before anything else is printed;
        # what is left undone then, the guard does.
        if output is not None and (output.stop() or terminal.mend(self.fileno, self.attrs_before, modes=True)):
            terminal.gave_back()

    def caught_up(self) -> None:
        """The queue is empty. Called in the event loop."""
        if self.missed:
            self.missed = False
            self._app.call_later(self._app.refresh)

    # The end

    def end(self, number: int) -> None:
        """Asks the app to exit as after signal `number`, and sees to it that this happens. From any thread."""
        if self._ending:
            return
        self._ending = True
        last_resort = threading.Timer(_HANG_UP_S if number == signal.SIGHUP else _END_S, self._leave, [128 + number])
        last_resort.daemon = True
        last_resort.start()
        self._call(self._ask_to_exit, 128 + number)

    def _ask_to_exit(self, status: int) -> None:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # ended in the background, we must not be stopped on the way out
        self._app.exit(return_code=status)

    def _leave(self, status: int) -> None:
        """The app hangs: leaves without it."""
        if self._output is not None:
            terminal.mend(self.fileno, self.attrs_before, modes=True)
        os._exit(status)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(partial(function, *arguments))
        except RuntimeError:
            pass  # the loop is closed: the end is under way

    # Stop and continue

    def _sigtstp_application(self, *_: Any) -> None:
        # Python may run this in the middle of a write; what Textual does here then waits for itself. The loop does it.
        if self._auto_restart:
            self._call(self._stop)
        else:  # inside App.suspend(): the terminal is another program's
            os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *_: Any) -> None:
        self._call(self._continued)

    def _stop(self) -> None:
        if self._ending or not self.can_suspend:
            return
        if self._output is not None:
            self._must_signal_resume = True
            self._suspended = True
            self.suspend_application_mode()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _continued(self) -> None:
        terminal.wake_guard()
        if self._settling is not None:
            self._settling.cancel()
        self._settling = self._loop.call_later(_SETTLE_S, self._come_back)

    def _come_back(self) -> None:
        """Takes the terminal again, whoever has it been with."""
        self._settling = None
        terminal.wake_guard()  # again: it may have stopped between the first call and now
        if self._given_back and not self._suspended:
            return  # left with a key that was typed while it stood still: the app is on its way out
        if self._ending or not self._auto_restart or not os.isatty(self.fileno):
            return
        if not terminal.in_foreground(self.fileno):  # continued with `bg`
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if not self._suspended:  # a bare SIGSTOP: what we set may be there in full, in part or not at all
            if terminal.is_taken():
                self.write("\x1b[<u")  # else kitty's stack of keyboard modes grows
            self._stop_reading()
        self._suspended = False
        self.resume_application_mode()
        self._app.call_later(self._app.refresh)

    # Input

    def _stop_reading(self) -> None:
        self.exit_event.set()
        if self._key_thread is not None:
            self._key_thread.join()
        self.exit_event.clear()

    def _open_input(self) -> int:
        # To be read without blocking: the shell may take what was typed between select and read, and whoever joins
        # this thread would wait for the next key. Opened anew, else the shell's own descriptor would not block either.
        try:
            return os.open(os.ttyname(self.fileno), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return self.fileno

    def run_input_thread(self) -> None:
        # Textual's, but the end of input is an end: there, an empty read is tried again at once and for ever
        # (Textualize/textual#6690), and an error is shown on a terminal that is gone.
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode  # a wrong byte typed is no reason to crash
        fd = self._open_input()
        try:
            while not self.exit_event.is_set():
                if select.select([fd], [], [], 0.1)[0]:
                    try:
                        data = os.read(fd, 4096)
                    except BlockingIOError:
                        continue
                    except OSError:
                        data = b""
                    if not data:
                        self.end(signal.SIGHUP)
                        return
                    text = decode(data)
                    for event in parser.feed(text) if text else ():  # half a character: no text yet
                        self.process_message(event)
                elif terminal.guard_is_gone():
                    self.end(signal.SIGHUP)
                    return
                for event in parser.tick():
                    self.process_message(event)
        finally:
            if fd != self.fileno:
                os.close(fd)
            try:
                for _ in parser.feed(""):
                    pass
            except (EOFError, ParseError):
                pass


class _Output(threading.Thread):
    """Writes to the terminal, in order, for as long as the terminal takes. Nobody waits for it."""

    def __init__(self, driver: Driver, file: Optional[TextIO]) -> None:
        super().__init__(name="output", daemon=True)
        self.frames = 0
        self._driver = driver
        self._fileno = file.fileno() if file is not None else 2
        self._encoding = (file.encoding if file is not None else "") or "utf-8"
        self._texts: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._lost = False

    def write(self, text: str) -> None:
        data = text.encode(self._encoding, "backslashreplace")
        with self._changed:
            if self._lost or not data:
                return
            self._texts.append(data)
            self.frames += data not in _MARKS
            self._changed.notify()

    def drop_frames(self) -> None:
        """Forgets what waits, but for the switching of modes."""
        with self._changed:
            self._texts = deque(text for text in self._texts if len(text) < _SETTING)
            self.frames = sum(text not in _MARKS for text in self._texts)

    def stop(self, most_s: float = 3.0, patience_s: float = 0.5) -> bool:
        """Waits until all is written. False when the terminal takes nothing for `patience_s`, or all too slowly."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        for _ in range(int(most_s / patience_s)):
            before = self._driver.bytes_written
            self.join(patience_s)
            if not self.is_alive():
                return not self._lost
            if self._driver.bytes_written == before:
                break
        self._lost = True  # nothing of it comes behind what is written next
        return False

    def run(self) -> None:
        while True:
            with self._changed:
                while not self._texts and not self._stopping:
                    self._changed.wait()
                if not self._texts:
                    return
                data = self._texts.popleft()
                self.frames -= data not in _MARKS
            try:
                self._put(data)
            except OSError:
                with self._changed:
                    self._lost = True
                    self._texts.clear()
                    self.frames = 0
                self._driver.end(signal.SIGHUP)
                return
            if not self._texts and self._driver.missed:
                self._driver._call(self._driver.caught_up)

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        # Not taken: the guard has given the terminal to the shell, while this process was stopped in mid-frame.
        while rest and terminal.is_taken() and not self._lost:
            try:
                written = os.write(self._fileno, rest[:_CHUNK])
            except BlockingIOError:  # another program made it non-blocking for all
                select.select([], [self._fileno], [], 0.5)
                continue
            self._driver.bytes_written += written
            rest = rest[written:]
