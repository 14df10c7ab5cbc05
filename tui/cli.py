"""The commands, one short function each. Every import stands inside the function that needs it: `--help` is quick."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__

if TYPE_CHECKING:
    from .run.directory import RunDirectory
    from .view.scene import Card

DEFAULT_LESSON = "digits"


class _Command(click.Command):
    """A command whose own options end at the first word that is not one; remembers whether `--` stood before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            place = args.index("--")
            ctx.meta["dashes"] = len(args) - place - 1
        return super().parse_args(ctx, args)


class _Group(click.Group):
    """Turns what we raise for a user's mistake into one sentence and a status."""

    def invoke(self, ctx: click.Context) -> Any:
        from .run.directory import Missing, Unsafe

        try:
            return super().invoke(ctx)
        except (Missing, Unsafe) as error:
            fail(str(error), 1)
        except BrokenPipeError:
            sys.exit(0)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            fail(f"{error.strerror or error}{where}", 1)


def fail(sentence: str, status: int = 2) -> NoReturn:
    """One clear sentence on standard error, and a status that is not zero."""
    click.echo(f"backlit: {sentence}", err=True)
    sys.exit(status)


@click.group(cls=_Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="backlit")
@click.option(
    "--runs", type=click.Path(file_okay=False, path_type=Path), help="Folder of run directories [BACKLIT_RUNS]."
)
@click.pass_context
def main(ctx: click.Context, runs: Path | None) -> None:
    """Lights up a PyTorch training run from inside a terminal, while it runs, and lets you steer it.

    Without a command: training of handwritten digits starts at once, to look at and to play with.
    """
    ctx.obj = _runs_root(runs)
    if ctx.invoked_subcommand is None:
        ctx.invoke(learn, lesson=DEFAULT_LESSON, rest=(), first=True)


def _runs_root(given: Path | None) -> Path:
    if given is not None:
        return given.absolute()
    if os.environ.get("BACKLIT_RUNS"):
        return Path(os.environ["BACKLIT_RUNS"]).absolute()
    import platformdirs

    return Path(platformdirs.user_state_dir("backlit", appauthor=False)) / "runs"


def _options(command: Any) -> Any:
    """What `run` and `learn` have in common."""
    for option in reversed(
        [
            click.option("--detach", is_flag=True, help="Start it, print its run directory, and return."),
            click.option(
                "--plain", is_flag=True, help="No screen: the program's output, and a line of ours now and then."
            ),
            click.option("--exit", "exits", is_flag=True, help="Leave when the program has ended."),
            click.option("--readonly", is_flag=True, help="Only look: no key changes the training."),
            click.option("--seed", type=int, help="Seed of `random` and torch, set as soon as torch is imported."),
            click.option(
                "--speed", type=click.FloatRange(min=0), help="At most so many steps per second; 0: full speed."
            ),
        ]
    ):
        command = option(command)
    return command


_REST = {"allow_interspersed_args": False, "ignore_unknown_options": True}


@main.command(short_help="Watch and steer a program of your own.", cls=_Command, context_settings=_REST)
@_options
@click.option("-m", "module", metavar="MODULE", help="Run a module, as python -m does.")
@click.option("--name", help="Name of the run [the script's name].")
@click.option("--tape", metavar="RUN|FILE", help="Do what was done to another run, at the same updates.")
@click.option("--pty", is_flag=True, help="Give the program a terminal of its own, to type into in the Log tab.")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT | -- COMMAND] [ARGS]...")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    module: str | None,
    name: str | None,
    tape: str | None,
    pty: bool,
    rest: tuple[str, ...],
    **how: Any,
) -> None:
    """Watch and steer a PyTorch program that is not edited.

    \b
    backlit run train.py --epochs 10
    backlit run -m package.train --epochs 10
    backlit run -- torchrun --nproc_per_node 2 train.py
    """
    dashes = ctx.meta.get("dashes") == len(rest)
    command, called = _command(module, list(rest), dashes)
    environment = _environment(how, how["speed"])
    if tape is not None:
        environment["BACKLIT_TAPE"] = str(_tape_file(ctx.obj, tape))
    terminal = {"terminal": _terminal_size()} if pty else {}
    started = _start(ctx.obj, name or called, command, environment, **terminal)
    _watch(started, how, asks=True)


def _terminal_size() -> dict[str, int]:
    """How large the program's own terminal is to be, until a viewer says otherwise."""
    import shutil

    from .view.window import window

    columns, rows = window(*shutil.get_terminal_size())
    return {"columns": columns, "rows": rows}


def _tape_file(root: Path, word: str) -> Path:
    """The events that say what was done: a file, or the first stream of a run."""
    from .run.directory import RunDirectory

    if Path(word).is_file():
        return Path(word).absolute()
    found = RunDirectory.find(root, word)
    streams = found.streams()
    if not streams:
        fail(f"nothing was trained in {found.path}, so nothing was done to it", 1)
    return found.events_file(streams[0])


def _command(module: str | None, rest: list[str], dashes: bool) -> tuple[list[str], str]:
    """(what to execute, what to call it). Refuses what cannot be started."""
    python = _python()
    if module is not None:
        return [python, "-m", module, *rest], module.split(".")[-1]
    if not rest:
        fail("what is to be run? Give a script, -m MODULE, or -- COMMAND")
    target = Path(rest[0])
    if dashes:
        return rest, target.name
    if target.is_dir() and not (target / "__main__.py").exists():
        fail(f"{target} is a folder without a __main__.py")
    if not target.exists():
        fail(f"no such script: {target} (a command is run with: backlit run -- {rest[0]} …)")
    if not os.access(target, os.R_OK):
        fail(f"{target} cannot be read")
    return [python, *rest], target.stem


def _python() -> str:
    """The interpreter of the environment that is active in this shell, else our own."""
    active = os.environ.get("VIRTUAL_ENV")
    if active:
        candidate = Path(active) / "bin" / "python"
        if candidate.exists():
            return str(candidate)
    return sys.executable


@main.command(
    short_help="A lesson, or the list of them.",
    context_settings={"ignore_unknown_options": True},
    add_help_option=False,
)
@_options
@click.argument("lesson", required=False)
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
@click.pass_context
def learn(ctx: click.Context, /, lesson: str | None, rest: tuple[str, ...], first: bool = False, **how: Any) -> None:
    """A lesson: without a name the list of them, with one that lesson and its own arguments."""
    from .view.cards import all_cards, card_of

    if lesson in ("-h", "--help"):
        click.echo(ctx.get_help())
        return
    cards = all_cards()
    how = {"detach": False, "plain": False, "exits": False, "readonly": False, "seed": None, "speed": None, **how}
    screen = not how["plain"] and not how["detach"] and not _no_terminal()
    if lesson is None:
        if not screen:
            _list(cards)
            return
        lesson = _choose(cards)
        if lesson is None:
            return
    card = card_of(lesson)
    if card is None:
        fail(f"there is no lesson {lesson!r}; there are: {', '.join(card.lesson for card in cards)}")
    asked = any(word in ("-h", "--help") for word in rest)
    if asked:
        os.execv(sys.executable, [sys.executable, "-P", "-m", f"{__package__}.lessons.{lesson}", *rest])
    opening = first and screen and _first_time()
    question = screen and card.choices != {} and not how["readonly"] and (opening or not first)
    hold = question
    started = start_lesson(ctx.obj, card, list(rest), how, paced=screen, opening=opening, hold=hold)
    _watch(
        started,
        {**how, "question": hold, "starts": opening, "arguments": rest},
        asks=False,
        card=card,
        cards=cards,
        root=ctx.obj,
    )


def start_lesson(
    root: Path,
    card: Card,
    rest: list[str],
    how: dict[str, Any],
    paced: bool = True,
    opening: bool = False,
    hold: bool = False,
) -> RunDirectory:
    """Starts the script of a lesson in a run of its own."""
    script = _own_copy(card.lesson)
    program = [str(script)] if script.exists() else ["-P", "-m", f"{__package__}.lessons.{card.lesson}"]
    command = [sys.executable, *program, *rest]
    if how.get("seed") is not None:
        command += ["--seed", str(how["seed"])]
    speed = how.get("speed")
    if speed is None and paced:
        speed = card.pace
    environment = {"PYTHONPATH": _where_we_are(), **_environment({}, speed)}
    if opening:
        environment["BACKLIT_OPENING"] = "1"
    if hold:
        environment["BACKLIT_HOLD"] = "1"
    name = f"{card.lesson} (your copy)" if script.exists() else card.lesson
    return _start(root, name, command, environment, lesson=card.lesson)


def _state_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir("backlit", appauthor=False))


def _progress_file() -> Path:
    return _state_folder() / "learned.json"


def _own_copy(lesson: str) -> Path:
    """Where the learner's own copy of a lesson's script is, once there is one."""
    return _state_folder() / "lessons" / f"{lesson}.py"


def _edit_lesson(lesson: str, make: bool = True) -> Path:
    """The learner's own copy; with `make` it is made if there is none. Raises OSError."""
    own = _own_copy(lesson)
    if make and not own.exists():
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes((Path(__file__).parent / "lessons" / f"{lesson}.py").read_bytes())
    return own


def _where_we_are() -> str:
    """The folder of our package, for the PYTHONPATH of a lesson when it is not installed."""
    folder = Path(__file__).resolve().parent.parent
    return "" if "site-packages" in folder.parts else str(folder)


def _environment(how: dict[str, Any], speed: float | None) -> dict[str, str]:
    wanted = {}
    if speed:
        wanted["BACKLIT_SPEED"] = str(speed)
    if how.get("seed") is not None:
        wanted["BACKLIT_SEED"] = str(how["seed"])
    return wanted


def _start(root: Path, name: str, command: list[str], environment: dict[str, str], **about: Any) -> RunDirectory:
    from .run import launch
    from .run.directory import RunDirectory

    about |= {"command": command, "cwd": os.getcwd(), "environment": environment}
    started = RunDirectory.create(root, name, about)
    launch.start(started)
    return started


def _watch(
    started: RunDirectory,
    how: dict[str, Any],
    asks: bool,
    card: Card | None = None,
    cards: list[Card] | None = None,
    root: Path | None = None,
) -> NoReturn:
    """Shows a run that was just started, in the way that was asked for, and ends with its status."""
    if how["detach"]:
        _detached(started)
    if how["plain"] or _no_terminal():
        from .view.plain import follow

        sys.exit(follow(started, owns=not how.get("attached", False), stream=how.get("stream")))
    from .view.terminal import guarded

    sys.exit(guarded(lambda: _show(started, how, asks, card, cards, root)))


def _show(
    started: RunDirectory,
    how: dict[str, Any],
    asks: bool,
    card: Card | None,
    cards: list[Card] | None,
    root: Path | None,
) -> int:
    from .view.cards import all_cards
    from .view.show import Wishes, show

    lessons = {one.lesson: one for one in (cards if cards is not None else all_cards())}

    folder = root or _runs_root(None)

    def begin(lesson: str, arguments: list[str]) -> RunDirectory:
        chosen = lessons[lesson]
        hold = bool(chosen.choices) and not how.get("readonly")
        return start_lesson(folder, chosen, arguments, {}, hold=hold)

    def again(about: dict[str, Any]) -> RunDirectory:
        from .run import launch
        from .run.directory import RunDirectory

        names = ("command", "cwd", "environment", "terminal")
        kept: dict[str, Any] = {name: about[name] for name in names if name in about}
        run = RunDirectory.create(folder, str(about.get("name") or "program"), kept)
        launch.start(run)
        return run

    about = started.about()
    if card is None and about.get("lesson"):
        card = lessons.get(str(about["lesson"]))
        words = [str(word) for word in about.get("command", [])]
        start = next((place for place, word in enumerate(words) if word.endswith((str(about["lesson"]), ".py"))), 0)
        how = {**how, "arguments": words[start + 1 :]}

    wishes = Wishes(
        readonly=how.get("readonly", False),
        asks=asks,
        exits=how.get("exits", False),
        lesson=not asks,
        card=card,
        cards=list(lessons.values()),
        start_lesson=begin,
        edit_lesson=_edit_lesson,
        again=again,
        question=how.get("question", False),
        starts=how.get("starts", False),
        arguments=tuple(how.get("arguments", ())),
        stream=how.get("stream"),
        progress=_progress_file(),
    )
    return show(started, wishes)


def _detached(started: RunDirectory) -> NoReturn:
    from .run import launch

    if not launch.wait_until_started(started):
        fail(f"the program did not start within 20 s; its run directory is {started.path}", 1)
    ended = started.exit()
    if ended is not None and ended.error:
        fail(ended.error, ended.code)
    click.echo(str(started.path))
    sys.exit(0)


def _no_terminal() -> str:
    from .view.plain import no_terminal

    return no_terminal()


def _first_time() -> bool:
    """Is this the first time that this user opens backlit? Remembered in the state folder."""
    folder = _state_folder()
    mark = folder / "opened"
    if mark.exists():
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:
        pass
    return True


def _list(cards: list[Card]) -> None:
    from .view.learning import Progress

    progress = Progress(_progress_file())
    for card in cards:
        done = "done" if progress.done(card.lesson) else ""
        click.echo(f"{card.lesson:<12}{done:<5} {card.title}: {card.about}")


def _choose(cards: list[Card]) -> str | None:
    from .view.choose import choose_lesson
    from .view.terminal import guarded

    chosen: list[str] = []
    reading, writing = os.pipe()

    def ask() -> int:
        lesson = choose_lesson(cards, _progress_file())
        os.write(writing, (lesson or "").encode())
        return 0

    status = guarded(ask)
    os.close(writing)
    chosen = [os.read(reading, 200).decode()]
    os.close(reading)
    if status:
        sys.exit(status)
    return chosen[0] or None


@main.command(short_help="Several runs of one program, side by side.")
@click.option("--vary", "varied", multiple=True, metavar="NAME=A,B,…", help="What is not the same in all runs.")
@click.option("--seed", type=int, help="Seed of all runs [0].")
@click.option("--at-once", type=click.IntRange(min=1), help="So many at once [the cores, less one].")
@click.option("--plain", is_flag=True, help="No screen: the table at the end.")
@click.argument("target", required=False, metavar="LESSON|SCRIPT")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS]...")
@click.pass_context
def race(ctx: click.Context, /, target: str | None, rest: tuple[str, ...], **how: Any) -> None:
    """Two to six runs of one program at full speed, equal in all but what varies: one chart, one table.

    \b
    backlit race rate
    backlit race train.py --vary lr=0.01,0.1 --vary width=16,64 -- --epochs 10

    NAME is an option of the program; without such an option, lr and seed can be varied all the same.
    """
    from . import race as planning
    from . import racing
    from .view.cards import card_of
    from .view.standings import Words

    if target is None:
        fail("what is to be raced? Give a lesson or a script")
    card = card_of(target)
    if not how["varied"] and card is not None and card.race:
        given = race.make_context("race", [target, *shlex.split(card.race)], parent=ctx).params
        how = {name: value if how[name] in (None, ()) else how[name] for name, value in given.items() if name in how}
        rest = rest or given["rest"]
    if not how["varied"]:
        fail(f"what is to vary? For example: backlit race {target} --vary lr=0.01,0.1")
    if card is not None:
        command = [sys.executable, "-P", "-m", f"{__package__}.lessons.{target}"]
        program = planning.lesson(target, command, rest, {"PYTHONPATH": _where_we_are()})
    elif not Path(target).exists():
        fail(f"there is no lesson and no script {target}")
    else:
        command, called = _command(None, [target], False)
        program = planning.script(called, command, rest, Path(target))
    at_once = how["at_once"] or max(1, planning.cores() - 1)
    try:
        variations = [planning.variation(text) for text in how["varied"]]
        lanes, held = planning.plan(program, variations, how["seed"], at_once)
    except planning.BadRace as error:
        fail(str(error))
    begun = racing.begin(ctx.obj, lanes, at_once)
    root = ctx.find_root().params.get("runs")
    attach = f"backlit{f' --runs {shlex.quote(str(root))}' if root else ''} attach"
    words = Words(program.called, [one.name for one in variations], held, attach)
    if how["plain"] or _no_terminal():
        sys.exit(racing.plainly(begun, words))
    from .view.terminal import guarded

    sys.exit(guarded(lambda: racing.on_screen(begun, words)))


@main.command(short_help="What was done to a run, by hand.")
@click.argument("word", required=False, default="", metavar="[RUN]")
@click.option("--json", "as_json", is_flag=True, help="One event a line, as backlit run --tape FILE reads it.")
@click.pass_context
def tape(ctx: click.Context, word: str, as_json: bool) -> None:
    """Print every intervention in a run and the update with which it took effect; backlit run --tape RUN does the same
    again."""
    from .run import events
    from .run.directory import RunDirectory
    from .view.listing import deeds, deeds_in_words

    found = RunDirectory.find(ctx.obj, word)
    for line in [events.encode(deed).decode().rstrip() for deed in deeds(found)] if as_json else deeds_in_words(found):
        click.echo(line)


@main.command(short_help="Show a run again, live or finished.")
@click.argument("word", required=False, default="", metavar="[RUN]")
@click.option("--exit", "exits", is_flag=True, help="Leave when the program has ended.")
@click.option("--readonly", is_flag=True, help="Only look: no key changes the training.")
@click.option("--plain", is_flag=True, help="No screen: a line now and then.")
@click.option("--stream", type=click.IntRange(min=1), help="Which training of several; backlit ls counts them.")
@click.pass_context
def attach(ctx: click.Context, /, word: str, stream: int | None, **how: Any) -> None:
    """Show a run again, live or finished: the newest, or the one that RUN names (a piece of its name, or a path)."""
    from .run.directory import RunDirectory

    found = RunDirectory.find(ctx.obj, word)
    how["stream"] = None if stream is None else _numbered(found, stream)
    _watch(found, {"detach": False, "attached": True, **how}, asks=True, root=ctx.obj)


def _numbered(run: RunDirectory, place: int) -> int:
    """The number of the stream at a place, from 1; refuses one that is not there."""
    streams = run.streams()
    if place > len(streams):
        fail(f"there is no stream {place} in {run.path.name}: it has {len(streams) or 'none yet'}")
    return streams[place - 1]


@main.command(short_help="List the runs, newest first.")
@click.pass_context
def ls(ctx: click.Context) -> None:
    """List the runs, newest first: name, state, step, loss, how many streams (one each process that trains), start,
    host."""
    from .view.listing import listing

    for line in listing(ctx.obj):
        click.echo(line)
