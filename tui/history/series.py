"""Bounded curves: everything since the start in a fixed number of buckets, and the last values one by one.

A bucket keeps the lowest, the highest and the mean, so a spike of a single step is still there when a million steps
are on the screen.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Iterator, Optional


@dataclass
class Bucket:
    """The values of the steps `first` to `last`. Extremes and mean are of the finite ones; `odd` counts the others."""

    first: int
    last: int
    low: float
    high: float
    total: float
    count: int
    odd: int = 0

    @property
    def mean(self) -> float:
        """Mean of the finite values; NaN when there are none."""
        finite = self.count - self.odd
        return self.total / finite if finite else math.nan


class Series:
    """One curve over steps."""

    MOST = 2048
    """Buckets. When they are used up, each two become one, and all that follow hold twice as much."""
    RECENT = 512

    def __init__(self) -> None:
        self.buckets: list[Bucket] = []
        self.recent: deque[tuple[int, float]] = deque(maxlen=self.RECENT)
        """The last values as (step, value), non-finite ones included."""
        self.last: Optional[float] = None
        self.best: Optional[tuple[int, float]] = None
        """(step, lowest finite value) of all."""
        self._per_bucket = 1
        self._in_last = 0

    def __len__(self) -> int:
        return len(self.buckets)

    def add(
        self,
        step: int,
        value: float,
        count: int = 1,
        low: Optional[float] = None,
        high: Optional[float] = None,
        mean: Optional[float] = None,
    ) -> None:
        """Adds the summary of `count` steps that ended at `step`.

        Args:
            value: the last value; the only one when `count` is 1.
            low, high, mean: over the steps; they default to `value`. Any may be NaN or infinite.
        """
        self.last = value
        self.recent.append((step, value))
        parts = [value] if count == 1 or low is None or high is None else [low, high, value]
        finite = [part for part in parts if math.isfinite(part)]
        odd = 0 if len(finite) == len(parts) else 1
        if mean is None or not math.isfinite(mean):
            mean = sum(finite) / len(finite) if finite else 0.0
        bucket = Bucket(
            first=step - count + 1,
            last=step,
            low=min(finite) if finite else math.inf,
            high=max(finite) if finite else -math.inf,
            total=mean * (count - odd) if finite else 0.0,
            count=count if finite else max(1, odd),
            odd=odd,
        )
        if finite and (self.best is None or bucket.low < self.best[1]):
            self.best = (step, bucket.low)
        if self.buckets and self._in_last < self._per_bucket:
            self.buckets[-1] = _merge(self.buckets[-1], bucket)
            self._in_last += 1
            return
        self.buckets.append(bucket)
        self._in_last = 1
        if len(self.buckets) > self.MOST:  # one more than an even number: the last stays alone, half full
            self.buckets = [_merge(*pair) for pair in _pairs(self.buckets)]
            self._per_bucket *= 2

    def cut(self, step: int) -> list[tuple[int, float]]:
        """Takes away what lies beyond a step, and gives it back as (step, mean)."""
        gone = [bucket for bucket in self.buckets if bucket.last > step]
        self.buckets = [bucket for bucket in self.buckets if bucket.last <= step]
        self.recent = deque((one for one in self.recent if one[0] <= step), maxlen=self.RECENT)
        self.last = self.recent[-1][1] if self.recent else None
        self._in_last = self._per_bucket  # what follows begins a bucket of its own
        return [(bucket.last, bucket.mean) for bucket in gone]


def _pairs(buckets: list[Bucket]) -> Iterator[tuple[Bucket, ...]]:
    for place in range(0, len(buckets), 2):
        yield tuple(buckets[place : place + 2])


def _merge(a: Bucket, b: Optional[Bucket] = None) -> Bucket:
    if b is None:
        return a
    return Bucket(
        a.first, b.last, min(a.low, b.low), max(a.high, b.high), a.total + b.total, a.count + b.count, a.odd + b.odd
    )


def smooth(values: list[float], strength: float = 0.9, counts: Optional[list[int]] = None) -> list[float]:
    """Exponential moving average, corrected for its start (Kingma & Ba 2015, §3); values that are not finite pass.

    Args:
        counts: how many values each of them is the mean of, in relation to what is usual: a mean of many weighs more.
    """
    out, running, weight = [], 0.0, 0.0
    usual = sorted(counts)[len(counts) // 2] if counts else 1
    for place, value in enumerate(values):
        if math.isfinite(value):
            keep = strength ** (counts[place] / max(1, usual)) if counts else strength
            running = keep * running + (1 - keep) * value
            weight = keep * weight + (1 - keep)
            out.append(running / weight)
        else:
            out.append(value)
    return out
