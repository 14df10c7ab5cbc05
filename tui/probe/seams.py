"""Wrappers around functions of torch that no traceback shows: an error of the program looks as it does without us.

A Python function that an exception passes through is always in the traceback. So a wrapper here is called as a class:
`type.__call__` runs its `__new__`, which catches what is raised, takes our own frames off its traceback and returns an
object whose `__init__` cannot be looked up: the looking up raises the error again, from C, where no frame is added.
"""

from __future__ import annotations

import functools
import inspect
import operator
from types import MethodType
from typing import Any, Callable, Iterator, TypeVar

HIDDEN = "<backlit, like importlib._bootstrap>"
"""Where a warning names a place some frames further out (`stacklevel`), Python leaves out the frames of its own import
system, which it knows by two words in the file's name."""

Function = TypeVar("Function", bound=Callable[..., Any])
Raise = Callable[[BaseException], Any]
"""To be returned by a `__new__` from within `except`: what it gives raises the error when the call ends."""


def hidden(function: Function) -> Function:
    """No warning counts the frames of this function."""
    changed: Any = function
    changed.__code__ = changed.__code__.replace(co_filename=HIDDEN)
    return function


class _Method(type):
    """A class that binds to an instance as a function does, where it stands in another class."""

    def __get__(cls, instance: Any, owner: Any = None) -> Any:
        return cls if instance is None else MethodType(cls, instance)


def _nothing() -> Iterator[None]:
    yield from ()


_over: Any = _nothing()
"""A generator at its end: what is thrown into it comes out at once."""
for _ in _over:
    pass


def seam(original: Callable[..., Any], new: Callable[..., Any], *inner: Callable[..., Any]) -> tuple[Any, Raise]:
    """(what is to stand in the place of a function, how its errors are raised).

    Args:
        original: the function.
        new: takes the class first, then the arguments.
        inner: functions of ours between it and the original.
    """
    ours = {one.__code__ for one in (new, *inner)}
    name = getattr(original, "__name__", "call")
    new.__name__, new.__qualname__ = name, getattr(original, "__qualname__", name)  # for a call with wrong arguments

    def raising(error: BaseException) -> Any:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code in ours:
            trace = trace.tb_next
        error.__traceback__ = trace
        failed = object.__new__(failure)
        failed.go = functools.partial(_over.throw, error)
        return failed

    made: Any = _Method(name, (), {"__slots__": (), "__new__": new})
    raises = property(operator.methodcaller("go"))
    failure: Any = _Method(name, (made,), {"__slots__": ("go",), "__init__": raises})
    functools.update_wrapper(made, original, updated=())
    try:
        made.__signature__ = inspect.signature(original)
    except (TypeError, ValueError):
        pass
    return made, raising


def around(original: Callable[..., Any], wrapper: Callable[..., Any]) -> Any:
    """`wrapper`, which calls the original, to stand in its place: as a function or as a method."""

    @hidden
    def new(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return wrapper(*args, **kwargs)
        except BaseException as error:
            return raising(error)

    made, raising = seam(original, new, hidden(wrapper))
    return made
