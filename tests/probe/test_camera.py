"""Pictures of a tensor: levels, pooling, modes, and what is left unread."""

from __future__ import annotations

import gc
import math
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from tui.history.modules import shapes_by_module
from tui.probe import pool as pool_module
from tui.probe import starts as starts_module
from tui.probe import tree as tree_module
from tui.probe.camera import _round_up, grid_of, photograph
from tui.probe.meter import Readout
from tui.probe.pool import pool
from tui.probe.starts import Starts
from tui.probe.tree import Tree
from tui.run import events
from tui.run.events import Picture, Presence

from ..support import Onlooker, events_of, until
from .conftest import Watch


class Scene:
    """A module, its start, and pictures of it."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        self.tree = Tree(model, [self.optimizer], 0.0)
        self.starts = Starts(self.tree)

    def picture(self, tensor: int = 0, mode: str = "weight", **wish: Any) -> Picture:
        taken: list[Picture] = []
        readouts: list[Readout] = []
        photograph(self.tree, self.starts, Presence(tensor=tensor, mode=mode, **wish), readouts, taken.append)
        assert all(readout.collect() for readout in readouts)
        (picture,) = taken
        assert len(picture.cells) == picture.units * picture.height * picture.width
        return picture


def linear(values: Any) -> Scene:
    values = torch.as_tensor(values, dtype=torch.float32)
    layer = nn.Linear(values.shape[1], values.shape[0], bias=False)
    with torch.no_grad():
        layer.weight.copy_(values)
    return Scene(layer)


def level(letter: str) -> int:
    return int(letter, 16)


def test_levels_of_a_known_tensor() -> None:
    picture = linear([[-1.0, -0.6, 0.0], [0.2, 0.6, 1.0]]).picture()
    assert picture.scale == 1.0 and (picture.units, picture.height, picture.width, picture.per_cell) == (1, 2, 3, 1)
    expected = [min(15, max(0, round(value * 7.5 + 7.5))) for value in (-1.0, -0.6, 0.0, 0.2, 0.6, 1.0)]
    assert [level(letter) for letter in picture.cells] == expected
    assert picture.cells[0] == "0" and picture.cells[-1] == "f"


@pytest.mark.parametrize(
    "largest, scale", [(1.0, 1.0), (1.01, 1.5), (0.0049, 0.005), (7.2, 10.0), (30.0, 30.0), (1e30, 1e30)]
)
def test_the_scale_is_the_next_round_number(largest: float, scale: float) -> None:
    assert _round_up(torch.tensor(largest)).item() == pytest.approx(scale, rel=1e-3)
    assert linear([[largest, -largest / 2]]).picture().scale == pytest.approx(scale, rel=1e-3)


def test_values_that_are_not_finite_are_shown_as_such_and_do_not_hide_the_others() -> None:
    picture = linear([[1.0, math.nan, math.inf], [-1.0, -math.inf, 0.5]]).picture()
    assert picture.cells[0] == "f" and picture.cells[3] == "0"
    assert [picture.cells[place] for place in (1, 2, 4)] == ["n", "n", "n"]
    assert (picture.scale, picture.odd, picture.low, picture.high) == (1.0, 3, -1.0, 1.0)
    assert sum(picture.histogram) == 3


@pytest.mark.parametrize("value", [0.0, 1e-38, 1e38, math.nan])
def test_extreme_tensors_make_a_picture(value: float) -> None:
    picture = linear(torch.full((3, 3), value)).picture()
    assert set(picture.cells) == ({"n"} if math.isnan(value) else {"8"} if value < 1e-30 else {"f"})


def test_pooling_keeps_the_largest_magnitude_with_its_sign_and_what_is_not_a_number() -> None:
    block = torch.tensor([[[1.0, -3.0, 0.5, 0.25], [2.0, 0.0, -0.5, 0.125], [math.nan, 1.0, math.inf, 0.0]]])
    pooled = pool(block, 2, 2)
    assert pooled.shape == (1, 2, 2)
    assert pooled[0, 0].tolist() == [-3.0, 0.5]
    assert math.isnan(pooled[0, 1, 0]) and not math.isfinite(pooled[0, 1, 1])


def test_pooling_agrees_with_a_search_patch_by_patch() -> None:
    torch.manual_seed(0)
    block = torch.randn(3, 7, 11)
    pooled = pool(block, 3, 4)
    for unit in range(3):
        for row in range(3):
            for column in range(3):
                patch = block[unit, 3 * row : 3 * row + 3, 4 * column : 4 * column + 4].flatten()
                assert pooled[unit, row, column] == patch[patch.abs().argmax()]


def test_a_large_matrix_fits_the_panel() -> None:
    scene = linear(torch.randn(300, 501))
    picture = scene.picture(rows=24, columns=40)
    assert picture.height <= 24 and picture.width <= 40
    assert picture.per_cell == math.ceil(300 / 24) * math.ceil(501 / 40)
    assert "f" in picture.cells or "0" in picture.cells or "1" in picture.cells or "e" in picture.cells


def test_units_that_are_not_shown_are_not_read() -> None:
    # Given a first layer of 400,000 weights that reads as pictures, with something enormous in a unit far down
    values = torch.randn(512, 784).clamp(-1, 1)
    values[400, 5] = 1e6
    values[401, 7] = math.nan
    scene = linear(values)
    assert scene.tree.model.tensors[0].picture == [512, 28, 28]
    # When the first units are shown, then their scale is their own
    picture = scene.picture(rows=24, columns=40)
    assert picture.of == 512 and picture.first == 0 and 0 < picture.units < 400
    assert picture.scale == 1.0 and "n" not in picture.cells
    # When that unit is shown, then it is in it
    assert scene.picture(rows=24, columns=40, first=400).scale == 1e6


def test_the_units_asked_for_are_shown_and_the_last_ones_are_reachable() -> None:
    values = torch.zeros(10, 16)
    values[7] = 1.0
    scene = linear(values)
    picture = scene.picture(rows=8, columns=8, first=7)
    size = picture.height * picture.width
    assert picture.first == 7 and set(picture.cells[:size]) == {"f"} and set(picture.cells[size:]) == {"8"}
    assert scene.picture(rows=8, columns=8, first=10**9).first == 9
    assert scene.picture(rows=8, columns=8, first=-5).first == 0


@pytest.mark.parametrize("rows, columns", [(-1, -1), (0, 0), (1, 1), (2**40, 2**40)])
def test_a_panel_of_any_claimed_size_makes_a_picture_of_a_sane_one(rows: int, columns: int) -> None:
    picture = linear(torch.randn(2000, 1000)).picture(rows=rows, columns=columns)
    assert 0 < picture.height <= 512 and 0 < picture.width <= 512


def test_change_is_from_the_start_and_moved_says_how_far() -> None:
    scene = linear([[3.0, 4.0], [0.0, 0.0]])
    start = scene.picture(mode="change")
    assert set(start.cells) == {"8"} and start.moved == 0.0
    with torch.no_grad():
        scene.model.weight += torch.tensor([[0.0, 0.0], [0.5, -0.5]])  # type: ignore[operator]
    picture = scene.picture(mode="change")
    assert picture.scale == 0.5 and picture.cells == "88f0"
    assert picture.moved == pytest.approx(math.sqrt(0.5) / 5)
    assert (picture.low, picture.high) == (-0.5, 0.5)


def test_the_gradient_is_shown_where_there_is_one() -> None:
    scene = linear([[1.0, 2.0]])
    assert "no gradient" in scene.picture(mode="gradient").absent
    scene.model(torch.tensor([[1.0, -2.0]])).sum().backward()
    picture = scene.picture(mode="gradient")
    assert (picture.scale, picture.cells, picture.absent) == (2.0, "b0", "")


def parameter(values: torch.Tensor) -> Scene:
    """A module that has only this tensor; one without a gradient where torch allows none."""
    layer = nn.Module()
    layer.only = nn.Parameter(values, requires_grad=values.is_floating_point() or values.is_complex())
    return Scene(layer)


FLOATS = ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]


@pytest.mark.parametrize("dtype", [name for name in FLOATS if hasattr(torch, name)])
def test_floats_of_every_size_are_drawn(dtype: str) -> None:
    scene = parameter(torch.tensor([[-2.0, 1.0], [0.0, 2.0]]).to(getattr(torch, dtype)))
    picture = scene.picture()
    assert (picture.cells, picture.scale, picture.low, picture.high) == ("0b8f", 2.0, -2.0, 2.0)
    with torch.no_grad():
        scene.model.only.data = torch.tensor([[-2.0, 1.0], [0.5, 2.0]]).to(getattr(torch, dtype))  # type: ignore[union-attr]
    assert scene.picture(mode="change").cells == "88f8"


def test_of_complex_numbers_the_magnitude_is_drawn_and_said() -> None:
    scene = parameter(torch.tensor([[3 + 4j, 0], [0, 1j]]))
    picture = scene.picture()
    assert (picture.cells, picture.high) == ("f889", 5.0) and "magnitudes of complex64" in picture.note
    with torch.no_grad():
        scene.model.only += torch.tensor([[0, 0], [0, 1j]])  # type: ignore[operator]
    assert scene.picture(mode="change").cells == "888f"


def sparse(dense: list[list[float]], form: str) -> torch.Tensor:
    tensor = torch.tensor(dense)
    if form == "twice":  # every place in two halves
        half = (tensor / 2).to_sparse()
        places, halves = half.indices(), half.values()
        return torch.sparse_coo_tensor(torch.cat([places, places], 1), torch.cat([halves, halves]), tensor.shape)
    return tensor.to_sparse() if form == "coo" else getattr(tensor, f"to_sparse_{form}")()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["coo", "twice", "csr", "csc"])
def test_sparse_tensors_are_drawn_as_dense_ones_and_said_to_be_sparse(form: str) -> None:
    scene = parameter(sparse([[1.0, 0.0], [0.0, -1.0]], form))
    picture = scene.picture()
    assert picture.cells == "f880" and picture.note
    assert "m shows the weights" in scene.picture(mode="change").absent


def test_quantised_weights_are_drawn_as_the_numbers_that_they_stand_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scene = parameter(torch.quantize_per_tensor(torch.tensor([[1.0, -0.5]]), 0.125, 0, torch.qint8))
    picture = scene.picture()
    assert (picture.cells, picture.note) == ("f4", "dequantised from qint8")


def test_the_part_of_a_sharded_tensor_that_is_here_is_drawn_and_said() -> None:
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    try:
        mesh = init_device_mesh("cpu", (2,))
        part = DTensor.from_local(torch.tensor([[1.0, -1.0]]), mesh, [Shard(0)], run_check=False)
        empty = DTensor.from_local(torch.empty(0, 2), mesh, [Shard(0)], run_check=False, shape=(1, 2), stride=(2, 1))
        scene = parameter(part)
        assert (scene.tree.model.tensors[0].shape, scene.tree.model.tensors[0].form) == ([2, 2], "part 1×2")
        picture = scene.picture()
        assert (picture.cells, picture.of_weights, picture.note) == ("f0", 4, "this process: 1×2 of 2×2")
        assert scene.picture(mode="change").cells == "88"
        assert "holds no part of it" in parameter(empty).picture().absent
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize(
    "values, why",
    [
        (torch.ones(3, dtype=torch.int64), "int64"),
        (torch.empty(0, 3), "0×3 has no weights"),
        (torch.empty(4, 5, device="meta"), "4×5 has a shape, but no values"),
        (torch.sparse_coo_tensor(size=(4, 5), check_invariants=False), "no entry is stored"),
        (torch.sparse_coo_tensor([[1], [2]], [1.0], (30_000, 10_000), check_invariants=False), "too large"),
        (torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(1, 3)], layout=torch.jagged), "nested"),
    ],
    ids=["integers", "empty", "meta", "no entries", "too large", "nested"],
)
@pytest.mark.parametrize("mode", ["weight", "change"])
def test_what_cannot_be_shown_says_why(values: torch.Tensor, why: str, mode: str) -> None:
    assert why in parameter(values).picture(mode=mode).absent


def test_a_scalar_is_one_cell() -> None:
    assert parameter(torch.tensor(2.0)).picture().cells == "f"


def test_a_layer_that_is_not_initialised_says_so_until_it_is() -> None:
    scene = Scene(nn.LazyLinear(2))
    assert "not initialised" in scene.picture().absent
    scene.model(torch.ones(1, 3))
    assert scene.picture().cells and not scene.picture().absent


def test_a_tensor_of_a_class_that_cannot_be_read_is_named_and_the_others_are_drawn() -> None:
    class Sealed(torch.Tensor):
        """Shows its shape, and nothing else."""

        @classmethod
        def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if "detach" in str(function):
                return args[0]
            raise NotImplementedError(f"{function} is not for Sealed")

    layer = nn.Module()
    layer.sealed = nn.Parameter(torch.Tensor._make_wrapper_subclass(Sealed, (2, 2)))  # type: ignore[attr-defined]
    layer.plain = nn.Parameter(torch.ones(2, 2))
    scene = Scene(layer)
    absent = scene.picture(0).absent
    assert "could not be read" in absent and "NotImplementedError" in absent
    assert scene.picture(1).cells == "ffff"


def test_a_tensor_that_the_program_dropped_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "HELD_BYTES", 0)  # as of a large model
    scene = linear([[1.0, 2.0]])
    scene.optimizer.param_groups.clear()
    del scene.model.weight
    gc.collect()
    assert "dropped" in scene.picture().absent


def test_a_frozen_tensor_has_no_gradient_for_a_reason_of_its_own() -> None:
    scene = linear([[1.0, 2.0]])
    scene.model.weight.requires_grad_(False)  # type: ignore[union-attr]
    assert scene.picture(mode="gradient").absent.startswith("frozen")


@pytest.mark.parametrize("rows", [24, 2])
def test_the_gradient_of_a_sparse_embedding_is_drawn_where_it_is(rows: int) -> None:
    # Given an embedding of which three tokens were looked up, one of them twice
    layer = nn.Embedding(48, 3, sparse=True)
    scene = Scene(layer)
    layer(torch.tensor([0, 5, 5, 47])).sum().backward()
    # Then those rows are in the picture, the one that came twice is twice as large, and all others are zero
    picture = scene.picture(mode="gradient", rows=rows, columns=40)
    assert picture.note == "3 of 48 rows stored, others zero" and picture.scale == 2.0
    assert picture.per_cell == 48 // rows
    drawn = [picture.cells[row * 3 : row * 3 + 3] for row in range(picture.height)]
    expected = {24: ["bbb", "888", "fff", *["888"] * 20, "bbb"], 2: ["fff", "bbb"]}[rows]
    assert drawn == expected
    # And the gradient is the program's still
    assert layer.weight.grad.is_sparse and layer.weight.grad._nnz() == 4  # type: ignore[union-attr]


def test_an_embedding_of_millions_of_weights_is_pooled_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given many rows, pooled in slabs of a hundred of them, with something large far down and at the very end
    monkeypatch.setattr(pool_module, "AT_ONCE", 6400)
    values = torch.zeros(5027, 64, dtype=torch.bfloat16)
    values[3017, 40], values[5026, 63] = -10.0, 5.0
    scene = parameter(values)
    picture = scene.picture(rows=10, columns=8)
    tall, broad = math.ceil(5027 / 10), 8
    assert (picture.height, picture.width, picture.per_cell) == (10, 8, tall * broad)
    cells = {(row, column): picture.cells[row * 8 + column] for row in range(10) for column in range(8)}
    odd = {place: letter for place, letter in cells.items() if letter != "8"}
    assert odd == {(3017 // tall, 40 // broad): "0", (9, 7): "b"} and picture.scale == 10.0


@pytest.mark.parametrize("at_once", [7, 64, 1 << 20])
@pytest.mark.parametrize("shape, rows, columns", [((11, 30), 4, 7), ((3, 50), 10, 40), ((130,), 4, 8), ((5,), 4, 8)])
def test_slabs_make_no_difference(
    shape: tuple[int, ...], rows: int, columns: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "AT_ONCE", at_once)
    torch.manual_seed(0)
    values = torch.randn(shape)
    if len(shape) == 1:
        pooled, per, _ = pool_module.pool_run(values, None, rows * columns)
        patches = list(values.split(per))
    else:
        tall, broad = math.ceil(shape[0] / rows), math.ceil(shape[1] / columns)
        pooled, per, _ = pool_module.pool_matrix(values, None, rows, columns)
        assert per == tall * broad
        patches = [patch for row in values.split(tall) for patch in row.split(broad, 1)]
    expected = [patch.flatten()[patch.abs().argmax()].item() for patch in patches]
    assert pooled.flatten().tolist() == pytest.approx(expected)


def test_of_a_tensor_beyond_measure_every_other_weight_is_looked_at_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "MOST_READ", 1000)
    picture = parameter(torch.ones(100, 20)).picture(rows=10, columns=10)
    assert picture.note == "1 in 2 weights was looked at" and picture.per_cell == 20 and set(picture.cells) == {"f"}


def test_the_end_of_a_wrapped_vector_is_empty() -> None:
    picture = parameter(torch.ones(10)).picture(rows=24, columns=4)
    assert picture.cells == "f" * 10 + ".."


def test_statistics_and_histogram_of_a_known_tensor() -> None:
    torch.manual_seed(0)
    values = torch.randn(40, 50)
    picture = linear(values).picture()
    assert picture.low == values.min().item() and picture.high == values.max().item()
    assert picture.std == pytest.approx(values.std(unbiased=False).item(), rel=1e-5)
    assert (picture.sampled, picture.of_weights, sum(picture.histogram)) == (2000, 2000, 2000)
    reach = max(abs(picture.low), abs(picture.high))
    expected = torch.histc(values, len(picture.histogram), -reach, reach).tolist()
    assert sum(abs(a - b) for a, b in zip(picture.histogram, expected)) <= 2  # values on an edge


def test_a_parameter_that_was_replaced_by_one_of_another_size_has_no_start() -> None:
    scene = linear([[1.0, 2.0], [3.0, 4.0]])
    scene.model.weight.data = torch.ones(3, 5)  # type: ignore[union-attr]
    picture = scene.picture(mode="change")
    assert picture.absent or set(picture.cells) == {"8"}
    assert scene.picture(mode="weight").of_weights == 15


def test_what_is_kept_of_the_start_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given room for one whole tensor, and for the samples (every third entry) of two more
    monkeypatch.setattr(starts_module, "KEPT_BYTES", 4 * 5000)
    layer = nn.ParameterList([nn.Parameter(torch.ones(5000)) for _ in range(4)])
    scene = Scene(layer)
    with torch.no_grad():
        for one in layer:
            one.mul_(1.5)
    # Then the first one's change is drawn, it is known how far the next two have moved, and of the last nothing
    assert scene.picture(0, mode="change").cells and scene.picture(0).moved == pytest.approx(0.5)
    for place, moved in ((1, pytest.approx(0.5)), (2, pytest.approx(0.5)), (3, None)):
        assert "too large" in scene.picture(place, mode="change").absent and scene.picture(place).moved == moved


def test_parameters_that_come_later_start_where_they_were_first_seen() -> None:
    scene = linear([[1.0, 2.0]])
    with torch.no_grad():
        scene.model.weight += 1  # type: ignore[operator]
    scene.model.extra = nn.Parameter(torch.zeros(2, 2))
    scene.optimizer.add_param_group({"params": [scene.model.extra]})
    scene.tree = Tree(scene.model, [scene.optimizer], 0.0)
    scene.starts.extend(scene.tree)
    assert scene.picture(0, mode="change").scale == 1.0
    with torch.no_grad():
        scene.model.extra += 3  # type: ignore[operator]
    assert scene.picture(1, mode="change").scale == 3.0


@pytest.mark.parametrize(
    "units, height, width, rows, columns",
    [(8, 28, 28, 24, 40), (512, 28, 28, 40, 120), (3, 3, 3, 24, 40), (1, 100, 1, 10, 10), (64, 5, 5, 2, 2)],
)
def test_a_grid_of_units_fits_the_panel(units: int, height: int, width: int, rows: int, columns: int) -> None:
    edge, across, down = grid_of(units, height, width, rows, columns)
    high, wide = math.ceil(height / edge), math.ceil(width / edge)
    assert across >= 1 and down >= 1
    if across * down > 1:
        assert across * (wide + 1) - 1 <= columns
        assert down * (high + high % 2 + 2) - 2 <= rows


# ── what the modules put out ──


def test_outputs_of_the_layers_are_shown_while_somebody_looks(watch: Watch) -> None:
    class Several(nn.Module):
        """Outputs of several kinds; one layer runs three times, one never."""

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 6)
            self.switch = nn.ReLU(inplace=True)
            self.thrice = nn.Linear(6, 6)
            self.never = nn.Linear(6, 6)
            self.pair = nn.LSTM(6, 3)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            x = self.switch(self.first(x))
            for _ in range(3):
                x = self.thrice(x)
            out, _ = self.pair(x)
            return {"out": out}

    torch.manual_seed(0)
    model = Several()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with Onlooker(watch.run):

        def step() -> bool:
            model(torch.randn(5, 4))["out"].square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            return bool(watch.probe.recorder.pictures.activations)

        until(step)
        for _ in range(200):
            step()
    found = {
        watch.probe.recorder.tree.model.modules[one.module].path: one
        for one in watch.probe.recorder.pictures.activations
    }  # type: ignore[union-attr]
    assert {"first", "switch", "thrice"} <= set(found) and "never" not in found
    assert found["first"].shape == [5, 6] and found["first"].on is None
    assert 0.0 < found["switch"].on < 1.0  # type: ignore[operator]
    # And the shape of what every module put out is known: of a dict and of a tuple that of the first tensor in it
    assert shapes_of(watch) == {"": "5×3", "first": "5×6", "switch": "5×6", "thrice": "5×6", "pair": "5×3"}
    assert watch.ticks()


def shapes_of(watch: Watch) -> dict[str, str]:
    """By path, as the newest snapshot has them."""
    live, tree = watch.probe.recorder.live(""), watch.probe.recorder.tree
    back = events.decode_live(events.encode_bare(live))
    return {tree.model.modules[place].path: shape for place, shape in shapes_by_module(back.shapes).items()}  # type: ignore[union-attr]


class Holder(nn.Module):
    """Has one parameter."""

    def __init__(self, values: torch.Tensor, **how: Any) -> None:
        super().__init__()
        self.value = nn.Parameter(values, **how)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_model_of_the_oddest_tensors_is_watched_without_a_word(watch: Watch) -> None:
    @dataclass
    class Said:
        number: int
        logits: torch.Tensor

    class Odd(nn.Module):
        """Every kind of tensor that is no plain matrix of floats; one lazy layer never runs."""

        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(50, 4, sparse=True)
            self.head = nn.LazyLinear(2)
            self.never = nn.LazyLinear(2)
            self.turn = Holder(torch.ones(4, dtype=torch.complex64))
            self.warmth = Holder(torch.tensor(1.0))
            for name, values in (
                ("small", torch.ones(3, 3, dtype=torch.bfloat16)),
                ("tiny", torch.ones(3, 3).to(torch.float8_e4m3fn)),
                ("places", torch.eye(3).to_sparse()),
                ("ranges", torch.eye(3).to_sparse_csr()),
                ("steps", torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8)),
                ("idea", torch.empty(3, 3, device="meta")),
                ("nothing", torch.empty(0, 3)),
                ("pieces", torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)),
                ("numbers", torch.arange(3)),
            ):
                self.add_module(name, Holder(values, requires_grad=False))

        def forward(self, words: torch.Tensor) -> Said:
            turned = torch.view_as_real(self.words(words).mean(1) * self.turn.value).flatten(1)
            return Said(1, self.head(turned) * self.warmth.value)

    # Given such a model in training, looked at with all panels until its outputs were seen
    torch.manual_seed(0)
    model = Odd()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, foreach=False)
    with Onlooker(watch.run, open=["network", "weights", "doctor"]):
        until(lambda: (_train_oddly(model, optimizer), watch.probe.recorder.pictures.shapes)[1])
        until(lambda: (_train_oddly(model, optimizer), checkups(watch))[1])
        assert shapes_of(watch)[""] == "3×2"
    names = watch.probe.recorder.tree.names  # type: ignore[union-attr]
    # When it ends, then every tensor was drawn or named, in every mode, and nothing was switched off
    ended = watch.end()
    assert [one.text for one in ended if isinstance(one, events.Warning)] == []
    (kept,) = (one for one in ended if isinstance(one, events.Keyframe))
    pictures = {(names[picture.tensor].partition(".")[0], picture.mode): picture for picture in kept.pictures}
    assert len(pictures) == 14 * 3
    for what, picture in pictures.items():
        assert bool(picture.cells) != bool(picture.absent), (what, picture)
    drawn = {name for (name, mode), picture in pictures.items() if mode == "weight" and picture.cells}
    assert drawn == {"words", "head", "turn", "warmth", "small", "tiny", "places", "ranges", "steps"}
    with_gradient = {name for (name, mode), picture in pictures.items() if mode == "gradient" and picture.cells}
    assert with_gradient == {"words", "head", "turn", "warmth"}
    assert "rows stored" in pictures["words", "gradient"].note


def checkups(watch: Watch) -> list[events.Checkup]:
    return [one for one in events_of(watch.run) if isinstance(one, events.Checkup)]


def _train_oddly(model: nn.Module, optimizer: Any) -> None:
    optimizer.zero_grad()
    model(torch.randint(0, 50, (3, 5))).logits.square().mean().backward()
    optimizer.step()


def test_no_hook_is_left_behind(watch: Watch) -> None:
    from torch.nn.modules.module import _global_forward_hooks

    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with Onlooker(watch.run):
        until(lambda: _train_once(model, optimizer) and watch.probe.recorder.pictures.activations)
    watch.end()
    assert len(_global_forward_hooks) == 0


def _train_once(model: nn.Module, optimizer: Any) -> bool:
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    return True
