"""The doctor on whole trainings, healthy and broken, and each rule on what it must not be misled by."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tui.history.doctor.evidence import chance
from tui.history.doctor.finding import Finding
from tui.history.doctor.rules import EXPLAINED, LARGE, RULES, examine, waiting
from tui.history.state import RunState
from tui.lessons.data import Images
from tui.run.directory import RunDirectory
from tui.run.events import Checkup, Metric, Model, ModuleInfo, Silence, TensorInfo, Tick
from tui.view.actions import BY_NAME

from ..probe.conftest import Relay
from .bench import BROKEN, HEALTHY, Case, diagnose, images

# ── whole trainings ──


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    import torch

    from tui.probe import hooks

    torch.set_num_threads(1)
    relay = Relay()
    hooks.install(relay)
    yield relay


@pytest.fixture(scope="module")
def digits() -> Images:
    return images()


@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: case.name)
def test_no_alarm_in_health(case: Case, tmp_path: Path, relay: Relay, digits: Images) -> None:
    found = diagnose(case, RunDirectory.create(tmp_path, "bench", {}), relay, digits, every=2)
    assert found.state.checkups.count > 100 and found.state.accuracy.last > 0.9  # type: ignore[operator]
    assert not found.first, found.first


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_every_fault_is_found(case: Case, tmp_path: Path, relay: Relay, digits: Images) -> None:
    found = diagnose(case, RunDirectory.create(tmp_path, "bench", {}), relay, digits, every=2)
    assert case.fault in {rule for rule, _ in found.first}, found.first
    others = found.rules("alarm") - {case.fault} - set(case.may)
    assert not others, {key: what for key, what in found.first.items() if key[0] in others}


# ── the rules one by one, on states made by hand ──

MODEL = Model(
    0.0,
    "Net",
    5000,
    [TensorInfo(f"{place}.weight", [32, 32]) for place in range(4)],
    [
        ModuleInfo("", "Net"),
        *[
            one
            for place in range(4)
            for one in (ModuleInfo(f"l{place}", "Linear", "32→32", 1024, [place]), ModuleInfo(f"r{place}", "ReLU"))
        ],
    ],
    ["SGD"],
    "cpu",
    "cross-entropy",
)


def tick(step: int, **how: Any) -> Tick:
    values: dict[str, Any] = {
        "t": step / 20,
        "step": step,
        "steps": 1,
        "loss": 2.3 * math.exp(-step / 200),
        "rate": 0.1,
        "epoch": 1 + (step - 1) // 40,
        "batch": 1 + (step - 1) % 40,
        "batches": 40,
        "norm": 1.0,
        "norms": [0.5] * 4,
        "norms_step": step,
        "ratios": [1e-3] * 4,
        "ratios_step": step,
        "steps_per_s": 20.0,
        "wait": 0.02,
    }
    return Tick(**{**values, **how})


def look(step: int, **how: Any) -> Checkup:
    values: dict[str, Any] = {
        "t": step / 20,
        "step": step,
        "samples": 32,
        "input_mean": 0.8,
        "input_std": 1.0,
        "input_high": 3.0,
        "classes": 4,
        "accuracy": 0.9,
        "labels": [8, 8, 8, 8],
        "sums_to_one": False,
        "silences": [Silence(place, False, 32, 2, 1000, 0.5) for place in (2, 4, 6)],
        "cosine": 0.1,
        "carried": False,
        "weights_odd": 0,
    }
    return Checkup(**{**values, **how})


def state_of(
    steps: int = 200, ticks: dict[str, Any] | None = None, looks: dict[str, Any] | None = None, model: Model = MODEL
) -> RunState:
    """A healthy state, but for what is said; values may be functions of the step."""
    state = RunState()
    state.apply(model)
    for step in range(1, steps + 1):
        state.apply(tick(step, **_at(ticks or {}, step)))
        if step % 10 == 0:
            state.apply(look(step, **_at(looks or {}, step)))
    return state


def _at(how: dict[str, Any], step: int) -> dict[str, Any]:
    return {name: value(step) if callable(value) else value for name, value in how.items()}


def evaluate(state: RunState, losses: list[float], rights: list[float] | None = None) -> RunState:
    """Evaluations spread over the steps of the state."""
    for place, loss in enumerate(losses):
        step = (place + 1) * state.step // len(losses)
        state.apply(Metric(step / 20, step, "val_loss", loss))
        if rights is not None:
            state.apply(Metric(step / 20, step, "val_accuracy", rights[place]))
    return state


def rules(state: RunState) -> set[tuple[int, str]]:
    return {(one.rule, one.level) for one in examine(state)}


def test_health_is_silent_and_everything_is_looked_at() -> None:
    state = evaluate(state_of(), [1.0, 0.8, 0.6, 0.5], [0.5, 0.7, 0.8, 0.9])
    assert examine(state) == [] and waiting(state) == []


def test_before_anything_is_known_every_rule_says_what_it_waits_for() -> None:
    assert examine(RunState()) == []
    reasons = waiting(RunState())
    assert [name for name, _ in reasons] == [rule.name for rule in RULES] and all(why for _, why in reasons)


def odd(model: bool = False, **how: Any) -> RunState:
    return state_of(100, {"loss": lambda step: math.nan if step >= 90 else 1.0}, {"weights_odd": 3 if model else 0})


def test_1_says_when_it_began() -> None:
    (finding,) = (one for one in examine(odd()) if one.rule == 1)
    assert finding.level == "alarm" and "step 90" in finding.evidence and "step 89" in finding.evidence


def test_1_one_bad_batch_is_noticed() -> None:
    state = state_of(100, {"loss": lambda step: math.inf if step == 50 else 1.0})
    assert (1, "notice") in rules(state)


def test_1_skipped_steps_of_loss_scaling_are_no_finding() -> None:
    state = state_of(100, {"norms": lambda step: [math.inf] * 4 if step in (3, 4, 60) else [0.5] * 4})
    assert examine(state) == []


def test_1_names_the_layer_that_went_first() -> None:
    norms = {"norms": lambda step: [0.5, 0.5, math.nan if step >= 70 else 0.5, 0.5], "loss": odd_from(75)}
    (finding,) = (one for one in examine(state_of(100, norms)) if one.rule == 1)
    assert "l2 Linear" in finding.evidence and "step 70" in finding.evidence


def odd_from(first: int) -> Any:
    return lambda step: math.nan if step >= first else 1.0


@pytest.mark.parametrize(
    "norms, ratio, expected",
    [
        ([5e-4, 0.01, 0.1, 1.0], 1e-6, {(7, "alarm")}),
        ([5e-3, 0.02, 0.1, 1.0], 1e-6, {(7, "notice")}),
        ([5e-4, 0.01, 0.1, 1.0], 1e-3, set()),  # an optimizer that scales its updates trains it nevertheless
        ([0.2, 0.3, 0.5, 1.0], 1e-6, set()),  # a rate that has been turned down
        ([0.0, 0.3, 0.5, 1.0], 0.0, set()),  # cut off, not faded: other rules
    ],
)
def test_7_needs_both_signs(norms: list[float], ratio: float, expected: set[Any]) -> None:
    assert rules(state_of(200, {"norms": norms, "ratios": [ratio] * 4})) == expected


def test_7_nothing_anywhere() -> None:
    ticks = {"norms": [1e-7, 1e-7, 1e-7, 1e-6], "ratios": [1e-9] * 4, "loss": 1.0}
    assert (7, "alarm") in rules(state_of(200, ticks))
    assert rules(state_of(200, {**ticks, "loss": 1e-4})) == set()  # it has simply arrived


@pytest.mark.parametrize(
    "silent, samples, expected",
    [(10, 1000, {(9, "notice")}), (20, 1000, {(9, "alarm")}), (20, 999, set()), (9, 1000, set())],
)
def test_9(silent: int, samples: int, expected: set[Any]) -> None:
    looks = {"silences": [Silence(2, False, 32, 1, 1000), Silence(4, False, 32, silent, samples)]}
    state = state_of(looks=looks)
    assert rules(state) == expected
    if expected:
        assert "l1" not in examine(state)[0].title and "r1 ReLU" in examine(state)[0].evidence
        assert state.layers[examine(state)[0].layer or 0].name == "l1"


def test_9_half_of_all_outputs_off_is_normal() -> None:
    assert rules(state_of(looks={"silences": [Silence(2, False, 32, 0, 1000, 0.7)]})) == set()


GUESSES = {"loss": 1.39, "norms": [0.5] * 4}


def test_10_only_after_two_epochs_and_only_when_it_guesses() -> None:
    stuck = {"accuracy": 0.25}
    assert rules(state_of(60, GUESSES, stuck)) == set()
    assert rules(state_of(120, GUESSES, stuck)) == {(10, "notice")}
    assert rules(state_of(120, GUESSES, {"accuracy": 0.8})) == set()
    assert rules(state_of(120, {**GUESSES, "norms": [0.0, 0.0, 0.0, 1.0]}, stuck)) == {(10, "alarm")}


def test_10_what_guessing_costs_depends_on_how_often_each_class_comes() -> None:
    rare = {"labels": [29, 1, 1, 1], "accuracy": 0.9}
    shares = [29 / 32, 1 / 32, 1 / 32, 1 / 32]
    loss = -sum(share * math.log(share) for share in shares)
    assert (10, "notice") in rules(state_of(120, {"loss": loss}, rare))
    assert (10, "notice") not in rules(state_of(120, {"loss": math.log(4)}, rare))


def test_what_guessing_costs_does_not_depend_on_how_many_labels_were_seen() -> None:
    chance_ = random.Random(3)

    def drawn(step: int) -> list[int]:
        labels = [chance_.randrange(10) for _ in range(32)]
        return [labels.count(place) for place in range(10)]

    known = chance(state_of(100, looks={"labels": drawn, "classes": 10}))
    assert known == pytest.approx(math.log(10), rel=5e-3)


def test_10_is_left_out_when_its_cause_is_found() -> None:
    assert rules(state_of(120, GUESSES, {"accuracy": 0.25, "sums_to_one": True})) == {(18, "alarm")}
    assert all(10 not in causes for causes in EXPLAINED.values())


RISING = [1.0, 0.5, 0.4, 0.5, 0.55, 0.7, 0.72, 0.75]


def test_13() -> None:
    assert (13, "alarm") in rules(evaluate(state_of(), RISING))
    held = evaluate(state_of(), RISING, [0.5, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert rules(held) == {(13, "notice")} and "accuracy holds" in examine(held)[0].evidence
    worse = evaluate(state_of(), RISING, [0.5, 0.8, 0.9, 0.88, 0.87, 0.86, 0.86, 0.85])
    assert rules(worse) == {(13, "alarm")} and "4.0 points" in examine(worse)[0].evidence


@pytest.mark.parametrize(
    "losses",
    [
        [1.0, 0.5, 0.4, 0.41, 0.42, 0.41, 0.44, 0.45],  # noise
        [1.0, 0.5, 0.4, 0.6, 0.7, 0.8, 0.7, 0.41],  # and back
        [1.0, 0.01, 0.002, 0.003, 0.004, 0.004, 0.004, 0.004],  # near zero any ratio is reached
        [4.0, 3.0, 2.5, 2.3, 2.2, 2.1, 2.0, 1.9],  # far above the training loss, and falling
    ],
)
def test_13_is_not_misled(losses: list[float]) -> None:
    assert rules(evaluate(state_of(), losses, [0.9] * 8)) == set()


def test_13_needs_a_training_loss_that_falls() -> None:
    assert rules(evaluate(state_of(ticks={"loss": lambda step: 0.2 + step / 400}), RISING, [0.9] * 8)) == set()


def test_14() -> None:
    rising = [1.4, 1.5, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6]
    guessed = [0.25, 0.24, 0.26, 0.25, 0.24, 0.25, 0.26, 0.25]
    assert rules(evaluate(state_of(looks={"accuracy": 0.95}), rising, guessed)) == {(14, "alarm")}
    assert rules(evaluate(state_of(looks={"accuracy": 0.5}), rising, guessed)) == {(14, "alarm")}
    assert (14, "notice") in rules(evaluate(state_of(), rising))
    # Learned by heart, but of some use: that is another thing
    assert not {rule for rule, _ in rules(evaluate(state_of(), rising, [0.8] * 8))} & {14}


def test_15_labels_in_order() -> None:
    def one_class(step: int) -> list[int]:
        return [32 if place == step // 10 % 4 else 0 for place in range(4)]

    assert (15, "alarm") in rules(state_of(looks={"labels": one_class}))
    # A batch of two has at most two kinds of labels: no sign of anything
    chance = random.Random(0)

    def two(step: int) -> list[int]:
        drawn = [chance.randrange(4) for _ in range(2)]
        return [drawn.count(place) for place in range(4)]

    assert rules(state_of(400, looks={"labels": two, "samples": 2})) == set()
    assert rules(state_of(looks={"labels": [30, 1, 1, 0]})) == set()  # imbalance is no order


def noise(step: int, seed: int = 0) -> float:
    return random.Random(step + 1000 * seed).gauss(0, 0.05)


def test_15_losses_that_come_again() -> None:
    again = {"loss": lambda step: 0.5 + math.exp(-step / 50) + noise(step % 40)}
    fresh = {"loss": lambda step: 0.5 + math.exp(-step / 50) + noise(step)}
    assert rules(state_of(200, again, {"labels": []})) == {(15, "notice")}
    assert rules(state_of(200, fresh, {"labels": []})) == set()
    falls = {"loss": lambda step: 0.5 + math.exp(-(step % 40) / 10) + noise(step)}  # alike within each epoch
    assert rules(state_of(200, falls, {"labels": []})) == set()


@pytest.mark.parametrize(
    "mean, std, high, expected",
    [
        (77.0, 90.0, 255.0, {(17, "alarm")}),
        (5.0, 6.0, 16.0, {(17, "notice")}),
        (0.8, 1.0, 4.0, set()),
        (0.01, 0.01, 0.02, {(17, "notice")}),
        (0.001, 0.03, 1.0, set()),  # one of a thousand is on
    ],
)
def test_17(mean: float, std: float, high: float, expected: set[Any]) -> None:
    scale = {"input_mean": mean, "input_std": std, "input_high": high}
    assert rules(state_of(looks=scale)) == expected
    assert rules(state_of(looks={**scale, "normalises": True})) == set()
    assert rules(state_of(looks={**scale, "samples": 1})) == set()


def test_18_and_19_need_every_look() -> None:
    assert rules(state_of(looks={"sums_to_one": True})) == {(18, "alarm")}
    assert rules(state_of(looks={"sums_to_one": lambda step: step % 20 == 0})) == set()
    assert rules(state_of(looks={"carried": True, "cosine": 0.99})) == {(19, "alarm")}
    assert rules(state_of(looks={"carried": lambda step: step % 20 == 0})) == set()
    assert rules(state_of(looks={"carried": False, "cosine": 0.99})) == set()  # the whole data as one batch


@pytest.mark.parametrize(
    "steps, wait, expected",
    [
        (1000, 0.38, {(26, "notice")}),
        (1000, 0.18, set()),
        (1000, None, set()),
        (400, 0.38, set()),  # 7.6 seconds in all
        (1000, lambda step: 0.5 if step < 300 else 0.05, set()),  # it was once
    ],
)
def test_26(steps: int, wait: Any, expected: set[Any]) -> None:
    assert rules(state_of(steps, {"wait": wait})) == expected


def test_26_says_what_a_step_waits_for_and_asks_the_gpu() -> None:
    slow = {"wait": 0.38}
    finding = examine(state_of(1000, slow))[0]
    assert "38 % of the time" in finding.evidence and "about 19.0 of the 50.0 ms of a step" in finding.evidence
    assert "So far 19.0 seconds" in finding.evidence and "GPU" not in finding.evidence
    assert finding.confidence == "certain"
    on_gpu = examine(state_of(1000, slow, model=dataclasses.replace(MODEL, device="cuda:0")))[0]
    assert "its use in the header" in on_gpu.evidence and on_gpu.confidence == "likely"


def test_what_was_measured_on_small_networks_is_a_notice_in_large_ones() -> None:
    large = dataclasses.replace(MODEL, weights=LARGE + 1)
    dead = {"silences": [Silence(4, False, 32, 30, 1000)]}
    assert rules(state_of(looks=dead)) == {(9, "alarm")}
    assert rules(state_of(looks=dead, model=large)) == {(9, "notice")}
    assert rules(state_of(looks={"sums_to_one": True}, model=large)) == {(18, "alarm")}


def everything() -> list[Finding]:
    """One finding of each rule, at least."""
    guessed = [0.25] * 8
    rising = [1.4, 1.5, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6]
    states = [
        odd(),
        odd(True),
        state_of(200, {"norms": [5e-4, 0.01, 0.1, 1.0], "ratios": [1e-6] * 4}),
        state_of(looks={"silences": [Silence(4, True, 32, 30, 1000), Silence(2, False, 32, 12, 1000)]}),
        state_of(120, GUESSES, {"accuracy": 0.25}),
        evaluate(state_of(), RISING, guessed),
        evaluate(state_of(looks={"accuracy": 0.95}), rising, guessed),
        state_of(looks={"labels": lambda step: [32 if place == step // 10 % 4 else 0 for place in range(4)]}),
        state_of(looks={"input_mean": 80.0}),
        state_of(looks={"sums_to_one": True, "carried": True, "cosine": 0.97}),
        evaluate(state_of(), RISING, [0.9] * 8),
        state_of(1000, {"wait": 0.5}),
    ]
    return [one for state in states for one in examine(state)]


def test_a_finding_says_everything_there_is_to_say() -> None:
    found = everything()
    assert {one.rule for one in found} == {rule.number for rule in RULES}
    for one in found:
        for text in (one.evidence, one.advice, one.check):
            assert text.endswith(".") and "  " not in text, text
        assert one.advice[0].isupper() and not one.evidence[0].islower()
        assert any(letter.isdigit() for letter in one.evidence + one.threshold) and one.source
        assert len(one.title) <= 52 and not one.title.endswith(".")
        assert one.key == "" or one.key in BY_NAME
        assert one.level in ("alarm", "notice") and one.confidence in ("certain", "likely", "possible")


def test_nothing_a_journal_says_is_fatal() -> None:
    chance = random.Random(1)
    values = [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e308, 5e-324, 2.3]

    def any_() -> float:
        return chance.choice(values)

    for _ in range(30):
        state = RunState()
        if chance.random() < 0.9:
            state.apply(MODEL)
        for step in range(1, 150):
            odd_ = {"loss": any_(), "mean": any_(), "norm": any_(), "norms": [any_() for _ in range(4)]}
            state.apply(tick(step, **odd_, ratios=[any_() for _ in range(chance.randrange(5))]))
            places = [Silence(chance.randrange(-3, 12), False, chance.randrange(3), chance.randrange(9), 1000)]
            looks = {"input_mean": any_(), "input_std": any_(), "input_high": any_(), "accuracy": any_()}
            state.apply(
                look(step, **looks, cosine=any_(), silences=places, classes=chance.randrange(4), labels=[2**62])
            )
            state.apply(Metric(step, step, "val_loss", any_()))
            state.apply(Metric(step, step, "val_accuracy", any_()))
        examine(state)
        waiting(state)
