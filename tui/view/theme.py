"""Every colour, by what it means, once. Style names are `meaning`, `meaning.bold`, `meaning.reverse`; `w3/12` is a
half-block cell of two weight levels (upper/lower). No meaning is carried by colour alone: a sign or a word stands by.
"""

from __future__ import annotations

from functools import lru_cache

from rich._palettes import EIGHT_BIT_PALETTE, STANDARD_PALETTE  # what Rich rounds to; there is no public name
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.theme import Theme

MEANINGS: dict[str, tuple[str, int, int]] = {
    # meaning: truecolor, 256, 16
    "background": ("#121212", 233, 0),
    "line": ("#585858", 240, 8),
    "dim": ("#a8a8a8", 248, 7),
    "ink": ("#eeeeee", 255, 15),
    "train": ("#87d7ff", 117, 14),
    "train_dim": ("#3f6b80", 66, 6),
    "validation": ("#ffaf5f", 215, 11),
    "gradient": ("#af87ff", 141, 13),
    "warning": ("#ffffaf", 229, 15),
    "bad": ("#ff005f", 197, 9),
    "you": ("#ffffff", 231, 15),
    # runs of a race, each beside a sign of its own; at least 26 apart (CIE76) under each colour-vision deficiency
    "race1": ("#5fafd7", 74, 14),
    "race2": ("#ffaf00", 214, 11),
    "race3": ("#af5fff", 135, 13),
    "race4": ("#00ff87", 48, 10),
    "race5": ("#d75f00", 166, 3),
    "race6": ("#eeeeee", 255, 15),
}
ALIASES = {"axis": "line", "label": "dim", "": "ink"}

RAMP = [
    *("#001e51", "#002965", "#00347a", "#174382", "#2e5186", "#445f89", "#5a6d8a", "#717a87"),
    *("#8e8678", "#a59372", "#bb9f6d", "#d1ac69", "#e6b964", "#fcc75f", "#feda97", "#ffeccb"),
]
RAMP_256 = [17, 18, 18, 24, 24, 60, 60, 243, 102, 137, 144, 179, 179, 221, 222, 230]
RAMP_16 = [4] * 4 + [8] * 4 + [7] * 4 + [11] * 4

SYSTEMS = ("truecolor", "256", "16", "none")


@lru_cache(maxsize=512)
def rgb_for(index: int, system: str) -> str:
    """The RGB that ends up as palette entry `index` when it is brought down to 256 or 16 colours.

    Colours pass through RGB on their way to the terminal, and the way down rounds; for most entries their own RGB comes
    back to them. The greys of the colour cube do not, since Rich sends greys to the grey ramp: the nearest colour that
    does is taken.
    """
    palette = EIGHT_BIT_PALETTE if system == "256" else STANDARD_PALETTE
    target = ColorSystem.EIGHT_BIT if system == "256" else ColorSystem.STANDARD
    for shifts in _shifts():
        red, green, blue = (max(0, min(255, part + shift)) for part, shift in zip(palette[index], shifts))
        if Color.from_rgb(red, green, blue).downgrade(target).number == index:
            return f"#{red:02x}{green:02x}{blue:02x}"
    raise ValueError(f"no RGB comes down to entry {index} of {system} colours")


@lru_cache(maxsize=1)
def _shifts() -> list[tuple[int, int, int]]:
    """Small changes of a colour, the smallest first; red goes up and blue down before the other way round."""
    near = [(shift, shift, shift) for shift in (0, 1, 2, 3, -1, -2, -3, 4, -4)]
    far = [(r, g, b) for r in range(20, -21, -4) for g in range(-20, 21, 4) for b in range(-20, 21, 4)]
    return near + sorted(far, key=lambda shifts: sum(shift * shift for shift in shifts))


class Palette:
    """Styles for one colour system: "truecolor", "256", "16" or "none" (greys, brought about by Textual's filter)."""

    def __init__(self, system: str = "truecolor") -> None:
        self.system = system
        self._styles: dict[str, Style] = {}

    def color(self, meaning: str) -> str:
        """The hex value of a meaning in this colour system."""
        true, in_256, in_16 = MEANINGS[ALIASES.get(meaning, meaning)]
        return self._pick(true, in_256, in_16)

    def level(self, level: int) -> str:
        """The hex value of a weight level, 0 (most negative) to 15."""
        return self._pick(RAMP[level], RAMP_256[level], RAMP_16[level])

    def _pick(self, true: str, in_256: int, in_16: int) -> str:
        if self.system == "256":
            return rgb_for(in_256, "256")
        if self.system == "16":
            return rgb_for(in_16, "16")
        return true

    def style(self, name: str) -> Style:
        """The style of a name; an unknown name is an error of ours."""
        found = self._styles.get(name)
        if found is None:
            found = self._styles[name] = self._make(name)
        return found

    def _make(self, name: str) -> Style:
        if name.startswith("w") and "/" in name:
            upper, lower = name[1:].split("/")
            return Style(color=self._cell(upper), bgcolor=self._cell(lower))
        meaning, *how = name.split(".")
        reverse = "reverse" in how
        color, back = self.color(meaning), self.color("background")
        if reverse:
            color, back = back, color
        return Style(color=color, bgcolor=back, bold="bold" in how or None, underline="under" in how or None)

    def _cell(self, letter: str) -> str:
        if letter == "n":
            return self.color("bad")
        if letter in (".", ""):
            return self.color("background")
        return self.level(int(letter))


def textual_theme(palette: Palette) -> Theme:
    """The same colours for Textual's own widgets (dialogs, inputs, the command palette)."""
    color = palette.color
    return Theme(
        name="backlit",
        primary=color("train"),
        secondary=color("gradient"),
        accent=color("train"),
        warning=color("warning"),
        error=color("bad"),
        success=color("train"),
        foreground=color("ink"),
        background=color("background"),
        surface=color("background"),
        panel=color("background"),
        dark=True,
        variables={
            "line": color("line"),
            "dim": color("dim"),
            "you": color("you"),
            "border": color("train"),
            "border-blurred": color("line"),
            "scrollbar": color("line"),
            "scrollbar-background": color("background"),
            "input-cursor-background": color("ink"),
            "input-selection-background": color("line"),
            "block-cursor-background": color("train"),
            "block-cursor-foreground": color("background"),
            "footer-background": color("background"),
        },
    )
