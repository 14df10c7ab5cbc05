"""The size of a program's own terminal: as wide as the Log tab, in which it is read. No Textual."""

from __future__ import annotations

from .arrange import arrange

FRAME = 4
"""Columns of a panel's border and the blanks inside it."""
NARROWEST = 20


def window(width: int, height: int, zoomed: bool = False) -> tuple[int, int]:
    """Columns and rows of the program's terminal for a viewer of this size.

    The rows are the viewer's, for the log scrolls: a program that draws several progress bars may use them all.
    """
    place = arrange(width, height, "log", "log" if zoomed else "").get("log")
    columns = (place.width if place is not None else width) - FRAME
    return max(NARROWEST, columns), max(1, height)
