"""Modes that the program has put over torch: its default device is one, a counter of calls another.

A dispatch mode sees what is computed below autograd as well (tracing, fake tensors): the probe keeps out while there is
one. A function mode sees each call of a torch function from Python: ours are made beside it, so that it counts the
program's own calls only, and so that what the probe makes lies where the probe means it to.
"""

from __future__ import annotations

import functools
import sys
from contextlib import contextmanager, nullcontext
from typing import Any, Callable, Iterator, TypeVar

import torch

Function = TypeVar("Function", bound=Callable[..., Any])


def _none() -> int:
    return 0


dispatch_modes: Callable[[], int] = getattr(torch._C, "_len_torch_dispatch_stack", _none)
"""How many there are."""
function_modes: Callable[[], int] = getattr(torch._C, "_len_torch_function_stack", _none)
"""The same of the other kind."""

_let_them_see: Callable[[], Any] = getattr(torch._C, "_EnableTorchFunction", nullcontext)


def beside(function: Function) -> Function:
    """No function mode of the program sees what this does. Costs about 0.1 µs where there is none."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if not function_modes():
            return function(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            return function(*args, **kwargs)

    return called  # type: ignore[return-value]


@contextmanager
def as_the_program() -> Iterator[None]:
    """The program's function modes hold again: for what the probe runs of the program's, on a copy."""
    with _let_them_see():
        # inside a call that a mode is shown it is taken away, and `Tensor.backward` is such a call
        device = None if function_modes() else getattr(sys.modules.get("torch.utils._device"), "CURRENT_DEVICE", None)
        if device is None:
            yield
        else:
            with torch.device(device):
                yield
