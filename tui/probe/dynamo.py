"""torch.compile and the probe: our functions run in Python wherever a compiled program reaches them."""

from __future__ import annotations

import sys
from typing import Any, Callable, TypeVar

import torch

Function = TypeVar("Function", bound=Callable[..., Any])


def left_alone(function: Function, callees: bool = True) -> Function:
    """Dynamo neither inlines nor compiles this function. torch._dynamo itself is not imported for that.

    Args:
        callees: nor anything that is called from it; False where it calls what is the program's.
    """
    marked: Any = function
    marked._torchdynamo_disable = True
    frames: Any = getattr(getattr(torch._C, "_dynamo", None), "eval_frame", None)  # C code: needs no torch._dynamo
    strategy = getattr(frames, "set_code_exec_strategy", None)
    if strategy is not None:
        skip = frames._FrameAction.SKIP
        strategy(marked.__code__, frames._FrameExecStrategy(skip, skip if callees else frames._FrameAction.DEFAULT))
    elif hasattr(frames, "skip_code"):  # before torch 2.7
        frames.skip_code(marked.__code__)
    return function


def compiled_anything() -> bool:
    """Has torch.compile compiled a frame in this process? Adding a forward hook then would compile it again."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    try:
        return dynamo is not None and bool(dynamo.counters["frames"]["total"])
    except Exception:
        return True
