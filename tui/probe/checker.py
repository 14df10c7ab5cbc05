"""(to be written)"""

from __future__ import annotations

from .eyes import Eye


class Checker(Eye):
    WHAT = "the checkup"
    PANELS = ("doctor",)
