"""(to be written)"""

from __future__ import annotations

from .eyes import Eye


class Predictor(Eye):
    WHAT = "the predictions"
    PANELS = ("predict",)
