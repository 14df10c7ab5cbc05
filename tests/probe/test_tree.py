"""The module tree: weights counted once, ties, modules met twice, odd tensors, and what a model's record costs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tui.probe import outline
from tui.probe.tree import Tree
from tui.run import events
from tui.run.events import ModuleInfo, TensorInfo

from .conftest import Watch


def tree_of(model: nn.Module) -> Tree:
    return Tree(model, [torch.optim.SGD(model.parameters(), lr=0.1)], 0.0)


def by_path(tree: Tree) -> dict[str, ModuleInfo]:
    return {info.path: info for info in tree.model.modules}


def by_name(tree: Tree) -> dict[str, TensorInfo]:
    return {info.name: info for info in tree.model.tensors}


def block() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4))


def test_every_module_has_the_weights_that_torch_counts() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.ModuleList([block(), block()]), nn.LSTM(4, 3), nn.Linear(3, 10))
    tree = tree_of(model)
    for path, module in model.named_modules():
        assert by_path(tree)[path].weights == sum(parameter.numel() for parameter in module.parameters()), path
        assert tree.model.modules[tree.module_index[id(module)]].path == path
    assert tree.model.weights == by_path(tree)[""].weights


def test_tied_weights_are_in_the_model_once() -> None:
    # Given a head that shares its weight with an embedding two levels down
    model = nn.ModuleDict({"body": nn.ModuleDict({"emb": nn.Embedding(10, 4)}), "head": nn.Linear(4, 10)})
    model["head"].weight = model["body"]["emb"].weight  # type: ignore[index]
    tree = tree_of(model)
    # Then both own the same tensor, and the model counts it once
    infos = by_path(tree)
    assert infos["body.emb"].tensors == [0] and infos["head"].tensors == [0, 1]
    assert (infos["body"].weights, infos["head"].weights, infos[""].weights, tree.model.weights) == (40, 50, 50, 50)
    assert [tensor.name for tensor in tree.model.tensors] == ["body.emb.weight", "head.bias"]


def test_a_module_that_stands_at_two_places_is_named_at_the_second() -> None:
    shared, relu = block(), nn.ReLU()
    model = nn.ModuleDict(
        {"first": nn.Sequential(shared, relu), "second": nn.Sequential(shared, relu, nn.Linear(4, 4))}
    )
    tree = tree_of(model)
    infos = by_path(tree)
    assert infos["second.0"].same == "first.0" and infos["second.1"].same == "first.1"
    assert (infos["second.1"].kind, infos["first.0"].same) == ("ReLU", "")
    assert "second.0.0" not in infos, "what is below it stands at its first place alone"
    assert tree.model.modules[tree.module_index[id(shared)]].path == "first.0"
    # And its weights count in both, in the model once
    weights = sum(parameter.numel() for parameter in shared.parameters())
    assert (infos["first"].weights, infos["second"].weights) == (weights, weights + 20)
    assert infos[""].weights == tree.model.weights == weights + 20


def test_what_a_tensor_is_besides_its_shape_is_recorded_only_where_it_is_odd() -> None:
    model = nn.Module()
    model.plain = nn.Parameter(torch.ones(20, 20))
    model.small = nn.Parameter(torch.ones(2, 2, dtype=torch.bfloat16), requires_grad=False)
    model.sparse = nn.Parameter(torch.eye(4).to_sparse())
    model.rows = nn.Parameter(torch.eye(4).to_sparse_csr())
    model.meta = nn.Parameter(torch.ones(3, device="meta"))
    model.lazy = nn.LazyLinear(3)
    tree = tree_of(model)
    found = by_name(tree)
    assert (found["plain"].device, found["plain"].form, tree.model.device) == ("", "", "cpu")
    assert (found["small"].dtype, found["small"].trainable) == ("bfloat16", False)
    assert (found["sparse"].form, found["rows"].form, found["meta"].device) == ("sparse", "sparse CSR", "meta")
    assert (found["lazy.weight"].form, found["lazy.weight"].shape) == ("not initialised", [])
    assert b'"form"' not in events.encode(events.Model(tensors=[found["plain"]]))


def test_tensors_without_a_shape_are_no_reason_to_lose_the_model() -> None:
    model = nn.Module()
    pieces = [torch.ones(2, 3), torch.ones(3, 3)]
    model.nested = nn.Parameter(torch.nested.nested_tensor(pieces, layout=torch.jagged))
    model.plain = nn.Linear(2, 2)
    found = by_name(tree_of(model))
    assert (found["nested"].form, found["nested"].shape, found["plain.weight"].shape) == ("nested", [], [2, 2])


def test_a_lazy_layer_that_got_its_shape_makes_the_tree_an_old_one() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1))
    tree = tree_of(model)
    parameters = list(model.parameters())
    assert not tree.is_other(parameters) and len(tree.parameters(range(len(tree)))) == 2
    model(torch.ones(1, 5))
    assert tree.is_other(parameters)
    assert by_name(tree_of(model))["0.weight"].shape == [3, 5]


def test_a_tree_that_is_too_large_says_how_much_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outline, "MOST_MODULES", 10)
    tree = tree_of(nn.ModuleList([block() for _ in range(8)]))
    assert len(tree.model.modules) == 11
    assert tree.model.modules[-1].kind == "and 23 more modules, which are not listed"
    assert len(tree.model.tensors) == 32, "every tensor is there all the same"


def test_the_record_of_a_module_is_small_and_comes_back_whole() -> None:
    model = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU()) for _ in range(333)])
    tree = tree_of(model)
    assert len(tree.model.modules) == 1000
    line = events.encode(tree.model)
    assert len(line) < 130 * 1000
    assert events.decode_event(line) == tree.model


def test_the_model_is_not_looked_for_again_at_every_turn_of_many_optimizers(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given twenty models that are trained in turn, and every look for them counted
    looks: list[int] = []

    def look(*args: Any) -> Tree:
        looks.append(1)
        return Tree(*args)

    monkeypatch.setattr("tui.probe.recorder.Tree", look)
    layers = [nn.Linear(2, 1) for _ in range(20)]
    optimizers = [torch.optim.SGD(layer.parameters(), lr=0.25) for layer in layers]

    def turn() -> None:
        for layer, optimizer in zip(layers, optimizers):
            layer(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    # When they have had a few turns
    for _ in range(3):
        turn()
    # Then it took one look for the first, and one for all that came behind it
    assert len(looks) == 2
    # And one that joins them late costs one more
    layers.append(nn.Linear(2, 1))
    optimizers.append(torch.optim.SGD(layers[-1].parameters(), lr=0.25))
    for _ in range(3):
        turn()
    assert len(looks) == 3
    model = [one for one in watch.end() if isinstance(one, events.Model)][-1]
    assert len(model.optimizers) == 21 and {tensor.optimizer for tensor in model.tensors} == set(range(21))
