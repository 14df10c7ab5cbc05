"""Every colour, by what it means, once. Style names are `meaning`, `meaning.bold`, `meaning.reverse`; `w3/12` is a
half-block cell of two weight levels (upper/lower); `ansi:…` is how a program printed something (`history/graphics.py`).
No meaning is carried by colour alone: a sign or a word stands by.
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

PRINTED: tuple[tuple[str, int, int], ...] = (
    # the sixteen colours of terminals as letters on our background: truecolor, 256, 16
    *(("#6c6c6c", 242, 8), ("#ff5f5f", 203, 1), ("#87d787", 114, 2), ("#d7af5f", 179, 3)),
    *(("#5f87ff", 69, 12), ("#d787d7", 176, 5), ("#5fd7d7", 80, 6), ("#c6c6c6", 251, 7)),
    *(("#8a8a8a", 245, 8), ("#ff8787", 210, 9), ("#afffaf", 157, 10), ("#ffff87", 228, 11)),
    *(("#87afff", 111, 12), ("#ffafff", 219, 13), ("#afffff", 159, 14), ("#ffffff", 231, 15)),
)
PRINTED_ON: tuple[tuple[str, int, int], ...] = (
    # the first seven as backgrounds, dark enough for our letters; the others are bright as they are
    *(("#000000", 16, 0), ("#870000", 88, 1), ("#005f00", 22, 2), ("#5f5f00", 58, 3)),
    *(("#0000af", 19, 4), ("#5f005f", 53, 5), ("#005f5f", 23, 6)),
)
LEGIBLE = 2.0
"""Contrast (WCAG 2) below which printed letters get another colour: the program was made for another background."""
MOST_STYLES = 4096
"""Styles kept: a program can print sixteen million colours."""

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
            if len(self._styles) >= MOST_STYLES:
                self._styles.clear()
            found = self._styles[name] = self._make(name)
        return found

    def _make(self, name: str) -> Style:
        if name.startswith("ansi:"):
            return self._printed(*name[5:].split("|"))
        if name.startswith("w") and "/" in name:
            upper, lower = name[1:].split("/")
            return Style(color=self._cell(upper), bgcolor=self._cell(lower))
        meaning, *how = name.split(".")
        reverse = "reverse" in how
        color, back = self.color(meaning), self.color("background")
        if reverse:
            color, back = back, color
        return Style(color=color, bgcolor=back, bold="bold" in how or None, underline="under" in how or None)

    def _printed(self, attributes: str, color: str, back: str) -> Style:
        """How a program wanted it, as far as this colour system goes; letters stay legible. No colours: attributes."""
        plain = self.system == "none"
        ink = self._of_program(color, PRINTED) if color and not plain else self.color("ink")
        ground = self._of_program(back, (*PRINTED_ON, *PRINTED[7:])) if back and not plain else self.color("background")
        if "d" in attributes and self.system != "16":
            ink = _mixed(ink, ground)
        elif "d" in attributes and not color:
            ink = self.color("dim")
        if contrast(ink, ground) < (LEGIBLE if self.system != "16" else 1.01):
            ink = max((self.color("ink"), self.color("background")), key=lambda one: contrast(one, ground))
        if "r" in attributes or (plain and back):
            ink, ground = ground, ink
        bold, italic, underline, strike = ((letter in attributes) or None for letter in "bius")
        return Style(color=ink, bgcolor=ground, bold=bold, italic=italic, underline=underline, strike=strike)

    def _of_program(self, color: str, sixteen: tuple[tuple[str, int, int], ...]) -> str:
        """A colour as `history/graphics.py` has it: the number of one of 256, or #rrggbb."""
        if color.isdigit() and int(color) < 16:
            return self._pick(*sixteen[int(color)])
        red, green, blue = EIGHT_BIT_PALETTE[int(color)] if color.isdigit() else _parts(color)
        if self.system == "16":
            number = Color.from_rgb(red, green, blue).downgrade(ColorSystem.STANDARD).number or 0
            return self._pick(*sixteen[number])
        return f"#{red:02x}{green:02x}{blue:02x}"

    def _cell(self, letter: str) -> str:
        if letter == "n":
            return self.color("bad")
        if letter in (".", ""):
            return self.color("background")
        return self.level(int(letter))


def _parts(color: str) -> tuple[int, int, int]:
    """Red, green and blue of #rrggbb."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _mixed(one: str, other: str) -> str:
    """Three parts of one colour and two of another."""
    red, green, blue = ((3 * a + 2 * b) // 5 for a, b in zip(_parts(one), _parts(other)))
    return f"#{red:02x}{green:02x}{blue:02x}"


def contrast(one: str, other: str) -> float:
    """How well letters of one colour stand out on the other: 1 not at all, 21 black on white (WCAG 2)."""
    weights = (0.2126, 0.7152, 0.0722)
    light = []
    for color in (one, other):
        parts = [part / 255 for part in _parts(color)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        light.append(sum(weight * part for weight, part in zip(weights, linear)))
    return (max(light) + 0.05) / (min(light) + 0.05)


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
