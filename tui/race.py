"""What a race is made of: several runs of one program, equal in all but what varies. Starts nothing, see `racing`."""

from __future__ import annotations

import ast
import itertools
import math
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .history.race import MOST, Lane

PACKAGE = Path(__file__).resolve().parent

RATES = ("lr", "rate")
"""Names that mean the learning rate, which the dial can set where the program has no option for it."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class BadRace(ValueError):
    """This cannot be raced; the text says why, as one sentence."""


# ── what varies ──


@dataclass(frozen=True)
class Variation:
    """One thing that is not the same in all runs."""

    name: str
    values: tuple[str, ...]
    argument: bool = False
    """It was written with its dashes: an option of the program, whatever the program's text says."""


def variation(text: str) -> Variation:
    """`NAME=a,b,c`. Raises BadRace."""
    name, equals, rest = text.partition("=")
    bare = name.strip().lstrip("-")
    values = tuple(value.strip() for value in rest.split(","))
    if not equals or not _NAME.fullmatch(bare):
        raise BadRace(f"--vary takes NAME=A,B,…, for example --vary lr=0.01,0.1, not {text!r}")
    if not all(values):
        raise BadRace(f"a value is missing in --vary {text}")
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise BadRace(f"--vary {bare} has the value {twice} twice")
    return Variation(bare, values, argument=name.strip().startswith("-"))


def product(variations: list[Variation]) -> list[tuple[str, ...]]:
    """The values of each run: every combination, the last name varying fastest. Raises BadRace."""
    names = [one.name.replace("_", "-") for one in variations]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadRace(f"--vary {twice} was given twice; its values belong together: --vary {twice}=A,B,…")
    runs = math.prod(len(one.values) for one in variations)
    if runs > MOST:
        sizes = " × ".join(str(len(one.values)) for one in variations)
        sizes += f" = {runs}" if len(variations) > 1 else ""
        raise BadRace(f"{sizes} runs are too many for one race: {MOST} at most")
    if runs < 2:
        raise BadRace("one run is no race: give --vary at least two values")
    return list(itertools.product(*(one.values for one in variations)))


# ── the program ──


@dataclass(frozen=True)
class Program:
    """What is run, before its arguments, and how it is told."""

    called: str
    command: list[str]
    text: str
    """Its source, from which its options are known: to ask the program itself would mean to import torch."""
    known: str
    """Where its options are mentioned: the text itself, or a list of them."""
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    """The same for all runs."""
    ours: bool = False
    """A lesson: its --seed is known to be what it seems, and it keeps to one thread by itself."""

    def option(self, name: str) -> str:
        """The program's option for a name, or ""."""
        return option_in(self.known, name)

    def said_of(self, option: str, word: str) -> bool:
        """Does the text define this option of argparse with such a word?"""
        return re.search(rf"""["']{option}["'][^()]*\b{word}\b""", self.text) is not None

    def words(self, option: str, value: str) -> list[str]:
        """The arguments that give a value to an option. Raises BadRace."""
        if self.said_of(option, "store_true"):
            if value not in ("on", "off"):
                raise BadRace(f"{option} is a switch: --vary {option[2:]}=on,off")
            return [option] if value == "on" else []
        return [option, *(value.split() if self.said_of(option, "nargs") else [value])]


def option_in(text: str, name: str) -> str:
    """The option that the text of a script mentions for this name, or ""."""
    for word in dict.fromkeys((name, name.replace("_", "-"), name.replace("-", "_"))):
        if re.search(rf"(?<![\w-])--{re.escape(word)}(?![\w-])", text):
            return f"--{word}"
    return ""


def script(called: str, command: list[str], arguments: tuple[str, ...], path: Path) -> Program:
    """A program of somebody's own. Raises OSError when it cannot be read."""
    text = (path / "__main__.py" if path.is_dir() else path).read_text(encoding="utf-8", errors="replace")
    return Program(called, command, text, text, arguments=arguments)


def lesson(called: str, command: list[str], arguments: tuple[str, ...], environment: dict[str, str]) -> Program:
    """One of the lessons: its options are read from its text, since importing it takes seconds."""
    folder = PACKAGE / "lessons"
    own, shared = ((folder / f"{name}.py").read_text(encoding="utf-8") for name in (called, "data"))
    known = " ".join(options_of(own, shared))
    return Program(called, command, own + shared, known, environment, arguments, ours=True)


def options_of(own: str, shared: str) -> list[str]:
    """The options of a lesson: those it adds itself, and those of the helpers that it calls as `data.…`. A helper's
    option that is called like one of the helper's parameters is there only when that is given."""
    found = _options(ast.parse(own))
    helpers = {node.name: node for node in ast.parse(shared).body if isinstance(node, ast.FunctionDef)}
    for call in ast.walk(ast.parse(own)):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        helper = helpers.get(call.func.attr)
        if helper is None or ast.unparse(call.func.value) != "data":
            continue
        given = {word.arg for word in call.keywords}
        may = {argument.arg for argument in helper.args.kwonlyargs}
        found += [word for word in _options(helper) if word[2:] in given or word[2:] not in may]
    return found


def _options(tree: ast.AST) -> list[str]:
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if re.fullmatch(r"--[a-z][\w-]*", text)]


# ── the runs ──


def plan(program: Program, variations: list[Variation], seed: int | None, at_once: int) -> tuple[list[Lane], list[str]]:
    """(the runs, what is held equal in words). Raises BadRace."""
    combinations = product(variations)
    ways = [_way(program, one) for one in variations]
    given = {word.partition("=")[0] for word in program.arguments}
    twice = next((option for option in ways if option in given), None)
    if twice is not None:
        raise BadRace(f"{twice} is both varied and given as an argument")
    seeded = "--seed" in given or any(one.name == "seed" for one in variations)
    if seeded and seed is not None:
        raise BadRace("the seed is given twice")
    shared, environment = list(program.arguments), dict(program.environment)
    held = [shlex.join(program.arguments)] if program.arguments else []
    if not seeded:
        held.insert(0, f"seed {seed or 0}")
        if program.ours:
            shared += ["--seed", str(seed or 0)]
        else:
            environment["BACKLIT_SEED"] = str(seed or 0)
    threads = 0 if program.ours else _threads(at_once)
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
        held.append(f"{threads} thread{'s' if threads > 1 else ''} each")
    lanes = []
    for values in combinations:
        words, wanted = list(shared), dict(environment)
        for option, value in zip(ways, values):
            if option.startswith("-"):
                words += program.words(option, value)
            else:
                wanted[option] = value
        label = " ".join(f"{one.name}={value}" for one, value in zip(variations, values))
        command = [*program.command, *words]
        lanes.append(Lane(f"{program.called} {label}", label, values, command, environment=wanted))
    return lanes, held


def _way(program: Program, one: Variation) -> str:
    """How the program is told a value: its option, or a variable for the probe. Raises BadRace."""
    option = program.option(one.name)
    if option:
        return option
    if one.argument:
        return f"--{one.name}"
    if one.name == "seed":
        _numbers(one, int, "a whole number")
        return "BACKLIT_SEED"
    if one.name in RATES:
        _numbers(one, _rate, "a learning rate")
        return "BACKLIT_RATE"
    raise BadRace(
        f"{program.called} mentions no option --{one.name}, and without one only lr and seed can be varied "
        f"(if it has the option all the same: --vary --{one.name}=…)"
    )


def _numbers(one: Variation, read: Callable[[str], Any], what: str) -> None:
    for value in one.values:
        try:
            read(value)
        except ValueError:
            raise BadRace(f"{value} is not {what}") from None


def _rate(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError
    return value


def cores() -> int:
    """Processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _threads(at_once: int) -> int:
    """Threads for each run, so that they do not fight for the cores; 0 leaves the choice to the program."""
    if at_once < 2 or os.environ.get("OMP_NUM_THREADS"):
        return 0
    return max(1, cores() // at_once)
