"""The walk: every number that it holds is the one that plain Python computes, and looking changes no bit."""

from __future__ import annotations

import math
import random
from typing import Any, Callable, Optional

import pytest
import torch
from torch import nn

from tui.run import events
from tui.run.directory import RunDirectory
from tui.run.events import Live, Walk, decode_live

from ..support import Hand, Onlooker, until
from .conftest import Relay, Watch

Vector = list[float]


def live_of(run: RunDirectory) -> Optional[Live]:
    try:
        return decode_live(run.live_file(0).read_bytes())
    except OSError:
        return None


class Walked:
    """The snapshots at which training was held, by phase."""

    def __init__(self) -> None:
        self.at: dict[str, Live] = {}

    def walk(self, phase: str) -> Walk:
        walk = self.at[phase].walk
        assert walk is not None and not walk.absent, walk
        return walk


def walked(
    watch: Watch,
    train: Callable[[], None],
    also: Optional[Callable[[Hand, Walked], None]] = None,
    first: int = 2,
    **presence: Any,
) -> Walked:
    """Trains, held before the first update, then phase by phase through the batch after it. `also` is called at the end
    of the backward pass. The walk of step 2 is seen whole: its forward pass comes after the first update."""
    found = Walked()
    seen = {"open": ["phases"], **presence}

    def steer(hand: Hand) -> None:
        until(hand.held)
        phases: list[str] = []
        for _ in range(12):
            before = len(hand.gates())
            hand.ask(events.Phase())
            until(lambda before=before: len(hand.gates()) >= before + 2 and hand.held())
            gate = hand.held()
            assert gate is not None
            live = until(lambda gate=gate: (one := live_of(watch.run)) and one.held and one.phase == gate.phase and one)
            phases.append(gate.phase)
            if gate.phase in found.at:
                continue
            if live.walk is not None and live.walk.step == first and not live.walk.absent:
                found.at[gate.phase] = live
                if gate.phase == "backward" and also is not None:
                    also(hand, found)
            if "update" in found.at:
                break

    watch.pause_at_first()
    with Onlooker(watch.run, **seen):
        watch.steered(train, steer, looked_at=False)
    assert [one.text for one in watch.end() if isinstance(one, events.Warning)] == []
    return found


def training(
    model: nn.Module, loss_fn: Callable[..., torch.Tensor], x: torch.Tensor, y: torch.Tensor, optimizer: Any = None
) -> Callable[[], None]:
    chosen = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)

    def train() -> None:
        for _ in range(1000):
            loss = loss_fn(model(x), y)
            loss.backward()
            chosen.step()
            chosen.zero_grad()

    return train


# ── plain Python ──────────────────────────────────────────────────────────────────────────────────────────────────────

ACT: dict[str, tuple[type[nn.Module], Callable[[float], float], Callable[[float], float]]] = {
    "relu": (nn.ReLU, lambda z: max(0.0, z), lambda z: 1.0 if z > 0 else 0.0),
    "tanh": (nn.Tanh, math.tanh, lambda z: 1 - math.tanh(z) ** 2),
    "sigmoid": (
        nn.Sigmoid,
        lambda z: 1 / (1 + math.exp(-z)),
        lambda z: 1 / (1 + math.exp(-z)) * (1 - 1 / (1 + math.exp(-z))),
    ),
}


class Net:
    """A 3-5-2 network and its gradients, number by number: nothing of torch in it."""

    def __init__(self, model: nn.Sequential, act: str) -> None:
        self.w1, self.b1 = model[0].weight.tolist(), model[0].bias.tolist()
        self.w2, self.b2 = model[2].weight.tolist(), model[2].bias.tolist()
        _, self.act, self.slope = ACT[act]

    def forward(self, x: Vector) -> tuple[Vector, Vector, Vector]:
        z1 = [sum(w * v for w, v in zip(row, x)) + b for row, b in zip(self.w1, self.b1)]
        a1 = [self.act(z) for z in z1]
        z2 = [sum(w * v for w, v in zip(row, a1)) + b for row, b in zip(self.w2, self.b2)]
        return z1, a1, z2

    def backward(self, x: Vector, d2: Vector) -> tuple[Vector, Vector]:
        """(∂loss/∂a1, ∂loss/∂z1)."""
        z1, _, _ = self.forward(x)
        da = [sum(self.w2[k][j] * d2[k] for k in range(len(d2))) for j in range(len(z1))]
        return da, [d * self.slope(z) for d, z in zip(da, z1)]

    def scores_slope(self, kind: str, out: Vector, target: Any, batch: int) -> Vector:
        if kind == "cross-entropy":
            exps = [math.exp(z) for z in out]
            return [(e / sum(exps) - (1.0 if k == target else 0.0)) / batch for k, e in enumerate(exps)]
        return [2 * (o - t) / (len(out) * batch) for o, t in zip(out, target)]

    def loss(self, kind: str, out: Vector, target: Any) -> float:
        if kind == "cross-entropy":
            return -math.log(math.exp(out[target]) / sum(math.exp(z) for z in out))
        return sum((o - t) ** 2 for o, t in zip(out, target)) / len(out)


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", ["cross-entropy", "mean squared error"])
@pytest.mark.parametrize("act", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("batch, sample", [(1, 0), (4, 2)])
def test_every_number_of_a_small_network(watch: Watch, act: str, kind: str, batch: int, sample: int) -> None:
    # Given a network in torch, and the same numbers in plain Python as they are after one update
    torch.manual_seed(random.Random(act + kind).randrange(1000))
    model = nn.Sequential(nn.Linear(3, 5), ACT[act][0](), nn.Linear(5, 2))
    x = torch.randn(batch, 3)
    y = torch.randint(0, 2, (batch,)) if kind == "cross-entropy" else torch.randn(batch, 2)
    loss_fn = nn.CrossEntropyLoss() if kind == "cross-entropy" else nn.MSELoss()
    with torch.no_grad():
        start = [parameter.clone() for parameter in model.parameters()]
    loss_fn(model(x), y).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
    net = Net(model, act)
    model.zero_grad()
    with torch.no_grad():
        for parameter, old in zip(model.parameters(), start):
            parameter.copy_(old)
    # When it is walked through phase by phase
    found = walked(watch, training(model, loss_fn, x, y), sample=sample)
    # Then the forward pass is that of plain Python
    xs, targets = x.tolist(), y.tolist()
    z1, a1, z2 = net.forward(xs[sample])
    walk = found.walk("forward")
    assert (walk.step, walk.sample, walk.of, walk.shape) == (2, sample, batch, [3])
    assert walk.input == near(xs[sample]) and walk.verdict is None and walk.passed == ["forward"]
    assert [stage.kind for stage in walk.stages] == ["Linear", ACT[act][0].__name__, "Linear"]
    first, middle, last = walk.stages
    assert (first.outputs, middle.inputs, middle.outputs, last.outputs) == (near(z1), near(z1), near(a1), near(z2))
    for stage, given, weights, biases in ((first, xs[sample], net.w1, net.b1), (last, a1, net.w2, net.b2)):
        assert [[term.w for term in unit.terms] for unit in stage.units] == [near(row) for row in weights]
        assert [[term.x for term in unit.terms] for unit in stage.units] == [near(given)] * len(weights)
        assert [unit.bias for unit in stage.units] == near(biases)
        assert [unit.out for unit in stage.units] == stage.outputs
        assert all(unit.delta is None and unit.terms[0].grad is None for unit in stage.units)
    # … so is the loss
    verdict = found.walk("loss").verdict
    assert verdict is not None and verdict.kind == kind and verdict.scores == near(z2) and verdict.deltas == []
    outs = [net.forward(one)[2] for one in xs]
    losses = [net.loss(kind, out, target) for out, target in zip(outs, targets)]
    assert verdict.loss == near(sum(losses) / batch)
    if kind == "cross-entropy":
        total = sum(map(math.exp, z2))
        assert verdict.chances == near([math.exp(z) / total for z in z2]) and verdict.target == [targets[sample]]
    else:
        assert verdict.target == near(targets[sample])
    # … and the backward pass, for the sample and for the batch
    walk = found.walk("backward")
    slopes = [net.scores_slope(kind, out, target, batch) for out, target in zip(outs, targets)]
    deltas = [net.backward(one, slope) for one, slope in zip(xs, slopes)]
    assert walk.verdict is not None and walk.verdict.deltas == near(slopes[sample])
    first, middle, last = walk.stages
    assert last.deltas == near(slopes[sample]) and [unit.delta for unit in last.units] == last.deltas
    assert middle.deltas == near(deltas[sample][0]) and first.deltas == near(deltas[sample][1])
    grad1 = [[sum(d[1][j] * one[i] for d, one in zip(deltas, xs)) for i in range(3)] for j in range(5)]
    hidden = [net.forward(one)[1] for one in xs]
    grad2 = [[sum(s[k] * a[j] for s, a in zip(slopes, hidden)) for j in range(5)] for k in range(2)]
    for stage, grads, given in ((first, grad1, [d[1] for d in deltas]), (last, grad2, slopes)):
        assert [[term.grad for term in unit.terms] for unit in stage.units] == [near(row) for row in grads]
        assert [unit.bias_grad for unit in stage.units] == near([sum(column) for column in zip(*given)])
    # … and the update
    walk = found.walk("update")
    assert (
        walk.optimizer == "SGD"
        and walk.rate == near(0.1)
        and set(walk.passed) == {"forward", "loss", "backward", "update"}
    )
    for stage, weights, grads in ((walk.stages[0], net.w1, grad1), (walk.stages[2], net.w2, grad2)):
        new = [[w - 0.1 * g for w, g in zip(row, slope)] for row, slope in zip(weights, grads)]
        assert [[term.after for term in unit.terms] for unit in stage.units] == [near(row) for row in new]
        assert [[term.w for term in unit.terms] for unit in stage.units] == [near(row) for row in weights]
        assert [unit.bias_after for unit in stage.units] == [
            near((unit.bias or 0) - 0.1 * (unit.bias_grad or 0)) for unit in stage.units
        ]


class Perceptron(nn.Module):
    """Rosenblatt's criterion, as a loss."""

    def forward(self, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (-y * out.squeeze(1)).clamp(min=0).mean()


class HalfSquared(nn.Module):
    def forward(self, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return ((out.squeeze(1) - y) ** 2).mean() / 2


@pytest.mark.parametrize(
    "loss_fn, kind",
    [(Perceptron(), "perceptron"), (HalfSquared(), "half squared error"), (nn.L1Loss(), "absolute error")],
)
def test_one_neuron_with_a_loss_of_its_own(watch: Watch, loss_fn: nn.Module, kind: str) -> None:
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.5, -1.0]]))
        model.bias.fill_(0.25)
    x, y = torch.tensor([[1.0, 2.0], [-2.0, 1.0]]), torch.tensor([1.0, 1.0])
    given = y[:, None] if kind == "absolute error" else y
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)  # the numbers stay those above
    found = walked(watch, training(model, loss_fn, x, given, optimizer), sample=1)
    verdict = found.walk("backward").verdict
    assert verdict is not None and verdict.kind == kind and verdict.name == type(loss_fn).__name__
    assert verdict.scores == near([-1.75]) and verdict.target == [1.0]
    slope = {"perceptron": -0.5, "half squared error": -2.75 / 2, "absolute error": -0.5}[kind]
    assert verdict.deltas == near([slope])
    (stage,) = found.walk("backward").stages
    (unit,) = stage.units
    assert [(term.x, term.w) for term in unit.terms] == [(-2.0, 0.5), (1.0, -1.0)] and unit.bias == 0.25


def test_overwriting_activations_and_views(watch: Watch) -> None:
    """ReLU in place, Flatten, a batch norm between: the same numbers as without writing over anything."""

    def numbers(inplace: bool, run: Watch) -> Walked:
        torch.manual_seed(3)
        model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(4, 6),
            nn.ReLU(inplace),
            nn.Linear(6, 6),
            nn.BatchNorm1d(6),
            nn.ReLU(inplace),
            nn.Linear(6, 3),
        )
        return walked(run, training(model, nn.CrossEntropyLoss(), torch.randn(5, 2, 2), torch.tensor([0, 1, 2, 0, 1])))

    written = numbers(True, watch)
    kept = numbers(
        False, Watch(RunDirectory.create(watch.run.path.parent, "twin", {"command": ["true"]}), watch._relay)
    )
    for phase in ("forward", "backward", "update"):
        one, two = written.walk(phase), kept.walk(phase)
        assert one.stages == two.stages and one.verdict == two.verdict
    stages = written.walk("backward").stages
    assert [stage.kind for stage in stages][:3] == ["Flatten", "Linear", "ReLU"]
    assert any(value < 0 for value in stages[2].inputs) and min(stages[2].outputs) == 0.0
    assert all(len(stage.deltas) == len(stage.outputs) for stage in stages[1:])
    assert stages[4].kind == "BatchNorm1d" and len(stages[4].weights) == 4


class Functional(nn.Module):
    """What many people write: reshaping and activation are code, not modules."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.one(x.reshape(len(x), -1)))
        return torch.log_softmax(self.two(hidden), 1)


def test_code_between_modules(watch: Watch) -> None:
    torch.manual_seed(0)
    model = Functional()
    found = walked(watch, training(model, nn.functional.nll_loss, torch.randn(2, 2, 2), torch.tensor([0, 1])))
    walk = found.walk("backward")
    assert [(stage.kind, stage.module) for stage in walk.stages] == [
        ("", -1), ("Linear", 1), ("", -1), ("Linear", 2), ("", -1)
    ]  # fmt: skip
    assert walk.stages[0].shape == [4]
    assert walk.stages[2].outputs == [max(0.0, value) for value in walk.stages[1].outputs]
    for delta, z, back in zip(walk.stages[1].deltas, walk.stages[1].outputs, walk.stages[2].deltas):
        assert delta == near(back if z > 0 else 0.0)
    assert walk.verdict is not None and walk.verdict.scores == near(walk.stages[4].outputs)
    assert sum(walk.verdict.chances) == near(1.0)


def test_convolutions_and_large_layers(watch: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 20, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(180, 40), nn.Tanh(), nn.Linear(40, 30)
    )
    x, y = torch.randn(6, 1, 8, 8), torch.arange(6)
    found = walked(watch, training(model, nn.CrossEntropyLoss(), x, y, torch.optim.Adam(model.parameters())), sample=5)
    walk = found.walk("update")
    assert walk.shape == [1, 8, 8] and len(walk.input) == 64 and len(walk.picture.split("/")) == 8
    assert walk.optimizer == "Adam" and walk.sample == 5
    conv, relu, pool, flat, wide, tanh, last = walk.stages
    assert conv.shape == [20, 6, 6] and len(conv.outputs) == len(conv.places) == 16 and conv.inputs == []
    assert relu.shape == [20, 6, 6] and len(relu.places) == 16 and len(relu.inputs) == 16
    assert len(wide.units) == 12 == len(tanh.outputs) and tanh.places == wide.places
    for unit in wide.units:
        assert len(unit.terms) == 6 and unit.of == 180
        total = sum(term.w * term.x for term in unit.terms) + unit.rest + (unit.bias or 0)
        assert total == near(unit.out)
        sizes = [abs(term.w * term.x) for term in unit.terms]
        assert sizes == sorted(sizes, reverse=True)
        assert all(term.after is not None and term.after != term.w for term in unit.terms if term.grad)
    assert tanh.outputs == near([math.tanh(value) for value in tanh.inputs])
    assert walk.verdict is not None and walk.verdict.of == 30 and len(walk.verdict.scores) == 20
    assert 5 in walk.verdict.places and walk.verdict.target == [5.0]
    assert conv.weights and all(one.after is not None for one in conv.weights)


def test_a_deep_model_is_cut_and_says_so(watch: Watch) -> None:
    layers: list[nn.Module] = []
    for _ in range(20):
        layers += [nn.Linear(3, 3), nn.Tanh()]
    found = walked(watch, training(nn.Sequential(*layers), nn.MSELoss(), torch.randn(2, 3), torch.randn(2, 3)))
    walk = found.walk("backward")
    assert len(walk.stages) == 24 and walk.skipped == 16 and walk.skipped_at == 12
    assert [stage.module for stage in walk.stages] == [*range(1, 13), *range(29, 41)]


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.lstm, self.head = nn.Embedding(9, 4), nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.table(x))[0])


def test_tokens_show_their_last_position(watch: Watch) -> None:
    torch.manual_seed(0)
    x = torch.randint(0, 9, (3, 7))
    found = walked(
        watch,
        training(
            Steps(), lambda out, y: nn.functional.cross_entropy(out.reshape(-1, 9), y.reshape(-1)), x, x.roll(1, 1)
        ),
        sample=1,
    )
    walk = found.walk("backward")
    assert walk.of == 3 and walk.input == x[1].tolist()
    assert [(stage.kind, stage.position) for stage in walk.stages] == [("Embedding", 6), ("LSTM", 6), ("Linear", 6)]
    assert walk.verdict is not None and walk.verdict.position == 6 and walk.verdict.target == [float(x[1, 5])]
    assert walk.verdict.scores == near(walk.stages[2].outputs)
    assert walk.verdict.deltas == near(walk.stages[2].deltas)


def test_gradients_of_the_step_before_are_not_shown(watch: Watch) -> None:
    """Where they are cleared between loss and backward, they are still there when this batch goes forward."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(2, 3), torch.tensor([0, 1])

    def train() -> None:
        for _ in range(1000):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            optimizer.step()

    found = walked(watch, train)
    for phase in ("forward", "loss", "zero_grad", "backward"):
        grads = [term.grad for stage in found.walk(phase).stages for unit in stage.units for term in unit.terms]
        assert len(grads) == 20 and all((grad is None) == (phase != "backward") for grad in grads), phase
    assert found.walk("zero_grad").passed == ["forward", "zero_grad"]


def test_weights_that_are_no_numbers(watch: Watch) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight[1] = math.nan
        model[2].bias[0] = math.inf
    found = walked(watch, training(model, nn.CrossEntropyLoss(), torch.ones(2, 3), torch.tensor([0, 1])))
    walk = found.walk("update")
    assert all(value != value for value in walk.stages[2].outputs)
    assert walk.verdict is not None and walk.verdict.loss != walk.verdict.loss


def test_a_batch_that_was_not_watched_from_its_start(watch: Watch) -> None:
    model = nn.Linear(2, 1)
    lives: list[Live] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        lives.append(until(lambda: (one := live_of(watch.run)) and one.walk and one))

    watch.pause_at_first()
    with Onlooker(watch.run, open=["phases"]):
        watch.steered(training(model, nn.MSELoss(), torch.ones(1, 2), torch.ones(1, 1)), steer, looked_at=False)
    assert lives[0].walk is not None and "press p" in lives[0].walk.absent and lives[0].walk.stages == []


def test_one_batch_at_a_time(watch: Watch) -> None:
    """n: held before each update, with forward, loss and backward known."""
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    lives: list[Live] = []

    def steer(hand: Hand) -> None:
        until(hand.held)
        for step in (1, 2, 3):
            hand.ask(events.Step(n=1))
            until(lambda step=step: hand.held(step))
            lives.append(until(lambda step=step: (one := live_of(watch.run)) and one.held and one.step == step and one))

    watch.pause_at_first()
    with Onlooker(watch.run, open=["phases"]):
        watch.steered(
            training(model, nn.CrossEntropyLoss(), torch.randn(3, 2), torch.tensor([0, 1, 1])), steer, looked_at=False
        )
    for step, live in enumerate(lives, 1):
        assert live.phase == "backward" and live.walk is not None
        assert live.walk.step == step + 1 and live.walk.passed == ["forward", "loss", "backward"]
        assert live.walk.verdict is not None and live.walk.verdict.deltas
        assert all(term.grad is not None for term in live.walk.stages[0].units[0].terms)


# ── a weight moved by hand ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_nudge_is_what_plain_python_says_and_moves_nothing(watch: Watch) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    x, y = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    net = Net(model, "tanh")
    answers: list[Any] = []

    def nudge(hand: Hand, found: Walked) -> None:
        for command in (
            events.TryWeight(tensor=2, index=3, by=1e-3),
            events.TryWeight(tensor=2, index=3, by=0.5),
            events.TryWeight(tensor=9, index=0, by=0.1),
            events.TryWeight(tensor=0, index=99, by=0.1),
            events.TryWeight(tensor=0, index=0, by=math.nan),
        ):
            answer = hand.answer(command)
            live = until(lambda: live_of(watch.run))
            if not answer.refused:
                live = until(
                    lambda command=command: (
                        (one := live_of(watch.run))
                        and one.walk
                        and one.walk.nudge
                        and one.walk.nudge.by == command.by
                        and one
                    )
                )
            answers.append((answer, live))

    walked(watch, training(model, nn.MSELoss(), x, y, optimizer), nudge)

    def loss() -> float:
        outs = [net.forward(one)[2] for one in x.tolist()]
        return sum(net.loss("mean squared error", out, target) for out, target in zip(outs, y.tolist())) / 4

    before = loss()
    for (answer, live), by in zip(answers[:2], (1e-3, 0.5)):
        assert answer.refused == ""
        done = live.walk.nudge
        net.w2[0][3] += by
        assert (done.before, done.after) == (pytest.approx(before, rel=1e-12), pytest.approx(loss(), rel=1e-12))
        net.w2[0][3] -= by
        assert done.weight == net.w2[0][3] and done.steady
    small = answers[0][1].walk.nudge
    assert small.after - small.before == pytest.approx(small.grad * small.by, rel=1e-2)
    assert all(answer.refused for answer, _ in answers[2:])
    assert model[2].weight.tolist() == net.w2  # the rate is 0: nothing has moved them


def test_no_nudge_without_a_loss_or_after_the_update(watch: Watch) -> None:
    model = nn.Linear(2, 2)
    refused: dict[str, str] = {}

    def steer(hand: Hand) -> None:
        until(hand.held)
        watch.walk(4)
        for _ in range(3):
            phase = hand.held().phase  # type: ignore[union-attr]
            refused[phase] = hand.answer(events.TryWeight(tensor=0, index=0, by=0.1)).refused
            watch.walk(1)

    watch.pause_at_first()
    with Onlooker(watch.run, open=["phases"]):
        watch.steered(
            training(model, nn.CrossEntropyLoss(), torch.randn(3, 2), torch.tensor([0, 1, 1])), steer, looked_at=False
        )
    assert refused["loss"] == "" and refused["backward"] == "" and "have moved" in refused["update"]


# ── watching changes nothing ──────────────────────────────────────────────────────────────────────────────────────────


def bits(train_steps: int, hold: Optional[Watch]) -> tuple[list[str], list[str]]:
    """Losses and weights of a model with everything that a hook could disturb, as hexadecimal digits."""
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(4 * 36, 20), nn.ReLU(inplace=True), nn.Linear(20, 5),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses: list[str] = []

    def train() -> None:
        for _ in range(train_steps):
            x, y = torch.randn(8, 1, 8, 8), torch.randint(0, 5, (8,))
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item().hex())
        if hold is not None:
            raise KeyboardInterrupt

    if hold is None:
        train()
    else:
        seen: list[Walk] = []

        def steer(hand: Hand) -> None:
            until(hand.held)
            for number in range(4 * 5):
                watch_gates = len(hand.gates())
                hand.ask(events.Phase())
                until(lambda seen=watch_gates: len(hand.gates()) >= seen + 2 and hand.held())
                if number == 8:
                    hand.answer(events.TryWeight(tensor=0, index=1, by=0.1))
                live = live_of(hold.run)
                if live is not None and live.walk is not None:
                    seen.append(live.walk)
            hand.answer(events.Speed())
            hand.answer(events.Resume())
            until(lambda: len(losses) >= train_steps)

        hold.pause_at_first()
        with Onlooker(hold.run, open=["phases"], sample=3):
            hold.steered(train, steer, looked_at=False)
        assert any(walk.stages and walk.stages[5].units for walk in seen)
    return losses, [parameter.detach().numpy().tobytes().hex() for parameter in model.parameters()]


def test_the_same_bits_with_the_eye_looking(watch: Watch, relay: Relay) -> None:
    looked_at = bits(12, watch)
    assert [one.text for one in watch.end() if isinstance(one, events.Warning)] == []
    relay.probe = None
    assert bits(12, None) == looked_at
