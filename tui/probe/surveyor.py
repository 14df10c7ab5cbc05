"""(to be written)"""

from __future__ import annotations

from .eyes import Eye


class Surveyor(Eye):
    WHAT = "the valley"
    PANELS = ("valley",)
