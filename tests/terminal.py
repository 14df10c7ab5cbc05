"""A real pseudo-terminal for tests: runs a command in it, shows its screen, and knows what it left behind.

    with Terminal([*PLAIN_SHELL, sys.executable, "-m", "tui"]) as terminal:
        terminal.until(lambda screen: "epoch" in screen)
        terminal.keys("space")
        assert terminal.wait_exit() == 0
        assert terminal.attributes() == terminal.before and not terminal.modes_left_on()

A thread reads all output at once, unless told not to: whoever does not wait with `until` is no slow terminal.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Optional

import pyte

# To be put in front of a command: a shell without job control, as in scripts, and one under which SIGHUP is ignored.
# They stay until all output has been read: what is unread when the leader of the session ends, the kernel throws away.
_STAY = '"$@"; status=$?; printf "\\033]777;\\007"; read answer; exit $status'
PLAIN_SHELL = ("sh", "-c", _STAY, "sh")
NOHUP_SHELL = ("sh", "-c", f"trap '' HUP; {_STAY}", "sh")
JOB_SHELL = ("bash", "--norc", "--noprofile", "-i")  # a whole command: an interactive shell with jobs

KEYS = {
    "enter": b"\r",
    "escape": b"\x1b",
    "space": b" ",
    "tab": b"\t",
    "shift+tab": b"\x1b[Z",
    "backspace": b"\x7f",
    "delete": b"\x1b[3~",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    **{f"ctrl+{chr(ord('a') + index)}": bytes([index + 1]) for index in range(26)},
    **{f"f{index + 1}": data for index, data in enumerate((b"\x1bOP", b"\x1bOQ", b"\x1bOR", b"\x1bOS", b"\x1b[15~"))},
}

# A whole sequence, or one that is not whole yet at the end of what was read.
_SEQUENCE = re.compile(
    rb"\x1b\[(?P<private>[<=>?]?)(?P<numbers>[0-9;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    rb"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)"
    rb"|\x1b\\",
    re.DOTALL,
)
_CUT_OFF = re.compile(rb"\x1b(?:\[[<=>?]?[0-9;:]*[ -/]*|[\]PX^_](?:(?!\x07|\x1b\\).)*)?\Z", re.DOTALL)
_NORMALLY_ON = {7: "no line wrap", 25: "cursor hidden"}  # the others are off in a terminal at rest


class Terminal:
    """A command in a pseudo-terminal of its own.

    Args:
        command: what to run; with PLAIN_SHELL or NOHUP_SHELL in front no output of it is lost.
        columns: width.
        rows: height.
        env: added to the environment of the tests.
        answers: whether it answers as a modern terminal does, when asked for synchronized output.
        cwd: where the command runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        rows: int = 24,
        env: Optional[Mapping[str, str]] = None,
        answers: bool = False,
        cwd: Optional[str] = None,
    ) -> None:
        self.raw = bytearray()
        self.bytes = 0
        self._answers = answers
        self._main = pyte.Screen(columns, rows)
        self._alternate: Optional[pyte.Screen] = None
        self._stream = pyte.ByteStream(self._main)
        self._rest = b""
        self._modes: dict[int, bool] = {}
        self._keyboard = 0  # depth of kitty's stack
        self._coloured = False
        self._changed = threading.Condition()
        self._reading = threading.Event()
        self._reading.set()
        self._rate: Optional[float] = None
        self._closing = False
        self._busy = False
        self._master, self._slave = pty.openpty()
        self._size(columns, rows)
        self.before = self.attributes()

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            # What the test runner ignores or blocks is not what a terminal gives its programs.
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])

        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
        environment.update({"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **(env or {})})
        self.process = subprocess.Popen(
            list(command),
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=take_terminal,
            env=environment,
            cwd=cwd,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    # The person at the terminal

    def keys(self, *names: str) -> None:
        """Presses keys: names of KEYS, or single characters."""
        for name in names:
            os.write(self._master, KEYS[name] if name in KEYS else name.encode())

    def type(self, text: str) -> None:
        """Types characters as they stand."""
        os.write(self._master, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Changes the size, as when the window is dragged; the kernel tells the program."""
        with self._changed:
            for screen in (self._main, self._alternate):
                if screen is not None:
                    screen.resize(rows, columns)
        self._size(columns, rows)

    def stop_reading(self) -> None:
        """A terminal that takes no more output (Ctrl+S in the emulator, a dead link)."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Takes output again, what has waited first."""
        self._reading.set()

    def read_at(self, bytes_per_second: Optional[float]) -> None:
        """A slow link; None is as fast as possible."""
        self._rate = bytes_per_second

    def close_master(self) -> None:
        """The terminal vanishes: the window is closed, the connection is lost."""
        self._closing = True
        self._reading.set()
        self._reader.join(10)
        for fd in (self._slave, self._master):  # the kernel hangs up when the master goes
            try:
                os.close(fd)
            except OSError:
                pass
        self._master = self._slave = -1

    # What there is to see

    def text(self) -> list[str]:
        """The lines of the screen, without the blanks at their ends."""
        with self._changed:
            return [line.rstrip() for line in self._screen().display]

    def until(self, condition: Callable[[str], Any], most_s: float = 10.0, what: str = "") -> str:
        """Waits until `condition` holds for the text of the screen, and returns that text.

        Raises:
            AssertionError: it does not within `most_s`; shows the screen.
        """
        deadline = time.monotonic() + most_s
        while True:
            with self._changed:
                screen = "\n".join(self.text())
                if condition(screen):
                    return screen
                left = deadline - time.monotonic()
                if left <= 0:
                    state = f"exit status {self.process.poll()}"
                    raise AssertionError(f"not within {most_s} s: {what or condition}; {state}; the screen:\n{screen}")
                self._changed.wait(min(left, 0.05))  # a condition may look at more than the screen

    def attributes(self) -> list[Any]:
        """The terminal's attributes (termios), to be compared with `before`."""
        return termios.tcgetattr(self._slave)

    def modes_left_on(self) -> list[str]:
        """What a program switched on in the terminal and has not switched off."""
        with self._changed:
            wrong = [mode for mode, on in self._modes.items() if on != (mode in _NORMALLY_ON)]
            left = [_NORMALLY_ON.get(mode, str(mode)) for mode in wrong]
            return left + ["kitty keyboard"] * (self._keyboard > 0) + ["colours"] * self._coloured

    # The end

    def signal(self, number: int) -> None:
        """Sends a signal to the command itself, not to its group."""
        self.process.send_signal(number)

    def wait_exit(self, most_s: float = 10.0) -> int:
        """Waits for the end of the command, and returns its exit status, -n for a signal; reads all output first."""
        status = self.process.wait(most_s)
        deadline = time.monotonic() + 2
        while self._master >= 0 and self._reading.is_set() and self._waiting() and time.monotonic() < deadline:
            time.sleep(0.005)
        return status

    def close(self) -> None:
        """Kills what is left, and closes the terminal."""
        try:
            if self.process.poll() is None:
                for number in (signal.SIGCONT, signal.SIGKILL):
                    self.process.send_signal(number)
                self.process.wait(10)
        finally:
            if self._master >= 0:
                self.close_master()

    # Inside

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _screen(self) -> pyte.Screen:
        return self._alternate or self._main

    def _waiting(self) -> bool:
        return bool(select.select([self._master], [], [], 0)[0]) or self._busy

    def _read(self) -> None:
        while not self._closing:
            self._reading.wait()
            if not select.select([self._master], [], [], 0.05)[0] or not self._reading.is_set():
                continue
            self._busy = True
            try:
                data = os.read(self._master, 65536 if self._rate is None else 1024)
            except OSError:
                return
            if not data:
                return
            with self._changed:
                self.raw += data
                self.bytes += len(data)
                self._take(data)
                self._changed.notify_all()
            self._busy = False
            if self._rate is not None:
                time.sleep(len(data) / self._rate)

    def _take(self, data: bytes) -> None:
        """Feeds pyte with what it understands; keeps account of the rest."""
        data = self._rest + data
        cut = _CUT_OFF.search(data)
        self._rest = data[cut.start() :] if cut else b""
        data = data[: cut.start()] if cut else data
        position = 0
        for match in _SEQUENCE.finditer(data):
            self._show(data[position : match.start()])
            position = match.end()
            self._obey(match)
        self._show(data[position:])

    def _show(self, data: bytes) -> None:
        try:
            self._stream.feed(data)
        except TypeError:
            pass  # output that was cut in the middle can join to a sequence with more numbers than pyte takes

    def _obey(self, match: re.Match[bytes]) -> None:
        private, final = match["private"], match["final"]
        if match[0] == b"\x1b]777;\x07":
            os.write(self._master, b"\n")
        if final is None:
            return  # titles, pointer shapes, the clipboard
        if match["between"]:
            if self._answers and match[0] == b"\x1b[?2026$p":
                os.write(self._master, b"\x1b[?2026;2$y")
        elif private == b"?" and final in b"hl":
            for number in match["numbers"].split(b";"):
                self._switch(int(number or 0), final == b"h")
        elif final == b"u" and private:
            self._keyboard = max(0, self._keyboard + {b">": 1, b"<": -1}.get(private, 0))
        elif not private:
            if final == b"m":
                last = match["numbers"].split(b";")[-1]
                self._coloured = bool(last.strip(b"0"))
            self._show(match[0])

    def _switch(self, mode: int, on: bool) -> None:
        self._modes[mode] = on
        if mode == 1049 and on != (self._alternate is not None):
            # pyte knows no alternate screen: here is another one.
            self._alternate = pyte.Screen(self._main.columns, self._main.lines) if on else None
            self._stream.detach(self._stream.listener)  # type: ignore[arg-type]
            self._stream.attach(self._screen())
        elif mode in (7, 25):
            self._show(b"\x1b[?%d%s" % (mode, b"h" if on else b"l"))
