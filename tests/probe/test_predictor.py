"""The predictions: read as the loss reads them, counted right, and nothing of the program touched."""

from __future__ import annotations

import math
from typing import Any, Callable, Optional

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from tui.probe.answers import Manner, Reading, manner_of, read
from tui.probe.boundary import SIDE, Boundary
from tui.probe.samples import pictures_of
from tui.run import events
from tui.run.directory import RunDirectory
from tui.run.events import Live, Predictions

from ..support import Onlooker, until
from .conftest import Watch


def reading(scores: Any, target: Any, kind: str = "cross-entropy", **how: Any) -> Reading:
    scores = torch.as_tensor(scores)
    target = None if target is None else torch.as_tensor(target)
    manner = how.pop("manner", None) or manner_of(kind, scores, target)
    assert manner is not None
    vector, unpack = read(scores, target, manner, **how)
    return unpack(vector.tolist())


# ── one batch ──


def test_classes_are_counted_and_the_wrong_ones_come_first() -> None:
    logits = [[2.0, 0.0, 1.0], [0.0, 3.0, 1.0], [0.0, 1.0, 5.0], [9.0, 1.0, 5.0]]
    found = reading(logits, [0, 2, 2, 1])
    assert (found.count, found.known, found.right, found.odd, found.classes) == (4, 4, 2, 0, 3)
    assert found.confusion == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    assert [one.place for one in found.samples] == [1, 3, 0, 2]
    first = found.samples[0]
    assert (first.truth, first.guess) == (2, 1)
    assert first.chances == pytest.approx(torch.tensor(logits[1]).softmax(0).tolist(), abs=1e-3)
    assert first.sure == pytest.approx(max(first.chances))


def test_scores_that_are_nan_are_no_class_and_never_right() -> None:
    found = reading([[math.nan, 1.0], [0.0, 1.0], [math.inf, 0.0]], [0, 1, 0])
    assert (found.right, found.odd) == (2, 1)
    assert [math.isnan(one.guess or 0.0) for one in found.samples] == [True, False, False]
    assert found.confusion == [[1, 0], [0, 1]]


def test_a_truth_that_the_loss_ignores_is_not_counted() -> None:
    found = reading([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], [-100, 0, 0])
    assert (found.count, found.known, found.right) == (3, 2, 1)
    assert [one.truth for one in found.samples if one.place == 0] == [None]


def test_many_classes_have_no_confusions_but_a_probability() -> None:
    scores = torch.zeros(3, 50)
    scores[0, 7] = 4.0
    found = reading(scores, [7, 7, 7])
    assert found.confusion == [] and found.samples[-1].chances == []
    assert found.samples[-1].sure == pytest.approx(math.exp(4) / (math.exp(4) + 49), abs=1e-3)


def test_positions_are_decisions_of_their_own() -> None:
    scores = torch.zeros(2, 3, 4)  # samples, classes, positions
    scores[:, 1] = 1.0
    target = torch.ones(2, 4, dtype=torch.long)
    target[0, 0] = 2
    found = reading(scores, target)
    assert (found.count, found.right) == (8, 7)


@pytest.mark.parametrize(
    "kind, scores, target, right, level",
    [
        ("binary logits", [-1.0, 2.0, 0.5, -3.0], [0.0, 1.0, 0.0, 0.0], 3, 0.0),
        ("binary chances", [0.1, 0.9, 0.6, 0.2], [0.0, 1.0, 0.0, 0.0], 3, 0.5),
        ("values", [0.1, 0.9, 0.6, 0.2], [0.0, 1.0, 0.0, 0.0], 3, 0.5),
        ("values", [-0.1, 0.9, 0.6, -4.0], [-1.0, 1.0, -1.0, -1.0], 3, 0.0),
        ("", [-0.1, 2.9, 0.6, -4.0], [-1.0, 1.0, -1.0, -1.0], 3, 0.0),
        ("", [-0.1, 2.9, 0.6, -4.0], [0, 1, 0, 0], 3, 0.0),
    ],
)
def test_one_score_has_two_sides(kind: str, scores: Any, target: Any, right: int, level: float) -> None:
    found = reading(scores, target, kind)
    assert manner_of(kind, torch.tensor(scores), torch.tensor(target)).level == level  # type: ignore[union-attr]
    assert (found.kind, found.classes, found.count, found.right) == ("classes", 2, 4, right)
    assert found.confusion == [[2, 1], [0, 1]]
    assert found.names == (("−1", "+1") if -1.0 in target else ())
    assert (found.samples[0].truth, found.samples[0].guess, found.samples[0].place) == (0, 1, 2)


def test_values_have_pairs_and_a_mean_error() -> None:
    found = reading([[1.5], [2.0], [math.nan]], [[1.0], [4.0], [3.0]], "values")
    assert (found.kind, found.count, found.odd) == ("values", 3, 1)
    assert found.off == pytest.approx(2.5)
    assert found.pairs[:2] == [[1.0, 1.5], [4.0, 2.0]] and math.isnan(found.pairs[2][1])
    assert [one.place for one in found.samples] == [1, 0, 2]


def test_a_single_target_of_zero_is_a_value_and_no_class() -> None:
    assert manner_of("values", torch.tensor([[0.8]]), torch.tensor([[0.0]])) == Manner()
    assert manner_of("", torch.zeros(4, 3), torch.zeros(4, 7)) is None


def test_pictures_are_pooled_and_their_levels_span_each_own_range() -> None:
    images = torch.zeros(2, 3, 60, 40)
    images[0, :, :30] = 2.0
    images[1, 0, 59, 39] = math.nan
    found = reading(torch.eye(2), [1, 1], pictures=pictures_of(images))
    wrong, right = found.samples
    assert (wrong.height, wrong.width) == (20, 14) and len(wrong.cells) == 280
    assert wrong.cells == "f" * 140 + "0" * 140
    assert right.cells[-1] == "n" and set(right.cells[:-1]) == {"0"}


@pytest.mark.parametrize(
    "shape, side, drawn", [((3, 16), 4, True), ((3, 16), 0, False), ((3, 2, 8), 0, False), ((3, 2, 2), 0, True)]
)
def test_only_what_reads_as_pictures_is_drawn(shape: tuple[int, ...], side: int, drawn: bool) -> None:
    assert (pictures_of(torch.rand(shape), side) is not None) == drawn


def test_batches_of_one_pass_add_up() -> None:
    one, two = reading(torch.eye(2), [0, 0]), reading(torch.eye(2), [1, 1])
    one.add(two)
    assert (one.count, one.known, one.right, one.confusion) == (4, 4, 2, [[1, 1], [1, 1]])
    assert len(one.samples) == 2


# ── a whole program ──


def newest(run: RunDirectory) -> Optional[Live]:
    try:
        return events.decode_live(run.live_file(0).read_bytes())
    except FileNotFoundError:
        return None


def shown(run: RunDirectory) -> Optional[Predictions]:
    live = newest(run)
    return live.predictions if live is not None else None


def points(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] * x[:, 1] > 0).long()


def train(until_seen: Callable[[], bool], evaluate: Optional[Callable[[nn.Module], Any]] = None) -> nn.Module:
    """Epochs of three batches, and an evaluation after each, until something has been seen."""
    torch.manual_seed(3)
    x, y = points(48, 0)
    loader = DataLoader(TensorDataset(x, y), 16)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(20_000):
        for a, b in loader:
            loss = F.cross_entropy(model(a), b)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        if evaluate is not None:
            with torch.no_grad():
                evaluate(model)
        if until_seen():
            return model
    raise AssertionError("it was not seen")


def test_the_evaluation_is_preferred_and_its_batches_are_added_up(watch: Watch) -> None:
    x, y = points(50, 1)
    counted: dict[int, int] = {}
    step = 0
    loss_fn = nn.CrossEntropyLoss()

    def evaluate(model: nn.Module) -> None:
        nonlocal step
        step += 3
        right = 0
        for first in range(0, 50, 20):
            scores = model(x[first : first + 20])
            loss_fn(scores, y[first : first + 20])
            right += int((scores.argmax(1) == y[first : first + 20]).sum())
        counted[step] = right

    def seen() -> bool:
        found = shown(watch.run)
        return found is not None and found.source == "validation"

    with Onlooker(watch.run, open=["predict"]):
        train(seen, evaluate)
        found = shown(watch.run)
    watch.ticks()
    assert found is not None
    assert (found.count, found.known, found.classes) == (50, 50, 2)
    assert found.right == counted[found.step]
    assert sum(map(sum, found.confusion)) == 50 and found.confusion[0][0] + found.confusion[1][1] == found.right
    assert len(found.samples) == 20 and {one.place for one in found.samples} == set(range(20))
    wrong = [one.truth != one.guess for one in found.samples]
    assert wrong == sorted(wrong, reverse=True)


def test_two_evaluations_are_two_and_the_last_one_counts(watch: Watch) -> None:
    loss_fn = nn.CrossEntropyLoss()

    def on(model: nn.Module, count: int) -> None:
        x, y = points(count, 1)
        loss_fn(model(x), y)

    def evaluate(model: nn.Module) -> None:
        on(model, 30)
        on(model, 70)

    def seen() -> bool:
        found = shown(watch.run)
        return found is not None and found.source == "validation"

    with Onlooker(watch.run, open=["predict"]):
        train(seen, evaluate)
        found = shown(watch.run)
    watch.ticks()
    assert found is not None and found.count == 70


def test_without_a_truth_the_training_batch_is_shown(watch: Watch) -> None:
    x, _ = points(50, 1)

    def seen() -> bool:
        return shown(watch.run) is not None

    with Onlooker(watch.run, open=["predict"]):
        train(seen, lambda model: model(x).argmax(1))
        found = shown(watch.run)
    watch.ticks()
    assert found is not None
    assert (found.source, found.count, found.known) == ("training batch", 16, 16)


def test_nobody_asks_and_nothing_is_looked_at(watch: Watch) -> None:
    def seen() -> bool:
        live = newest(watch.run)
        return live is not None and live.picture is not None

    with Onlooker(watch.run, open=["loss"]):
        train(seen)
        live = newest(watch.run)
    watch.ticks()
    assert live is not None and live.predictions is None and live.boundary is None


def test_the_boundary_is_that_of_the_model(watch: Watch) -> None:
    def seen() -> bool:
        live = newest(watch.run)
        return live is not None and live.boundary is not None

    # Given a program with two inputs that is held while somebody looks
    def person(hand: Any) -> None:
        until(seen)
        hand.ask(events.Pause())
        until(hand.held)
        step = hand.held().step
        until(lambda: newest(watch.run).boundary.step == step)
        said["boundary"] = newest(watch.run).boundary
        said["weights"] = {name: one.clone() for name, one in model.state_dict().items()}

    said: dict[str, Any] = {}
    torch.manual_seed(3)
    x, y = points(48, 0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def run() -> None:
        while True:
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()

    with Onlooker(watch.run, "second", open=["predict"]):
        watch.steered(run, person, looked_at=False)
    found = said["boundary"]
    # Then every value is the class and the probability that the model gives there, without dropout
    model.load_state_dict(said["weights"])
    model.eval()
    assert (found.rows, found.columns, found.classes) == (SIDE, SIDE, 2)
    assert found.left < float(x[:, 0].min()) and found.right > float(x[:, 0].max())
    for row, column in ((0, 0), (7, 31), (SIDE - 1, SIDE - 1)):
        at = [
            found.left + (found.right - found.left) * column / (SIDE - 1),
            found.top - (found.top - found.bottom) * row / (SIDE - 1),
        ]
        chance, place = model(torch.tensor([at])).detach().softmax(1).max(1)
        assert found.values[row * SIDE + column] == pytest.approx(float(place) + min(0.999, float(chance)), abs=2e-3)
    # And the data lie on it, with their true classes and what the model says of them
    assert {round(point[2]) for point in found.points} == {0, 1}
    for first, second, true, said_ in found.points[:10]:
        assert said_ == int(model(torch.tensor([[first, second]])).argmax(1))
        assert true == float(first * second > 0)


@pytest.mark.parametrize(
    "target, level", [([-1.0, 1.0, 1.0], 0.0), ([0.0, 1.0, 1.0], 0.5), ([0.3, 2.0, 1.0], math.nan)]
)
def test_one_score_parts_where_its_loss_says(target: list[float], level: float) -> None:
    model, x = nn.Linear(2, 1), torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.25, 0.0]]))
        model.bias.zero_()
    scores = torch.tensor([[0.1], [0.9], [0.2]])
    manner = manner_of("values", scores, torch.tensor(target)[:, None])
    boundary = Boundary()
    boundary.feed(x, torch.tensor(target))
    boundary.refresh(model, manner, 7, always=True)
    found = boundary.surface
    assert found is not None and (found.classes, found.step) == (0, 7)
    assert found.level == level or math.isnan(found.level) and math.isnan(level)
    assert found.values[0] == pytest.approx(0.25 * found.left, rel=1e-3)
    assert [point[2] for point in found.points] == ([-1.0] * 3 if math.isnan(level) else [0.0, 1.0, 1.0])
    expected = [-1.0] * 3 if math.isnan(level) else [float(0.25 * one > level) for one in (0.0, 2.0, 4.0)]
    assert [point[3] for point in found.points] == expected


class Shy(nn.Linear):
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("no")


class Handle:
    """Of something that is closed when this goes."""

    closed = 0

    def __del__(self) -> None:
        Handle.closed += 1


class Opens(nn.Linear):
    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.handles = {"one": [Handle()]}


@pytest.mark.parametrize("kind", [Shy, Opens])
def test_a_model_that_minds_being_copied_has_no_boundary(kind: type[nn.Linear]) -> None:
    boundary, model = Boundary(), kind(2, 2)
    boundary.feed(torch.rand(4, 2), None)
    Handle.closed = 0
    boundary.refresh(model, None, 1, always=True)
    boundary.refresh(model, None, 2, always=True)
    assert boundary.surface is None and Handle.closed == 0


def trained(watch: Optional[Watch]) -> tuple[list[float], list[float], torch.Tensor]:
    """Losses, weights and random numbers of a program with dropout that evaluates, over 60 epochs."""
    torch.manual_seed(5)
    x, y = points(60, 0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss_fn = nn.CrossEntropyLoss()
    losses = []
    for epoch in range(60):
        for first in range(0, 60, 20):
            loss = loss_fn(model(x[first : first + 20]), y[first : first + 20])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            losses.append(loss_fn(model(x), y).item())
        model.train()
        if watch is not None and epoch == 5:
            until(lambda: watch.probe._desk.looking)
    state = [float(value) for one in model.state_dict().values() for value in one.reshape(-1).tolist()]
    return losses, state, torch.get_rng_state()


def test_the_same_bits_with_and_without_somebody_looking(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.probe import pace

    monkeypatch.setattr(pace.Pace, "due", lambda self, now: True)
    with Onlooker(watch.run, open=["predict", "valley"]):
        looked_at = trained(watch)
        live = newest(watch.run)
    watch.ticks()
    assert live is not None and live.predictions is not None and live.boundary is not None
    bare = trained(None)
    assert looked_at[0] == bare[0] and looked_at[1] == bare[1]
    assert torch.equal(looked_at[2], bare[2])
