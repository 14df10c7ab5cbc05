"""When a measurement is due: its cost stays within its share, and a slow start is no reason for a long silence."""

from __future__ import annotations

import pytest

from tui.probe.pace import Cost, Pace


def due_at(pace: Pace, began: float) -> float:
    """The first time, in steps of a millisecond, at which it is due again."""
    now = began
    while not pace.due(now):
        now += 0.001
    return now


def test_a_cheap_measurement_is_made_as_often_as_a_person_can_read() -> None:
    pace = Pace(share=0.01, every_s=0.1)
    assert pace.due(0.0)
    for number in range(5):
        pace.done(number * 1.0, 1e-6)
        assert due_at(pace, number * 1.0) == pytest.approx(number + 0.1, abs=0.002)


def test_a_dear_measurement_is_made_as_seldom_as_its_share_asks() -> None:
    pace = Pace(share=0.01, every_s=0.1)
    now = spent = 0.0
    for _ in range(200):
        pace.done(now, 0.02)
        spent += 0.02
        now = due_at(pace, now)
    assert spent / now == pytest.approx(0.01, rel=0.1)


def test_a_slow_start_is_not_held_against_it() -> None:
    pace = Pace(share=0.001, every_s=0.1)
    pace.done(0.0, 0.5)
    assert due_at(pace, 0.0) == pytest.approx(0.1, abs=0.002)
    pace.done(0.1, 5e-5)
    assert due_at(pace, 0.1) == pytest.approx(0.2, abs=0.002)


def test_one_interruption_by_others_does_not_silence_it() -> None:
    pace = Pace(share=0.01, every_s=0.1)
    for number in range(4):
        pace.done(number * 1.0, 5e-4)
    pace.done(4.0, 1.0)
    assert due_at(pace, 4.0) < 4.5


def test_after_a_hurry_it_is_due_at_once() -> None:
    pace = Pace(share=0.01, every_s=10.0)
    pace.done(0.0, 0.1)
    assert not pace.due(1.0)
    pace.hurry()
    assert pace.due(1.0)


def test_time_spent_waiting_is_neither_cost_nor_training() -> None:
    cost = Cost()
    began = cost._since
    cost.spend(0.1)
    cost.waited(7.0)
    assert cost.update(began + 17.0) == pytest.approx(0.01)
