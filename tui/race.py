"""`backlit race`: several runs of one program with something varied. What they are, and how they start and end.

Also a program of its own: `python -m tui.race` starts those that wait when the person who began the race has left.
"""

from __future__ import annotations

import ast
import itertools
import json
import math
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from .history.race import MOST, Lane, Race
from .history.source import Source
from .run import launch
from .run.directory import RunDirectory

if TYPE_CHECKING:
    from .view.standings import Words

PACKAGE = Path(__file__).resolve().parent

RATES = ("lr", "rate")
"""Names that mean the learning rate, which the dial can set where the program has no option for it."""

EVERY_S = 10.0

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


# ── start and end ──


def begin(root: Path, lanes: list[Lane], at_once: int) -> Race:
    """The race, its first run started. Raises OSError or Unsafe when that cannot be."""
    race = Race(lanes, at_once, Starter(root, secrets.token_hex(6), os.getcwd()).start, send)
    race.start_next()
    return race


@dataclass(frozen=True)
class Starter:
    """Starts the runs of one race: ordinary runs, that share an id in their run.json."""

    root: Path
    race: str
    cwd: str

    def start(self, lane: Lane) -> RunDirectory:
        """Raises OSError or Unsafe."""
        about = {"command": lane.command, "cwd": self.cwd, "environment": lane.environment, "race": self.race}
        run = RunDirectory.create(self.root, lane.name, about)
        launch.start(run)
        return run


def send(run: RunDirectory, number: int) -> bool:
    """Sends a signal to the process group of a run's program, after making sure that it is still that program."""
    pid = run.about().get("pid")
    if not isinstance(pid, int) or run.alive() is not True:
        return False
    try:
        os.killpg(pid, number)
    except OSError:
        return False
    return True


def hand_over(race: Race) -> None:
    """Nobody looks any more: a process of its own starts those that wait, each in its turn. Raises OSError."""
    first = next(lane.source for lane in race.lanes if lane.source is not None)
    rest = {
        "root": str(first.run.path.parent),
        "race": first.run.about().get("race", ""),
        "cwd": first.run.about().get("cwd", ""),
        "at_once": race.at_once,
        "running": [str(lane.source.run.path) for lane in race.under_way if lane.source is not None],
        "waiting": [[lane.name, lane.command, lane.environment] for lane in race.waiting],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", f"{PACKAGE.name}.race"],
        cwd=PACKAGE.parent,  # first on the path with -m, as in `launch.start`
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(json.dumps(rest).encode())


def go_on(rest: dict[str, Any]) -> None:
    """What `hand_over` asked for, to its end."""
    running = [Lane("", source=Source(RunDirectory(Path(path)))) for path in rest["running"]]
    waiting = [Lane(name, command=command, environment=wanted) for name, command, wanted in rest["waiting"]]
    starter = Starter(Path(rest["root"]), rest["race"], rest["cwd"])
    race = Race([*running, *waiting], rest["at_once"], starter.start, send)
    while race.waiting:
        race.poll()
        time.sleep(0.25)


# ── how it is looked at ──


def on_screen(race: Race, words: Words) -> int:
    """Shows the race until the person leaves; what still waits then has its turn all the same."""
    from .view.race import show

    status, metric = show(race, words)
    race.poll()
    if race.waiting:
        hand_over(race)
    return status or _tell(race, words, metric)


def plainly(race: Race, words: Words) -> int:
    """Without a screen: to the end of the race. Ctrl-C and SIGTERM go to all runs."""
    from .view.standings import how_it_stands

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    asked: list[int] = []
    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    told: list[Lane] = []
    _say(f"the same in all: {' · '.join(words.held)}")
    due = time.monotonic() + EVERY_S
    try:
        while not race.over:
            race.poll()
            while asked:
                race.stop(asked.pop(0))
            for lane in race.lanes:
                if lane.source is not None and not any(lane is one for one in told):
                    told.append(lane)
                    _say(f"{lane.label} is {lane.source.run.path.name}")
            if time.monotonic() >= due:
                due = time.monotonic() + EVERY_S
                _say(", ".join(how_it_stands(race)))
            time.sleep(0.05)
        race.poll()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return _tell(race, words, race.metrics()[0])


def _tell(race: Race, words: Words, metric: str) -> int:
    """What stays on the normal screen, and the status: 0 if every run finished."""
    from .view.standings import farewell

    try:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        for line in farewell(race, words, metric, width):
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output is gone
        pass
    return 0 if race.finished else 1


def _say(text: str) -> None:
    print(f"backlit: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    go_on(json.loads(sys.stdin.buffer.read()))
