"""A tiny network as units and edges: where units stand, what an edge looks like, which layer is lit."""

from __future__ import annotations

import math

import pytest

from tui.run.events import Model, ModuleInfo, TensorInfo
from tui.view.draw.cells import width_of
from tui.view.draw.units import Layered, diagram, fits
from tui.view.panels.network import LAYER_S, layered, lit_layers

NETWORK = Layered((2, 3, 1), (([1.0, -1.0], [0.5, 0.0], [0.01, 0.2]), ([1.0, -0.5, math.nan],)))


def test_every_unit_stands_in_its_column() -> None:
    lines = diagram(NETWORK, 25, 9)
    assert len(lines) == 9 and all(width_of(line) <= 25 for line in lines)
    text = ["".join(words for words, _ in line) for line in lines]
    columns = sorted({x for row in text for x, letter in enumerate(row) if letter == "●"})
    assert len(columns) == 3
    assert [sum(row[x] == "●" for row in text) for x in columns] == [2, 3, 1]


@pytest.mark.parametrize("weight, style", [(1.0, "validation"), (-1.0, "train"), (math.nan, "bad"), (0.0, None)])
def test_the_sign_of_an_edge(weight: float, style: str | None) -> None:
    network = Layered((1, 1), (([weight],),))
    styles = {kind for line in diagram(network, 14, 3) for words, kind in line if words.strip() and "●" not in words}
    assert styles == ({style} if style else set())


def test_a_negative_edge_is_dotted_and_a_large_one_double() -> None:
    def dots(network: Layered) -> int:
        drawn = "".join(words for line in diagram(network, 20, 8) for words, _ in line)
        return sum(bin(ord(letter) - 0x2800).count("1") for letter in drawn if 0x2800 < ord(letter) < 0x2900)

    positive, negative = Layered((1, 1), (([1.0],),)), Layered((1, 1), (([-1.0],),))
    assert dots(positive) > dots(negative) > 0
    pair = Layered((2, 1), (([1.0, 0.4],),))
    assert dots(positive) < dots(pair) < 2 * dots(positive), "the smaller of two is thinner"


def test_a_phase_passes_through_the_layers() -> None:
    on, off = "train.bold", "dim"
    assert lit_layers("forward", 3, 0.0) == [on, off, off]
    assert lit_layers("forward", 3, LAYER_S * 1.5) == [on, on, off]
    assert lit_layers("forward", 3, 100.0) == [on, on, on]
    assert lit_layers("backward", 3, 0.0) == [off, off, "gradient.bold"]
    assert lit_layers("backward", 3, 100.0) == ["gradient.bold"] * 3
    assert lit_layers("loss", 3, 0.0) == [off, off, on]
    assert lit_layers("update", 2, 0.0) == ["you.bold"] * 2 and lit_layers("", 2, 9.0) == ["ink"] * 2


def test_only_a_chain_of_linear_layers_is_drawn() -> None:
    tensors = [TensorInfo("a", [3, 2]), TensorInfo("b", [3]), TensorInfo("c", [1, 3])]
    modules = [ModuleInfo("", "Net"), ModuleInfo("a", "Linear", "", 9, [0, 1]), ModuleInfo("c", "Linear", "", 3, [2])]
    values = [[float(n) for n in range(6)], [0.0] * 3, [1.0, 2.0, 3.0]]
    found = layered(Model(tensors=tensors, modules=modules), values)
    assert found is not None and found.sizes == (2, 3, 1) and found.weights[0][1] == [2.0, 3.0]
    broken = [tensors[0], tensors[1], TensorInfo("c", [1, 4])]
    assert layered(Model(tensors=broken, modules=modules), [*values[:2], [0.0] * 4]) is None
    other = [modules[0], ModuleInfo("a", "Conv1d", "", 9, [0, 1]), modules[2]]
    assert layered(Model(tensors=tensors, modules=other), values) is None


def test_it_needs_a_row_a_unit() -> None:
    assert fits(NETWORK, 13, 3) and not fits(NETWORK, 12, 3) and not fits(NETWORK, 40, 2)
