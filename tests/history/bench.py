"""Small trainings on digits, healthy and broken, for the doctor to examine: what is trained, and what was found when.

Each is trained in this process, watched by a probe of its own at whatever pace a test asks for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

import torch
from torch import nn
from torch.nn import functional as F

from tui.history.doctor.finding import Finding
from tui.history.doctor.rules import examine
from tui.history.state import RunState
from tui.lessons.data import Images, load_digits
from tui.run.directory import RunDirectory
from tui.run.events import Checkup, Tick
from tui.run.events import Warning as WarningEvent

from ..probe.conftest import Relay, Watch
from ..support import Onlooker, events_of, until

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Case:
    """One training."""

    name: str
    model: Callable[[], nn.Module]
    optimizer: Callable[[Any], torch.optim.Optimizer]
    fault: int = 0
    """Number of the rule that is to find it; 0 where nothing is wrong."""
    epochs: int = 8
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.cross_entropy
    data: Callable[[Images], Images] = lambda images: images
    shuffle: bool = True
    clear: bool = True
    batch: int = 32
    may: tuple[int, ...] = ()
    """Rules that may notice something besides (no alarm)."""
    knocks: Optional[Callable[[nn.Module, int], None]] = None
    """What happens to the model after a step."""


# ── what is trained ───────────────────────────────────────────────────────────────────────────────────────────────────


def stack(widths: list[int], activation: Callable[[], nn.Module] = nn.ReLU, between: Any = None) -> nn.Module:
    """Linear layers with an activation after each but the last; `between` makes what stands before the activation."""
    layers: list[nn.Module] = [nn.Flatten()]
    for number, (wide, out) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(wide, out))
        if number < len(widths) - 2:
            layers += [between(out)] if between is not None else []
            layers.append(activation())
    return nn.Sequential(*layers)


def small() -> nn.Module:
    return stack([64, 32, 10])


def dropped() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))


def convolution() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


class Functional(nn.Module):
    """Activations that are no modules, and images brought to scale inside."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Linear(64, 32), nn.Linear(32, 16), nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(F.relu(self.two(F.relu(self.one(x.flatten(1))))))  # type: ignore[no-any-return]


def sgd(lr: float, **how: Any) -> Callable[[Any], torch.optim.Optimizer]:
    return lambda parameters: torch.optim.SGD(parameters, lr, **how)


def adam(lr: float, **how: Any) -> Callable[[Any], torch.optim.Optimizer]:
    return lambda parameters: torch.optim.AdamW(parameters, lr, **how)


def batch_norm(width: int) -> nn.Module:
    return nn.BatchNorm1d(width)


HEALTHY = [
    Case("linear, SGD", lambda: stack([64, 10]), sgd(0.1)),
    Case("MLP, SGD", small, sgd(0.1)),
    Case("MLP, momentum", small, sgd(0.02, momentum=0.9)),
    Case("MLP, AdamW", small, adam(3e-3)),
    Case("deeper MLP, SGD", lambda: stack([64, 64, 64, 10]), sgd(0.1)),
    Case("functional ReLU, SGD", Functional, sgd(0.1)),
    Case("batch norm, SGD", lambda: stack([64, 32, 32, 10], between=batch_norm), sgd(0.1)),
    Case("batch norm, AdamW", lambda: stack([64, 32, 32, 10], between=batch_norm), adam(3e-3)),
    Case("dropout, AdamW", dropped, adam(3e-3)),
    Case("CNN, momentum", convolution, sgd(0.02, momentum=0.9)),
    Case("CNN, AdamW", convolution, adam(3e-3)),
    Case("tanh, SGD", lambda: stack([64, 32, 32, 10], nn.Tanh), sgd(0.1)),
    Case("sigmoid, AdamW", lambda: stack([64, 32, 10], nn.Sigmoid), adam(1e-2)),
]


# ── what is wrong with it ─────────────────────────────────────────────────────────────────────────────────────────────


def with_labels(images: Images, labels: torch.Tensor, count: int) -> Images:
    return images._replace(train_x=images.train_x[:count], train_y=labels[:count])


def noisy(images: Images) -> Images:
    """300 images, 30 % of their labels drawn at random."""
    chance = torch.Generator().manual_seed(5)
    labels = images.train_y.clone()
    wrong = torch.rand(len(labels), generator=chance) < 0.3
    labels[wrong] = torch.randint(0, 10, (int(wrong.sum()),), generator=chance)
    return with_labels(images, labels, 300)


def random_labels(images: Images) -> Images:
    return with_labels(images, torch.randint(0, 10, (1200,), generator=torch.Generator().manual_seed(5)), 300)


def strangers(images: Images) -> Images:
    """All images, with labels that belong to others."""
    return images._replace(train_y=images.train_y.sort().values)


def ordered(images: Images) -> Images:
    order = images.train_y.sort().indices
    return images._replace(train_x=images.train_x[order], train_y=images.train_y[order])


def bytes_0_to_255(images: Images) -> Images:
    low, high = images.train_x.amin(), images.train_x.amax()
    scaled = [(x - low) / (high - low) * 255 for x in (images.train_x, images.val_x, images.test_x)]
    return images._replace(train_x=scaled[0], val_x=scaled[1], test_x=scaled[2])


def softmaxed(scores: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(F.softmax(scores, 1), truth)


def nan_at_100(model: nn.Module, step: int) -> None:
    if step == 100:
        with torch.no_grad():
            next(model.parameters())[0, 0] = math.nan


def tiny(widths: list[int]) -> nn.Module:
    """Weights drawn from N(0, 0.01), as some programs do by hand."""
    model = stack(widths)
    for module in model:  # type: ignore[attr-defined]
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
    return model


BROKEN = [
    Case("a weight becomes NaN", small, sgd(0.1), 1, epochs=4, knocks=nan_at_100),
    Case("sigmoid, depth 8", lambda: stack([64, *[32] * 7, 10], nn.Sigmoid), sgd(0.1), 7, epochs=6, may=(10,)),
    Case("tiny weights, depth 8", lambda: tiny([64, *[32] * 7, 10]), sgd(0.1), 7, epochs=6, may=(9, 10)),
    Case("rate 1: many dead", small, sgd(1.0), 9, may=(13,)),
    Case("rate 2: all dead", small, sgd(2.0), 10, may=(9, 7)),
    Case("rate 2, functional ReLU", Functional, sgd(2.0), 9, may=(10, 7)),
    Case("300 noisy images", lambda: stack([64, 256, 256, 10]), adam(3e-3), 13, epochs=24, data=noisy),
    Case("random labels, barely learned", small, sgd(0.1), 14, epochs=20, data=strangers, may=(10, 13)),
    Case("random labels", lambda: stack([64, 256, 256, 10]), adam(3e-3), 14, epochs=24, data=random_labels),
    Case("sorted, not shuffled", small, sgd(0.1), 15, data=ordered, shuffle=False),
    Case("same order every epoch", small, sgd(0.1), 15, shuffle=False),
    Case("inputs of 0 to 255", small, sgd(0.01), 17, data=bytes_0_to_255, may=(9, 10)),
    Case("softmax in the loss", small, sgd(0.1), 18, loss=softmaxed),
    Case("softmax in the model", lambda: nn.Sequential(small(), nn.Softmax(1)), sgd(0.1), 18),
    Case("never cleared", small, sgd(0.1), 19, clear=False, may=(9, 13)),
]


# ── training, and what was found ──────────────────────────────────────────────────────────────────────────────────────


class EveryNth:
    """A pace that counts instead of looking at the clock."""

    def __init__(self, every: int) -> None:
        self.every, self.at, self.cost_s, self.share, self.every_s = every, 0.0, 0.0, 0.0, 0.0
        self._asked = 0

    def due(self, now: float) -> bool:
        self._asked += 1
        return self._asked % self.every == 0

    def done(self, began: float, cost_s: float, more: bool = False) -> None:
        pass

    def hurry(self) -> None:
        pass


@dataclass
class Diagnosis:
    """What was found in the course of one training."""

    case: Case
    state: RunState
    first: dict[tuple[int, str], tuple[int, Finding]] = field(default_factory=dict)
    """By rule and level: the step at which it was first found, and how."""

    def rules(self, level: str) -> set[int]:
        return {rule for rule, found in self.first if found == level}


def train(case: Case, watch: Watch, images: Images, every: int = 1, seed: int = 0) -> None:
    """Trains the case under a probe that looks at every so many steps."""
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    model = case.model()
    optimizer = case.optimizer(model.parameters())
    part = case.data(images)
    from torch.utils.data import DataLoader, TensorDataset

    batches = DataLoader(TensorDataset(part.train_x, part.train_y), case.batch, shuffle=case.shuffle, generator=order)
    step = 0
    for _ in range(case.epochs):
        for x, y in batches:
            if case.clear:
                optimizer.zero_grad()
            case.loss(model(x), y).backward()
            optimizer.step()
            step += 1
            if case.knocks is not None:
                case.knocks(model, step)
            if step == 1:
                hurry(watch, every)
        model.eval()
        with torch.no_grad():
            scores = model(part.val_x)
        model.train()
        right = (scores.argmax(1) == part.val_y).float().mean().item()
        watch.probe.log({"val_loss": case.loss(scores, part.val_y).item(), "val_accuracy": right})


def hurry(watch: Watch, every: int) -> None:
    """Waits until the probe knows that somebody looks; from then on everything is due by count."""
    probe: Any = watch.probe
    until(lambda: probe.recorder.looking)
    probe.recorder.tick_pace = probe.recorder.norm_pace = EveryNth(1)
    probe.recorder.ratio_pace = EveryNth(4)
    probe.recorder.pictures.pace = EveryNth(1)
    probe.recorder.gaze.eyes[0].pace = EveryNth(every)
    probe.recorder.gaze.eyes = probe.recorder.gaze.eyes[:1]
    probe.quiet.until = 0.0


def diagnose(case: Case, run: RunDirectory, relay: Relay, images: Images, every: int = 1, seed: int = 0) -> Diagnosis:
    """Trains, then reads what was recorded event by event and examines it every ten steps."""
    watch = Watch(run, relay)
    try:
        with Onlooker(run, open=["doctor"]):
            train(case, watch, images, every, seed)
    finally:
        watch.end()
    recorded = events_of(run)
    warnings = [one.text for one in recorded if isinstance(one, WarningEvent)]
    assert not warnings, warnings
    return examined(case, recorded)


def examined(case: Case, recorded: list[Any]) -> Diagnosis:
    diagnosis = Diagnosis(case, RunState())
    for event in states(diagnosis.state, recorded):
        for finding in examine(diagnosis.state):
            diagnosis.first.setdefault((finding.rule, finding.level), (event, finding))
    return diagnosis


def states(state: RunState, recorded: list[Any]) -> Iterator[int]:
    """Folds the events; gives the step every ten steps, and at the end."""
    next_ = 0
    for event in recorded:
        state.apply(event)
        if isinstance(event, (Tick, Checkup)) and state.step >= next_:
            next_ = state.step + 10
            yield state.step
    yield state.step


def images() -> Images:
    return load_digits()
