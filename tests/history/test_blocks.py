"""Layers put together by block: read off their names, and what their norms come to together."""

from __future__ import annotations

import math
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.history.blocks import partitions
from tui.history.layers import layers_of
from tui.history.state import RunState
from tui.run.events import Live, Model, ModuleInfo, TensorInfo, Tick


def rows(names: list[str]) -> list[list[str]]:
    return [[path for path, _ in way] for way in partitions(names)]


GPT = ["wte", *(f"h.{n}.{part}" for n in range(3) for part in ("ln_1", "attn.c_attn", "ln_2", "mlp.c_fc")), "ln_f"]
RESNET = ["conv1", *(f"layer{a}.{b}.conv{c}" for a in (1, 2) for b in (0, 1) for c in (1, 2)), "fc"]
SPEECH = ["wav2vec2.norm", *(f"wav2vec2.layers.{n}.{part}" for n in range(3) for part in "qkv"), "head"]


@pytest.mark.parametrize(
    "names, expected",
    [
        (GPT, [["wte", "h.0", "h.1", "h.2", "ln_f"]]),
        (
            RESNET,
            [["conv1", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "fc"], ["conv1", "layer1", "layer2", "fc"]],
        ),
        (SPEECH, [["wav2vec2.norm", "wav2vec2.layers.0", "wav2vec2.layers.1", "wav2vec2.layers.2", "head"]]),
        (["0", "2", "4"], []),
        (["fc1", "fc2", "out"], []),
        ([f"stage{n:03}" for n in range(300)], []),
        (["only.0.a", "only.0.b"], []),  # one block has no siblings
        (["Mixed_5b.a", "Mixed_5b.b", "Mixed_5c.a", "Mixed_5c.b"], [["Mixed_5b", "Mixed_5c"]]),
        (["h.0.a", "h.1.a", "h.1.b", "h.2.a"], [["h.0.a", "h.1", "h.2.a"]]),  # alone in its block: itself
        ([], []),
        (["", ""], []),
    ],
)
def test_blocks_are_numbered_parts_with_siblings(names: list[str], expected: list[list[str]]) -> None:
    assert rows(names) == expected


@given(st.lists(st.lists(st.sampled_from(["h", "0", "1", "12", "a1", "a2", "é", "", "3b"]), max_size=5).map(".".join)))
def test_every_layer_is_in_one_row_of_each_way_and_ways_grow_coarser(names: list[str]) -> None:
    ways = partitions(names)
    for way in ways:
        assert sorted(place for _, own in way for place in own) == list(range(len(names)))
    sizes = [len(names), *map(len, ways)]
    assert all(finer > coarser > 1 for finer, coarser in zip(sizes, sizes[1:]))


# ── what is known of a block ──

MODEL = Model(
    name="Net",
    tensors=[
        TensorInfo("in.weight", [4]),
        *(TensorInfo(f"h.{n}.{part}.weight", [size]) for n in (0, 1) for part, size in (("a", 9), ("b", 25))),
        TensorInfo("out.weight", [2], optimizer=1),
    ],
    modules=[
        ModuleInfo("", "Net"),
        ModuleInfo("in", "Embedding", "", 4, [0]),
        *(ModuleInfo(f"h.{n}.{part}", "Linear", "", 9, [1 + 2 * n + (part == "b")]) for n in (0, 1) for part in "ab"),
        ModuleInfo("out", "Linear", "", 2, [5]),
    ],
    optimizers=["Adam", "SGD"],
)


def tick(step: int, norms: list[Optional[float]], other: Optional[int] = None, **how: Any) -> Tick:
    at = [step, step if other is None else other]
    return Tick(step=step, norms=norms, norms_step=step, norms_at=at, **how)


def fold(*happened: Any) -> RunState:
    state = RunState()
    for event in happened:
        state.apply(event)
    return state


def test_the_norm_of_a_block_is_that_of_its_layers_together() -> None:
    state = fold(MODEL, *(tick(step, [1.0, 3.0, 4.0, 5.0, 12.0 * step, 2.0]) for step in (1, 2)))
    finest, blocks = state.levels
    assert [layer.title for layer in blocks.layers] == ["in Embedding", "h.0 (2)", "h.1 (2)", "out Linear"]
    assert [health.now for health in blocks.health] == [1.0, 5.0, pytest.approx(math.hypot(5, 24)), 2.0]
    assert list(blocks.health[2].recent) == [13.0, pytest.approx(math.hypot(5, 24))]
    assert (blocks.layers[2].weights, blocks.layers[2].main, blocks.layers[2].detail) == (34, 4, "2 layers")
    # a layer that stands for itself is the same one, and was told once
    assert blocks.health[0] is finest.health[0] and len(blocks.health[0].recent) == 2
    assert state.health is finest.health and [health.now for health in state.health] == [1.0, 3.0, 4.0, 5.0, 24.0, 2.0]


def test_the_largest_ratio_stands_for_a_block() -> None:
    state = fold(MODEL, Tick(step=1, ratios=[0.1, 0.2, 0.3, 0.5, 0.4, None], ratios_step=1))
    assert [health.ratio for health in state.levels[1].health] == [0.1, 0.3, 0.5, None]
    state.apply(Tick(step=2, ratios=[0.1, math.nan, 0.3, None, 0.4, 0.2], ratios_step=2))
    assert math.isnan(state.levels[1].health[1].ratio) and state.levels[1].health[2].ratio == 0.4


def test_entries_that_are_not_finite_are_summed_up_and_forgotten() -> None:
    bad = [1.0, math.nan, math.inf, 1.0, 1.0, 1.0]
    state = fold(MODEL, tick(1, bad, odd=[1, 2, 3, 2, 0, 4]))
    assert [health.odd for health in state.levels[1].health] == [None, (2, 7), None, None]
    assert [health.odd for health in state.health] == [None, (2, 3), (0, 4), None, None, None]
    assert not state.levels[1].health[1].finite and state.levels[1].health[1].odd_since == 1
    state.apply(tick(2, [1.0] * 6))
    assert {health.odd for health in state.levels[1].health} == {None}


def test_a_norm_counts_when_its_own_optimizer_was_measured() -> None:
    state = fold(MODEL)
    for step in range(1, 10):
        other = step - step % 3  # the second optimizer is measured every third step
        state.apply(tick(step, [float(step)] * 5 + [float(other) or None], other))
    assert len(state.health[0].recent) == 9 and list(state.health[5].recent) == [3.0, 6.0, 9.0]
    assert (state.health[0].step, state.health[5].step) == (9, 9)


def test_a_tick_without_norms_takes_nothing_back() -> None:
    """The journal leaves them out where they are what it has already."""
    state = fold(MODEL, tick(1, [1.0, math.nan, 1.0, 1.0, 1.0, 1.0], odd=[1, 2, 3]))
    state.apply(Tick(step=2, norms_step=1, norms_at=[1, 1], norm=math.nan))
    assert state.health[1].odd == (2, 3) and math.isnan(state.health[1].now) and len(state.health[1].recent) == 1


# ── models that are in no module of the first one ──


def test_layers_of_a_second_model_stand_under_its_name() -> None:
    model = Model(
        name="Generator",
        tensors=[
            TensorInfo("net.0.weight", [3, 2]),
            TensorInfo("net.2.weight", [3, 3]),
            TensorInfo("Critic.body.first.weight", [5, 3], optimizer=1),
            TensorInfo("Critic.body.first.bias", [5], optimizer=1),
            TensorInfo("Critic.body.last.weight", [1, 5], optimizer=1),
            TensorInfo("parameter 7", []),
        ],
        modules=[ModuleInfo("", "Generator"), ModuleInfo("net.0", "Linear", "2→3", 6, [0]), ModuleInfo("net.2", "Linear", "3→3", 9, [1])],
        optimizers=["Adam", "Adam"],
    )  # fmt: skip
    layers = layers_of(model)
    assert [layer.title for layer in layers] == [
        "Generator.0 Linear", "Generator.2 Linear", "Critic.first", "Critic.last", "parameter 7",
    ]  # fmt: skip
    assert [layer.tensors for layer in layers] == [(0,), (1,), (2, 3), (4,), (5,)]
    assert [layer.optimizers for layer in layers] == [(0,), (0,), (1,), (1,), (0,)]
    assert (layers[2].detail, layers[2].weights) == ("5×3 + 5", 20)


def test_a_frozen_layer_has_no_optimizer() -> None:
    tensors = [TensorInfo("a.weight", [3], trainable=False, optimizer=-1), TensorInfo("b.weight", [3])]
    modules = [ModuleInfo("", "Net"), ModuleInfo("a", "Linear", "", 3, [0]), ModuleInfo("b", "Linear", "", 3, [1])]
    layers = layers_of(Model(name="Net", tensors=tensors, modules=modules, optimizers=["SGD"]))
    assert [layer.optimizers for layer in layers] == [(-1,), (0,)]


# ── clipping ──


def test_the_share_of_clipped_steps_is_that_of_the_last_ticks() -> None:
    assert fold(MODEL, Tick(t=1.0, step=1)).clipping() is None
    old = Tick(t=0.0, step=100, steps=100, clipped=1.0, clip_at=1.0)
    state = fold(
        MODEL, old, *(Tick(t=50.0 + n, step=110 + n, steps=3 - n, clipped=float(n), clip_at=0.5) for n in (0, 1, 2))
    )
    clipping = state.clipping()
    assert clipping is not None and (clipping.limit, clipping.by_value) == (0.5, False)
    assert clipping.share == pytest.approx(2 / 5)  # a share beyond 1 is none
    state.see(Live(step=200, tick=Tick(t=53.0, step=200, steps=5, clipped=1.0, clip_at=0.5, clip_by="value")))
    newest = state.clipping()
    assert newest is not None and newest.by_value and newest.share == pytest.approx(7 / 10)
