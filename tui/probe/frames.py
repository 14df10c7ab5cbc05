"""Whose code is running: ours, torch's, a library's, or the program's."""

from __future__ import annotations

import linecache
import os
import signal
import sys
import sysconfig
from types import CodeType
from typing import Any

import torch

_PROBE = os.path.dirname(os.path.abspath(__file__))
_OURS = os.path.dirname(_PROBE)
_TORCH = os.path.dirname(os.path.abspath(torch.__file__))
_STDLIB = sysconfig.get_paths()["stdlib"]


def where() -> tuple[str, str]:
    """(file:line, its text) of the innermost frame that belongs to the program; empty when there is none."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not (name.startswith((_PROBE, _TORCH, _STDLIB, "<")) or "site-packages" in name and _OURS not in name):
            return f"{os.path.basename(name)}:{frame.f_lineno}", linecache.getline(name, frame.f_lineno).strip()[:200]
        frame = frame.f_back
    return "", ""


def is_foreign(error: BaseException) -> bool:
    """Did this exception come out of a signal handler of the program's own? Those run at any moment, also while code of
    ours does. Anything else that the program's code raises when we call it (an odd tensor class …) is our fault."""
    handlers = None
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith((_PROBE, _TORCH, "<")):
            handlers = _handlers() if handlers is None else handlers
            if trace.tb_frame.f_code in handlers:
                return True
        trace = trace.tb_next
    return False


def _handlers() -> set[CodeType]:
    """The code of every signal handler written in Python."""
    found = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        while hasattr(handler, "func"):  # functools.partial
            handler = handler.func
        handler = getattr(handler, "__func__", handler)
        for function in (handler, type(handler).__dict__.get("__call__")):
            code = getattr(function, "__code__", None)
            if code is not None:
                found.add(code)
    return found


def program_lines(frame: Any) -> tuple[tuple[str, int], ...]:
    """(file, line) of every frame of the program, the innermost first: two calls from one loop have the same."""
    found = []
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_PROBE, _TORCH, "<")):
            found.append((name, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)
