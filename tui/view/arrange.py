"""Where every panel stands at a size of the terminal: a pure function, for tabs and compact screens share places."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A rectangle of terminal cells."""

    x: int
    y: int
    width: int
    height: int


HEADER, STRIP, FOOTER = 2, 1, 1
TABS = {"normal": ("explain", "log"), "compact": ("explain", "network", "log"), "wide": ()}
PANELS = ("network", "weights", "gradients", "loss", "explain", "log")
"""In the order of the number keys."""


def size_class(width: int, height: int) -> str:
    """compact, normal or wide."""
    if width < 110 or height < 32:
        return "compact"
    return "wide" if width >= 180 and height >= 46 else "normal"


def arrange(width: int, height: int, tab: str, zoomed: str = "", layers: int = 3) -> dict[str, Place]:
    """The place of every panel that is visible.

    Args:
        tab: the tab in front, where panels share a place.
        zoomed: the one panel that has the whole middle, or "".
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
        places |= _compact(width, top, middle, tab, layers)
    elif size == "wide":
        places |= _wide(width, top, middle)
    else:
        places |= _normal(width, top, middle, tab)
    return {name: place for name, place in places.items() if place.width > 0 and place.height > 0}


def front(size: str, tab: str) -> str:
    """The tab that is in front at this size."""
    tabs = TABS[size]
    return tab if tab in tabs else (tabs[0] if tabs else "")


def _normal(width: int, top: int, middle: int, tab: str) -> dict[str, Place]:
    upper = middle // 2
    network = max(28, width * 28 // 120)
    weights = max(44, width * 44 // 120)
    loss = width * 70 // 120
    return {
        "network": Place(0, top, network, upper),
        "weights": Place(network, top, weights, upper),
        "gradients": Place(network + weights, top, width - network - weights, upper),
        "loss": Place(0, top + upper, loss, middle - upper),
        front("normal", tab): Place(loss, top + upper, width - loss, middle - upper),
    }


def _compact(width: int, top: int, middle: int, tab: str, layers: int) -> dict[str, Place]:
    if middle < 11:  # too low for everything: what says most
        return {"loss": Place(0, top, width, middle)}
    gradients = max(5, min(layers + 4, 7 + max(0, (middle - 20) // 2)))
    tabs = 5 + max(0, (middle - 20) // 3)
    rest = middle - gradients - tabs
    if rest < 4:
        gradients, rest = 0, middle - tabs
    weights = max(20, min(width - 20, width * 36 // 80)) if width >= 40 else width // 2
    return {
        "gradients": Place(0, top, width, gradients),
        "weights": Place(0, top + gradients, weights, rest),
        "loss": Place(weights, top + gradients, width - weights, rest),
        front("compact", tab): Place(0, top + gradients + rest, width, tabs),
    }


def _wide(width: int, top: int, middle: int) -> dict[str, Place]:
    upper = middle // 2
    lower = middle - upper
    network, weights = width * 40 // 200, width * 90 // 200
    loss, explain = width * 84 // 200, width * 56 // 200
    return {
        "network": Place(0, top, network, upper),
        "weights": Place(network, top, weights, upper),
        "gradients": Place(network + weights, top, width - network - weights, upper),
        "loss": Place(0, top + upper, loss, lower),
        "explain": Place(loss, top + upper, explain, lower),
        "log": Place(loss + explain, top + upper, width - loss - explain, lower),
    }
