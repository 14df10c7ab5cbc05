"""The network panel on real models: what a narrow line says, the columns of the zoom; only lines in sight are made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tui.history.modules import modules_of
from tui.run.events import Activation, Model, ModuleInfo, Shapes, Silence, TensorInfo
from tui.view.draw import tree
from tui.view.draw.tree import Seen, columns, head, narrow_line, wide_line
from tui.view.panels import network

from . import scripted
from .conftest import Opener
from .scripted import Tape


def transformer(blocks: int = 12, width: int = 768, words: int = 50257) -> Model:
    """With a frozen embedding, a head tied to it, and a norm of another type on another device."""
    tensors: list[TensorInfo] = []
    modules: list[ModuleInfo] = []

    def add(
        path: str, kind: str, detail: str = "", *shapes: list[int], own: tuple[int, ...] = (), **tensor: Any
    ) -> None:
        places = [*own, *range(len(tensors), len(tensors) + len(shapes))]
        for shape in shapes:
            tensors.append(TensorInfo(path + ".weight", shape, **{"dtype": "bfloat16", **tensor}))
        weights = sum(math.prod(shape) for shape in shapes)
        modules.append(
            ModuleInfo(path, kind, detail, weights or sum(math.prod(tensors[one].shape) for one in own), places)
        )

    block = 2 * 4 * width * width
    add("", "GPT")
    add("wte", "Embedding", f"{words}→{width}", [words, width], trainable=False)
    add("h", "ModuleList")
    for number in range(blocks):
        modules.append(ModuleInfo(f"h.{number}", "Block", "", block))
        add(f"h.{number}.up", "Linear", f"{width}→{4 * width}", [4 * width, width])
        add(f"h.{number}.gelu", "GELU")
        add(f"h.{number}.down", "Linear", f"{4 * width}→{width}", [width, 4 * width])
    add("norm", "LayerNorm", str(width), [width], dtype="float32", device="cuda:1")
    add("head", "Linear", f"{width}→{words}", own=(0,))
    weights = words * width + blocks * block + width
    return Model(0.1, "GPT", weights, tensors, modules, ["AdamW"], "cuda:0", "cross-entropy")


def place_of(model: Model, path: str) -> int:
    return next(place for place, info in enumerate(model.modules) if info.path == path)


def seen(model: Model, **live: Any) -> dict[str, Any]:
    """What a photograph saw: a shape for each module, and what lets the activation functions of all blocks through."""
    kinds = ["8×1024×768", "8×1024×3072"]
    of = [-1 if info.kind == "ModuleList" else int(info.kind in ("GELU",)) for info in model.modules]
    ons = [place for place, info in enumerate(model.modules) if info.kind == "GELU"]
    outputs = [Activation(place, [8, 1024, 3072], 0.30 + 0.02 * number, 1.0) for number, place in enumerate(ons)]
    return {"shapes": Shapes(kinds, " ".join(map(str, of))), "activations": outputs, **live}


def run_of(root: Path, pid: int, model: Model, **live: Any) -> Tape:
    tape = scripted.running(root, pid, model)
    return tape.see(scripted.live(model, **live))


def text(line: list[tuple[str, str]]) -> str:
    return "".join(words for words, _ in line)


async def test_a_narrow_panel_says_the_most_in_a_line(tmp_path: Path, pid: int, show: Opener) -> None:
    model = transformer()
    async with show(run_of(tmp_path, pid, model, **seen(model)), (120, 36)) as viewer:
        drawn = viewer.panel("network").text().splitlines()
        assert drawn[:8] == [
            "wte 50257→768    ○ 38.6M",
            "h.0…h.11 Block ×12 56.6M",
            " up 768→3072       2.36M",
            " gelu GELU    30–52 % on",
            " down 3072→768     2.36M",
            "norm LayerNorm 768   768",
            "head         tied to wte",
            "cross-entropy 0.456",
        ]
        panel = viewer.panel("network")
        assert str(panel.border_title) == "Network · GPT"
        assert str(panel.border_subtitle) == "41 % ○ frozen"


async def test_the_zoom_has_columns_for_what_the_model_has(tmp_path: Path, pid: int, show: Opener) -> None:
    model = transformer()
    async with show(run_of(tmp_path, pid, model, **seen(model)), (140, 36)) as viewer:
        await viewer.press("1", "enter")
        panel = viewer.panel("network")
        drawn = panel.text().splitlines()
        assert str(panel.border_title) == "Network · GPT · bfloat16 on cuda:0"
        assert str(panel.border_subtitle) == "95,221,248 weights, 41 % ○ frozen"
        assert [line.split() for line in drawn[:3]] == [
            ["module", "output", "weights", "share", "type", "device", "values", "of", "the", "output"],
            ["wte", "Embedding", "50257→768", "8×1024×768", "38.6M", "41", "%", "○", "frozen"],
            ["h.0…h.11", "Block", "×12", "8×1024×768", "12×4.72M", "59", "%"],
        ]
        assert drawn[4].split() == ["gelu", "GELU", "8×1024×3072", "30–52", "%", "on"]
        assert drawn[6].split() == ["norm", "LayerNorm", "768", "8×1024×768", "768", "<0.1", "%", "float32", "cuda:1"]
        assert drawn[7].split() == ["head", "768→50257", "tied", "to", "wte", "8×1024×768", "○", "frozen"]
        # Where there is less room the name keeps it, and what tells least goes
        assert list(columns(modules_of(model), 78).parts) == ["output", "weights", "share", "frozen"]


def test_no_line_is_wider_than_its_place() -> None:
    modules = modules_of(transformer(blocks=3))
    saw = Seen("8×1024×768", [Activation(0, [], 0.5, 1.0, False, -1.0, 1.0, [1, 2, 3])])
    for width in range(1, 140):
        into = columns(modules, width)
        for row in modules.rows:
            assert len(text(narrow_line(row, saw, width))) == width
            if width >= tree.COLUMNS_FROM:
                assert len(text(wide_line(row, saw, into))) <= width and len(text(head(into))) <= width


def test_a_plain_model_has_no_columns_for_what_it_has_not() -> None:
    assert list(columns(modules_of(scripted.reader()), 200).parts) == ["output", "weights", "share", "values"]


async def test_trouble_in_a_block_that_is_folded_away_is_seen(tmp_path: Path, pid: int, show: Opener) -> None:
    model = transformer()
    odd = Activation(place_of(model, "h.7.gelu"), [8, 1024, 3072], None, math.nan, True)
    fine = Activation(place_of(model, "h.0.gelu"), [8, 1024, 3072], 0.4, 1.0)
    async with show(run_of(tmp_path, pid, model, **seen(model, activations=[fine, odd])), (120, 36)) as viewer:
        assert " gelu GELU         ✗ NaN" in viewer.panel("network").text()
        await viewer.press("1", "enter")
        assert viewer.panel("network").text().splitlines()[4].endswith("✗ NaN")


def test_dead_units_are_counted() -> None:
    row = modules_of(transformer()).rows[3]
    into = columns(modules_of(transformer()), 140)
    shown = {
        (silent, samples): text(wide_line(row, Seen(silence=Silence(0, False, 10, silent, samples)), into)).strip()
        for silent, samples in ((0, 2000), (2, 2000), (9, 2000), (9, 10))
    }
    assert "dead" not in shown[0, 2000] + shown[9, 10]
    assert shown[2, 2000].endswith(" 2 dead") and shown[9, 2000].endswith("▲ 9/10 dead")


async def test_of_thousands_of_modules_only_the_lines_in_sight_are_made(
    tmp_path: Path, pid: int, show: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def narrow(row: Any, *rest: Any) -> Any:
        made.append(row.name)
        return narrow_line(row, *rest)

    monkeypatch.setattr(network, "narrow_line", narrow)
    tape = Tape(tmp_path, pid).add(scripted.start(), scripted.chain(2_000, "layer_{:05}_x".format))
    async with show(tape, (120, 36)) as viewer:
        await viewer.until(lambda: viewer.scene.state.model is not None)
        panel = viewer.panel("network")
        for scroll, first in ((0, 0), (1_000, 1_000), (10**9, 2_000 - 13)):
            made.clear()
            viewer.scene.scroll["network"] = scroll
            lines = panel.draw(viewer.scene, 26, 14)
            assert made[0] == f"layer_{first:05}_x" and len(made) <= 14 and len(lines) == 14
        assert text(panel.draw(viewer.scene, 26, 14)[-1]) == "loss –"


async def test_the_zoom_scrolls_to_the_end_and_says_how_much_is_below(tmp_path: Path, pid: int, show: Opener) -> None:
    async with show(run_of(tmp_path, pid, scripted.chain(100)), (80, 24)) as viewer:
        await viewer.press("1", "enter")
        lines = viewer.panel("network").text().splitlines()
        assert lines[0].split()[:2] == ["module", "output"] and lines[1].startswith("stage000 Linear 1→2")
        height = len(lines)
        assert lines[-1] == f"… {101 - (height - 1) + 1} more"
        await viewer.press("down", "pagedown")
        assert not viewer.panel("network").text().splitlines()[1].startswith("stage000")
        await viewer.press(*["pagedown"] * 12)
        lines = viewer.panel("network").text().splitlines()
        assert lines[0].split()[0] == "module" and lines[-2].startswith("stage099") and lines[-1].startswith("loss")
