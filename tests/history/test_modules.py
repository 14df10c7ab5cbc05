"""The rows of the module tree: what is folded, tied, frozen, and named where it differs from the rest."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tui.history.modules import Modules, Row, modules_of, shapes_by_module
from tui.run.events import Model, ModuleInfo, Shapes, TensorInfo


class Builder:
    """A model, module by module in registration order."""

    def __init__(self) -> None:
        self.tensors: list[TensorInfo] = []
        self.modules: list[ModuleInfo] = []
        self.add("", "Net")

    def add(self, path: str, kind: str, *shapes: list[int], detail: str = "", same: str = "", **tensor: Any) -> Builder:
        """A module with parameters of these shapes, or with `own` tensors that are there already."""
        own = tensor.pop("own", None) or list(range(len(self.tensors), len(self.tensors) + len(shapes)))
        for place, shape in enumerate(shapes):
            self.tensors.append(TensorInfo(f"{path}.{place}", shape, **{"dtype": "float32", **tensor}))
        self.modules.append(ModuleInfo(path, kind, detail, 0, own, same))
        return self

    def blocks(self, count: int, above: str = "h", kind: str = "Block", **tensor: Any) -> Builder:
        """So many equal blocks of two layers under `above`."""
        for number in range(count):
            self.add(f"{above}.{number}", kind)
            self.add(f"{above}.{number}.up", "Linear", [8, 4], **tensor).add(f"{above}.{number}.act", "ReLU")
        return self

    @property
    def model(self) -> Model:
        """With the weights of each module counted: all below it, each tensor once."""
        sizes = [math.prod(tensor.shape) for tensor in self.tensors]

        def weights(path: str) -> int:
            below = [one for one in self.modules if not path or one.path == path or one.path.startswith(path + ".")]
            return sum(sizes[place] for place in {place for one in below for place in one.tensors})

        modules = [
            ModuleInfo(one.path, one.kind, one.detail, weights(one.same or one.path), one.tensors, one.same)
            for one in self.modules
        ]
        return Model(name="Net", weights=sum(sizes), tensors=self.tensors, modules=modules, device="cpu")

    @property
    def rows(self) -> dict[str, Row]:
        """By name."""
        return {row.name: row for row in modules_of(self.model).rows}


def names(modules: Modules) -> list[str]:
    return [" " * row.depth + row.name + (f" ×{row.times}" if row.times > 1 else "") for row in modules.rows]


def test_equal_blocks_in_a_row_are_one_with_the_first_below_it() -> None:
    model = Builder().add("emb", "Embedding", [9, 4]).add("h", "ModuleList").blocks(12).add("out", "Linear", [9, 4])
    modules = modules_of(model.model)
    # Then the list that only held them has no line of its own
    assert names(modules) == ["emb", "h.0…h.11 ×12", " up", " act", "out"]
    block = modules.rows[1]
    assert (block.short, block.weights, block.share) == ("h.0…11", 32, pytest.approx(12 * 32 / (2 * 36 + 12 * 32)))
    # And each of the others is shown by the line of the first
    for place, info in enumerate(model.modules):
        row = modules.rows[modules.row_of[place]] if modules.row_of[place] >= 0 else None
        expected = {"h": "h.0…h.11", "up": "up", "act": "act", "": None}.get(info.path.rpartition(".")[2], info.path)
        if info.kind == "Block":
            expected = "h.0…h.11"
        assert (row.name if row else None) == expected, info.path


def test_two_blocks_are_folded_and_two_layers_are_not() -> None:
    model = Builder().add("h", "ModuleList").blocks(2).add("0", "Linear", [4, 4]).add("1", "Linear", [4, 4])
    assert names(modules_of(model.model)) == ["h.0…h.1 ×2", " up", " act", "0", "1"]
    model.add("2", "Linear", [4, 4])
    assert names(modules_of(model.model))[-1] == "0…2 ×3"


def test_blocks_within_blocks_are_folded_at_both_levels() -> None:
    model = Builder().add("stages", "ModuleList")
    for stage in range(3):
        model.add(f"stages.{stage}", "ModuleList").blocks(4, f"stages.{stage}")
    modules = modules_of(model.model)
    assert names(modules) == ["stages.0…stages.2 ×3", " 0…3 ×4", "  up", "  act"]
    assert {modules.row_of[place] for place, info in enumerate(model.modules) if info.kind == "ReLU"} == {3}


@pytest.mark.parametrize(
    "one",
    [
        {"kind": "Other"},
        {"trainable": False},
        {"dtype": "bfloat16"},
        {"device": "cuda:1"},
        {"form": "sparse"},
    ],
)
def test_what_differs_is_not_folded(one: dict[str, Any]) -> None:
    model = Builder().add("h", "ModuleList").blocks(3)
    model.add("h.3", one.pop("kind", "Block")).add("h.3.up", "Linear", [8, 4], **one).add("h.3.act", "ReLU")
    assert [name for name in names(modules_of(model.model)) if not name.startswith("  ")][:2] == ["h", " 0…2 ×3"]


def test_layers_whose_names_say_something_are_not_folded() -> None:
    model = Builder()
    for name in ("query", "key", "value", "layer1", "layer2", "layer4"):
        model.add(name, "Linear", [4, 4])
    assert names(modules_of(model.model)) == ["query", "key", "value", "layer1", "layer2", "layer4"]


def test_frozen_is_said_of_all_and_of_a_part() -> None:
    model = Builder().add("body", "Body").add("body.old", "Linear", [30, 10], trainable=False)
    model.add("body.new", "Linear", [10, 10]).add("head", "Linear", [10, 10])
    rows = model.rows
    assert [(rows[name].frozen, rows[name].trains) for name in ("old", "new", "head")] == [
        (1.0, False),
        (0.0, True),
        (0.0, True),
    ]
    assert (rows["body"].frozen, rows["body"].trains) == (0.75, True)
    assert modules_of(model.model).frozen == 0.6
    # And what is frozen without any weights is frozen all the same
    model.add("empty", "Linear", [0, 10], trainable=False)
    assert (model.rows["empty"].frozen, model.rows["empty"].trains) == (1.0, False)


def test_a_tie_is_said_once_where_the_weights_come_again() -> None:
    model = Builder().add("body", "Body").add("body.emb", "Embedding", [9, 4]).add("head", "Linear", own=[0])
    model.add("again", "Embedding", same="body.emb")
    rows = model.rows
    assert {name: row.tied for name, row in rows.items()} == {
        "body": "",
        "emb": "",
        "head": "body.emb",
        "again": "body.emb",
    }
    # And the shares of all lines come to one
    assert rows["emb"].share == 1.0 and rows["head"].share == rows["again"].share == 0.0


def test_type_and_device_are_named_where_they_are_not_the_models() -> None:
    model = Builder().add("a", "Linear", [50, 50], dtype="bfloat16").add("b", "LayerNorm", [50])
    model.add("c", "Both").add("c.x", "Linear", [2, 2], dtype="bfloat16", device="cuda:1")
    model.add("c.y", "Linear", [2, 2], dtype="bfloat16", form="sparse")
    modules = modules_of(model.model)
    rows = {row.name: (row.dtype, row.device) for row in modules.rows}
    assert (modules.dtype, modules.device) == ("bfloat16", "cpu")
    assert rows == {"a": ("", ""), "b": ("float32", ""), "c": ("", ""), "x": ("", "cuda:1"), "y": ("sparse", "")}


def test_tensors_that_are_no_modules_have_lines_too() -> None:
    model = Builder().add("a", "Linear", [3, 2])
    model.tensors += [TensorInfo("token", [1, 5]), TensorInfo("loose", [])]
    model.modules[0] = ModuleInfo("", "Net", tensors=[1])
    rows = modules_of(model.model).rows
    assert [(row.name, row.detail, row.weights) for row in rows] == [
        ("token", "1×5", 5),
        ("a", "", 6),
        ("loose", "scalar", 1),
    ]
    # And so has a model of nothing else
    assert names(modules_of(Model(tensors=[TensorInfo("w", [2])]))) == ["w"]


@pytest.mark.parametrize(
    "modules",
    [
        [],
        [ModuleInfo("", "Net")],
        [ModuleInfo("a", "Net"), ModuleInfo("a", "Net")],
        [ModuleInfo("", "Net"), ModuleInfo("", "Net"), ModuleInfo("x.y.z", "Lost", tensors=[-1, 99])],
        [ModuleInfo(".".join("m" * depth), "Box") for depth in range(3000)],
    ],
    ids=["none", "one", "twice", "lost", "deep"],
)
def test_any_record_makes_rows(modules: list[ModuleInfo]) -> None:
    made = modules_of(Model(tensors=[TensorInfo("w", [2])], modules=modules))
    assert len(made.row_of) == len(modules)
    assert all(place < len(made.rows) for place in made.row_of)


def test_ten_thousand_modules_are_few_rows_or_as_many() -> None:
    equal = Builder().add("h", "ModuleList").blocks(3333)
    assert len(equal.modules) == 10_001
    assert len(modules_of(Model(tensors=equal.tensors, modules=equal.modules)).rows) == 3
    different = Builder()
    for number in range(10_000):
        different.add(f"{number}", "Linear", [number + 1])
    modules = modules_of(Model(tensors=different.tensors, modules=different.modules))
    assert modules.row_of[1:] == list(range(10_000))


def test_shapes_by_module() -> None:
    shapes = Shapes(["5×3", "5"], "0 -1 1 7 x 0")
    assert shapes_by_module(shapes) == {0: "5×3", 2: "5", 5: "5×3"}
    assert shapes_by_module(None) == {}
