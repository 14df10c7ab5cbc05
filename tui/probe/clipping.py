"""Gradient clipping, as the program does it: seen at torch's own functions, counted without waiting for a device."""

from __future__ import annotations

import functools
import math
import time
from typing import Any, Callable, Optional, Protocol

import torch
from torch.nn import utils
from torch.nn.utils import clip_grad

from .meter import Readout, has_norm, largest
from .pace import Pace


class Listener(Protocol):
    """Who hears of clipping."""

    def clips(self) -> bool:
        """Is it time to look at gradients that are about to be clipped entry by entry?"""
        ...

    def clipped(self, size: torch.Tensor, limit: Any) -> None:
        """Gradients of this norm are being brought down to a limit."""
        ...

    def clipped_entries(self, gradients: list[torch.Tensor], limit: Any) -> None:
        """The entries of these gradients are about to be brought down to a limit."""
        ...


def install(listener: Listener, bystander: Callable[[], bool]) -> None:
    """Puts the wrappers in place. Call once, right after torch was imported.

    Args:
        bystander: is a call inside something that must not be looked into?
    """
    if hasattr(clip_grad, "_clip_grads_with_norm_"):
        _wrap_scaling(listener, bystander)
    else:
        _wrap_norm(listener, bystander)
    _wrap_value(listener, bystander)


def _wrap_scaling(listener: Listener, bystander: Callable[[], bool]) -> None:
    """The piece of `clip_grad_norm_` that scales, which is public too: the function that programs call stays what it
    is, with its tracebacks and warnings, and one imported before is seen as well."""
    scale = clip_grad._clip_grads_with_norm_

    @functools.wraps(scale)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if not bystander():
            listener.clipped(_argument(args, kwargs, 2, "total_norm"), _argument(args, kwargs, 1, "max_norm"))
        return scale(*args, **kwargs)

    clip_grad._clip_grads_with_norm_ = watched
    if getattr(utils, "clip_grads_with_norm_", None) is scale:
        utils.clip_grads_with_norm_ = watched


def _wrap_norm(listener: Listener, bystander: Callable[[], bool]) -> None:
    """In torch before 2.6, where clipping by norm is one piece."""
    clip = clip_grad.clip_grad_norm_

    @functools.wraps(clip)
    def watched(*args: Any, **kwargs: Any) -> Any:
        norm = clip(*args, **kwargs)
        if not bystander():
            listener.clipped(norm, _argument(args, kwargs, 1, "max_norm"))
        return norm

    clip_grad.clip_grad_norm_ = utils.clip_grad_norm_ = watched


def _wrap_value(listener: Listener, bystander: Callable[[], bool]) -> None:
    clip = clip_grad.clip_grad_value_

    @functools.wraps(clip)
    def watched(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        if not bystander() and listener.clips():
            parameters = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
            gradients = [parameter.grad for parameter in parameters]
            listener.clipped_entries(
                [grad for grad in gradients if grad is not None], _argument(args, kwargs, 0, "clip_value")
            )
        return clip(parameters, *args, **kwargs)

    clip_grad.clip_grad_value_ = utils.clip_grad_value_ = watched


def _is_limit(limit: Any) -> bool:
    return isinstance(limit, (int, float)) and math.isfinite(limit)


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else kwargs.get(name)


class Clips:
    """How many steps since the last recorded tick had their gradients clipped, of those where that was seen."""

    MOST_WAITING = 4096

    def __init__(self) -> None:
        self.pace = Pace(share=0.001, every_s=0.1)
        """When entries are to be looked at: unlike the norm, their largest is not computed by clipping itself."""
        self._limit: Optional[float] = None
        self._by_value = False
        self._steps = 0
        self._clipped = 0
        self._newest = (-1, False)
        """The step of the newest clipping, and whether it was counted as clipped."""
        self._waiting: list[tuple[int, torch.Tensor, Any, bool]] = []

    def add(self, step: int, size: Any, limit: Any, by_value: bool = False) -> None:
        """Gradients were clipped. Done at every step: all that can wait until a tick does.

        Args:
            step: how many updates have been made.
            size: of the gradients before, one element; a DTensor is left alone, since reading it is a collective.
            limit: a number. An infinite one is how programs ask for the norm alone.
        """
        if type(size) is torch.Tensor and len(self._waiting) < self.MOST_WAITING:
            self._waiting.append((step, size, limit, by_value))

    def look(self, step: int, gradients: list[torch.Tensor], limit: Any) -> None:
        """Gradients are about to be clipped entry by entry."""
        began = time.perf_counter()
        gradients = [grad for grad in gradients if has_norm(grad)]
        if gradients:
            with torch.no_grad():
                self.add(step, largest(gradients), limit, True)
        self.pace.done(began, time.perf_counter() - began)

    def read(self, readouts: list[Readout]) -> None:
        """Starts the copy of what waits on a device."""
        waiting, self._waiting = self._waiting, []
        waiting = [one for one in waiting if one[1].dim() == 0 and _is_limit(one[2])]
        if not waiting:
            return

        def arrived(values: list[float]) -> None:
            for (step, _, limit, by_value), size in zip(waiting, values):
                self._count(step, size, float(limit), by_value)

        first = waiting[0][1]
        if all(size.is_cpu for _, size, _, _ in waiting):
            arrived([float(size.item()) for _, size, _, _ in waiting])
            return
        waiting = [one for one in waiting if one[1].device == first.device and one[1].dtype == first.dtype]
        with torch.no_grad():
            readouts.append(Readout(torch.stack([size for _, size, _, _ in waiting]), arrived))

    def _count(self, step: int, size: float, limit: float, by_value: bool) -> None:
        """Of several times within a step, one that cut something off is enough."""
        if not math.isfinite(size):
            return  # nothing is brought down to the limit: such a step is skipped, or is the end of the run
        self._limit, self._by_value = limit, by_value
        if step != self._newest[0]:
            self._newest = (step, False)
            self._steps += 1
        if size > limit and not self._newest[1]:
            self._newest = (step, True)
            self._clipped += 1

    def told(self) -> dict[str, Any]:
        """The fields of a tick."""
        if not self._steps:
            return {}
        share = float(f"{self._clipped / self._steps:.4g}")
        return {"clipped": share, "clip_at": self._limit, "clip_by": "value" if self._by_value else ""}

    def forget(self) -> None:
        """A tick was recorded: the next one sums up what comes from now on."""
        self._steps = self._clipped = 0
        self._newest = (-1, False)
