"""Rules of the house that no compiler checks: who may import whom, what stays empty, what nobody may know by name."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tui

PACKAGE = Path(tui.__file__).parent
ROOT = PACKAGE.parent


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has after `code`."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def modules_of(room: str) -> list[str]:
    paths = [path for path in (PACKAGE / room).rglob("*.py") if path.name != "__init__.py"]
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)


def under(name: str, loaded: set[str]) -> set[str]:
    """The module of this name and those inside it."""
    return {one for one in loaded if one == name or one.startswith(name + ".")}


@pytest.fixture(scope="module")
def viewer() -> set[str]:
    return loaded_after("import " + ", ".join(modules_of("view")))


@pytest.mark.parametrize("heavy", ["torch", "torchvision", "numpy", "tui.probe", "tui.lessons", "tui.cli"])
def test_the_viewer_never_loads(viewer: set[str], heavy: str) -> None:
    assert set(modules_of("view")) <= viewer and "textual" in viewer
    assert not under(heavy, viewer)


@pytest.mark.parametrize("room", ["run", "history"])
def test_the_rooms_below_load_nothing_heavy(room: str) -> None:
    loaded = loaded_after("import " + ", ".join(modules_of(room)))
    assert set(modules_of(room)) <= loaded
    for name in ("torch", "numpy", "textual", "rich", "plotext", "click", "tui.probe", "tui.lessons", "tui.view"):
        assert not under(name, loaded), name


def test_the_chart_is_not_there_before_the_first_frame() -> None:
    loaded = loaded_after("import tui.view.app, tui.view.show")
    assert "textual.app" in loaded and not under("plotext", loaded)


HELP = """
from tui import cli
try:
    cli.main(["--help"])
except SystemExit as end:
    assert end.code == 0
"""


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["learn", "--help"], ["ls"]])
def test_help_is_light(words: list[str], tmp_path: Path) -> None:
    loaded = loaded_after(HELP.replace('["--help"]', repr(["--runs", str(tmp_path), *words])))
    assert "click" in loaded
    for name in ("textual", "torch", "numpy", "plotext", "tui.probe", "tui.view.app"):
        assert not under(name, loaded), name


def test_plain_lines_need_no_textual() -> None:
    assert not under("textual", loaded_after("import tui.view.plain, tui.view.listing, tui.view.cards"))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_packages_inside_are_empty(path: Path) -> None:
    if path.parent != PACKAGE:
        assert path.read_text() == ""
    else:
        assert "__version__" in path.read_text()


def lesson_names() -> list[str]:
    return sorted(path.stem for path in (PACKAGE / "lessons").glob("*.md"))


COMMON = {"batch", "chain", "convolution", "digits", "hidden", "init", "loss", "neuron", "optimizers", "perceptron"}
COMMON |= {"rate", "skip"}
"""Names of lessons that are also words of the field, and stand in the code as such."""


@pytest.mark.parametrize("room", ["probe", "history", "view", "run"])
def test_no_room_knows_a_lesson(room: str) -> None:
    """What is shown of a lesson is shown of every program: nothing asks for its name."""
    names = {*lesson_names(), "mnist"}
    assert {"digits", "dart"} <= names and lesson_names()
    for path in (PACKAGE / room).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert not (names - COMMON) & strings, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and any(
                isinstance(side, ast.Attribute) and side.attr == "lesson" for side in (node.left, *node.comparators)
            ):
                compared = [side.value for side in (node.left, *node.comparators) if isinstance(side, ast.Constant)]
                assert not names & set(compared), f"{path} asks for a lesson by its name"


def test_a_lesson_is_found_by_listing() -> None:
    """The number of lessons stands nowhere but in the folder."""
    from tui.view.cards import all_cards

    assert [card.lesson for card in all_cards()] != []
    assert sorted(card.lesson for card in all_cards()) == lesson_names()


def test_import_contracts_hold() -> None:
    command = shutil.which("lint-imports", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if command is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
