"""A row of the table, the statistics in it, and how the table is printed."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Optional


@dataclass(frozen=True)
class Row:
    """One measured figure. `judged` is the statistic that the budget is about."""

    name: str
    how: str
    """In a few words; the long form stands in the docstring of the group."""
    budget: str
    """"≥ 0.97", "≤ 0.5 ms"; empty for a figure that only informs."""
    values: Sequence[float]
    judged: str = "median"
    """median, mean or p95."""
    notes: list[str] = field(default_factory=list)
    """Lines printed below the table."""

    @property
    def figure(self) -> float:
        if self.judged == "mean":
            return statistics.fmean(self.values)
        return quantile(self.values, 0.95 if self.judged == "p95" else 0.5)

    @property
    def verdict(self) -> str:
        """ok, OVER, or nothing when there is no budget."""
        words = self.budget.split()
        if len(words) < 2 or words[0] not in ("≤", "≥"):
            return ""
        limit = float(words[1].replace(",", ""))
        return "ok" if (self.figure <= limit if words[0] == "≤" else self.figure >= limit) else "OVER"


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies, interpolated. `values` must not be empty."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def standard_error(values: Sequence[float]) -> float:
    """Of the median: 1.253 σ / √n (as for a normal distribution), with σ = 0.741 × the distance of the quartiles."""
    return 0.929 * (quantile(values, 0.75) - quantile(values, 0.25)) / len(values) ** 0.5 if values else 0.0


HEAD = ("name", "how", "budget", "median", "quartiles", "n", "judged", "")


def cells(row: Row) -> tuple[str, ...]:
    """A row as words."""
    if not row.values:
        return (row.name, row.how, row.budget, "–", "–", "0", "nothing was measured", "")
    low, middle, high = (quantile(row.values, share) for share in (0.25, 0.5, 0.75))
    judged = f"{row.judged} {number(row.figure)}" if row.judged != "median" else ""
    return (
        row.name,
        row.how,
        row.budget,
        number(middle),
        f"{number(low)} … {number(high)}",
        str(len(row.values)),
        judged,
        row.verdict,
    )


def number(value: float) -> str:
    """Four significant digits, no exponent for what a person reads."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def table(rows: Sequence[Row]) -> list[str]:
    """The rows in columns, then their notes."""
    lines = [HEAD, *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    out = ["  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in lines]
    out.insert(1, "  ".join("─" * width for width in widths).rstrip())
    out += [f"  {row.name}: {note}" for row in rows for note in row.notes]
    return out


def machine() -> str:
    """Processor, cores, memory and versions, in one line."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    memory = next((int(line.split()[1]) >> 20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    versions = " · ".join(f"{name} {_version(name)}" for name in ("torch", "textual"))
    return (
        f"{model or platform.machine()} · {cores()} cores · {memory} GB · load {load:.1f} · {platform.system()} "
        f"{platform.release()} · Python {sys.version.split()[0]} · {versions}"
    )


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lines(path: str) -> Iterable[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readlines()
    except OSError:
        return []


def _version(name: str) -> Optional[str]:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
