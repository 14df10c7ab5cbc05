"""Card: the lesson beside the run. It follows what the learner presses and what the run reaches, then reveals."""

from __future__ import annotations

from ..actions import ACTIONS
from ..draw.cells import Cell, Line, cut, wrap
from ..draw.numbers import count
from ..learning import answer_of, arm_of, inside, outcome, shown, shown_range, words_of
from ..scene import Card, Scene
from .panel import Panel

Paragraph = list[Cell]

_ACTION_OF = {action.shown: action.name for action in ACTIONS} | {"−": "rate_down", "-": "rate_down", "=": "rate_up"}


class CardPanel(Panel):
    NAME = "Card"
    PERIOD_S = 0.5
    SHOWS = (
        "The card of this lesson: what you predicted, what to press (○ becomes ✓ when you have), what the run has "
        "reached so far, and at the end what came of your prediction. c shows the whole card."
    )
    HEALTHY = "Predict first, then look: who has predicted sees more."
    TROUBLE = "A result outside the range that was measured is worth a second look: which argument is different?"

    def move(self, scene: Scene, lines: int) -> bool:
        scene.scroll["card"] = max(0, scene.scroll.get("card", 0) + lines)
        return True

    def draw(self, scene: Scene, width: int, height: int) -> list[Line]:
        card = scene.card
        if card is None:
            return wrap([("This run is no lesson.", "dim")], width)
        lines: list[Line] = []
        for paragraph in paragraphs(scene, card):
            if not paragraph:
                if height >= 9 and lines:
                    lines.append([])
                continue
            lines += wrap(paragraph, width)
        start = min(scene.scroll.get("card", 0), max(0, len(lines) - height))
        scene.scroll["card"] = start
        shown_ = lines[start : start + height]
        if start + height < len(lines) and shown_:
            shown_[-1] = [*cut(shown_[-1], width - 4), (" … ↓", "dim")]
        return shown_


def paragraphs(scene: Scene, card: Card) -> list[Paragraph]:
    """What the card says now; an empty paragraph is a gap."""
    if revealed(scene):
        return reveal(scene, card)
    out: list[Paragraph] = [_question(scene, card)]
    out.append(_so_far(scene, card))
    out.append([])
    out += tries(scene, card)
    return [paragraph for paragraph in out if paragraph != [("", "")]]


def revealed(scene: Scene) -> bool:
    """Is the run over in a way that gives an outcome?"""
    return scene.source.over and (scene.source.status == "finished" or scene.state.rewound)


def _question(scene: Scene, card: Card) -> Paragraph:
    if card.later and not scene.guess:
        return [(card.question, "ink"), ("  c answers.", "you")]
    words: Paragraph = [(card.question, "dim")]
    if scene.guess:
        words += [("  You said ", "ink"), (f"{scene.guess}: {card.choices.get(scene.guess, '')}", "you"), (".", "ink")]
    return words


def _so_far(scene: Scene, card: Card) -> Paragraph:
    arm = arm_of(card, scene.arguments)
    metric = arm.metric if arm is not None else card.metric
    value = outcome(scene, metric)
    words: Paragraph = []
    if scene.arguments:
        words.append((f"Started with {' '.join(scene.arguments)}. ", "ink"))
    if value is not None:
        words += [(f"{words_of(metric).capitalize()} so far: ", "ink"), (shown(metric, value), "validation")]
    elif scene.state.step:
        words.append((f"No {words_of(metric)} yet", "dim"))
    elif scene.paused and scene.steerable:
        return [*words, ("Nothing has run yet: space starts it, n runs one batch, p one phase.", "you")]
    else:
        words.append(("Nothing has run yet", "dim"))
    made = scene.state.step
    words.append((f", {count(made)} update{'' if made == 1 else 's'} made.", "dim"))
    if scene.paused and scene.state.phase not in ("", "start"):
        words.append((f" Held right after {WORDS.get(scene.state.phase, scene.state.phase)}.", "warning"))
    if arm is not None and value is not None and scene.state.step:
        reached = inside(value, arm.expect)
        words.append(
            (" ● Where it is expected to end." if reached else " ○ Not yet where it is expected to end.", "dim")
        )
    return words


WORDS = {"zero_grad": "zero-grad", "loss": "the loss", "forward": "the forward pass", "backward": "the backward pass"}
WORDS |= {"update": "the update"}


def tries(scene: Scene, card: Card) -> list[Paragraph]:
    """The things to try; those whose key was pressed are ticked."""
    out: list[Paragraph] = []
    for line in card.tries.splitlines():
        text = line.removeprefix("· ")
        if text == line and not line.startswith("·"):
            out.append([(line, "ink")])
            continue
        wanted = {_ACTION_OF[key] for key in card.keys_of(text) if key in _ACTION_OF}
        ticked = bool(wanted & scene.ticked)
        out.append([("✓ " if ticked else "○ ", "you" if ticked else "dim"), (text, "dim" if ticked else "ink")])
    return out


def reveal(scene: Scene, card: Card) -> list[Paragraph]:
    """After the end: the prediction, the learner's own number beside the range, what it means, one question more."""
    out: list[Paragraph] = []
    right = answer_of(card, scene.arguments)
    if scene.guess:
        said = card.choices.get(scene.guess, "")
        held = ": that held." if scene.guess == right else f". It was {right}: {card.choices.get(right, '')}."
        out += [[(f"You said {scene.guess}: {said}{held}", "you")], []]
    elif card.later:
        out += [[(card.question, "ink"), ("  c answers.", "you")], []]
    out += numbers(scene, card)
    if card.later and not scene.guess:
        return out
    out.append([])
    out += [[(line, "ink")] for line in card.reveal.removeprefix(f"{card.answer}. ").splitlines()]
    if card.checks:
        out += [[], [("To check yourself: ", "you"), (card.checks[0][0], "ink"), ("  c has the answer.", "dim")]]
    side = f", backlit race {card.lesson} runs them side by side" if card.race else ""
    out += [[], [(f"R starts it again with other arguments (o there takes any){side}, l opens the lessons.", "dim")]]
    return out


def numbers(scene: Scene, card: Card) -> list[Paragraph]:
    """This run's outcome and the range over seeds; then the learner's other runs of this lesson."""
    out: list[Paragraph] = []
    arm = arm_of(card, scene.arguments)
    metric = arm.metric if arm is not None else card.metric
    value = outcome(scene, metric)
    if value is None:
        out.append([(f"This run gave no {words_of(metric)}.", "dim")])
    else:
        line: Paragraph = [(f"Your {words_of(metric)}: ", "ink"), (shown(metric, value), "validation")]
        if arm is None:
            line.append((", with arguments of your own.", "ink"))
        else:
            sign = "inside" if inside(value, arm.expect) else "outside"
            how = "as shipped" if not arm.arguments else " ".join(arm.arguments)
            expected = shown_range(metric, arm.expect)
            if scene.state.rewound:
                line.append((f", for you stopped early and went back. Left alone, {how}: {expected}.", "ink"))
            else:
                line.append((f", {sign} the expected range {how}: {expected}.", "ink"))
            if scene.pressed & STEERS and not scene.state.rewound:
                line.append((" You steered it: the range is for runs that nobody steers.", "dim"))
        out.append(line)
    others = list(dict.fromkeys(scene.results))[-4:]
    if others:
        said = "; ".join(f"{' '.join(given) or 'as shipped'}: {shown(card.metric, got)}" for given, got in others)
        out.append([("Runs before: ", "dim"), (said + ".", "dim")])
    return out


STEERS = {"rate_up", "rate_down", "rate", "early"}
"""Actions after which a run is no longer the one that was measured."""
