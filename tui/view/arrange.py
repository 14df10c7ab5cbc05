"""Where every panel stands at a size of the terminal: a pure function, for tabs and compact screens share places."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A rectangle of terminal cells."""

    x: int
    y: int
    width: int
    height: int


HEADER, STRIP, FOOTER = 2, 1, 1
PANELS = ("network", "weights", "gradients", "loss", "explain", "card", "doctor", "metrics", "predict", "valley", "log")
"""In the order of the number keys, which count those that there are."""
SOMETIMES = ("card", "doctor", "metrics", "predict", "valley")
"""Tabs that exist when they have something to show."""
ALONE = ("phases",)
"""Panels that have the screen for themselves, or none of it."""


def panels(content: Collection[str]) -> tuple[str, ...]:
    """The panels and tabs that there are, when `content` names the tabs that have something to show."""
    return tuple(name for name in PANELS if name not in SOMETIMES or name in content)


def tabs(size: str, content: Collection[str]) -> tuple[str, ...]:
    """The tabs that share a place at a size; none where everything has a place of its own."""
    sometimes = tuple(name for name in SOMETIMES if name in content)
    if size == "wide":
        return ("explain", *sometimes) if sometimes else ()
    return ("explain", *(("network",) if size == "compact" else ()), *sometimes, "log")


def size_class(width: int, height: int) -> str:
    """compact, normal or wide."""
    if width < 110 or height < 32:
        return "compact"
    return "wide" if width >= 180 and height >= 46 else "normal"


def arrange(
    width: int,
    height: int,
    tab: str,
    zoomed: str = "",
    layers: int = 3,
    content: Collection[str] = (),
    reading: bool = False,
) -> dict[str, Place]:
    """The place of every panel that is visible.

    Args:
        tab: the tab in front, where panels share a place.
        zoomed: the one panel that has the whole middle, or "".
        content: the tabs that have something to show, of those that exist only then.
        reading: the tab in front is to be read: it gets most of the room.
        layers: rows that the gradient panel would like to have, in the compact size.
    """
    size = size_class(width, height)
    places = {
        "header": Place(0, 0, width, min(HEADER, height)),
        "strip": Place(0, max(0, height - FOOTER - STRIP), width, STRIP),
        "footer": Place(0, max(0, height - FOOTER), width, FOOTER),
    }
    top, bottom = HEADER, max(HEADER, height - FOOTER - STRIP)
    middle = bottom - top
    if zoomed:
        places[zoomed] = Place(0, top, width, max(1, middle))
        return places
    if size == "compact":
        places |= _compact(width, top, middle, front(size, tab, content), layers, reading)
    elif size == "wide":
        places |= _wide(width, top, middle, front(size, tab, content) or "explain")
    else:
        places |= _normal(width, top, middle, front(size, tab, content), reading)
    return {name: place for name, place in places.items() if place.width > 0 and place.height > 0}


def front(size: str, tab: str, content: Collection[str] = ()) -> str:
    """The tab that is in front at this size."""
    there = tabs(size, content)
    return tab if tab in there else (there[0] if there else "")


def _normal(width: int, top: int, middle: int, tab: str, reading: bool) -> dict[str, Place]:
    upper = middle // 2
    network = max(28, width * 28 // 120)
    weights = max(44, width * 44 // 120)
    loss = width * (50 if reading else 70) // 120
    return {
        "network": Place(0, top, network, upper),
        "weights": Place(network, top, weights, upper),
        "gradients": Place(network + weights, top, width - network - weights, upper),
        "loss": Place(0, top + upper, loss, middle - upper),
        tab: Place(loss, top + upper, width - loss, middle - upper),
    }


def _compact(width: int, top: int, middle: int, tab: str, layers: int, reading: bool) -> dict[str, Place]:
    if middle < 11:  # too low for everything: what says most
        return {"loss": Place(0, top, width, middle)}
    gradients = max(5, min(layers + 4, 7 + max(0, (middle - 20) // 2)))
    tabs = 5 + max(0, (middle - 20) // 3)
    if tab in SOMETIMES:  # they say more than Explain, which repeats what other panels show
        tabs = max(tabs, middle * 2 // 5)
    if reading:
        gradients, tabs = 0, max(tabs, middle * 3 // 5)
    rest = middle - gradients - tabs
    if rest < 4 or reading:
        gradients, rest = 0, middle - tabs
    weights = max(20, min(width - 20, width * 36 // 80)) if width >= 40 else width // 2
    return {
        "gradients": Place(0, top, width, gradients),
        "weights": Place(0, top + gradients, weights, rest),
        "loss": Place(weights, top + gradients, width - weights, rest),
        tab: Place(0, top + gradients + rest, width, tabs),
    }


def _wide(width: int, top: int, middle: int, tab: str) -> dict[str, Place]:
    upper = middle // 2
    lower = middle - upper
    network, weights = width * 40 // 200, width * 90 // 200
    loss, explain = width * 84 // 200, width * 56 // 200
    return {
        "network": Place(0, top, network, upper),
        "weights": Place(network, top, weights, upper),
        "gradients": Place(network + weights, top, width - network - weights, upper),
        "loss": Place(0, top + upper, loss, lower),
        tab: Place(loss, top + upper, explain, lower),
        "log": Place(loss + explain, top + upper, width - loss - explain, lower),
    }
