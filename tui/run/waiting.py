"""Does a program wait for somebody to type? Asked from outside, without stopping it and without privileges.

Three answers, from sure to likely: the program took the terminal to itself, a key at a time (debuggers and shells do
while they prompt, and nobody else for long); one of its processes stands in `read` on the terminal (Linux says so of
one's own children in /proc/<pid>/syscall); the last line of output is open and reads like a question, and nothing has
come since (where the system does not say).
"""

from __future__ import annotations

import json
import os
import re
import termios
from dataclasses import dataclass
from typing import Optional

READ = {"x86_64": 0, "aarch64": 63, "riscv64": 63, "loongarch64": 63}
"""The number of the system call `read`; 3 on all older ones."""
DEV_TTY = os.makedev(5, 0)
"""`/dev/tty`, through which a password is asked for."""
MOST_PROCESSES = 64
"""So many of the program's processes are asked."""
GUESS_S = 1.0
"""Silence after which an open line that reads like a question is taken for one."""

_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_QUESTION = re.compile(rb"[:?>\])$#] ?\Z")


@dataclass(frozen=True)
class Waiting:
    """Whether a program waits for input, as state.json has it."""

    waits: bool = False
    sure: bool = True
    """False: its last words read like a question, and that is all that is known."""
    secret: bool = False
    """What is typed is not shown: it asks for a password."""


def decode_waiting(content: bytes) -> Waiting:
    """What state.json says; a damaged one says nothing."""
    try:
        raw = json.loads(content)
        return Waiting(**{name: raw[name] for name in ("waits", "sure", "secret") if isinstance(raw.get(name), bool)})
    except (ValueError, AttributeError, RecursionError):
        return Waiting()


def waiting(pid: int, terminal: int, device: int, tail: bytes, silent_s: float) -> Waiting:
    """Asks about a silent program.

    Args:
        pid: the program; its children are asked too.
        terminal: a descriptor of its terminal.
        device: the number of that device.
        tail: the last of its output.
        silent_s: for how long nothing has come.
    """
    try:
        local = termios.tcgetattr(terminal)[3]
    except termios.error:
        return Waiting()
    if not local & termios.ICANON:
        return Waiting(True)
    secret = not local & termios.ECHO
    reads = any_reads(pid, device)
    if reads is None:
        guess = secret or (silent_s >= GUESS_S and reads_like_a_question(tail))
        return Waiting(guess, sure=secret or not guess, secret=secret and guess)
    return Waiting(reads, secret=secret and reads)


def any_reads(pid: int, device: int) -> Optional[bool]:
    """Does the program or one of its children stand in `read` on this terminal? None: the system does not say."""
    ask, unknown = [pid], False
    for number in ask:
        answer = _reads(number, device)
        if answer:
            return True
        unknown = unknown or answer is None
        if len(ask) < MOST_PROCESSES:
            ask += _children(number)
    return None if unknown else False


def _reads(pid: int, device: int) -> Optional[bool]:
    """The same of the main thread of one process."""
    try:
        with open(f"/proc/{pid}/syscall", "rb") as file:
            words = file.read().split()
        if len(words) < 2 or int(words[0]) != READ.get(os.uname().machine, 3):
            return False  # "running", or in another call
        return os.stat(f"/proc/{pid}/fd/{int(words[1], 16)}").st_rdev in (device, DEV_TTY)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):
        return None  # not told, or it is gone: the next look will know


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        return []


def reads_like_a_question(tail: bytes) -> bool:
    """Is the last line of this output open, and does it end as prompts do? A progress bar begins its line anew."""
    line = _ESCAPES.sub(b"", tail[tail.rfind(b"\n") + 1 :])
    return b"\r" not in line and b"\b" not in line and bool(_QUESTION.search(line))
