"""Lesson cards: Markdown files with a small header, found by listing the folder. No lesson is imported."""

from __future__ import annotations

import re
from pathlib import Path

from .scene import Card

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
    fields = {}
    for line in head.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip()] = value.strip()
    missing = [name for name in ("title", "question") if not fields.get(name)]
    if missing:
        raise BadCard(f"{path.name}: the header says no {missing[0]}")
    try:
        low, high = [float(part) for part in fields.get("expect", "0 0").split("#")[0].split()]
        number, pace = int(fields.get("number", "0")), float(fields["pace"].split("#")[0]) if "pace" in fields else None
    except ValueError as error:
        raise BadCard(f"{path.name}: {error}") from None
    parts = _sections(body)
    return Card(
        lesson=path.stem,
        title=fields["title"],
        question=fields["question"],
        about=fields.get("about", ""),
        number=number,
        choices={letter: fields[letter] for letter in "abc" if fields.get(letter)},
        answer=fields.get("answer", ""),
        metric=fields.get("metric", ""),
        expect=(low, high),
        pace=pace,
        before=parts.get("before", ""),
        tries=parts.get("try", ""),
        reveal=parts.get("reveal", ""),
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
        elif item or begins or not blocks:
            blocks.append(("· " + words[2:]) if item else words)
            begins = False
        else:
            blocks[-1] += " " + words
    return "\n".join(re.sub(r"(\*\*|\*|`)(.+?)\1", r"\2", block) for block in blocks)
