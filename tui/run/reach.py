"""Whether the probe comes into a program: through the environment, which Python may be told to leave alone."""

from __future__ import annotations

import os
from typing import Sequence


def ignores_environment(command: Sequence[str]) -> bool:
    """Is this a Python with the option -E or -I?"""
    if not command or not os.path.basename(command[0]).startswith("python"):
        return False
    words = iter(command[1:])
    for word in words:
        if len(word) < 2 or not word.startswith("-") or word.startswith("--"):
            break
        for place, letter in enumerate(word[1:], 1):
            if letter in "EI":
                return True
            if letter in "cm":
                return False
            if letter in "WX":  # the rest belongs to it, or the next word
                if place == len(word) - 1:
                    next(words, None)
                break
    return False
