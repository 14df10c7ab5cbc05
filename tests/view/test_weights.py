"""The weights panel on tensors that are no plain matrices: what is said beside the picture, and instead of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tui.run.events import Picture

from . import scripted
from .conftest import Opener, Viewer
from .scripted import Tape


def run_of(root: Path, pid: int, **picture: Any) -> Tape:
    tape = scripted.running(root, pid)
    return tape.see(scripted.live(scripted.reader(), picture=scripted.picture(**picture)))


def lines(viewer: Viewer) -> list[str]:
    return viewer.panel("weights").text().splitlines()


async def test_what_is_shown_instead_of_the_plain_tensor_is_said_first(tmp_path: Path, pid: int, show: Opener) -> None:
    note = "this process: 24×48 of 48×48"
    async with show(run_of(tmp_path, pid, note=note, moved=0.0823), (120, 36)) as viewer:
        assert lines(viewer)[-1] == f"{note} · std 0.045"
    async with show(run_of(tmp_path, pid, moved=0.0823), (120, 36)) as viewer:
        assert lines(viewer)[-1] == "std 0.045 · moved 8 % from the start"


async def test_how_many_weights_a_cell_holds_stands_in_the_border(tmp_path: Path, pid: int, show: Opener) -> None:
    large = {"of": 1, "units": 1, "height": 24, "width": 39, "cells": "8" * 24 * 39, "of_weights": 38_400_000}
    async with show(run_of(tmp_path, pid, tensor=0, per_cell=41_680, **large), (120, 36)) as viewer:
        assert str(viewer.panel("weights").border_subtitle) == "41,680 weights a cell"
        assert lines(viewer)[-1].startswith("std ")


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_a_tensor_that_cannot_be_shown_is_named_with_the_reason(
    tmp_path: Path, pid: int, show: Opener, size: tuple[int, int]
) -> None:
    tape = scripted.running(tmp_path, pid)
    why = "on the meta device: 4×5 has a shape, but no values"
    tape.see(scripted.live(scripted.reader(), picture=Picture(tensor=3, mode="change", absent=why)))
    async with show(tape, size) as viewer:
        said = " ".join(" ".join(lines(viewer)).split())
        assert said == "On the meta device: 4×5 has a shape, but no values."
