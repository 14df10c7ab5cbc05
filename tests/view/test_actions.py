"""The action table: complete, without contradictions, and true wherever it is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.keys import _character_to_key

from tui.history.source import Source
from tui.run.events import (
    COMMANDS,
    Applied,
    Arm,
    Best,
    Break,
    Gate,
    Live,
    Pause,
    Phase,
    Resume,
    Rewind,
    Save,
    SetRate,
    Speed,
    Step,
    Survey,
    TryWeight,
    Undo,
)
from tui.view.actions import ACTIONS, BY_NAME, MOVES, footer
from tui.view.app import BacklitApp
from tui.view.arrange import panels
from tui.view.controls import Controls
from tui.view.draw.cells import width_of
from tui.view.panels.footer import Footer
from tui.view.scene import Scene

from .conftest import Opener, Viewer
from .scripted import STATES, Tape

README = Path(__file__).parents[2] / "README.md"


def scene_in(tape: Tape, **how: object) -> Scene:
    source = Source(tape.run)
    source.poll()
    return Scene(source, **{"asks": False, **how})


# ── the table ──


def test_no_two_actions_share_a_key() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert not {"up", "down", "left", "right", "pageup", "pagedown", *"123456789"} & set(keys)
    assert len(BY_NAME) == len(ACTIONS)


# What AltGr is needed for on keyboards that are not American.
WITH_ALTGR = {_character_to_key(letter) for letter in "@{}[]\\|~€#^`"}
TAKEN = {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+z"}  # tmux, screen, flow control, the shell's stop


def test_every_key_can_be_typed_everywhere() -> None:
    for action in ACTIONS:
        for key in action.keys:
            assert key not in WITH_ALTGR | TAKEN
            assert not (key.startswith("f") and key[1:].isdigit())
            assert "alt+" not in key


def test_the_key_shown_is_the_key() -> None:
    names = {"esc": "escape", "−": "minus"}
    for action in ACTIONS:
        shown = names.get(action.shown, action.shown)
        assert action.keys[0] == (_character_to_key(shown) if len(shown) == 1 else shown)


def test_every_action_has_words_and_something_to_do() -> None:
    for action in ACTIONS:
        assert action.label and action.help.endswith(".")
        assert callable(getattr(Controls, "_" + action.name))
    places = [action.footer for action in ACTIONS if action.footer and action.name != "out"]  # out stands in for zoom
    assert len(places) == len(set(places))


def test_no_other_binding_takes_a_key_of_ours() -> None:
    ours = {key for action in ACTIONS for key in action.keys}
    for binding in BacklitApp.BINDINGS:
        keys, doing = (binding.key, binding.action) if not isinstance(binding, tuple) else binding[:2]
        if not doing.startswith("act("):
            assert not ours & set(keys.split(","))


def test_readme_has_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    section = text.split("\n## Keys\n")[1].split("\n## ")[0]
    for action in ACTIONS:
        assert f"| `{action.shown}` | {action.label} | {action.help} |" in section
    for keys, words in MOVES:
        row = next(line for line in section.splitlines() if f"`{keys}`" in line)
        assert words in row
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) == len(ACTIONS) + len(MOVES)


# ── the footer ──

Check = Callable[[Viewer], bool]


def asked_for(kind: type, **values: object) -> Check:
    def check(viewer: Viewer) -> bool:
        commands = viewer.tape.commands()
        return len(commands) == 1 and type(commands[0]) is kind and values.items() <= commands[0].__dict__.items()

    return check


DOES: dict[str, Check] = {
    "pause": asked_for(Pause, keep=False),
    "step": asked_for(Step, n=1),
    "phase": asked_for(Phase),
    "rate_up": asked_for(SetRate, factor=2.0, value=None),
    "slower": asked_for(Speed, steps_per_s=50.0),  # from 61.7
    "next": lambda viewer: viewer.scene.focus == "explain",  # from loss
    "zoom": lambda viewer: viewer.scene.zoomed == "loss",
    "out": lambda viewer: viewer.scene.zoomed == "",
    "mode": lambda viewer: viewer.scene.mode == "weight",
    "lessons": lambda viewer: viewer.dialog() == "Lessons",
    "help": lambda viewer: viewer.dialog() == "Help",
    "leave": lambda viewer: viewer.dialog() == "Leave",
}
WHEN_PAUSED = {**DOES, "pause": asked_for(Resume)}


@pytest.mark.parametrize("name", DOES)
@pytest.mark.parametrize("state_name", ["running", "paused at loss"])
async def test_a_footer_key_does_what_it_says(
    show: Opener, state: Callable[[str], Tape], state_name: str, name: str
) -> None:
    async with show(state(state_name), size=(160, 40)) as viewer:
        if name == "out":
            await viewer.press("enter")
            assert viewer.scene.zoomed
        assert name in {action.name for action in footer(viewer.scene)}
        await viewer.press(BY_NAME[name].keys[0])
        check = (WHEN_PAUSED if viewer.scene.paused else DOES)[name]
        await viewer.until(lambda: check(viewer))


def test_nothing_in_the_footer_is_untried(state: Callable[[str], Tape]) -> None:
    offered = {action.name for name in STATES for action in footer(scene_in(state(name)))}
    offered |= {action.name for action in footer(scene_in(state("running"), zoomed="loss"))}
    assert offered == set(DOES)


@pytest.mark.parametrize("readonly", [False, True])
async def test_the_footer_offers_what_is_valid_and_nothing_else(
    show: Opener, state: Callable[[str], Tape], readonly: bool
) -> None:
    async with show(state("starting"), size=(200, 40), readonly=readonly) as viewer:
        for name in STATES:
            await viewer.turn_to(state(name))
            text = viewer.panel("footer").text()
            for action in ACTIONS:
                if action.footer and action.offered(viewer.scene):
                    label = action.label_for(viewer.scene)
                    entry = " ".join(action.together if action.together[0] else (action.shown, label))
                    assert (entry in text) == action.valid(viewer.scene), f"{name}: {action.name}"
            over = name in ("finished", "failed", "not started", "killed", "stopped", "lost")
            assert any(action.steers for action in footer(viewer.scene)) == (not over and not readonly)
            assert ("space resume" in text) == (name.startswith("paused") and not readonly)


@pytest.mark.parametrize("width", range(1, 130, 4))
def test_a_narrow_footer_leaves_out_whole_entries(state: Callable[[str], Tape], width: int) -> None:
    scene = scene_in(state("running"))
    (line,) = Footer("footer").draw(scene, width, 1)
    text = "".join(words for words, _ in line)
    whole = "".join(words for words, _ in Footer("footer").draw(scene, 500, 1)[0])
    assert width_of(line) <= max(width, len("  ? help  q leave"))
    assert all(part in whole for part in text.split("  "))
    assert text.endswith("? help  q leave")


# ── every command has a key ──


async def test_every_command_can_be_given(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        for keys in (["space"], ["space"], ["n"], ["p"], ["plus"], ["less_than_sign"], ["q", "s"]):
            before = len(tape.commands())
            await viewer.press(*keys)
            await viewer.asked(before + 1)
        given = {type(command) for command in tape.commands()}
        others = {Rewind, Survey, TryWeight, Break, Undo, Arm, Save}
        assert given == set(COMMANDS.values()) - others  # those have tests of their own


@pytest.mark.parametrize(
    "keys, wanted",
    [
        (["u"], Undo()),
        (["U"], Arm(on=True)),
        (["w"], Save()),
        (["b", "a"], Break(when="odd")),
        (["b", "n"], Break(when="none")),
        (["b", "c", "backspace", *"2.5", "enter"], Break(when="norm", value=2.5)),
    ],
)
async def test_the_workbench_is_asked(
    show: Opener, state: Callable[[str], Tape], keys: list[str], wanted: object
) -> None:
    async with show(state("paused at loss")) as viewer:
        await viewer.press(*keys)
        assert dataclasses.replace(await viewer.asked(), id="") == wanted


async def test_what_was_taken_back_stays_as_a_ghost(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        last = viewer.scene.state.step
        tape.add(Applied(t=9.0, step=last - 40, id="x", do="undo", before=float(last), after=float(last - 40)))
        await viewer.until(lambda: viewer.scene.state.ghosts)
        assert viewer.scene.state.step == last - 40
        assert all(step > last - 40 for step, _ in viewer.scene.state.ghosts[0])
        assert all(bucket.last <= last - 40 for bucket in viewer.scene.state.train.buckets)


async def test_a_breakpoint_says_why(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        tape.add(Gate(9.0, 500, True, "backward", "the gradient of head.weight is not finite"))
        await viewer.until(lambda: "head.weight is not finite" in " ".join(viewer.panel("explain").text().split()))


async def test_the_weights_of_the_best_loss_are_asked_for(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("e")
        await viewer.says("no validation loss")
        tape.see(dataclasses.replace(viewer.scene.state.live or Live(), best=Best(step=380, loss=0.61)))
        await viewer.until(lambda: viewer.scene.state.live is not None and viewer.scene.state.live.best is not None)
        await viewer.press("e", "x")
        assert tape.commands() == []
        await viewer.press("e")
        assert "step 380" in viewer.words() and "0.61" in viewer.words()
        await viewer.press("y")
        assert type(await viewer.asked()) is Rewind


async def test_the_valley_pauses_first(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("v")
        assert "valley" in viewer.scene.content and viewer.scene.tab == "valley"
        await viewer.press("y")
        assert type(await viewer.asked()) is Pause
        tape.add(Gate(0.0, 500, True, "backward"))
        assert type(await viewer.asked(2)) is Survey


@pytest.mark.parametrize("action", [one for one in ACTIONS if not one.steers], ids=lambda one: one.name)
async def test_an_action_that_does_not_steer_asks_nothing_of_the_run(show: Opener, tape: Tape, action: object) -> None:
    async with show(tape) as viewer:
        for key in action.keys:  # type: ignore[attr-defined]
            await viewer.press(key)
        assert tape.commands() == []


# ── help and palette ──


@pytest.mark.parametrize(
    "number, name",
    list(enumerate(("network", "weights", "gradients", "loss", "explain", "doctor", "predict", "log"), 1)),
)
async def test_help_begins_with_the_panel_in_focus(show: Opener, tape: Tape, number: int, name: str) -> None:
    async with show(tape, size=(120, 50)) as viewer:
        assert panels(viewer.scene.content)[number - 1] == name
        await viewer.press(str(number), "question_mark")
        await viewer.until(lambda: viewer.dialog() == "Help")
        panel = viewer.panel(name)
        words = viewer.words()
        assert panel.NAME in words and panel.SHOWS[:40] in words and panel.TROUBLE[:40] in words
        await viewer.press("escape")
        assert viewer.dialog() == "Screen"


async def test_help_has_every_key(show: Opener, tape: Tape) -> None:
    async with show(tape, size=(120, 100)) as viewer:
        await viewer.press("question_mark")
        words = viewer.words()
        for action in ACTIONS:
            assert f"{action.shown} {action.label_for(viewer.scene)}: {action.help}" in words
        assert all(text in words for _, text in MOVES)


@pytest.mark.parametrize("name", ["running", "finished"])
async def test_the_palette_lists_every_valid_action(show: Opener, state: Callable[[str], Tape], name: str) -> None:
    async with show(state(name)) as viewer:
        listed = {command.title: command.help for command in viewer.app.get_system_commands(viewer.app.screen)}
        valid = [action for action in ACTIONS if action.valid(viewer.scene) and action.name != "palette"]
        assert listed == {f"{one.label_for(viewer.scene)} ({one.shown})": one.help for one in valid}


async def test_the_palette_runs_an_action(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        await viewer.press("colon")
        await viewer.until(lambda: viewer.dialog() == "CommandPalette")
        await viewer.press(*"logaxis")
        await viewer.until(lambda: "log axis (y)" in viewer.screen())
        await viewer.press("enter", "enter")
        await viewer.until(lambda: viewer.scene.log_y)
        assert tape.commands() == []
