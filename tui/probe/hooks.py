"""Global hooks of torch → a few named moments of a training loop. Knows torch's doors, not what is measured behind.

The moments, in the order in which a plain loop passes them: `batch` (the loader yielded), `loss` (the outermost
backward begins), `gradients` (it ended), `before_step`, `after_step`, `zeroed`. Everything is installed once, when
torch has just been imported, and passes straight through wherever watching would not be sound.
"""

from __future__ import annotations

import functools
import time
from typing import Any, Callable, Optional, Protocol, Sequence

import torch

from . import clipping
from .dynamo import compiled_anything, left_alone
from .modes import beside, dispatch_modes
from .nesting import inner_part
from .quiet import Quiet, counting, listening
from .seams import around, hidden, seam


class Listener(clipping.Listener, Protocol):
    """Who hears of the moments. None of them may return anything, and none may raise what is its own fault."""

    quiet: Quiet
    """Where most steps end."""
    walking: bool
    """Are the phases of a step followed? Else nobody needs to hear of `gradients` and `zeroed`."""

    def batch(self, iterator: Any, data: Any, waited_s: float) -> None: ...

    def loss(self, loss: torch.Tensor) -> None: ...

    def gradients(self) -> None: ...

    def before_step(self, optimizer: Any, inside: bool = False) -> None: ...

    def after_step(self, optimizer: Any) -> None: ...

    def scaled(self, optimizer: Any, found: Sequence[torch.Tensor]) -> None: ...

    def zeroed(self, optimizer: Any) -> None: ...

    begins_afresh: Callable[[], None]
    """Is set here: to be called when nothing that was known holds any more."""


def bystander() -> bool:
    """Is this call inside something that must not be looked into: tracing, graph capture, a foreign dispatch mode, a
    transform of torch.func?"""
    if _is_compiling() or dispatch_modes() > 0 or _is_tracing() or _transforms() is not None:
        return True
    # the plain attribute first: this is asked several times a step, and most programs never touch CUDA
    return bool(getattr(_cuda, "_initialized", True)) and (
        bool(_cuda.is_initialized()) and bool(_cuda.is_current_stream_capturing())
    )


_cuda: Any = torch.cuda


def _no() -> bool:
    return False


_is_tracing: Callable[[], bool] = getattr(torch._C, "_is_tracing", _no)
_transforms: Callable[[], Any] = getattr(getattr(torch._C, "_functorch", None), "peek_interpreter_stack", lambda: None)
_is_compiling: Callable[[], bool] = getattr(getattr(torch, "compiler", None), "is_compiling", _no)
_graph_task: Callable[[], int] = getattr(torch._C, "_current_graph_task_id", lambda: -1)


def install(listener: Listener) -> None:
    """Puts every hook in place. Call once, right after torch was imported."""
    from torch.optim.optimizer import (
        Optimizer,
        register_optimizer_step_post_hook,
        register_optimizer_step_pre_hook,
    )

    @left_alone
    def before(optimizer: Any, args: Any, kwargs: Any) -> None:
        if not bystander() and not inner_part(optimizer):
            closure = args[1] if len(args) > 1 else kwargs.get("closure")
            listener.before_step(optimizer, closure is not None)

    quiet = listener.quiet

    def after(optimizer: Any) -> None:
        if not bystander() and not inner_part(optimizer):
            early.put_in_place(True)
            listener.after_step(optimizer)
            if quiet.until:
                early.put_in_place(False)

    early = Early(before, register_optimizer_step_pre_hook)
    listener.begins_afresh = lambda: early.put_in_place(True)
    register_optimizer_step_post_hook(counting(quiet, listener.begins_afresh, after))
    _wrap_backward(listener)
    _wrap_zero_grad(Optimizer, listener)
    _wrap_loader(listener)
    clipping.install(listener, bystander)
    _wrap_scaler(listener)


class Early:
    """The hook before the update, which is only in place while it may have something to do; else one that does nothing
    has its place: torch may be going through the hooks in another thread, or further out, and none may come or go then.
    A compiled program would be compiled again every time: there it stays."""

    def __init__(self, hook: Callable[..., None], register: Callable[..., Any]) -> None:
        self._hook = hook
        handle = register(hook)
        self._registry, self._key = handle.hooks_dict_ref, handle.id

    def put_in_place(self, wanted: bool) -> None:
        registry = self._registry()
        now = registry.get(self._key) if registry is not None else None
        if wanted and now is _nothing:
            registry[self._key] = self._hook
        elif not wanted and now is self._hook and not compiled_anything():
            registry[self._key] = _nothing


@left_alone
def _nothing(optimizer: Any, args: Any, kwargs: Any) -> None:
    pass


def _wrap_backward(listener: Listener) -> None:
    backward, quiet = torch.autograd.backward, listener.quiet

    @left_alone
    def begins(root: torch.Tensor) -> None:
        scaled, quiet.scaled = quiet.scaled, None
        listener.loss(scaled[1] if scaled is not None and scaled[0] is root else root)

    @left_alone
    def inner_or_traced() -> bool:
        return _graph_task() != -1 or bystander()

    @left_alone
    @beside
    def only_root(tensors: Any) -> Optional[torch.Tensor]:
        root = tensors[0] if isinstance(tensors, (list, tuple)) and len(tensors) == 1 else tensors
        return root if isinstance(root, torch.Tensor) and root.numel() == 1 else None

    @left_alone
    def ended() -> None:
        if listener.walking:
            listener.gradients()

    @hidden
    def watched(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        # only the outermost call, only a single root of one element
        if inner_or_traced():
            return backward(tensors, *args, **kwargs)
        root = only_root(tensors)
        if root is not None:
            begins(root)
        result = backward(tensors, *args, **kwargs)
        if root is not None:
            ended()
        return result

    torch.autograd.backward = listening(quiet, backward, left_alone(watched, callees=False))


def _wrap_zero_grad(optimizer_class: Any, listener: Listener) -> None:
    zero_grad, quiet = optimizer_class.zero_grad, listener.quiet

    @functools.wraps(zero_grad)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = zero_grad(self, *args, **kwargs)
        if quiet.in_hand and id(self) == quiet.alone:
            quiet.in_hand.clear()  # gradients that no update has used: their loss is none of the next one's
        if not quiet.until and listener.walking and not bystander():
            listener.zeroed(self)
        return result

    optimizer_class.zero_grad = watched


def _wrap_loader(listener: Listener) -> None:
    from torch.utils.data import dataloader

    base = dataloader._BaseDataLoaderIter
    following = base.__next__

    @hidden
    def watched(cls: Any, self: Any, /) -> Any:
        try:
            began = time.perf_counter()
            data = following(self)
            listener.batch(self, data, time.perf_counter() - began)
            return data
        except BaseException as error:
            return raising(error)

    made, raising = seam(following, watched)  # not `around`: this is called at every step
    base.__next__ = made  # type: ignore[method-assign]


def _wrap_scaler(listener: Listener) -> None:
    scaler: Any = getattr(getattr(torch, "amp", None), "GradScaler", None)
    if scaler is None:  # torch before 2.3
        scaler = torch.cuda.amp.GradScaler
    scale = scaler.scale

    @functools.wraps(scale)
    def watched(self: Any, outputs: Any) -> Any:
        result = scale(self, outputs)
        both = isinstance(result, torch.Tensor) and isinstance(outputs, torch.Tensor)
        listener.quiet.scaled = (result, outputs) if both else None
        return result

    scaler.scale = watched
    step = scaler.step

    def watched_step(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        result = step(self, optimizer, *args, **kwargs)
        if not bystander():
            found: Any = ()
            if getattr(optimizer, "_step_supports_amp_scaling", False):  # it looks itself, on the device
                state = getattr(self, "_per_optimizer_states", {}).get(id(optimizer), {})
                found = tuple(state.get("found_inf_per_device", {}).values())
            listener.scaled(optimizer, found)
        return result

    scaler.step = around(step, watched_step)
