"""The action table: everything a person can do, once. Footer, palette, help and README are made or checked from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .scene import Scene


@dataclass(frozen=True)
class Action:
    """One thing a key does."""

    name: str
    keys: tuple[str, ...]
    """As Textual names them; the first is the one shown."""
    shown: str
    """The key as people write it."""
    label: str
    """One or two words for the footer."""
    help: str  # noqa: A003
    """One sentence."""
    steers: bool = False
    """It changes training: refused when read-only, confirmed once in a run of somebody's own."""
    valid: Callable[[Scene], bool] = lambda scene: True
    footer: int = 0
    """Place in the footer, the lowest first; 0 is not shown there."""
    together: tuple[str, str] = ("", "")
    """Keys and label in the footer where one entry stands for two actions."""
    offered: Callable[[Scene], bool] = lambda scene: True
    """Is it worth a place in the footer now, being valid?"""

    def label_for(self, scene: Scene) -> str:
        """The label as it reads now."""
        if self.name == "pause" and scene.paused:
            return "resume"
        if self.name == "phase" and scene.paused:
            return "next phase"
        if self.name == "zoom" and scene.zoomed:
            return "zoom"
        return self.label


def _live(scene: Scene) -> bool:
    return scene.steerable


def _paused(scene: Scene) -> bool:
    return scene.steerable and scene.paused


def _always(scene: Scene) -> bool:
    return True


def _lesson(scene: Scene) -> bool:
    return scene.card is not None


ACTIONS: tuple[Action, ...] = (
    Action(
        "pause", ("space",), "space", "pause", "Pause training before the next update, or let it go on.", True, _live, 1
    ),
    Action("step", ("n",), "n", "one batch", "Run exactly one batch, then pause.", True, _live, 2),
    Action("steps", ("N",), "N", "batches…", "Run a number of batches that you type, then pause.", True, _live),
    Action(
        "phase",
        ("p", "full_stop"),
        "p",
        "phase",
        "Run to the end of the next phase of a batch; pauses first.",
        True,
        _live,
        3,
    ),
    Action(
        "rate_up",
        ("plus", "equals_sign"),
        "+",
        "rate up",
        "Learning rate one rung up: ×0.1 … ×0.5 ×1 ×2 ×5 ×10.",
        True,
        _live,
        4,
        ("+ −", "rate"),
    ),
    Action("rate_down", ("minus",), "−", "rate down", "Learning rate one rung down.", True, _live),
    Action("rate", ("r",), "r", "rate…", "Set the learning rate: a value, a factor, or release.", True, _live),
    Action("slower", ("less_than_sign",), "<", "slower", "Slow training down.", True, _live, 9, ("< >", "speed")),
    Action("faster", ("greater_than_sign",), ">", "faster", "Let training run faster.", True, _live),
    Action("full_speed", ("f",), "f", "full speed", "Let training run as fast as it can.", True, _live),
    Action(
        "mode",
        ("m",),
        "m",
        "weight mode",
        "Weights: the weight, its change since the start, its gradient, or the layer's output.",
        False,
        _always,
        11,
    ),
    Action("log_axis", ("y",), "y", "log axis", "Loss on a logarithmic axis, and back.", False, _always),
    Action(
        "range", ("a",), "a", "range", "Gradient norms: the range of recent values, or of all time.", False, _always
    ),
    Action(
        "sort",
        ("x",),
        "x",
        "sort",
        "Gradient norms: in the model's order, the largest first, the worst first.",
        False,
        _always,
    ),
    Action(
        "group",
        ("g",),
        "g",
        "group",
        "Gradient norms: layers put together by block, or each by itself.",
        False,
        _always,
    ),
    Action("filter", ("slash",), "/", "filter…", "Show only layers and log lines that contain a text.", False, _always),
    Action(
        "find", ("s",), "s", "search…", "Look for a text in the log; ↑ ↓ go from one place to the next.", False, _always
    ),
    Action(
        "type",
        ("i",),
        "i",
        "type…",
        "Type into the program, if it was started with --pty; every line goes with enter.",
        True,
        lambda s: s.may_type,
        -1,
        offered=lambda s: s.waits_for_input,
    ),
    Action(
        "next", ("tab",), "tab", "panel", "Focus on the next panel; shift+tab on the one before.", False, _always, 7
    ),
    Action("previous", ("shift+tab",), "shift+tab", "panel before", "Focus on the panel before.", False, _always),
    Action(
        "zoom",
        ("enter",),
        "enter",
        "zoom",
        "The panel in focus alone, with more in it.",
        False,
        lambda s: not s.zoomed,
        8,
    ),
    Action("out", ("escape", "backspace"), "esc", "back", "Out of the zoom.", False, lambda s: bool(s.zoomed), 8),
    Action(
        "valley",
        ("v",),
        "v",
        "valley",
        "The loss around the weights, computed on a copy while training waits; again: give it up.",
        True,
        _live,
    ),
    Action(
        "early",
        ("e",),
        "e",
        "stop early",
        "Stop, and put the weights of the lowest validation loss back.",
        True,
        _live,
    ),
    Action(
        "undo",
        ("u",),
        "u",
        "undo",
        "Take the last update back; updates are kept while you step, and with U while it runs.",
        True,
        _paused,
    ),
    Action(
        "arm", ("U",), "U", "keep for undo", "Keep updates for undo while training runs, or no longer.", True, _live
    ),
    Action(
        "break",
        ("b",),
        "b",
        "breakpoint…",
        "Hold before the update when something comes true: NaN, a large loss or gradient, a step.",
        True,
        _live,
    ),
    Action("save", ("w",), "w", "write weights", "Write weights and optimizer state to a new file.", True, _live),
    Action(
        "stream",
        ("S",),
        "S",
        "stream",
        "The other training of this command; of more than two the list, to choose from.",
        False,
        lambda s: len(s.source.streams) > 1,
        6,
    ),
    Action("card", ("c",), "c", "card", "The whole card of this lesson; its check questions.", False, _lesson, 5),
    Action(
        "restart",
        ("R",),
        "R",
        "restart…",
        "Start it again, with the same seed or other arguments; the run before is kept.",
        False,
        lambda s: not s.readonly,
        footer=10,
        offered=lambda s: s.card is not None and s.source.over,
    ),
    Action("edit", ("o",), "o", "edit…", "Open a copy of the lesson's script in $EDITOR; R starts it.", False, _lesson),
    Action("lessons", ("l",), "l", "lessons", "The lessons: choose one and start it.", False, _always, 12),
    Action("help", ("question_mark",), "?", "help", "The keys, and what the panel in focus shows.", False, _always, 13),
    Action("palette", ("colon", "ctrl+p"), ":", "commands", "Every action by name.", False, _always),
    Action(
        "leave", ("q", "ctrl+c", "ctrl+q"), "q", "leave", "Leave: detach, stop or kill the program.", False, _always, 14
    ),
)

MOVES = (
    ("↑ ↓ PgUp PgDn", "move inside the panel in focus: layer, weights, log lines"),
    ("Home End", "to the first line, and to the last: the log follows what is printed again"),
    ("← →", "move sideways in the panel in focus; in the phase view: nudge a weight, on a copy"),
    ("1 … 9", "focus on a panel or tab by its number"),
)
"""Keys that belong to panels, for help and README."""

BY_NAME = {action.name: action for action in ACTIONS}

LINE_KEYS: dict[str, tuple[Action, ...]] = {
    # while there is a line to type in at the foot of the log, no other key does anything
    "type": (
        Action("send", ("enter",), "enter", "send", "Give the line to the program."),
        Action("before", ("up", "down"), "↑ ↓", "lines before", "Bring back what was typed before."),
        Action("end", ("ctrl+d",), "^D", "end of input", "Say that there is no more input."),
        Action("interrupt", ("ctrl+c",), "^C", "interrupt", "Interrupt the program."),
        Action("line_back", ("escape",), "esc", "back", "Leave the line."),
    ),
    "find": (
        Action("go", ("up", "down"), "↑ ↓", "the one before, after", "Go to another place that has the text."),
        Action("scroll", ("pageup", "pagedown"), "PgUp PgDn", "scroll", "Scroll the log."),
        Action("line_back", ("escape",), "esc", "back", "Leave the line."),
    ),
}


def footer(scene: Scene) -> list[Action]:
    """The actions that the footer offers now, in its order."""
    if scene.log.line:
        return [*LINE_KEYS[scene.log.line]]
    shown = [action for action in ACTIONS if action.footer and action.valid(scene) and action.offered(scene)]
    return sorted(shown, key=lambda action: action.footer)
