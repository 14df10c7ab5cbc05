"""Every panel, at every size and in every colour system, in every state of a run: nothing is wider than its place."""

from __future__ import annotations

import random
from typing import Any

import pytest
from rich.cells import cell_len

from tui.view.arrange import ALONE, PANELS, SOMETIMES, Place, arrange, panels
from tui.view.draw.cells import width_of

from .conftest import Opener, Viewer
from .scripted import ORDINARY, STATES, Tape

SIZES = [(80, 24), (100, 30), (120, 36), (200, 50)]
SYSTEMS = {
    "truecolor": {"COLORTERM": "truecolor", "TERM": "xterm-256color"},
    "256": {"TERM": "xterm-256color"},
    "16": {"TERM": "xterm-16color"},
    "none": {"TERM": "xterm-256color", "NO_COLOR": "1"},
}


@pytest.fixture
def colours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of a terminal with so many colours."""
    for name in ("COLORTERM", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in SYSTEMS[request.param].items():
        monkeypatch.setenv(name, value)
    name: str = request.param
    return name


def check(viewer: Viewer, where: str, ordinary: bool) -> None:
    """What holds for every frame."""
    app, rows = viewer.app, viewer.app.screen._compositor.render_strips()
    assert len(rows) == app.size.height, where
    assert {row.cell_length for row in rows} == {app.size.width}, where
    text = "\n".join(row.text for row in rows)
    assert not any(ord(letter) < 32 and letter != "\n" for letter in text), f"{where}: a control character"
    for panel in app.query("Panel").results():
        here = f"{where}, {panel.id}"
        if not panel.display or panel.region.height < 1 or not panel.content_size.area:
            continue
        assert app.screen.region.contains_region(panel.region), here
        assert len(panel._lines) == panel.content_size.height, here
        assert {width_of(line) for line in panel._lines} == {panel.content_size.width}, here
        if panel.id in PANELS:
            check_border(rows, panel, here)
        if app.size.width >= 80:
            assert panel.text().strip(), f"{here} is an empty box"
        if ordinary and panel.id not in ("log", "strip"):
            drawn = panel.draw(app.scene, *panel.content_size)
            long = [line for line in drawn if width_of(line) > panel.content_size.width]
            assert not long, f"{here}: {long} is cut"


def check_border(rows: list[Any], panel: Any, here: str) -> None:
    """The words in the border are whole, and there is a name."""
    region = panel.region
    edges = (rows[region.y], rows[region.bottom - 1])
    for words, edge in zip((panel._border_title.plain, panel._border_subtitle.plain), edges):
        shown = edge.crop(region.x, region.right).text
        assert "…" not in words.replace("history…", "") and words in shown, here
        assert cell_len(shown) == region.width, here
    if region.width >= 20:
        assert panel.NAME in panel._border_title.plain, here


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory, pid: int) -> dict[str, Tape]:
    """Every state once: nothing here changes them."""
    root = tmp_path_factory.mktemp("states")
    return {name: make(root, pid) for name, make in STATES.items()}


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("colours", SYSTEMS, indirect=True)
async def test_every_state_is_shown_whole(
    show: Opener, tapes: dict[str, Tape], colours: str, size: tuple[int, int]
) -> None:
    async with show(tapes["starting"], size=size) as viewer:
        assert viewer.app.palette.system == colours
        assert viewer.app.no_color == (colours == "none")
        check(viewer, "starting", True)
        for name, tape in tapes.items():
            await viewer.turn_to(tape)
            check(viewer, name, name in ORDINARY and colours == "truecolor")


async def test_every_panel_zoomed_in_every_state(show: Opener, tapes: dict[str, Tape]) -> None:
    async with show(tapes["starting"], size=(90, 28)) as viewer:
        for name, tape in tapes.items():
            await viewer.turn_to(tape)
            for panel in (*PANELS, *ALONE):
                viewer.scene.zoomed = panel
                viewer.app.rearrange()
                await viewer.settle()
                check(viewer, f"{name}, {panel} zoomed", False)
                assert [one for one in (*PANELS, *ALONE) if viewer.panel(one).display] == [panel]


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (1, 1)], ids="{0[0]}x{0[1]}".format)
async def test_tiny_terminals(show: Opener, tapes: dict[str, Tape], size: tuple[int, int]) -> None:
    states = ("STARTING", "RUNNING", "PAUSED", "FINISHED", "STOPPED", "FAILED", "LOST")
    async with show(tapes["starting"], size=size) as viewer:
        for name, tape in tapes.items():
            await viewer.turn_to(tape)
            check(viewer, name, False)
            words = viewer.rows()[0]
            assert size[0] < 20 or any(state in words for state in states), words


async def test_resize_storm(show: Opener, tapes: dict[str, Tape]) -> None:
    dice = random.Random(1)
    async with show(tapes["running"]) as viewer:
        for turn in range(100):
            width, height = (1, 1) if turn % 10 == 0 else (dice.randrange(1, 190), dice.randrange(1, 50))
            await viewer.pilot.resize_terminal(width, height)
            if turn % 7 == 0:
                await viewer.press(dice.choice(["tab", "enter", "escape", "5", "m", "y"]))
            await viewer.settle()
            check(viewer, f"{width}x{height}", False)
        await viewer.press("escape")
        await viewer.pilot.resize_terminal(120, 36)
        check(viewer, "afterwards", True)
        assert "step 500" in viewer.screen() and "loss 0.456" in viewer.screen()
        assert all(viewer.panel(name).NAME in viewer.screen() for name in panels(viewer.scene.content))


@pytest.mark.parametrize(
    "size", [*SIZES, (40, 10), (20, 5), (110, 32), (109, 31), (180, 46), (300, 100), (80, 17), (18, 62), (1, 40)]
)
@pytest.mark.parametrize("zoomed", ["", "loss", "log"])
@pytest.mark.parametrize("layers", [0, 3, 300])
def test_the_panels_tile_the_screen(size: tuple[int, int], zoomed: str, layers: int) -> None:
    """Every cell of the terminal belongs to exactly one panel."""
    width, height = size
    for tab, content in (("explain", ()), ("log", ()), ("network", ()), ("doctor", SOMETIMES), ("card", ("card",))):
        owner: dict[tuple[int, int], str] = {}
        for name, place in arrange(width, height, tab, zoomed, layers, content).items():
            for y in range(place.y, place.y + place.height):
                for x in range(place.x, place.x + place.width):
                    assert (x, y) not in owner, f"{name} lies over {owner[x, y]}"
                    owner[x, y] = name
        assert set(owner) == {(x, y) for x in range(width) for y in range(height)}


def test_the_dashboard_has_the_sizes_that_were_designed() -> None:
    places = arrange(120, 36, "explain")
    assert places["header"] == Place(0, 0, 120, 2)
    assert [places[name].width for name in ("network", "weights", "gradients")] == [28, 44, 48]
    assert {places[name].height for name in ("network", "weights", "gradients", "loss", "explain")} == {16}
    assert (places["loss"].width, places["explain"].width) == (70, 50)
    small = arrange(80, 24, "explain", layers=3)
    assert (small["gradients"].height, small["weights"].width, small["loss"].height) == (7, 36, 8)
    assert small["explain"] == Place(0, 17, 80, 5)
    assert set(panels(())) <= set(arrange(200, 50, "explain"))
