"""The phase view: its arithmetic is right as it stands there, it says what it waits for, and a weight can be nudged."""

from __future__ import annotations

import dataclasses
import math
import random
import re
from pathlib import Path
from typing import Any, Optional

import pytest

from tui.run import events
from tui.run.events import Gate, Live, Model, ModuleInfo, Nudge, Stage, TensorInfo, Term, Unit, Verdict, Walk
from tui.view.draw.backward import backward
from tui.view.draw.cells import Line, width_of
from tui.view.draw.formula import short
from tui.view.draw.forward import forward
from tui.view.draw.judgement import first_slope, loss
from tui.view.draw.nudge import apart, next_rung
from tui.view.draw.update import update
from tui.view.panels.phases import Phases
from tui.view.scene import Scene

from . import scripted
from .conftest import Opener, Viewer
from .scripted import ORDER, STATES, Tape
from .test_explain import scene_of

RATE = 0.1
DONE = ["forward", "loss", "backward", "update"]


def text(lines: list[Line]) -> str:
    return "\n".join("".join(cell for cell, _ in line).rstrip() for line in lines)


# ── a network whose numbers are known ─────────────────────────────────────────────────────────────────────────────────

ACT = {
    "ReLU": (lambda z: max(0.0, z), lambda z, a: float(z > 0)),
    "Tanh": (math.tanh, lambda z, a: 1 - a * a),
    "Sigmoid": (lambda z: 1 / (1 + math.exp(-z)), lambda z, a: a * (1 - a)),
}


def network(sizes: list[int], act: str = "ReLU") -> Model:
    tensors: list[TensorInfo] = []
    modules = [ModuleInfo("", "NeuralNetwork")]
    for number in range(len(sizes) - 1):
        given, out = sizes[number], sizes[number + 1]
        places = [len(tensors), len(tensors) + 1]
        tensors += [
            TensorInfo(f"{2 * number}.weight", [out, given], "float32"),
            TensorInfo(f"{2 * number}.bias", [out], "float32"),
        ]
        modules.append(ModuleInfo(f"stack.{2 * number}", "Linear", f"{given}→{out}", given * out + out, places))
        if number < len(sizes) - 2:
            modules.append(ModuleInfo(f"stack.{2 * number + 1}", act))
    return Model(0.1, "NeuralNetwork", 99, tensors, modules, ["SGD"], "cpu", "cross-entropy")


def walk_of(
    sizes: list[int], x: list[float], logits: Optional[list[float]] = None, act: str = "ReLU", seed: int = 0,
    target: int = 0, passed: Optional[list[str]] = None,
) -> Walk:  # fmt: skip
    """One sample, one step of SGD, in plain Python. With `logits` the last biases are such that these come out."""
    passed = DONE if passed is None else passed
    chance = random.Random(seed)
    function, slope = ACT[act]
    layers: list[dict[str, Any]] = []
    a = x
    for number in range(len(sizes) - 1):
        w = [[chance.uniform(-0.9, 0.9) for _ in a] for _ in range(sizes[number + 1])]
        b = [chance.uniform(-0.3, 0.6) for _ in w]
        if number == len(sizes) - 2 and logits is not None:
            b = [goal - sum(p * q for p, q in zip(row, a)) for row, goal in zip(w, logits)]
        z = [sum(p * q for p, q in zip(row, a)) + c for row, c in zip(w, b)]
        layers.append({"w": w, "b": b, "x": a, "z": z})
        a = [function(one) for one in z]
    scores = layers[-1]["z"]
    total = sum(map(math.exp, scores))
    chances = [math.exp(one) / total for one in scores]
    delta = [p - (k == target) for k, p in enumerate(chances)]
    for number in range(len(layers) - 1, -1, -1):
        layer = layers[number]
        layer["delta"] = delta
        layer["back"] = [sum(layer["w"][k][j] * delta[k] for k in range(len(delta))) for j in range(len(layer["x"]))]
        if number:
            before = layers[number - 1]["z"]
            delta = [d * slope(z, function(z)) for d, z in zip(layer["back"], before)]
    stages: list[Stage] = []
    module = 1
    back, after = "backward" in passed, "update" in passed
    for number, layer in enumerate(layers):
        units = []
        for k, (row, b, d) in enumerate(zip(layer["w"], layer["b"], layer["delta"])):
            terms = [
                Term(j, v, w, d * v if back else None, w - RATE * d * v if after else None)
                for j, (w, v) in enumerate(zip(row, layer["x"]))
            ]
            units.append(
                Unit(
                    k,
                    layer["z"][k],
                    b,
                    d if back else None,
                    b - RATE * d if after else None,
                    terms,
                    0.0,
                    len(row),
                    d if back else None,
                )
            )
        stages.append(
            Stage(
                module, "Linear", None, [len(units)], [], layer["x"], layer["z"], layer["delta"] if back else [], units
            )
        )
        module += 1
        if number < len(layers) - 1:
            outs = layers[number + 1]["x"]
            deltas = layers[number + 1]["back"] if back else []
            stages.append(Stage(module, act, None, [len(outs)], [], layer["z"], outs, deltas))
            module += 1
    verdict = Verdict(
        "cross-entropy", of=len(scores), scores=scores, chances=chances, target=[float(target)],
        loss=-math.log(chances[target]), deltas=[p - (k == target) for k, p in enumerate(chances)] if back else [],
    )  # fmt: skip
    return Walk(
        step=501, of=1, input=x, shape=[len(x)], stages=stages, verdict=verdict if "loss" in passed else None,
        optimizer="SGD", rate=RATE, passed=passed,
    )  # fmt: skip


ARTICLE = [0.5, 0.2, 0.8, 0.1]
LOGITS = [1.2, 0.4, -0.3]


def article(passed: Optional[list[str]] = None) -> Walk:
    return walk_of([4, 4, 4, 3], ARTICLE, LOGITS, passed=passed)


def test_the_articles_softmax_is_right() -> None:
    """Its own page says 0.63, 0.28, 0.09 and 0.46."""
    shown = text(loss(article(), 98))
    for words in ("e^1.2 = 3.32", "e^0.4 = 1.49", "e^−0.3 = 0.741", "Σ = 5.55", "3.32 / 5.55 = 0.598 ◂ the true one"):
        assert words in shown, shown
    assert "= 0.269" in shown and "= 0.133" in shown and "−ln 0.598 = 0.514" in shown
    assert "0.63" not in shown and "0.46" not in shown
    shown = text(first_slope(article(), 98))
    assert "p − y" in shown and "0.598 − 1 = −0.402" in shown and "0.269 − 0 = 0.269" in shown


def numeral(word: str) -> float:
    return float(word.replace("−", "-").replace(",", ""))


def equations(shown: str) -> list[tuple[str, float, float]]:
    """(the text, its left side computed, its right side) of everything that stands as `… = … = number`."""
    found = []
    joined = re.sub(r"\n {5,}", " ", shown)
    for item in re.split(r"\n|   +", joined):
        parts = item.split(" = ")
        for left, right in zip(parts, parts[1:]):
            if not re.fullmatch(r"−?[\d.,]+(e[-−]?\d+)?", right.strip().split(" ◂")[0]):
                continue
            sum_ = re.sub(r"ReLU\(([^()]*)\)", r"max(0.0, \1)", left)
            sum_ = re.sub(r"tanh\(([^()]*)\)", r"math.tanh(\1)", sum_)
            sum_ = re.sub(r"σ\(([^()]*)\)", r"1/(1+math.exp(-(\1)))", sum_)
            sum_ = re.sub(r"^.*(−ln|e\^)\s*(−?[\d.]+(?:e[-−]?\d+)?)$", r"\1(\2)", sum_)
            sum_ = sum_.replace("−ln", "-math.log").replace("e^", "math.exp")
            sum_ = re.sub(r"(class \d+:|[wb][₀-₉\[\],\d]+)\s+(p$)?", "", sum_).replace("b ", "")
            sum_ = sum_.replace("·", "*").replace("−", "-").replace("²", "**2").replace("e-", "E-").strip()
            if re.search(r"[₀-₉a-df-ln-z∂δΣ…]", re.sub(r"math\.\w+|max", "", sum_)) or not re.search(r"\d", sum_):
                continue
            found.append((item, float(eval(sum_, {"math": math})), numeral(right.strip().split(" ◂")[0])))  # noqa: S307
    return found


@pytest.mark.parametrize("width", [78, 98, 118])
@pytest.mark.parametrize("act", ["ReLU", "Tanh", "Sigmoid"])
@pytest.mark.parametrize("part", ["forward", "loss", "backward", "update"])
def test_what_is_written_can_be_computed_again(part: str, act: str, width: int) -> None:
    """Every sum, product and power on the page gives what stands behind its =, as far as three digits go."""
    for seed in range(3):
        walk = walk_of([4, 4, 4, 3], [0.5, -0.2, 0.8, 0.1], act=act, seed=seed, target=seed)
        model = network([4, 4, 4, 3], act)
        lines = {
            "forward": lambda walk=walk, model=model: forward(walk, model, width),
            "loss": lambda walk=walk: loss(walk, width),
            "backward": lambda walk=walk, model=model: backward(walk, model, width),
            "update": lambda walk=walk, model=model: update(walk, model, width, RATE),
        }[part]()
        assert all(width_of(line) <= width for line in lines)
        found = equations(text(lines))
        assert len(found) >= {"forward": 18, "loss": 6, "backward": 30, "update": 20}[part], text(lines)
        for item, left, right in found:
            assert left == pytest.approx(right, rel=0.012, abs=0.004), item


def test_every_weight_of_a_small_network_is_there() -> None:
    walk, model = article(), network([4, 4, 4, 3])
    shown = text(forward(walk, model, 98))
    for stage in walk.stages:
        for unit in stage.units:
            for term in unit.terms:
                assert short(abs(term.w)) in shown and short(term.x) in shown
            assert short(unit.out) in shown
    shown = text(backward(walk, model, 98))
    for unit in walk.stages[-1].units:
        assert all(short(term.grad) in shown for term in unit.terms)
    assert "old − rate · gradient" in text(update(walk, model, 98, RATE))


@pytest.mark.parametrize("act, slope", [("ReLU", r"·[01] = "), ("Tanh", r"·\(1 − "), ("Sigmoid", r"·[\d.]+·\(1 − ")])
def test_the_slope_of_each_activation_is_spelled_out(act: str, slope: str) -> None:
    walk = walk_of([4, 4, 4, 3], [0.5, -0.2, 0.8, 0.1], act=act)
    shown = text(backward(walk, network([4, 4, 4, 3], act), 98))
    assert len(re.findall("∂z[₁-₄] = [−\\d.e-]+" + slope, shown)) == 8, shown


def test_a_batch_says_that_it_is_one() -> None:
    """The share of one sample is divided, and gradients are those of all."""
    one = article()
    assert one.verdict is not None
    verdict = dataclasses.replace(one.verdict, deltas=[d / 32 for d in one.verdict.deltas], loss=0.7)
    stages = []
    for stage in one.stages:
        units = [dataclasses.replace(unit, delta=(unit.delta or 0) / 32) for unit in stage.units]
        stages.append(dataclasses.replace(stage, units=units, deltas=[d / 32 for d in stage.deltas]))
    walk = dataclasses.replace(one, of=32, verdict=verdict, stages=stages)
    shown = text(backward(walk, network([4, 4, 4, 3]), 98))
    assert "(p − y) / 32" in shown and "mean over 32 samples" in shown and "(0.598 − 1) / 32 = −0.0126" in shown
    assert "over the 32 samples" in shown and "= … + (−0.0126)·" in shown
    assert "of the whole batch of 32: 0.7" in text(loss(walk, 98))


def test_no_formula_that_is_not_true() -> None:
    """Where the program's numbers do not follow a formula, it is not shown."""
    walk, model = article(), network([4, 4, 4, 3])
    assert "rate · gradient" not in text(update(walk, model, 98, 0.05)).split("\n")[0]
    assert "What was measured" in text(update(walk, model, 98, 0.05))
    adam = dataclasses.replace(walk, optimizer="Adam")
    assert "earlier gradients" in text(update(adam, model, 98, RATE)) and " → " in text(update(adam, model, 98, RATE))
    steps = re.findall(r"(−?[\d.]+) → (−?[\d.]+)  step \+?(−?[\d.e-]+),", text(update(adam, model, 98, RATE)))
    assert len(steps) > 30
    assert all(numeral(new) - numeral(old) == pytest.approx(numeral(step), rel=0.1) for old, new, step in steps)
    assert walk.verdict is not None
    smooth = dataclasses.replace(walk.verdict, deltas=[-0.3, 0.25, 0.05])
    assert "p − y" not in text(first_slope(dataclasses.replace(walk, verdict=smooth), 98))
    twice = dataclasses.replace(walk.verdict, deltas=[3 * d for d in walk.verdict.deltas])
    assert "(p − y)·3" in text(first_slope(dataclasses.replace(walk, verdict=twice), 98))
    skipping = dataclasses.replace(walk.stages[1], deltas=[9.0, 9.0, 9.0, 9.0])
    stages = [walk.stages[0], skipping, *walk.stages[2:]]
    assert "on other ways" in text(backward(dataclasses.replace(walk, stages=stages), model, 98))


def test_what_comes_out_of_an_image_is_told_by_channel_row_and_column() -> None:
    conv = Stage(1, "Conv2d", None, [2, 3, 3], [4, 17], [], [1.5, -2.5])
    same = Stage(2, "Conv2d", None, [2, 3, 3], [4, 17], [0.5, 0.25], [1.5, -2.5])
    relu = Stage(3, "ReLU", None, [2, 3, 3], [4, 17], [1.5, -2.5], [1.5, 0.0])
    shown = text(forward(Walk(step=1, of=1, stages=[conv, same, relu]), None, 98))
    assert shown.count("a[1,2,2] = 1.5 ") == 2 == shown.count("a[2,3,3] = −2.5\n") and "16 more are not listed" in shown
    assert "a[1,2,2] = ReLU(1.5) = 1.5" in shown and "0.25" not in shown


VALUES = {
    "mean squared error": (2 * (0.31 - 1.0), "(0.31 − 1)² = 0.476", "2·(0.31 − 1) = −1.38"),
    "half squared error": (0.31 - 1.0, "(0.31 − 1)² / 2 = 0.238", "0.31 − 1 = −0.69"),
    "absolute error": (-1.0, "|0.31 − 1| = 0.69", "−1 = −1"),
    "perceptron": (0.0, "max(0, −1·0.31) = 0", "δ = 0"),
    "hinge": (-1.0, "max(0, 1 − 1·0.31) = 0.69", "−1 = −1"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_one_neuron(kind: str) -> None:
    delta, said, back = VALUES[kind]
    own = {"mean squared error": 0.4761, "half squared error": 0.23805, "perceptron": 0.0}.get(kind, 0.69)
    verdict = Verdict(kind, of=1, scores=[0.31], target=[1.0], loss=own, deltas=[delta])
    walk = Walk(step=1, of=1, verdict=verdict, passed=DONE)
    assert said in text(loss(walk, 78)) and back in text(first_slope(walk, 78))
    assert "weighs, smooths" not in text(loss(walk, 78))
    other = dataclasses.replace(walk, verdict=dataclasses.replace(verdict, loss=5.0))
    assert "weighs, smooths" in text(loss(other, 78))


def test_a_loss_that_nothing_tells() -> None:
    walk = Walk(
        step=1, of=1, verdict=Verdict("", name="MyLoss", of=2, scores=[0.1, 0.2], loss=3.0), passed=["forward", "loss"]
    )
    shown = text(loss(walk, 78))
    assert "MyLoss" in shown and "nothing here can read" in shown and "[0.1, 0.2]" in shown and ": 3" in shown


# ── the panel ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def held(root: Path, pid: int, phase: str, walk: Optional[Walk], **how: Any) -> Tape:
    model = network([4, 4, 4, 3])
    tape = Tape(root, pid).add(scripted.start(), model, *scripted.ticks(model))
    step = 501 if phase in ("update", "zero_grad") else 500
    tape.add(Gate(8.2, step, True, phase, "asked"))
    return tape.see(
        Live(8.2, step, True, phase, ORDER, "train.py:27", "loss.backward()", loss=0.5143, walk=walk, **how)
    )


def drawn(scene: Scene, width: int = 98, height: int = 24, panel: Optional[Phases] = None) -> str:
    lines = (panel or Phases("phases")).draw(scene, width, height)
    assert len(lines) <= height and all(width_of(line) <= width for line in lines)
    return text(lines)


PASSED = {
    "forward": DONE[:1],
    "loss": DONE[:2],
    "backward": DONE[:3],
    "update": DONE,
    "zero_grad": [*DONE, "zero_grad"],
}
IN_FULL = {
    "forward": ["stack.0 Linear 4→4", "    z₁ = "],
    "loss": ["e^1.2 = 3.32", "0.514"],
    "backward": ["δ₁ = 0.598 − 1 = −0.402", "∂w₁₁"],
    "update": ["new = old − rate · gradient"],
    "zero_grad": ["begins anew"],
}


@pytest.mark.parametrize("phase", PASSED)
def test_the_current_phase_is_in_full_and_the_others_short(tmp_path: Path, pid: int, phase: str) -> None:
    scene = scene_of(held(tmp_path, pid, phase, article(PASSED[phase])))
    shown = drawn(scene, height=24)
    assert all(words in shown for words in IN_FULL[phase]), shown
    assert f"▸{'zero-grad' if phase == 'zero_grad' else phase}◂" in shown and "train.py:27" in shown
    whole = drawn(scene, height=200)
    for other in PASSED[phase][:-1]:
        assert f"✓ {other.capitalize()}" in whole and f"✓ {other}" in shown.split("\n")[0]
        assert not all(words in whole for words in IN_FULL[other])
    for later in ORDER[len(PASSED[phase]) :]:
        assert later.capitalize() not in whole


def test_scrolling_reaches_every_line(tmp_path: Path, pid: int) -> None:
    scene = scene_of(held(tmp_path, pid, "backward", article(PASSED["backward"])))
    panel = Phases("phases")
    seen = set(drawn(scene, panel=panel).split("\n"))
    for _ in range(6):
        assert panel.move(scene, 10)
        seen |= set(drawn(scene, panel=panel).split("\n"))
    bottom = drawn(scene, panel=panel)
    for _ in range(12):
        panel.move(scene, -10)
        seen |= set(drawn(scene, panel=panel).split("\n"))
    assert set(drawn(scene, height=200).split("\n")) - {""} <= seen
    assert drawn(scene, panel=panel) != bottom
    panel.move(scene, 1)
    assert drawn(scene, panel=panel).count("\n") == bottom.count("\n")


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("width, height", [(98, 24), (78, 18), (118, 30), (34, 6), (78, 3), (20, 1)])
def test_without_a_walk_it_says_what_it_waits_for(tmp_path: Path, pid: int, name: str, width: int, height: int) -> None:
    shown = drawn(scene_of(STATES[name](tmp_path, pid)), width, height)
    assert shown.strip()
    if height > 6:
        assert len(shown.split("\n")[-1]) > 10 and "✓" not in shown


@pytest.mark.parametrize("phase", PASSED)
@pytest.mark.parametrize("width, height", [(98, 24), (78, 18), (118, 30), (34, 6), (78, 3), (20, 1)])
def test_any_size(tmp_path: Path, pid: int, phase: str, width: int, height: int) -> None:
    scene = scene_of(held(tmp_path, pid, phase, article(PASSED[phase])))
    panel = Phases("phases")
    for _ in range(4):
        assert drawn(scene, width, height, panel).strip()
        panel.move(scene, 10)
        panel.sideways(scene, 1)


def test_why_there_is_nothing(tmp_path: Path, pid: int) -> None:
    scene = scene_of(held(tmp_path, pid, "backward", Walk(step=501, absent="this batch was not watched: press p")))
    assert "This batch was not watched: press p." in drawn(scene)
    assert "space pauses it" in drawn(scene_of(scripted.running(tmp_path / "b", pid)))


def odd_numbers(thing: Any, chance: random.Random) -> Any:
    """The same record with some of its numbers made impossible."""
    if isinstance(thing, float):
        return chance.choice([math.nan, math.inf, -math.inf, 1e38, -1e-38, 0.0, -0.0, thing, thing])
    if isinstance(thing, list):
        return [odd_numbers(one, chance) for one in thing][: chance.choice([len(thing), len(thing), 1])]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return dataclasses.replace(
            thing,
            **{
                one.name: odd_numbers(getattr(thing, one.name), chance)
                for one in dataclasses.fields(thing)
                if one.name != "passed"
            },
        )
    return thing


@pytest.mark.parametrize("phase", PASSED)
def test_numbers_that_are_none_are_shown(tmp_path: Path, pid: int, phase: str) -> None:
    for seed in range(12):
        chance = random.Random(seed)
        walk = odd_numbers(article(PASSED[phase]), chance)
        kind = chance.choice(["cross-entropy", "binary cross-entropy", "hinge", "mean squared error"])
        if walk.verdict is not None:
            walk = dataclasses.replace(walk, verdict=dataclasses.replace(walk.verdict, kind=kind))
        scene = scene_of(held(tmp_path / str(seed), pid, phase, walk))
        shown = drawn(scene, height=400)
        if phase == "forward":
            assert "✗ NaN" in shown or "∞" in shown
        panel = Phases("phases")
        for _ in range(3):
            panel.sideways(scene, -1)
            drawn(scene, panel=panel)


def test_names_are_no_markup_and_long_ones_are_cut(tmp_path: Path, pid: int) -> None:
    walk = article(PASSED["backward"])
    model = network([4, 4, 4, 3])
    modules = [dataclasses.replace(info, path=info.path.replace("stack", "[bold]走る" * 12)) for info in model.modules]
    tape = held(tmp_path, pid, "backward", walk)
    tape.add(dataclasses.replace(model, modules=modules))
    assert "走" in drawn(scene_of(tape), 78, 200) and "…" in drawn(scene_of(tape), 78, 200)


# ── a weight by hand ──────────────────────────────────────────────────────────────────────────────────────────────────


def answer(viewer: Viewer, walk: Walk, asked: events.TryWeight, grad: float, bend: float) -> None:
    """What the probe would answer, for a loss that bends by so much."""
    real = grad * asked.by + bend * asked.by**2
    nudge = Nudge(asked.tensor, asked.index, asked.by, 0.2, grad, 0.5143, 0.5143 + real)
    live = viewer.scene.state.live
    assert live is not None
    viewer.tape.see(dataclasses.replace(live, t=live.t + 1, walk=dataclasses.replace(walk, nudge=nudge)))
    viewer.tape.answer(asked, "try")


async def test_the_arrows_nudge_a_weight(show: Opener, tmp_path: Path, pid: int) -> None:
    walk = article(PASSED["backward"])
    grads = {
        (stage.module, unit.place, term.place): term.grad or 0.0
        for stage in walk.stages for unit in stage.units for term in unit.terms
    }  # fmt: skip
    biases = {(stage.module, unit.place): unit.bias_grad or 0.0 for stage in walk.stages for unit in stage.units}
    largest = max(abs(one) for one in [*grads.values(), *biases.values()])
    tape = held(tmp_path, pid, "backward", walk)
    async with show(tape, (100, 30), zoomed="phases", focus="phases") as viewer:
        panel = viewer.panel("phases")
        assert "← → nudge a weight" in panel.text() and "moved by" not in panel.text()
        # When → is pressed, the weight of largest gradient is tried
        await viewer.press("right")
        asked = await viewer.asked(1)
        assert isinstance(asked, events.TryWeight) and asked.by == 1e-4
        model = viewer.scene.state.model
        assert model is not None
        module = next(place for place, info in enumerate(model.modules) if asked.tensor in info.tensors)
        shape = model.tensors[asked.tensor].shape
        grad = (
            biases[module, asked.index]
            if len(shape) == 1
            else grads[module, asked.index // shape[1], asked.index % shape[1]]
        )
        assert abs(grad) == pytest.approx(largest)
        answer(viewer, walk, asked, grad, 0.5)
        await viewer.until(lambda: "real change" in panel.text())
        assert short(grad * 1e-4, 4) in panel.text() and "1e-4" in panel.text()
        # … and farther, each in a row of its own
        for count, by in ((2, 1e-3), (3, 1e-2), (4, 1e-1)):
            await viewer.press("right")
            asked = await viewer.asked(count)
            assert asked.by == by
            answer(viewer, walk, asked, grad, 0.5)
            await viewer.until(lambda by=by: f"+{short(by)} " in panel.text())
        assert "0.5 * 0.1" not in panel.text() and "bend" in panel.text()
        assert short(grad * 0.1 + 0.005, 4) in panel.text()
        # ↓ takes another weight and forgets the table; a page key lets go
        before = next(line for line in panel.text().split("\n") if "nudge" in line)
        await viewer.press("up")
        after = next(line for line in panel.text().split("\n") if "nudge" in line)
        assert after != before and "real change" not in panel.text()
        assert len(tape.commands()) == 4
        await viewer.press("pagedown")
        assert "let go" not in panel.text() and "← → nudge a weight" in panel.text()


async def test_no_nudge_where_none_can_be_made(show: Opener, tmp_path: Path, pid: int) -> None:
    for number, (phase, how) in enumerate((("update", {}), ("forward", {}), ("backward", {"readonly": True}))):
        tape = held(tmp_path / str(number), pid, phase, article(PASSED[phase]))
        async with show(tape, (100, 30), zoomed="phases", focus="phases", **how) as viewer:
            await viewer.press("right", "left")
            assert tape.commands() == [] and "moved by" not in viewer.screen()
            if not how:
                assert "nudge" not in viewer.panel("phases").text()


def test_rungs_and_what_is_apart() -> None:
    assert [next_rung(0.0, 1), next_rung(1e-4, 1), next_rung(1.0, 1)] == [1e-4, 1e-3, 1.0]
    assert [next_rung(1e-4, -1), next_rung(0.0, -1), next_rung(-0.1, -1)] == [0.0, -1e-4, -1.0]
    assert apart(Nudge(by=0.1, grad=2.0, before=1.0, after=1.15)) == pytest.approx(0.25)
    assert apart(Nudge(by=0.1, grad=None, before=1.0, after=1.15)) is None
