"""Lesson cards: Markdown files with a small header, found by listing the folder. No lesson is imported."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from .scene import Arm, Card

LETTERS = "abcdefg"
FOLDER = Path(__file__).resolve().parent.parent / "lessons"


class BadCard(ValueError):
    """A card that does not say what it must; the text names the file and what is missing."""


def all_cards(folder: Path = FOLDER) -> list[Card]:
    """Every lesson that has both a script and a card, in the order of their numbers."""
    found = [read_card(path) for path in folder.glob("*.md") if path.with_suffix(".py").exists()]
    return sorted(found, key=lambda card: (card.number, card.lesson))


def card_of(lesson: str, folder: Path = FOLDER) -> Card | None:
    """The card of one lesson, or None if there is no such lesson."""
    path = folder / f"{lesson}.md"
    if not lesson.isidentifier() or not path.exists() or not path.with_suffix(".py").exists():
        return None
    return read_card(path)


def read_card(path: Path) -> Card:
    """Raises BadCard."""
    text = path.read_text(encoding="utf-8")
    if not text.startswith("---\n") or "\n---\n" not in text[4:]:
        raise BadCard(f"{path.name}: no header between two lines of ---")
    head, _, body = text[4:].partition("\n---\n")
    fields: dict[str, str] = {}
    arms = []
    for line in head.splitlines():
        name, colon, value = line.partition(":")
        value = value.partition(" #")[0].strip()
        if colon and name.strip() == "arm":
            arms.append(value)
        elif colon:
            fields[name.strip()] = value
    missing = [name for name in ("title", "question") if not fields.get(name)]
    if missing:
        raise BadCard(f"{path.name}: the header says no {missing[0]}")
    metric = fields.get("metric", "")
    try:
        expect = _range(fields.get("expect", "0 0"))
        on_path = int(fields.get("path", "0"))
        number, pace = int(fields.get("number", "0")), float(fields["pace"]) if "pace" in fields else None
        found = [_arm(arm, metric) for arm in arms]
    except ValueError as error:
        raise BadCard(f"{path.name}: {error}") from None
    parts = _sections(body)
    checks = parts.pop("check", "").splitlines()
    asked = [line[2:].strip() for line in checks if line.startswith("Q:")]
    told = [line[2:].strip() for line in checks if line.startswith("A:")]
    return Card(
        lesson=path.stem,
        title=fields["title"],
        question=fields["question"],
        about=fields.get("about", ""),
        number=number,
        path=on_path,
        choices={letter: fields[letter] for letter in LETTERS if fields.get(letter)},
        answer=fields.get("answer", ""),
        answers=dict(pair.split() for pair in fields.get("answers", "").split(",") if len(pair.split()) == 2),
        later=fields.get("ask", "") == "later",
        metric=metric,
        expect=expect,
        arms=found,
        race=fields.get("race", ""),
        pace=pace,
        show=fields.get("show", "") or "card",
        zoom=fields.get("zoom", ""),
        before=parts.get("before", ""),
        tries=parts.get("try", ""),
        reveal=parts.get("reveal", ""),
        checks=list(zip(asked, told)),
        keys=_keys(body),
    )


def _keys(body: str) -> dict[str, tuple[str, ...]]:
    """The keys at the beginning of each thing to try, by its text as `_plain` leaves it."""
    found: dict[str, tuple[str, ...]] = {}
    _, _, tries = body.partition("## Try\n")
    for item in re.split(r"^- ", tries.partition("\n## ")[0], flags=re.M)[1:]:
        text = " ".join(item.split())
        head = re.match(r"((?:`[^`]+`(?:,| and| or|/)? ?)+)", text)
        keys = tuple(re.findall(r"`([^`]+)`", head.group(1))) if head else ()
        found[_plain("- " + text).removeprefix("· ")] = keys
    return found


def _range(text: str) -> tuple[float, float]:
    """Raises ValueError."""
    low, high = [float(part) for part in text.split()]
    return low, high


def _arm(text: str, metric: str) -> Arm:
    """`ARGS | words | [METRIC] low high [| near]`. Raises ValueError."""
    parts = [part.strip() for part in text.split("|")]
    if len(parts) < 3:
        raise ValueError(f"an arm needs arguments, words and a range: {text!r}")
    *other, low, high = parts[2].split()
    return Arm(
        arguments=tuple(shlex.split(parts[0])),
        words=parts[1],
        metric=other[0] if other else metric,
        expect=_range(f"{low} {high}"),
        near=parts[3:] == ["near"],
    )


def _sections(body: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    name = ""
    for line in body.splitlines():
        if line.startswith("## "):
            name = line[3:].strip().lower()
        elif name:
            parts[name] = parts.get(name, "") + line + "\n"
    return {name: _plain(text) for name, text in parts.items()}


def _plain(text: str) -> str:
    """Markdown as a terminal shows it: one line a paragraph or list item, an empty line between paragraphs."""
    blocks: list[str] = []
    begins = True
    for line in text.splitlines():
        words = line.strip()
        item = words.startswith("- ")
        if not words:
            begins = True
        elif item or begins or not blocks or words.startswith(("Q: ", "A: ")):
            blocks.append(("· " + words[2:]) if item else words)
            begins = False
        else:
            blocks[-1] += " " + words
    return "\n".join(re.sub(r"(\*\*|\*|`)(.+?)\1", r"\2", block) for block in blocks)
