"""The forms in which tensors come: which of them can be drawn, as what, and in words why the others cannot.

Nothing here raises for a tensor that is odd: one that cannot even say its shape has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, TypeVar

import torch
from torch.nn import parameter as torch_parameter

from .frames import is_foreign
from .meter import local

_LAZY: Any = torch_parameter.UninitializedTensorMixin  # type: ignore[attr-defined]

MOST_DENSE = 1 << 22
"""A sparse or quantised tensor of more entries than this is not made dense for a picture."""


@dataclass
class Sight:
    """What there is to draw of a tensor."""

    values: torch.Tensor
    """Dense, real or complex, on the tensor's device; the part of it that this process holds."""
    entries: Optional[torch.Tensor] = None
    """What the statistics are taken of, where that is not `values`."""
    note: str = ""
    """What is shown, in words, where it is not simply the tensor."""
    each: int = 1
    """How many rows of the tensor one row of `values` stands for."""


def initialised(tensor: torch.Tensor) -> bool:
    """Has it a shape? Those of a lazy layer get theirs with the first batch."""
    return not isinstance(tensor, _LAZY)


def shape_of(tensor: torch.Tensor) -> list[int]:
    """Its shape as a whole, over all processes; empty where it cannot tell."""
    try:
        return [int(size) for size in tensor.shape] if initialised(tensor) else []
    except Exception as error:  # nested tensors have none, or one of symbols
        return _passing_on(error, [])


def size_of(tensor: torch.Tensor) -> int:
    """How many entries it has; 0 where it cannot tell."""
    try:
        return int(tensor.numel()) if initialised(tensor) else 0
    except Exception as error:
        return _passing_on(error, 0)


def bytes_of(tensor: torch.Tensor) -> int:
    """About how much memory its entries take here."""
    try:
        return size_of(tensor) * tensor.element_size() if initialised(tensor) else 0
    except Exception as error:
        return _passing_on(error, 0)


def form_of(tensor: torch.Tensor) -> str:
    """What it is besides shape and data type, in a word or two; "" for a plain one."""
    try:
        if not initialised(tensor):
            return "not initialised"
        if tensor.is_nested:
            return "nested"
        if tensor.layout != torch.strided:
            return _LAYOUTS.get(tensor.layout, str(tensor.layout).replace("torch.", ""))
        if hasattr(tensor, "to_local"):
            here, whole = shape_of(local(tensor.detach())), shape_of(tensor)
            return f"part {_times(here)}" if here != whole else ""
        return ""
    except Exception as error:
        return _passing_on(error, type(tensor).__name__)


def is_plain(tensor: torch.Tensor) -> bool:
    """Can its entries be copied and compared as they stand: dense numbers with storage, at least one of them here?"""
    try:
        if not initialised(tensor) or tensor.is_nested or tensor.layout != torch.strided or tensor.is_quantized:
            return False
        if tensor.device.type == "meta" or not (tensor.is_floating_point() or tensor.is_complex()):
            return False
        return local(tensor.detach()).numel() > 0
    except Exception as error:
        return _passing_on(error, False)


def absence(tensor: torch.Tensor) -> str:
    """Why it cannot be drawn, as a sentence without its end; "" when it can, or when only looking will tell."""
    if not initialised(tensor):
        return "not initialised yet: a lazy layer gets its shape with its first batch"
    if tensor.is_nested:
        return "a nested tensor: its pieces have no common shape to be drawn in"
    if tensor.device.type == "meta":
        return f"on the meta device: {_times(shape_of(tensor))} has a shape, but no values"
    if tensor.numel() == 0:
        return f"empty: {_times(shape_of(tensor))} has no weights"
    if tensor.is_quantized:
        return _too_large(tensor, f"quantised ({_type(tensor)})")
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return f"of type {_type(tensor)}: whole numbers, packed or quantised weights mean nothing as a picture"
    if tensor.layout == torch.sparse_coo:
        if tensor._nnz() == 0:
            return "sparse, and no entry is stored: all of it is zero"
        if not tensor.is_coalesced() and tensor.device.type != "cpu":
            return "sparse, with entries still to be summed: reading it would wait for the device"
        return "" if tensor.sparse_dim() == 1 else _too_large(tensor, "sparse")
    if tensor.layout != torch.strided:
        return _too_large(tensor, form_of(tensor))
    if local(tensor.detach()).numel() == 0:
        return f"this process holds no part of it ({_times(shape_of(tensor))} over all of them)"
    return ""


def sight_of(tensor: torch.Tensor, rows: int) -> Sight:
    """What there is to draw of a tensor that is not absent.

    Args:
        rows: into so many rows one that is large and sparse by rows is pooled: the entry of largest magnitude stays.
    """
    tensor = tensor.detach()
    if tensor.layout == torch.sparse_coo:
        return _by_rows(tensor.coalesce(), rows) if tensor.sparse_dim() == 1 else _scattered(tensor.coalesce())
    if tensor.layout != torch.strided:
        return Sight(tensor.to_dense(), note=f"{form_of(tensor)}, made dense")
    if tensor.is_quantized:
        return Sight(tensor.dequantize(), note=f"dequantised from {_type(tensor)}")
    here = local(tensor)
    notes = []
    if list(here.shape) != shape_of(tensor):
        notes.append(f"this process: {_times(here.shape)} of {_times(shape_of(tensor))}")
    if here.is_complex():
        notes.append(f"magnitudes of {_type(here)}")
    return Sight(here, note=", ".join(notes))


def real(values: torch.Tensor) -> torch.Tensor:
    """float32 of any numbers: of complex ones their magnitude."""
    return values.abs().float() if values.is_complex() else values.float()


_LAYOUTS = {
    torch.sparse_coo: "sparse",
    torch.sparse_csr: "sparse CSR",
    torch.sparse_csc: "sparse CSC",
    torch.sparse_bsr: "sparse BSR",
    torch.sparse_bsc: "sparse BSC",
    torch._mkldnn: "MKL-DNN",  # type: ignore[attr-defined]
}


def _by_rows(tensor: torch.Tensor, rows: int) -> Sight:
    """The gradient of an embedding, mostly: whole rows are stored, all others are zero."""
    values, high = tensor.values(), tensor.shape[0]
    note = f"{values.shape[0]:,} of {high:,} rows stored, others zero"
    flat = real(values.reshape(values.shape[0], -1))
    each = max(1, -(-high // max(1, rows)))
    places = (tensor.indices()[0] // each)[:, None].expand_as(flat)
    blank = torch.zeros(-(-high // each), flat.shape[1], device=flat.device)
    top, bottom = (blank.scatter_reduce(0, places, flat, how) for how in ("amax", "amin"))
    return Sight(torch.where(top >= -bottom, top, bottom), values, note, each)


def _scattered(tensor: torch.Tensor) -> Sight:
    values = tensor.values()
    return Sight(tensor.to_dense(), values, f"{values.numel():,} of {tensor.numel():,} entries stored, others zero")


def _too_large(tensor: torch.Tensor, what: str) -> str:
    if tensor.numel() <= MOST_DENSE:
        return ""
    return f"{what}, and with {tensor.numel():,} entries too large to be made dense for a picture"


def _type(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).replace("torch.", "")


def _times(shape: Any) -> str:
    return "×".join(str(int(size)) for size in shape) or "a scalar"


_Value = TypeVar("_Value")


def _passing_on(error: Exception, value: _Value) -> _Value:
    """`value`, unless the exception came from a signal handler of the program."""
    if is_foreign(error):
        raise error
    return value
