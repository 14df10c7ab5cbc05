"""Curves: bounded, even, and a spike of a single step is never lost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.history.series import Series, smooth


def test_a_spike_of_one_step_survives_a_million() -> None:
    series = Series()
    for step in range(1, 1_000_001):
        series.add(step, 9.0 if step == 123_456 else 1.0)
    assert len(series) <= Series.MOST
    (spike,) = [bucket for bucket in series.buckets if bucket.high == 9.0]
    assert spike.first <= 123_456 <= spike.last
    assert sum(bucket.count for bucket in series.buckets) == 1_000_000
    # And the beginning is drawn as finely as the end
    widths = [bucket.count for bucket in series.buckets[:-1]]
    assert max(widths) == min(widths) and len(widths) >= Series.MOST // 2 - 1
    assert (series.buckets[0].first, series.buckets[-1].last) == (1, 1_000_000)
    assert len(series.recent) == Series.RECENT and series.recent[-1] == (1_000_000, 1.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(2, 16))
def test_no_value_is_lost_whatever_is_merged(values: list[float], most: int) -> None:
    series = Series()
    series.MOST = most  # type: ignore[misc]
    for step, value in enumerate(values):
        series.add(step, value)
    assert len(series) <= most
    assert min(bucket.low for bucket in series.buckets) == min(values)
    assert max(bucket.high for bucket in series.buckets) == max(values)
    assert sum(bucket.total for bucket in series.buckets) == pytest.approx(sum(values), abs=1e-3)
    assert [bucket.first for bucket in series.buckets] == sorted(bucket.first for bucket in series.buckets)
    assert series.best is not None and series.best[1] == min(values)
    assert values[series.best[0]] == min(values)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_counted_and_drawn_apart(bad: float) -> None:
    series = Series()
    series.MOST = 4  # type: ignore[misc]
    for step, value in enumerate([1.0, bad, 3.0, bad, 5.0, 1.0, 1.0, 1.0, 1.0]):
        series.add(step, value)
    assert sum(bucket.odd for bucket in series.buckets) == 2
    assert min(bucket.low for bucket in series.buckets) == 1.0
    assert max(bucket.high for bucket in series.buckets) == 5.0
    assert not math.isfinite(series.recent[1][1])
    assert series.best == (0, 1.0)


def test_only_values_that_are_not_finite_have_no_mean() -> None:
    series = Series()
    series.add(1, math.nan)
    assert math.isnan(series.buckets[0].mean) and series.best is None and len(series.recent) == 1
    assert math.isnan(series.last)  # type: ignore[arg-type]


def test_a_summary_of_several_steps_keeps_its_extremes_and_mean() -> None:
    series = Series()
    series.add(100, 2.0, 100, low=0.5, high=40.0, mean=3.0)
    (bucket,) = series.buckets
    assert (bucket.first, bucket.last, bucket.low, bucket.high, bucket.mean) == (1, 100, 0.5, 40.0, 3.0)


def test_smoothing_starts_at_the_first_value_and_lets_gaps_pass() -> None:
    assert smooth([5.0, 5.0, 5.0]) == pytest.approx([5.0] * 3)
    out = smooth([1.0, math.nan, 2.0], strength=0.5)
    assert out[0] == 1.0 and math.isnan(out[1]) and 1.0 < out[2] < 2.0
