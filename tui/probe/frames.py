"""Whose code is running: ours, torch's, a library's, or the program's."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
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
    """Did this exception come from the program: has its traceback a frame outside us, torch and the standard library?"""
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        library = name.startswith(_STDLIB) and "site-packages" not in name
        if not (library or name.startswith((_OURS, _TORCH, "<"))):
            return True
        trace = trace.tb_next
    return False
