"""Gives the terminal back whole, whatever becomes of the viewer. Standard library only, so that it costs nothing.

A viewer that is killed cannot tidy up after itself, so `guarded` splits in two before anything heavy is imported: the
child becomes the viewer, and this process stays behind, small and asleep, to put right what the child leaves behind.
Both stay in one process group: for the shell they are one job, which is stopped, continued and ended as one.

The child keeps the guard informed (`took`, `gave_back`), so that a viewer that ended in order is not tidied up twice.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import sys
import termios
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, Optional

MODES_OFF = (
    "\x1b\\"  # ends a sequence that was cut in the middle
    "\x1b[?2026l"  # synchronized output
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # focus, bracketed paste, resize reports
    "\x1b[<u"  # kitty keyboard: before the alternate screen is left, each screen has its own
    "\x1b[?7h\x1b[0m"  # line wrap on, colours reset
    "\x1b[?1049l"  # alternate screen
    "\x1b[?25h\x1b[0m"  # cursor
)

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
_HANG_UP_S = 1.8  # a viewer whose terminal is gone has this long to end before it is killed
_END_S = 6.0  # the same for a viewer that was asked to end
_STOP_S = 0.3  # a viewer stops by itself within this time when the whole job is stopped
_LINGER_S = 0.25  # the kernel throws away what the terminal has not read when the first process of a session ends
_SETTLE_S = 0.05  # a stop that is over after this time was none: parent and child do not wake at the same instant

Attributes = list[Any]


def guarded(run: Callable[[], int]) -> int:
    """Runs the viewer in a child process and returns its exit status: 128 + n when signal n ended it.

    Whatever ends or stops the child, the terminal has the attributes and modes it had before. `run` must import what
    is heavy by itself. The child ends with `os._exit` when `run` returns: no thread can hold it, no atexit hook runs.
    """
    fd = _find_terminal()
    if fd is None:
        return _status_of(run)
    try:
        guard = _Guard(fd)
    except (OSError, termios.error):
        return _status_of(run)
    return guard.run(run)


class _Guard:
    """The parent's half, and the little that the child must know of it."""

    def __init__(self, fd: int) -> None:
        self.pid = os.getpid()
        self.fd = fd
        self.before: Attributes = termios.tcgetattr(fd)
        self.taken = mmap.mmap(-1, 1)  # shared with the child: 1 while the terminal is in its hands
        self.child = 0
        self._ended: Optional[int] = None
        self._asked: Optional[int] = None  # the signal that asked for the end
        self._killed = False
        self._plan: list[tuple[float, int]] = []  # (when, signal) to send to a child that does not follow
        self._woken = -1

    def run(self, run: Callable[[], int]) -> int:
        """Forks, becomes the guard, and returns when the child has ended and the terminal is whole."""
        global _guard
        # What the caller ignores stays ignored (nohup, background jobs of plain shells).
        numbers = [n for n in (*_PASSED_ON, signal.SIGTSTP) if signal.getsignal(n) is not signal.SIG_IGN]
        numbers.append(signal.SIGCHLD)
        # Blocked meanwhile: a signal between fork and set-up would be lost in one half or act in the wrong one.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        handlers = {n: signal.signal(n, _nothing) for n in numbers}
        self._woken, waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(waker, False)
        old_waker = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)

        def undo() -> None:
            signal.set_wakeup_fd(old_waker)
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            os.close(waker)
            os.close(self._woken)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

        _flush()  # else the child would write it a second time
        try:
            self.child = os.fork()
        except OSError:  # no process can be had: unguarded is better than not at all
            undo()
            return _status_of(run)
        if self.child == 0:
            status = 1
            try:
                _guard = self
                undo()
                status = _status_of(run)
            finally:
                _flush()
                os._exit(status & 0xFF)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            return self._watch()
        finally:
            undo()

    def _watch(self) -> int:
        while not self._look():
            self._wait()
        self._mend()
        if os.getsid(0) == self.pid:  # ssh -t host ..., docker run -it ...: the last modes must get through
            time.sleep(_LINGER_S)
        status = self._ended or 0
        if not os.WIFSIGNALED(status):
            return os.WEXITSTATUS(status)
        return 128 + (self._asked if self._killed and self._asked else os.WTERMSIG(status))

    def _look(self) -> bool:
        """Looks at what became of the child: true when it has ended."""
        if self._ended is None:
            try:
                pid, status = os.waitpid(self.child, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                pid, status = self.child, 0
            if pid and os.WIFSTOPPED(status):
                self._stopped()
            elif pid:
                self._ended = status
        return self._ended is not None

    def _wait(self) -> None:
        """Sleeps until a signal comes or the next signal of the plan is due."""
        now = time.monotonic()
        for entry in [entry for entry in self._plan if entry[0] <= now]:
            self._plan.remove(entry)
            self._killed = self._killed or entry[1] == signal.SIGKILL
            self._send(entry[1])
        left = max(0.0, min(when for when, _ in self._plan) - now) if self._plan else None
        try:
            select.select([self._woken], [], [], left)
            numbers = os.read(self._woken, 256)
        except (BlockingIOError, InterruptedError):
            return
        for number in numbers:
            self._heard(number)

    def _heard(self, number: int) -> None:
        now = time.monotonic()
        if number == signal.SIGTSTP:
            # Sent to the whole job, the child has had it too, and a second one would stop it again after `fg`.
            self._plan += [(now + _STOP_S, signal.SIGTSTP), (now + _STOP_S + 1.0, signal.SIGSTOP)]
        elif number in _PASSED_ON:
            self._asked = self._asked or number
            self._send(number)
            self._plan.append((now + (_HANG_UP_S if number == signal.SIGHUP else _END_S), signal.SIGKILL))

    def _stopped(self) -> None:
        """The child stands still: gives the terminal to the shell, stands still with it, and wakes it afterwards."""
        self._plan = [entry for entry in self._plan if entry[1] == signal.SIGKILL]
        if self._moves_again(_SETTLE_S):
            return
        self._mend()
        if not has_job_control():
            return  # there is no shell that could take the terminal and wake this process
        # Others may share the group (a pipe, a script): the shell takes the terminal only when all of them stand still.
        handler = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.killpg(os.getpgrp(), signal.SIGTSTP)
        if not self._moves_again(0.0):
            os.kill(os.getpid(), signal.SIGSTOP)
        signal.signal(signal.SIGTSTP, handler)
        if in_foreground(self.fd):
            try:
                self.before = termios.tcgetattr(self.fd)  # stty may have been used meanwhile
            except termios.error:
                pass
        if self._ended is None:
            self._send(signal.SIGCONT)

    def _moves_again(self, most_s: float) -> bool:
        deadline = time.monotonic() + most_s
        while True:
            try:
                pid, status = os.waitpid(self.child, os.WNOHANG | os.WCONTINUED)
            except ChildProcessError:
                pid, status = self.child, 0
            if pid and not os.WIFCONTINUED(status):
                self._ended = status
            if pid:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)

    def _send(self, number: int) -> None:
        try:
            os.kill(self.child, number)
        except ProcessLookupError:
            pass

    def _mend(self) -> None:
        """Puts the terminal right where the child did not."""
        if in_foreground(self.fd):  # in the background the terminal is somebody else's, and was mended before
            mend(self.fd, self.before, modes=bool(self.taken[0]))
            self.taken[0] = 0


_guard: Optional[_Guard] = None  # set in the child only
_taken = False


def took() -> None:
    """The viewer is about to change the terminal."""
    global _taken
    _taken = True
    if _guard is not None:
        _guard.taken[0] = 1


def gave_back() -> None:
    """The viewer has undone all it changed, and the terminal has received it."""
    global _taken
    _taken = False
    if _guard is not None:
        _guard.taken[0] = 0


def is_taken() -> bool:
    """Whether the terminal is as the viewer set it: not after the guard has mended it."""
    return bool(_guard.taken[0]) if _guard is not None else _taken


def wake_guard() -> None:
    """Continues the guard, which stood still because the viewer did. Does nothing to a guard that is awake."""
    if _guard is not None and os.getppid() == _guard.pid:
        os.kill(_guard.pid, signal.SIGCONT)


def guard_is_gone() -> bool:
    """Whether the guard was killed: the shell then believes that the job is over."""
    return _guard is not None and os.getppid() != _guard.pid


def in_foreground(fd: int) -> bool:
    """Whether this job may change the terminal. True where there are no jobs, false where the terminal is gone."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return os.isatty(fd)  # a terminal, but not the one that controls this session


def has_job_control() -> bool:
    """Whether a shell put this job into a process group of its own, and so will continue it when it is stopped."""
    try:
        return os.getpgrp() != os.getsid(0)
    except OSError:
        return False


def mend(fd: int, attributes: Optional[Attributes], modes: bool) -> bool:
    """Sets the terminal's attributes and, with `modes`, switches every mode off. Waits a second at most.

    Returns:
        whether the terminal has taken all of it.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])  # a shell that is quicker must not stop us here
    try:
        if attributes is not None and termios.tcgetattr(fd) != attributes:
            termios.tcsetattr(fd, termios.TCSANOW, attributes)
        if modes:
            whole = _write(fd, MODES_OFF.encode())
            termios.tcflush(fd, termios.TCIFLUSH)  # mouse reports must not become the shell's input
            return whole
        return True
    except (OSError, termios.error):
        return False  # the terminal is gone
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _write(fd: int, data: bytes, most_s: float = 1.0) -> bool:
    # Opened anew: without blocking, and without making the shell's own descriptor non-blocking.
    out = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    deadline = time.monotonic() + most_s
    try:
        while data and time.monotonic() < deadline:
            try:
                data = data[os.write(out, data) :]
            except BlockingIOError:
                # Nobody reads, and what waits there is of a dead viewer: it makes room for what matters.
                termios.tcflush(fd, termios.TCOFLUSH)
                select.select([], [out], [], max(0.0, min(0.1, deadline - time.monotonic())))
        return not data
    finally:
        os.close(out)


def _find_terminal() -> Optional[int]:
    for fd in (0, 2, 1):  # where Textual reads, where it writes, and the rest
        if os.isatty(fd):
            return fd
    return None


def _status_of(run: Callable[[], int]) -> int:
    """The exit status with which Python would have ended, had `run` been the whole program."""
    try:
        return run()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BaseException:
        traceback.print_exc()
        return 1


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # closed, or nobody reads it any more


def _nothing(number: int, frame: Optional[FrameType]) -> None:
    """Python sees only signals that have a handler; what is to be done is read from the wake-up pipe."""
