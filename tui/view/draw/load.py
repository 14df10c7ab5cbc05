"""The load of the machine in words, the fullest first: whoever has less room takes a later one."""

from __future__ import annotations

from collections.abc import Sequence

from ..machine import Gpu, Load
from .cells import Line
from .numbers import percent


def size(count: int) -> str:
    """A number of bytes as tools for GPUs write it, in units of 1024: 1.2 GB, 31 GB, 640 MB."""
    if count >= 1 << 40:
        return f"{count / (1 << 40):.1f} TB"
    if count >= 10 << 30:
        return f"{count / (1 << 30):.0f} GB"
    return f"{count / (1 << 30):.1f} GB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MB"


def processor(load: Load) -> str:
    """ "CPU 187 % 1.2 GB": of one core, and the memory."""
    use = "" if load.cpu is None else f" {percent(load.cpu)}"
    return f"CPU{use} {size(load.memory)}"


def graphics(gpus: Sequence[Gpu]) -> list[str]:
    """ "GPU 93 % 31/80 GB 412 W 64 °C"; of several, the range of use, the fullest memory, all watts, the hottest."""
    if not gpus:
        return []
    head = "GPU" if len(gpus) == 1 else f"{len(gpus)} GPUs"
    uses = sorted(gpu.use for gpu in gpus if gpu.use is not None)
    use = ""
    if uses:
        low, high = percent(uses[0]), percent(uses[-1])
        use = f" {high}" if low == high else f" {low[:-2]}–{high}"
    full = [gpu for gpu in gpus if gpu.memory is not None]
    memory = " " + _of(max(full, key=lambda gpu: gpu.memory or 0)) if full else ""
    watts = [gpu.watts for gpu in gpus if gpu.watts is not None]
    warm = [gpu.celsius for gpu in gpus if gpu.celsius is not None]
    power = f" {sum(watts):,.0f} W" if watts else ""
    heat = f" {max(warm)} °C" if warm else ""
    if not (use or memory or power or heat):
        return []
    return [f"{head}{use}{memory}{power}{heat}", f"{head}{use}{memory}", f"{head}{use}"]


def _of(gpu: Gpu) -> str:
    used, total = gpu.memory or 0, gpu.of_memory
    if total is None:
        return size(used)
    whole = total / (1 << 30)
    if whole < 10:
        return f"{used / (1 << 30):.1f}/{whole:.1f} GB"
    return f"{used / (1 << 30):.0f}/{whole:.0f} GB"


def details(load: Load) -> list[Line]:
    """A line for the processor and one for each GPU."""
    use = "" if load.cpu is None else f"{percent(load.cpu)} of "
    cores = f"{load.cores} core" + ("" if load.cores == 1 else "s")
    more = load.processes - 1
    several = f", up to {size(load.others)} in {more} more process{'' if more == 1 else 'es'}" if more > 0 else ""
    lines: list[Line] = [[("CPU    ", "dim"), (f"{use}{cores}, {size(load.memory)}{several}", "ink")]]
    for gpu in load.gpus:
        words = graphics([gpu])
        if words:
            lines.append([(f"GPU {gpu.index}".ljust(7), "dim"), (words[0][4:], "ink"), (f"  {gpu.name}", "dim")])
    return lines


def waiting(share: float) -> str:
    """ "waits for data 38 %"."""
    return f"waits for data {percent(share)}"


def idle(load: Load | None) -> bool:
    """May the processors that train be idle? Not where a GPU is known to have been at work nearly all the time."""
    uses = [gpu.use for gpu in load.gpus if gpu.use is not None] if load is not None else []
    return not uses or min(uses) < BUSY


BUSY = 0.9
"""A GPU in use for this share of the time has no more than a tenth to gain from a faster loader."""
