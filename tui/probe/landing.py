"""Where the next update is going to put the weights: the arithmetic of SGD, Adam and AdamW, done beside them.

Nothing is changed: neither weights nor what the optimizer remembers. Any other optimizer is not foretold.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import torch

Dialled = Callable[[Optional[float]], Optional[float]]


def landing(optimizer: Any, dialled: Dialled = lambda scheduled: scheduled) -> Optional[dict[int, torch.Tensor]]:
    """What the next update adds to every parameter that has a gradient, by the parameter's id; None where that cannot
    be told. Waits for a GPU: only for when training is held.

    Args:
        dialled: the rate that is used where the program has scheduled this one.
    """
    how = _HOW.get(type(optimizer))
    if how is None or getattr(optimizer, "grad_scale", None) is not None:
        return None
    moves: dict[int, torch.Tensor] = {}
    with torch.no_grad():
        for group in optimizer.param_groups:
            rate = dialled(float(group["lr"]))
            for parameter in group["params"]:
                grad = parameter.grad
                if grad is None or rate is None or grad.is_sparse or grad.is_complex():
                    continue
                grad = -grad if group.get("maximize") else grad
                moves[id(parameter)] = how(
                    parameter.detach(), grad.detach(), rate, group, optimizer.state.get(parameter, {})
                )
    return moves


def _sgd(weight: torch.Tensor, grad: torch.Tensor, rate: float, group: Any, state: Any) -> torch.Tensor:
    grad = grad + group["weight_decay"] * weight
    momentum = group["momentum"]
    if momentum:
        kept = state.get("momentum_buffer")
        speed = grad if kept is None else momentum * kept + (1 - group["dampening"]) * grad
        grad = grad + momentum * speed if group["nesterov"] else speed
    return -rate * grad


def _adam(weight: torch.Tensor, grad: torch.Tensor, rate: float, group: Any, state: Any) -> torch.Tensor:
    decay = group["weight_decay"]
    apart = bool(group.get("decoupled_weight_decay"))
    if not apart:
        grad = grad + decay * weight
    first, second = (float(beta) for beta in group["betas"])
    step = float(state["step"]) + 1 if "step" in state else 1.0
    mean, square = state.get("exp_avg", torch.zeros_like(grad)), state.get("exp_avg_sq", torch.zeros_like(grad))
    mean = first * mean + (1 - first) * grad
    square = second * square + (1 - second) * grad * grad
    if group.get("amsgrad"):
        square = torch.maximum(square, state.get("max_exp_avg_sq", torch.zeros_like(square)))
    width = (square / (1 - second**step)).sqrt() + float(group["eps"])
    move: torch.Tensor = -rate * (mean / (1 - first**step)) / width
    return move - rate * decay * weight if apart else move


def _adamw(weight: torch.Tensor, grad: torch.Tensor, rate: float, group: Any, state: Any) -> torch.Tensor:
    return _adam(weight, grad, rate, {**group, "decoupled_weight_decay": True}, state)


_HOW: dict[type[Any], Callable[..., torch.Tensor]] = {
    torch.optim.SGD: _sgd,
    torch.optim.Adam: _adam,
    torch.optim.AdamW: _adamw,
}
