"""The valley: the plane of two weights with their path, the slice through many; and training is not touched."""

from __future__ import annotations

import math
import random
from typing import Any, Callable, Optional

import numpy
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tui.probe.landing import landing
from tui.probe.plane import PATH, Plane
from tui.probe.specimen import Replica, Specimen
from tui.probe.survey import Slice, direction
from tui.probe.tree import Tree
from tui.run import events
from tui.run.directory import RunDirectory
from tui.run.events import Live, Surface, Survey

from ..support import Hand, Onlooker, until
from .conftest import Watch


def newest(run: RunDirectory) -> Optional[Live]:
    try:
        return events.decode_live(run.live_file(0).read_bytes())
    except FileNotFoundError:
        return None


def surface(run: RunDirectory) -> Optional[Surface]:
    live = newest(run)
    return live.surface if live is not None else None


class Ravine(nn.Module):
    """f = (x² + 100 y²) / 2, from (-10, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(-10.0))
        self.y = nn.Parameter(torch.tensor(1.0))

    def forward(self) -> torch.Tensor:
        return (self.x**2 + 100 * self.y**2) / 2


class Neuron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        nn.init.constant_(self.linear.weight, 0.6)
        nn.init.constant_(self.linear.bias, 0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x).sigmoid()


class HalfSquares(nn.Module):
    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((output - target) ** 2).mean() / 2


# ── where the next update lands ──


@pytest.mark.parametrize(
    "kind, how",
    [
        (torch.optim.SGD, {}),
        (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.3, "maximize": True}),
        (torch.optim.Adam, {"weight_decay": 0.1}),
        (torch.optim.Adam, {"amsgrad": True, "betas": (0.5, 0.6)}),
        (torch.optim.AdamW, {"weight_decay": 0.2}),
    ],
)
def test_the_landing_is_foretold(kind: Any, how: dict[str, Any]) -> None:
    weight = nn.Parameter(torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64))
    optimizer = kind([weight], lr=0.05, **how)
    for _ in range(4):
        optimizer.zero_grad()
        (weight**2).sin().sum().backward()
        before, kept = weight.detach().clone(), len(optimizer.state)
        moves = landing(optimizer, lambda rate: rate * 2)  # type: ignore[operator]
        assert len(optimizer.state) == kept and torch.equal(weight.detach(), before)
        for group in optimizer.param_groups:
            group["lr"] *= 2
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] /= 2
        assert moves is not None
        assert torch.allclose(before + moves[id(weight)], weight.detach(), rtol=0, atol=1e-12)


def test_other_optimizers_are_not_foretold() -> None:
    weight = nn.Parameter(torch.ones(2))
    weight.sum().backward()
    assert landing(torch.optim.Rprop([weight])) is None


# ── a plane of two weights ──


def test_the_plane_is_the_formula_and_holds_the_path() -> None:
    model = Ravine()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    tree = Tree(model, [optimizer], 0.0)
    assert Plane.fits(tree)
    plane = Plane(tree)
    specimen = Specimen()
    loss = model()
    specimen.forward_done((), loss)
    specimen.judged(loss)
    plane.visit([model.x, model.y], 0)
    plane.judge(model, specimen)
    while plane.work(0.01):
        pass
    plane.visit([torch.tensor(-9.9), torch.tensor(0.2)], 1)
    plane.known(3.5, [1.0, 2.0])
    found = plane.surface()
    assert found is not None and found.done == found.rows and found.names == ["x", "y"]
    assert (found.points, found.here, found.loss, found.next) == (
        [[-10.0, 1.0], [-9.9, 0.2]],
        [-9.9, 0.2],
        3.5,
        [1.0, 2.0],
    )
    assert found.left < -10 and found.top > 1 and found.right > 0 > found.bottom
    for row, column in ((0, 0), (3, 20), (found.rows - 1, found.columns - 1)):
        x = found.left + (found.right - found.left) * column / (found.columns - 1)
        y = found.top - (found.top - found.bottom) * row / (found.rows - 1)
        assert found.values[row * found.columns + column] == pytest.approx((x * x + 100 * y * y) / 2, rel=1e-3)
    # A path that leaves the picture makes a larger one; one that runs away to infinity does not
    plane.visit([torch.tensor(40.0), torch.tensor(0.1)], 2)
    plane.visit([torch.tensor(1e9), torch.tensor(math.inf)], 3)
    assert plane.surface().right < 40  # type: ignore[union-attr]
    while plane.work(0.01):
        pass
    found = plane.surface()
    assert found is not None and 40 < found.right < 100 and found.top < 5
    assert found.here == [1e9, math.inf] and found.loss is None and found.next == []
    assert model.x.item() == -10.0


def test_the_path_is_thinned_and_keeps_its_start_and_its_end() -> None:
    model = Ravine()
    plane = Plane(Tree(model, [torch.optim.SGD(model.parameters(), lr=0.1)], 0.0))
    for step in range(5000):
        plane.visit([torch.tensor(float(step)), torch.tensor(0.0)], step)
    assert len(plane._path) <= PATH
    assert plane._path[0] == [0.0, 0.0]
    assert [one[0] for one in plane._path[-50:]] == [float(step) for step in range(4950, 5000)]


@pytest.mark.parametrize("weights, fits", [(1, True), (2, True), (3, False)])
def test_only_one_or_two_weights_have_a_plane(weights: int, fits: bool) -> None:
    model = nn.Linear(weights, 1, bias=False)
    assert Plane.fits(Tree(model, [torch.optim.SGD(model.parameters(), lr=0.1)], 0.0)) == fits


def test_a_program_of_two_weights_shows_its_plane_and_its_whole_path(watch: Watch) -> None:
    # Given two weights that are trained while somebody looks at the valley
    model = Neuron()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.15)
    x, target, loss_fn = torch.ones(1, 1), torch.zeros(1, 1), HalfSquares()
    visited: list[list[float]] = []

    def train() -> None:
        while True:
            visited.append([float(f"{one.item():.6g}") for one in model.parameters()])
            loss_fn(model(x), target).backward()
            optimizer.step()
            optimizer.zero_grad()

    said: dict[str, Any] = {}

    def person(hand: Hand) -> None:
        until(lambda: surface(watch.run) and surface(watch.run).done)
        hand.ask(events.Pause())
        until(hand.held)
        until(lambda: surface(watch.run).done == surface(watch.run).rows)
        said["held"] = hand.held().step
        until(lambda: surface(watch.run).step == said["held"] and surface(watch.run).next)
        said["surface"] = surface(watch.run)
        hand.ask(events.Step(n=1))
        until(lambda: hand.held(said["held"] + 1))

    with Onlooker(watch.run, open=["valley"]):
        watch.steered(train, person, looked_at=False)
    found: Surface = said["surface"]
    assert (found.kind, found.refused, found.names, found.samples) == ("plane", "", ["weight", "bias"], 1)
    # Then the surface is that of the program's own loss
    w = found.left + (found.right - found.left) * 3 / (found.columns - 1)
    b = found.top - (found.top - found.bottom) * 5 / (found.rows - 1)
    height = 1 / (1 + math.exp(-(w + b)))
    assert found.values[5 * found.columns + 3] == pytest.approx(height**2 / 2, rel=1e-3)
    # And every update since somebody looked is on the path
    step = said["held"]
    assert found.here == visited[step]
    recent = found.points[-90:]
    assert recent == visited[step + 1 - len(recent) : step + 1]
    assert found.next == pytest.approx(visited[step + 1], rel=1e-5)


# ── a slice through many weights ──


def test_directions_are_as_long_as_the_filters_that_they_move() -> None:
    generator = torch.Generator().manual_seed(1)
    for shape in ((6, 4), (5, 3, 3, 3)):
        weight = torch.randn(shape, generator=generator)
        made = direction(weight, generator)
        assert torch.allclose(made.reshape(shape[0], -1).norm(dim=1), weight.reshape(shape[0], -1).norm(dim=1))
        assert not torch.allclose(made, weight)
    assert torch.equal(direction(torch.ones(5), generator), torch.zeros(5))


def specimen_of(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Specimen:
    specimen = Specimen()
    output = model(x)
    specimen.forward_done((x,), output)
    specimen.judged(F.cross_entropy(output, y))
    return specimen


def test_a_slice_is_the_loss_of_moved_weights() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    x, y = torch.randn(8, 3), torch.randint(0, 2, (8,))
    specimen = specimen_of(model, x, y)
    before = [one.detach().clone() for one in model.parameters()]
    move = {id(one): 0.1 * torch.ones_like(one) for one in model.parameters()}
    job = Slice(model, specimen.keep(), 1.0, 5, 0.5, 3, move)
    assert job.surface().done == 0
    job._values.append(job._loss_at(-0.5, 0.5))
    while not job.done:
        job.work(0.001)
    found = job.surface()
    assert (found.kind, found.rows, found.done, found.step, found.samples) == ("slice", 5, 5, 3, 8)
    middle = found.values[12]
    assert (
        middle
        == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-4)
        == pytest.approx(found.loss or 0, rel=1e-4)
    )
    # The corner, worked out beside it
    with torch.no_grad():
        for one, start, first, second in zip(model.parameters(), before, job._first, job._second):
            one.copy_(start + 0.5 * first - 0.5 * second)
        corner = F.cross_entropy(model(x), y).item()
        for one, start in zip(model.parameters(), before):
            one.copy_(start)
    assert found.values[24] == pytest.approx(corner, rel=1e-4)
    along = sum(float((0.1 * one).sum()) for one in job._first) / sum(float((one * one).sum()) for one in job._first)
    assert found.next[0] == pytest.approx(along, rel=1e-5)


def test_a_loss_of_the_programs_own_is_asked_of_its_own_module() -> None:
    model, x, target, loss_fn = Neuron(), torch.ones(1, 1), torch.zeros(1, 1), HalfSquares()
    output = model(x)
    loss = loss_fn(output, target)
    specimen = Specimen()
    specimen.forward_done((x,), output)
    specimen.beside(loss_fn, (output, target), loss)
    specimen.judged(loss)
    assert Replica(model, specimen.keep()).loss() == pytest.approx(loss.item())
    # but not when the loss is something else than what it gave
    other = Specimen()
    other.forward_done((x,), output)
    other.beside(loss_fn, (output, target), loss)
    other.judged(loss + 1)
    assert "not known" in other.refusal(model)


class Program:
    """A classifier with dropout and batch statistics, in training until somebody ends it."""

    def __init__(self) -> None:
        torch.manual_seed(7)
        self.x, self.y = torch.randn(30, 4), torch.randint(0, 3, (30,))
        self.model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 3))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.losses: list[float] = []

    def update(self) -> None:
        loss = F.cross_entropy(self.model(self.x), self.y)
        self.losses.append(loss.item())
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def train(self) -> None:
        while True:
            self.update()


def surveyed(watch: Watch, steer: Callable[[Hand], None]) -> Program:
    program = Program()
    with Onlooker(watch.run, open=["valley"]):
        watch.steered(program.train, steer, looked_at=False)
    return program


def test_a_survey_on_request_leaves_training_as_it_was(watch: Watch) -> None:
    said: dict[str, Any] = {}

    def person(hand: Hand) -> None:
        until(lambda: newest(watch.run) and newest(watch.run).step > 3)
        assert "pause first" in hand.answer(Survey()).refused
        hand.ask(events.Pause())
        until(hand.held)
        hand.ask(events.Step(n=2))
        until(lambda: len([gate for gate in hand.gates() if gate.held]) == 2 and hand.held())
        for wrong in (Survey(side=2), Survey(side=1000), Survey(span=math.nan), Survey(span=-1.0)):
            assert hand.answer(wrong).refused
        assert "nothing" in hand.answer(Survey(cancel=True)).refused
        assert hand.answer(Survey(side=9, span=0.5)).refused == ""
        said["surface"] = until(lambda: (found := surface(watch.run)) and found.done == 9 and found)
        said["step"] = hand.held().step
        hand.ask(events.Step(n=3))
        until(lambda: hand.held(said["step"] + 3))

    program = surveyed(watch, person)
    found: Surface = said["surface"]
    assert (found.kind, found.rows, found.columns, found.here, found.step) == ("slice", 9, 9, [0.0, 0.0], said["step"])
    assert all(math.isfinite(value) for value in found.values) and len(set(found.values)) > 40
    assert found.values[40] == pytest.approx(found.loss or 0, rel=1e-4)
    assert len(found.next) == 2 and all(0 < abs(one) < 0.5 for one in found.next)
    # Then the program is, bit by bit, where it would be without anybody looking
    chance = torch.get_rng_state()
    bare = Program()
    for _ in range(len(program.losses)):
        bare.update()
    assert program.losses == bare.losses and len(program.losses) > said["step"] + 2
    for one, other in zip(program.model.state_dict().values(), bare.model.state_dict().values()):
        assert torch.equal(one, other)
    assert torch.equal(chance, torch.get_rng_state())


def test_a_survey_goes_on_at_the_next_hold_and_can_be_given_up(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slice, "work", lambda self, seconds: self._values.append(1.0) if not self.done else None)

    def person(hand: Hand) -> None:
        until(lambda: newest(watch.run) and newest(watch.run).step > 3)
        hand.ask(events.Pause())
        until(hand.held)
        assert hand.answer(Survey(side=31)).refused == ""
        until(lambda: (found := surface(watch.run)) and found.done >= 2)
        # When training goes on in between
        hand.answer(events.Resume())
        until(lambda: not hand.held())
        hand.ask(events.Pause())
        until(hand.held)
        before = surface(watch.run).done
        assert 2 <= before < 31
        # Then it goes on where it was, until it is given up
        until(lambda: surface(watch.run).done > before)
        assert hand.answer(Survey(cancel=True)).refused == ""
        until(lambda: surface(watch.run) is None)

    surveyed(watch, person)
    watch.ticks()


def test_a_model_of_two_weights_needs_no_survey(watch: Watch) -> None:
    model = Ravine()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def train() -> None:
        while True:
            model().backward()
            optimizer.step()
            optimizer.zero_grad()

    def person(hand: Hand) -> None:
        until(lambda: surface(watch.run) and surface(watch.run).done)
        hand.ask(events.Pause())
        until(hand.held)
        assert "drawn already" in hand.answer(Survey()).refused

    with Onlooker(watch.run, open=["valley"]):
        watch.steered(train, person, looked_at=False)


class Selfish(nn.Linear):
    """Is the copy of itself, as an encoder that several models share may be."""

    def __deepcopy__(self, memo: Any) -> Selfish:
        return self


class Rough(nn.Linear):
    """Works on its input in place, and draws from every generator."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Rough.calls += 1
        with torch.no_grad():
            x.mul_(1 + 1e-3 * random.random()).add_(1e-3 * float(numpy.random.rand()))
        return F.dropout(super().forward(x), 0.1)


def test_a_part_that_is_its_own_copy_stays_as_it_is() -> None:
    model = nn.Sequential(nn.Linear(2, 2), Selfish(2, 2), nn.Dropout())
    heard: list[int] = []
    model[1].register_forward_hook(lambda *ignored: heard.append(1))
    x = torch.ones(3, 2)
    with pytest.raises(ValueError, match="its own copy"):
        Replica(model, specimen_of(model, x, torch.zeros(3, dtype=torch.long)))
    heard.clear()
    model(x)
    assert heard == [1] and all(module.training for module in model.modules())


def test_what_a_copy_does_to_its_batch_and_draws_is_undone() -> None:
    model = Rough(2, 2)
    x, y = torch.ones(3, 2), torch.tensor([0, 1, 1])
    specimen = specimen_of(model, x, y)
    before, states = x.clone(), (random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state())
    Rough.calls = 0
    replica = Replica(model, specimen, factor=1.0)
    assert math.isfinite(replica.loss()) and Rough.calls == 1
    assert torch.equal(x, before) and random.getstate() == states[0]
    assert numpy.random.get_state()[1].tolist() == states[1] and torch.equal(torch.get_rng_state(), states[2])


def test_a_batch_of_a_class_of_its_own_is_not_given_to_a_copy() -> None:
    class Batch:
        x = torch.ones(3, 2)

    specimen = Specimen()
    specimen.forward_done((Batch(),), torch.ones(3, 2))
    specimen.loss = torch.zeros(())
    assert "given a Batch" in specimen.refusal(nn.Linear(2, 2))


def test_a_loss_that_cannot_be_asked_again_is_refused_in_words(watch: Watch) -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.randn(5, 3)

    def train() -> None:
        while True:
            model(x).sin().abs().sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    def person(hand: Hand) -> None:
        until(lambda: newest(watch.run) and newest(watch.run).step > 3)
        hand.ask(events.Pause())
        until(hand.held)
        assert "not known" in hand.answer(Survey()).refused

    with Onlooker(watch.run, open=["valley"]):
        watch.steered(train, person, looked_at=False)
    watch.ticks()


def test_the_same_bits_with_and_without_somebody_looking(watch: Watch) -> None:
    def losses(count: int) -> tuple[list[float], list[float]]:
        model = Ravine()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        out = []
        while len(out) < count or (watch.probe._desk is not None and surface(watch.run) is None and count == 400):
            loss = model()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            out.append(loss.item())
        return out, [one.item() for one in model.parameters()]

    with Onlooker(watch.run, open=["valley"]):
        looked_at, _ = losses(400)
        found = surface(watch.run)
    watch.ticks()
    bare, _ = losses(len(looked_at))
    assert found is not None and found.points
    assert looked_at == bare


@pytest.mark.parametrize("branches", [False, True])
def test_a_model_that_cannot_be_asked_at_many_points_at_once_is_asked_one_by_one(branches: bool) -> None:
    class Hill(Ravine):
        def forward(self) -> torch.Tensor:
            if branches and self.x.item() > 0:
                return self.y * 0 + 7.0
            return super().forward()

    model = Hill()
    plane = Plane(Tree(model, [torch.optim.SGD(model.parameters(), lr=0.01)], 0.0))
    specimen = Specimen()
    loss = model()
    specimen.forward_done((), loss)
    specimen.judged(loss)
    plane.visit([model.x, model.y], 0)
    plane.judge(model, specimen)
    slices = 0
    while plane.work(0.001):
        slices += 1
    assert (slices > 1) == branches
    found = plane.surface()
    assert found is not None and found.done == found.rows
    right = {found.values[row * found.columns + found.columns - 1] for row in range(found.rows)}
    assert (right == {7.0}) == branches
