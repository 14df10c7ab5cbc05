"""How characters look, as a program asked for it (SGR): a short text such as "bu|1|#ff8700".

Its three parts are the attributes (b bold, d dim, i italic, u underlined, s struck out, r reversed), the colour and the
background: nothing, a number of the 256 colours, or #rrggbb. What it comes to on a screen is the view's business.
"""

from __future__ import annotations

from functools import lru_cache

PLAIN = ""
_ON = {1: "b", 2: "d", 3: "i", 4: "u", 7: "r", 9: "s", 21: "u"}
_OFF = {22: "bd", 23: "i", 24: "u", 27: "r", 29: "s"}


@lru_cache(maxsize=1024)
def graphics(before: str, numbers: str) -> str:
    """The look after `ESC [ numbers m`. What it does not know changes nothing."""
    attributes, color, back = before.split("|") if before else ("", "", "")
    words = [_whole(part) for part in numbers.split(";")]
    while words:
        word = words.pop(0)
        number, *more = word
        if word == [4, 0]:
            number = 24
        if number == 0:
            attributes, color, back = "", "", ""
        elif number in _ON:
            attributes = _without(attributes, _ON[number]) + _ON[number]
        elif number in _OFF:
            attributes = _without(attributes, _OFF[number])
        elif number in (38, 48, 58):
            found = _colour(more or _rest(words))
            if number == 38:
                color = found or color
            elif number == 48:
                back = found or back
        elif 30 <= number <= 37 or 90 <= number <= 97:
            color = str(number - 30 if number < 40 else number - 82)
        elif 40 <= number <= 47 or 100 <= number <= 107:
            back = str(number - 40 if number < 50 else number - 92)
        elif number == 39:
            color = ""
        elif number == 49:
            back = ""
    attributes = "".join(sorted(attributes))
    return f"{attributes}|{color}|{back}" if attributes or color or back else PLAIN


def _whole(part: str) -> list[int]:
    """The numbers between two semicolons: one, or several with colons between them; -1 for what is none."""
    return [int(word or 0) if (word or "0").isdigit() and len(word) <= 4 else -1 for word in part.split(":")]


def _rest(words: list[list[int]]) -> list[int]:
    """The numbers of a colour written with semicolons, taken from what follows."""
    kind = words[0][0] if words else -1
    many = {5: 2, 2: 4}.get(kind, 0)
    taken = [word[0] for word in words[:many]]
    del words[:many]
    return taken


def _colour(numbers: list[int]) -> str:
    """5, n: of 256. 2, r, g, b: any (with colons, a colour space may stand before)."""
    if len(numbers) >= 2 and numbers[0] == 5 and 0 <= numbers[1] <= 255:
        return str(numbers[1])
    if len(numbers) >= 4 and numbers[0] == 2:
        parts = numbers[2:5] if len(numbers) >= 5 else numbers[1:4]
        if len(parts) == 3 and all(0 <= part <= 255 for part in parts):
            return "#{:02x}{:02x}{:02x}".format(*parts)
    return ""


def _without(attributes: str, gone: str) -> str:
    return "".join(one for one in attributes if one not in gone)
