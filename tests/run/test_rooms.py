"""What each room may import, and in which Python it can be read."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tui

PACKAGE = Path(tui.__file__).parent
OLD_PYTHON = sorted([PACKAGE / "__init__.py", *(PACKAGE / "run").rglob("*.py"), *(PACKAGE / "probe").rglob("*.py")])


def relative(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", OLD_PYTHON, ids=relative)
def test_what_runs_inside_the_program_is_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))


def imported(path: Path) -> set[str]:
    """The top-level names that a file imports, anywhere in it; "." for relative ones."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else (node.module or "").partition(".")[0])
    return names


STDLIB = set(sys.stdlib_module_names) | {"."}


@pytest.mark.parametrize("path", sorted((PACKAGE / "probe").rglob("*.py")), ids=relative)
def test_the_probe_imports_torch_and_the_standard_library(path: Path) -> None:
    allowed = STDLIB | {"torch"} | ({"_backlit"} if path.name == "sitecustomize.py" else set())
    assert imported(path) <= allowed


@pytest.mark.parametrize(
    "path", sorted([*(PACKAGE / "run").rglob("*.py"), *(PACKAGE / "history").rglob("*.py")]), ids=relative
)
def test_run_and_history_import_the_standard_library(path: Path) -> None:
    assert imported(path) <= STDLIB


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh Python has after `code`."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("room", ["run", "history"])
def test_a_fresh_python_with_this_room_has_no_module_from_outside(room: str) -> None:
    names = [
        ".".join(path.with_suffix("").relative_to(PACKAGE.parent).parts)
        for path in (PACKAGE / room).rglob("*.py")
        if path.name != "__init__.py"
    ]
    loaded = loaded_after(f"import {', '.join(names)}") - loaded_after("pass")
    assert {name.partition(".")[0] for name in loaded} <= STDLIB | {"tui"}
    assert {name for name in loaded if name.startswith("tui.")} >= set(names)


def test_importing_tui_is_light() -> None:
    assert loaded_after("import tui") - loaded_after("pass") == {"tui"}
