"""The cards: what each must say, and that what it says of keys and programs is so."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import tui.lessons
from tui.view.actions import ACTIONS
from tui.view.arrange import ALONE, PANELS
from tui.view.cards import BadCard, all_cards, read_card
from tui.view.learning import answer_of, arm_of, inside

FOLDER = Path(tui.lessons.__file__).parent
CARDS = {card.lesson: card for card in all_cards()}
KEYS = {action.shown for action in ACTIONS} | {"-", "←", "→", "↑", "↓", "="}
SECTIONS = ["Before", "Try", "Reveal", "Check"]
CHECKS = {"neuron": 1, "perceptron": 1, "chain": 2, "ravine": 1, "dart": 2, "rate": 1}
"""Check questions that one of the source articles ends with."""

pytestmark = pytest.mark.parametrize("name", sorted(CARDS))


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text("utf-8")


def test_it_asks_for_a_prediction(name: str) -> None:
    card = CARDS[name]
    assert card.question.endswith("?") or card.question.rstrip(".").count(" ") > 3
    assert len(card.choices) >= 3 and len(set(card.choices.values())) == len(card.choices)
    right = {card.answer} if not card.answers else set(card.answers.values())
    assert right <= set(card.choices)
    assert card.about and card.number and card.metric and card.pace


def test_sections(name: str) -> None:
    assert re.findall(r"^## (.+)$", text_of(name), flags=re.M) == SECTIONS
    card = CARDS[name]
    assert card.before and card.tries and card.reveal
    assert len(card.checks) >= CHECKS.get(name, 1) and all(question and answer for question, answer in card.checks)
    if not card.answers:
        assert re.search(rf"^\*\*{card.answer}\.\*\*", text_of(name), flags=re.M)


def test_it_is_short(name: str) -> None:
    body = text_of(name).partition("\n---\n")[2]
    assert len(body.split()) < 560


def test_its_keys_exist(name: str) -> None:
    card = CARDS[name]
    used = [key for keys in card.keys.values() for key in keys]
    assert used, "no thing to try begins with a key"
    assert set(used) <= KEYS, set(used) - KEYS
    for line in card.tries.splitlines():
        if line.startswith("· "):
            assert line[2:] in card.keys, line


def test_its_panels_exist(name: str) -> None:
    card = CARDS[name]
    assert card.show in PANELS and card.zoom in ("", *ALONE, *PANELS)


def test_the_ranges_are_ranges_and_arms_lie_apart(name: str) -> None:
    card = CARDS[name]
    for low, high in (card.expect, *(arm.expect for arm in card.arms)):
        assert low <= high or (math.isnan(low) and math.isnan(high))
    for arm in card.arms:
        assert arm.arguments and arm.words
        if arm.near or arm.metric != card.metric or math.isnan(arm.expect[0]):
            continue
        apart = arm.expect[1] < card.expect[0] or arm.expect[0] > card.expect[1]
        assert apart, f"{' '.join(arm.arguments)}: {arm.expect} overlaps with {card.expect}"


def test_arms_are_recognised(name: str) -> None:
    card = CARDS[name]
    shipped = arm_of(card, ("--seed", "3"))
    assert shipped is not None and shipped.expect == card.expect
    for arm in card.arms:
        found = arm_of(card, (*arm.arguments, "--seed=1"))
        assert found is not None and found.arguments == arm.arguments
    assert arm_of(card, ("--no-such-thing", "7")) is None
    middle = (card.expect[0] + card.expect[1]) / 2
    assert inside(middle, card.expect) and not inside(card.expect[1] + 1, card.expect)
    assert answer_of(card, ()) in card.choices


def test_a_card_without_its_range_is_refused(name: str, tmp_path: Path) -> None:
    bad = tmp_path / f"{name}.md"
    bad.write_text(re.sub(r"^expect: .*$", "expect: much", text_of(name), count=1, flags=re.M), "utf-8")
    with pytest.raises(BadCard, match=f"{name}.md"):
        read_card(bad)


def test_no_two_lessons_share_a_number(name: str) -> None:
    assert [card.lesson for card in CARDS.values() if card.number == CARDS[name].number] == [name]
