"""Tables of numbers for a regression: made-up houses, or a CSV file; it knows nothing of scaling, splits and networks.

A missing value is NaN here. What to do about it is the lesson's business.
"""

from __future__ import annotations

import csv
import math
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple, NoReturn

import torch

HOUSES = 1000
HOUSES_SEED = 0  # the same houses whatever --seed says, so that runs can be compared
NO_BEDROOM, BUILT_LATER, GAPS = 12, 8, 20  # faults: houses with 0 bedrooms, built in 2029, gaps in each column
LEAST_ROWS = 20  # 14 to learn from, 3 to check with, 3 to open at the end
MOST_WORDS = 10  # a text column with more different words than this says too little about each
MISSING = {"", "-", "?", "na", "n/a", "nan", "null", "none"}  # in small letters


class Table(NamedTuple):
    """Rows of numbers, and for each row the number to predict.

    ``x`` is float64 of shape (rows, columns), NaN where a value is missing; ``y`` is float64 of shape (rows,), without
    NaN. ``notes`` are sentences about what was left out of a file.
    """

    names: list[str]
    x: torch.Tensor
    target: str
    y: torch.Tensor
    notes: list[str]


def houses() -> Table:
    """Make 1,000 houses, the same each time: area in square feet, bedrooms, year built -> price in dollars.

    The price is 40,000 + 120 per square foot + 15,000 per bedroom - 1,500 per year of age + 16 per squared year (new
    houses and very old ones cost more), and then a normal deviation of 30,000 for all that is not in the table.
    Some entries are wrong on purpose: 0 bedrooms, built in 2029, missing.
    """
    dice = torch.Generator().manual_seed(HOUSES_SEED)

    def normal() -> torch.Tensor:
        return torch.randn(HOUSES, generator=dice, dtype=torch.float64)

    area = (2000 * torch.exp(0.35 * normal())).clamp(500, 6000).round()
    bedrooms = (area / 650 + 0.8 * normal()).round().clamp(1, 7)
    year = (1900 + 125 * torch.rand(HOUSES, generator=dice, dtype=torch.float64).sqrt()).floor()
    age = 2025 - year
    price = 40_000 + 120 * area + 15_000 * bedrooms - 1_500 * age + 16 * age**2 + 30_000 * normal()
    x = torch.stack([area, bedrooms, year], dim=1)

    faulty = torch.randperm(HOUSES, generator=dice).split([NO_BEDROOM, BUILT_LATER, GAPS, GAPS, GAPS, HOUSES - 80])
    x[faulty[0], 1] = 0
    x[faulty[1], 2] = 2029
    for column in range(3):
        x[faulty[2 + column], column] = math.nan
    return Table(["area", "bedrooms", "year"], x, "price", (price / 100).round() * 100, [])


# A file of the learner's own


def read(path: Path, target: str) -> Table:
    """Read a CSV file whose first line names the columns; separated by comma, semicolon or tab.

    A column of words becomes one column of 0 and 1 for each word, if it has at most ten; otherwise it is left out. So
    are a column that never changes or misses more than half, and a row without a number in the target column.
    Prints one sentence and exits with status 2 when the file or the target column will not do.
    """
    names, rows = _cells(path)
    if names.count(target) != 1:
        many = "more than one column" if target in names else "no column"
        _refuse(f"{path} has {many} called {target!r}; its columns are: {', '.join(names)}")
    columns = dict(zip(range(len(names)), zip(*rows)))
    answers = columns.pop(names.index(target))
    word = _first_word(answers)
    if word:
        _refuse(f"the column {target!r} has to be numbers, and {path} has {word!r} in it")
    y = torch.tensor([_number(cell) for cell in answers], dtype=torch.float64)
    known = ~y.isnan()
    if known.sum() < LEAST_ROWS:
        _refuse(
            f"{path} has {int(known.sum())} rows with a number for {target!r}, and at least {LEAST_ROWS} are needed"
        )
    if y[known].min() == y[known].max():
        _refuse(f"the column {target!r} has the same number in every row of {path}, so there is nothing to learn")

    kept: dict[str, torch.Tensor] = {}
    notes = [f"Rows without a number for {target}, left out: {int((~known).sum())}."] if not known.all() else []
    for place, cells in columns.items():
        name = names[place]
        found, note = _columns(name, [cell for cell, use in zip(cells, known.tolist()) if use])
        kept.update(found)
        notes += [note] if note else []
    if not kept:
        _refuse(f"{path} has no column beside {target!r} to learn from: {' '.join(notes).rstrip('.')}")
    return Table(list(kept), torch.stack(list(kept.values()), dim=1), target, y[known], notes)


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read the names of the columns and the cells, without the spaces around them; as many in each row."""
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        _refuse(f"{path} is not a CSV file: it is no text in UTF-8")
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        _refuse(f"{path} cannot be read: {reason}")
    if "\0" in text:
        _refuse(f"{path} is not a CSV file: it is no text")
    lines = text.split("\n")
    head = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=head.count)
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    except csv.Error as error:
        _refuse(f"{path} is not a CSV file: {error}")
    rows = [row for row in rows if any(row)]
    if not rows or len(rows[0]) < 2:
        _refuse(f"{path} is not a CSV file: its first line has to name at least two columns, with commas between")
    names = rows.pop(0)
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            _refuse(f"{path} has {len(names)} columns, and row {number} below their names has {len(row)} cells")
    if not rows:
        _refuse(f"{path} names its columns and has no rows")
    return names, rows


def _columns(name: str, cells: list[str]) -> tuple[dict[str, torch.Tensor], str]:
    """Turn the cells of one column into columns of numbers; none, and a sentence, if they are of no use."""
    missing = sum(cell.lower() in MISSING for cell in cells)
    if missing > len(cells) / 2:
        return {}, f"{name} is left out: {missing} of its {len(cells)} entries are missing."
    word = _first_word(cells)
    if not word:
        numbers = torch.tensor([_number(cell) for cell in cells], dtype=torch.float64)
        if len(numbers[~numbers.isnan()].unique()) < 2:
            return {}, f"{name} is left out: it never changes."
        return {name: numbers}, ""
    words = [cell for cell in Counter(cells) if cell.lower() not in MISSING]
    if len(words) < 2:
        return {}, f"{name} is left out: it never changes."
    if len(words) > MOST_WORDS:
        return {}, f"{name} is left out: {word!r} is no number, and there are {len(words)} different entries."
    found = {f"{name}={one}": torch.tensor([float(cell == one) for cell in cells]).double() for one in words}
    return found, f"{name} becomes {len(words)} columns of 0 and 1, one for each of its words."


def _first_word(cells: list[str] | tuple[str, ...]) -> str:
    """Find the first cell that is neither a number nor missing; "" if there is none."""
    return next((cell for cell in cells if math.isnan(_number(cell)) and cell.lower() not in MISSING), "")


def _number(cell: str) -> float:
    """Read a finite number; NaN for anything else."""
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _refuse(sentence: str) -> NoReturn:
    print(f"houses: {sentence}.", file=sys.stderr)
    sys.exit(2)
