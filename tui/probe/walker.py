"""(to be written)"""

from __future__ import annotations

from .eyes import Eye


class Walker(Eye):
    WHAT = "the walk"
    PANELS = ("phases",)
