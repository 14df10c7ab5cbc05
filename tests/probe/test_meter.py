"""Numbers: norms and ratios as an independent computation has them, and every odd kind of parameter."""

from __future__ import annotations

import math
import warnings
from typing import Any, Callable, Optional

import pytest
import torch
from torch import nn

from tui.probe import meter, summary
from tui.probe.gauges import Gauges
from tui.probe.meter import Change, divide, entries, norms, odd_entries, sample
from tui.run import events

from .conftest import Watch


@pytest.fixture
def every_step(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """A probe that measures at each step, as it does while somebody single-steps."""
    monkeypatch.setattr(type(watch.probe.steering.gate), "single", property(lambda gate: True))
    monkeypatch.setattr(type(watch.probe.steering.gate), "calm", property(lambda gate: False))
    return watch


def by_name(watch: Watch) -> dict[str, int]:
    model = [one for one in watch.end() if isinstance(one, events.Model)][-1]
    return {tensor.name: place for place, tensor in enumerate(model.tensors)}


def test_norms_and_ratios_are_those_of_an_independent_computation(every_step: Watch) -> None:
    # Given a model under Adam, with what we measure computed beside it, in float64
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.LayerNorm(40), nn.Linear(40, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    grads: list[list[float]] = []
    ratios: list[list[float]] = []
    losses: list[float] = []
    for _ in range(20):
        loss = model(torch.randn(8, 6)).square().mean()
        loss.backward()
        losses.append(loss.item())
        grads.append([torch.linalg.vector_norm(p.grad.double()).item() for p in model.parameters()])
        before = [p.detach().double().clone() for p in model.parameters()]
        optimizer.step()
        ratios.append(
            [
                (torch.linalg.vector_norm(p.detach().double() - b) / torch.linalg.vector_norm(b)).item()
                for p, b in zip(model.parameters(), before)
            ]
        )
        optimizer.zero_grad()
    ticks = every_step.ticks()
    # Then each tick has the numbers of its step
    assert [tick.step for tick in ticks] == list(range(1, 21))
    for tick in ticks:
        assert tick.norms_step == tick.ratios_step == tick.step
        assert tick.loss == pytest.approx(losses[tick.step - 1], rel=1e-5)
        assert tick.norms == pytest.approx(grads[tick.step - 1], rel=1e-4)
        assert tick.norm == pytest.approx(math.hypot(*grads[tick.step - 1]), rel=1e-4)
        first_bias_is_zero_sized = ratios[tick.step - 1]
        assert tick.ratios == pytest.approx(first_bias_is_zero_sized, rel=1e-3, nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 3e4])
def test_norms_of_every_precision(dtype: torch.dtype, scale: float) -> None:
    torch.manual_seed(0)
    tensors = [
        (torch.randn(700) * scale).to(dtype),
        (torch.randn(3, 5) * scale).to(dtype),
        torch.randn((), dtype=dtype),
    ]
    expected = [torch.linalg.vector_norm(tensor.double()).item() for tensor in tensors]
    assert norms(tensors).tolist() == pytest.approx(expected, rel=1e-5)


def test_norms_of_mixed_precisions() -> None:
    tensors = [torch.ones(4, dtype=dtype) for dtype in (torch.float64, torch.bfloat16, torch.float32, torch.float16)]
    assert norms(tensors).tolist() == [2.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_not_finite_comes_through(every_step: Watch, bad: float) -> None:
    good, sick = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([good, sick], lr=0.1)
    (good.sum() + (sick * torch.tensor([1.0, bad, 1.0])).sum()).backward()
    optimizer.step()
    (tick,) = every_step.ticks()
    assert tick.norms is not None and tick.norms[0] == pytest.approx(math.sqrt(3))
    assert not math.isfinite(tick.norms[1]) and not math.isfinite(tick.norm)
    assert math.isnan(tick.norms[1]) == math.isnan(bad)
    assert tick.ratios is not None and not math.isfinite(tick.ratios[1])


def test_a_loss_that_is_not_finite_is_a_value(every_step: Watch) -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    for factor in (1.0, math.nan, math.inf):
        ((weight * 0).sum() + factor).backward()
        optimizer.step()
        optimizer.zero_grad()
    losses = [tick.loss for tick in every_step.ticks()]
    assert losses[0] == 1.0 and math.isnan(losses[1]) and losses[2] == math.inf


def test_every_kind_of_parameter_is_taken_as_what_it_is(every_step: Watch) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.plain = nn.Parameter(torch.full((3,), 2.0))
            self.unused = nn.Parameter(torch.ones(3))
            self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)
            self.scalar = nn.Parameter(torch.tensor(3.0))
            self.empty = nn.Parameter(torch.empty(0, 4))
            self.narrow = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
            self.table = nn.Embedding(5, 2, sparse=True)
            self.twofold = nn.Parameter(torch.ones(2, dtype=torch.complex64))

        def forward(self) -> torch.Tensor:
            total = self.plain.sum() + self.scalar * 4 + self.empty.sum() + self.narrow.float().sum()
            return total + self.table(torch.tensor([1])).sum() + self.twofold.real.sum()

    model = Odd()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        model().backward()
        optimizer.step()
        optimizer.zero_grad()
    ticks = every_step.ticks()
    place = by_name(every_step)
    expected: dict[str, Optional[float]] = {
        "plain": math.sqrt(3), "unused": None, "frozen": None, "scalar": 4.0, "empty": None, "narrow": 2.0, "table.weight": math.sqrt(2), "twofold": None,
    }  # fmt: skip
    assert set(place) == set(expected)
    for name, norm in expected.items():
        assert ticks[-1].norms[place[name]] == (None if norm is None else pytest.approx(norm, rel=1e-5))
    assert ticks[0].ratios[place["plain"]] == pytest.approx(0.05)
    assert ticks[0].ratios[place["scalar"]] == pytest.approx(0.4 / 3, rel=1e-4)


def test_parameters_added_midway_are_taken_in(every_step: Watch) -> None:
    model = nn.ModuleList([nn.Linear(2, 2)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        total = sum(layer(torch.ones(1, 2)).sum() for layer in model)
        total.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    model.append(nn.Linear(2, 2))
    optimizer.add_param_group({"params": list(model[1].parameters())})
    step()
    ticks = every_step.ticks()
    assert [len(tick.norms) for tick in ticks] == [2, 4]
    assert ticks[-1].norms == pytest.approx([2.0, math.sqrt(2), 2.0, math.sqrt(2)], rel=1e-4)
    assert set(by_name(every_step)) == {"0.weight", "0.bias", "1.weight", "1.bias"}


@pytest.mark.parametrize("fused", [False, True])
def test_under_a_gradient_scaler_the_true_loss_and_the_true_norms_are_shown(every_step: Watch, fused: bool) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    losses, true = [], []
    for _ in range(3):
        loss = model(torch.ones(2, 4)).square().mean()
        losses.append(loss.item())
        true.append(
            [
                torch.linalg.vector_norm(g).item()
                for g in torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
            ]
        )
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    ticks = every_step.ticks()
    assert [tick.loss for tick in ticks] == pytest.approx(losses, rel=1e-5)
    for tick, expected in zip(ticks, true):
        assert tick.norms == pytest.approx(expected, rel=1e-4)


def test_the_window_of_a_tick_keeps_its_extremes(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a probe that records nothing until the end
    monkeypatch.setattr(watch.probe.recorder.tick_pace, "due", lambda now: False)
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    values = [1.0] * 50 + [100.0] + [1.0] * 49
    for value in values:
        (weight * 0 + value).sum().backward()
        optimizer.step()
    (tick,) = watch.ticks()
    assert (tick.step, tick.steps, tick.loss, tick.low, tick.high) == (100, 100, 1.0, 1.0, 100.0)
    assert tick.mean == pytest.approx(sum(values) / 100)


def test_the_change_is_measured_at_fixed_positions_of_a_large_tensor() -> None:
    large = torch.ones(100_000)
    assert sample(large).numel() <= 4096
    change = Change([large])
    large += 0.5
    assert divide(change.ratios().tolist()) == pytest.approx([0.5])


def test_a_tensor_of_zeros_that_moved_has_an_infinite_ratio() -> None:
    still, moved = torch.zeros(3), torch.zeros(3)
    change = Change([still, moved])
    moved += 1
    assert divide(change.ratios().tolist()) == [0.0, math.inf]


def test_watching_draws_no_random_number_and_changes_no_mode(every_step: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        state = None
        loss = model(torch.ones(2, 4)).square().mean()
        state = torch.get_rng_state()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert torch.equal(state, torch.get_rng_state())
        assert torch.is_grad_enabled() and model.training and not torch.is_inference_mode_enabled()
        assert all(parameter.requires_grad for parameter in model.parameters())
    assert len(every_step.ticks()) == 3


def test_a_tensor_class_that_refuses_everything_costs_the_program_nothing(every_step: Watch) -> None:
    class Stubborn(torch.Tensor):
        """As quantized and lazy tensors of libraries do: most operations are not implemented."""

        allowed = True

        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if "norm" in func.__name__ or "flatten" in func.__name__ or func.__name__ == "clone":
                raise NotImplementedError(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    weight = torch.ones(3).as_subclass(Stubborn).requires_grad_()
    optimizer = torch.optim.SGD([weight], lr=0.1, foreach=False)
    for _ in range(3):
        (weight * 1.0).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    found = every_step.end()
    assert weight.tolist() == pytest.approx([0.7, 0.7, 0.7])
    assert [one.step for one in found if isinstance(one, events.End)] == [3]


# ── sparse gradients ──


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(50, 4), (7, 9, 3), (60,)])
def test_the_norm_of_a_sparse_gradient_is_that_of_its_sums(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    # Given a gradient in which most places come several times, with one or two sparse dimensions
    torch.manual_seed(0)
    dims = 2 if len(shape) == 3 else 1
    indices = torch.stack([torch.randint(size, (200,)) for size in shape[:dims]])
    values = torch.randn(200, *shape[dims:]).to(dtype)
    gradient = torch.sparse_coo_tensor(indices, values, shape, check_invariants=False)
    dense = torch.zeros(shape, dtype=torch.float64).index_put_(tuple(indices), values.double(), accumulate=True)
    # Then the norm is that of the dense one, and nothing was done to the gradient
    expected = torch.linalg.vector_norm(dense).item()
    assert norms([gradient, torch.ones(4)]).tolist() == pytest.approx([expected, 2.0], rel=1e-5)
    assert not gradient.is_coalesced() and torch.equal(gradient._values(), values)
    assert norms([gradient.coalesce()]).tolist() == pytest.approx([expected], rel=0.01)


def test_a_sparse_gradient_of_nothing_is_zero() -> None:
    nowhere = torch.zeros(1, 0, dtype=torch.long)
    nothing = torch.sparse_coo_tensor(nowhere, torch.zeros(0, 4), (9, 4), check_invariants=False)
    once = torch.sparse_coo_tensor([[3]], torch.ones(1, 4), (9, 4), check_invariants=False)
    assert entries(nothing).numel() == 0 and norms([nothing, once]).tolist() == [0.0, 2.0]


def test_an_embedding_with_sparse_gradients_is_measured(every_step: Watch) -> None:
    torch.manual_seed(0)
    table = nn.Embedding(20, 3, sparse=True)
    optimizer = torch.optim.SparseAdam(list(table.parameters()), lr=0.1)
    expected = []
    for _ in range(4):
        table(torch.tensor([1, 1, 7])).square().sum().backward()
        assert table.weight.grad is not None
        expected.append(table.weight.grad.to_dense().norm().item())
        optimizer.step()
        optimizer.zero_grad()
    ticks = every_step.ticks()
    assert [tick.norms[0] for tick in ticks] == pytest.approx(expected, rel=1e-5)
    assert all(tick.ratios[0] > 0 for tick in ticks)


# ── what is not finite ──


@pytest.mark.parametrize("piece", [1 << 20, 8])
def test_entries_that_are_not_finite_are_counted(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(meter, "PIECE", piece)
    one, two = torch.zeros(6, 5), torch.ones(7, 3, dtype=torch.float16)
    one[2, 3] = one[5, 0] = math.nan
    one[0, 1] = -math.inf
    two[1, 1] = two[6, 2] = two[6, 0] = math.inf
    table = torch.sparse_coo_tensor(
        [[0, 2]], torch.tensor([[math.nan, 1.0], [1.0, 1.0]]), (4, 2), check_invariants=False
    )
    tensors = [one.t(), two, table, torch.tensor(math.nan), torch.zeros(3)]
    assert odd_entries(tensors).tolist() == [2, 0, 1, 1, 0, 1, 3, 0, 0, 0]


def test_only_a_gradient_that_is_not_finite_is_counted(every_step: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given two parameters, the gradient of one of which goes bad in the third step and is good again in the fifth
    counted: list[int] = []
    real = summary.odd_entries
    monkeypatch.setattr(summary, "odd_entries", lambda grads: counted.append(len(grads)) or real(grads))
    good, sick = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(6))
    optimizer = torch.optim.SGD([good, sick], lr=0.0)
    for step in range(1, 7):
        factor = torch.ones(6)
        if step in (3, 4):
            factor[:step] = math.nan
            factor[5] = math.inf
        (good.sum() + (sick * factor).sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    ticks = every_step.ticks()
    assert [tick.odd for tick in ticks] == [[], [], [1, 3, 1], [1, 4, 1], [], []]
    assert counted == [1, 1]  # nothing on ordinary steps, and never the good one


# ── several optimizers ──


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(x)
        return out


class Critic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, 4), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.first(x).relu())
        return out


def adversaries(
    steps: int, critic_updates: int = 1, enough: Callable[[], bool] = lambda: False
) -> dict[str, list[float]]:
    """Trains two models against each other; the norms of every parameter's gradients, at each update."""
    torch.manual_seed(0)
    makes, judges = Generator(), Critic()
    of_critic = torch.optim.SGD(judges.parameters(), lr=0.01)
    of_generator = torch.optim.Adam(makes.parameters(), lr=0.01)
    names = [(f"Critic.{name}", p) for name, p in judges.named_parameters()]
    names += [(f"Generator.{name}", p) for name, p in makes.named_parameters()]
    seen: dict[str, list[float]] = {name: [] for name, _ in names}

    def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor, whose: str) -> None:
        of_critic.zero_grad()
        of_generator.zero_grad()
        loss.backward()
        for name, parameter in names:
            if name.startswith(whose):
                seen[name].append(parameter.grad.norm().item())
        optimizer.step()

    for _ in range(steps):
        if enough():
            break
        for _ in range(critic_updates):
            fake = makes(torch.randn(8, 3)).detach()
            update(of_critic, judges(fake).mean() - judges(torch.randn(8, 2)).mean(), "Critic")
        update(of_generator, -judges(makes(torch.randn(8, 3))).mean(), "Generator")
    return seen


def full_names(model: events.Model) -> list[str]:
    """Of the tensors: the model that was found first does not stand before its own."""
    return [
        one.name if one.name.startswith(("Critic", "Generator")) else f"{model.name}.{one.name}"
        for one in model.tensors
    ]


def test_the_gradients_of_both_optimizers_are_measured_and_named(every_step: Watch) -> None:
    seen = adversaries(6)
    ticks = every_step.ticks()
    model = [one for one in every_step.end() if isinstance(one, events.Model)][-1]
    assert model.optimizers == ["SGD", "Adam"]
    # Every tensor has its name and its optimizer
    names = full_names(model)
    assert sorted(names) == sorted(seen)
    owners = dict(zip(names, (one.optimizer for one in model.tensors)))
    assert all(owner == (0 if name.startswith("Critic") else 1) for name, owner in owners.items())
    # A tick after the first optimizer's update has its gradients, and the other's of the step before
    for tick in ticks[2:-1]:
        assert tick.norms_at == [tick.step, tick.step - 1]
        at = [seen[name][step - 1] for name in names for step in [tick.norms_at[owners[name]]]]
        assert tick.norms == pytest.approx(at, rel=1e-4)
        assert tick.ratios_at == [tick.step, tick.step - 1] and None not in tick.ratios
        assert tick.norm == pytest.approx(math.hypot(*at), rel=1e-4)


@pytest.mark.parametrize("seldom", [1, 5])
def test_when_it_is_time_each_optimizer_is_measured_at_its_own_update(watch: Watch, seldom: int) -> None:
    """With the short way taken between measurements: one optimizer comes so many times as often as the other."""
    recorder = watch.probe.recorder
    for pace in (recorder.norm_pace, recorder.ratio_pace):
        pace.share, pace.every_s = 1.0, 0.004
    measured: list[tuple[int, float]] = []
    real = recorder.summary.read_norms

    def read(tree: Any, places: list[int], *more: Any) -> None:
        real(tree, places, *more)
        measured.append((tree.owners[places[0]], recorder.summary.gauges.norms.values[places[0]]))

    def count(whose: int) -> int:
        return [one for one, _ in measured].count(whose)

    recorder.summary.read_norms = read
    seen = adversaries(30_000 // seldom, seldom, lambda: count(0) >= 30)
    ticks = watch.ticks()
    # Then both were measured, now and then and about as often, and what was measured were their gradients
    assert (
        count(0) >= 30
        and count(1) >= 0.6 * count(0) / seldom
        and len(measured) < sum(len(norms) for name, norms in seen.items() if name.endswith("t.bias"))
    )
    known = {0: seen["Critic.first.weight"], 1: seen["Generator.net.0.weight"]}
    assert all(any(math.isclose(norm, one, rel_tol=1e-4) for one in known[whose]) for whose, norm in measured[2:])
    assert None not in ticks[-1].norms and min(ticks[-1].norms_at) > 0


def test_what_the_journal_has_of_many_tensors_is_not_written_again() -> None:
    def ticks(tensors: int) -> list[events.Tick]:
        gauges = Gauges()
        found = []
        for step in range(1, 7):
            if step % 3 == 1:
                gauges.norms.put([float(step)] * tensors, list(range(tensors)), [0] * tensors, step)
            if step == 2:
                gauges.ratios.put([0.5] * tensors, list(range(tensors)), [0] * tensors, step)
            tick = events.Tick(step=step, **gauges.gradients(), **gauges.updates())
            found.append(gauges.to_record(tick))
        return found

    assert [(tick.norms is not None, tick.ratios is not None) for tick in ticks(100)] == [
        (True, False), (False, True), (False, False), (True, False), (False, False), (False, False),
    ]  # fmt: skip
    assert all(tick.norms_step == 1 + (tick.step - 1) // 3 * 3 and tick.norm is not None for tick in ticks(100))
    assert all(tick.norms is not None for tick in ticks(4))


# ── what the program logs ──


def test_what_is_logged_arrives_and_what_is_no_number_is_left_out(watch: Watch) -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    loss = weight.sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.probe.log({"before": 1})
        loss.backward()
        optimizer.step()
        watch.probe.guard(
            "the log", watch.probe.log,
            {"val_loss": 0.5, "whole": 3, "tensor": torch.tensor([2.5]), "graph": weight.sum(), "nan": math.nan, "flag": True,
             "many": torch.ones(2), "none": None, "text": "loss", "huge": 10**400, "list": [1], "x" * 5_000: 1.0},
        )  # fmt: skip
    found = watch.end()
    metrics = {one.name: one.value for one in found if isinstance(one, events.Metric)}
    assert {name: metrics[name] for name in ("before", "val_loss", "whole", "tensor", "flag")} == {
        "before": 1.0, "val_loss": 0.5, "whole": 3.0, "tensor": 2.5, "flag": 1.0,
    }  # fmt: skip
    assert math.isnan(metrics["nan"]) and metrics["graph"] == pytest.approx(0.9)
    assert not {"many", "none", "text", "huge", "list"} & set(metrics)
    assert not [one for one in found if isinstance(one, events.Warning)]


def test_a_program_that_logs_at_every_step_does_not_fill_the_disk(watch: Watch) -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    weight.sum().backward()
    optimizer.step()
    for number in range(60_000):
        watch.probe.log({"val_loss": float(number)})
    found = watch.end()
    values = [one.value for one in found if isinstance(one, events.Metric)]
    assert watch.run.events_file(0).stat().st_size < 700_000
    assert len(values) > 1_000
    assert values[-1] == 59_999.0  # and the last one is never lost
