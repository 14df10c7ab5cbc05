"""backlit: watch and steer a PyTorch training run from a terminal.

This file is executed in the viewer and in every program that is watched, so it imports nothing heavy.
"""

import sys

__version__ = "0.1.0"


def log(**values: float) -> None:
    """Tell whoever is watching a number that the program knows and the probe cannot see.

    Args:
        values: names and numbers, for example ``log(val_loss=0.31, val_accuracy=0.96)``. ``val_loss`` and
            ``val_accuracy`` (a share, 0 to 1) have their places on the dashboard; ``total_epochs`` states how long
            the program means to run; any other name is kept as a metric. One-element tensors are accepted.

    Without a probe in this process it does nothing, so a script that calls it runs the same by itself.
    It never raises for a value that is no number: such a value is left out.
    """
    probe = sys.modules.get("_backlit.probe.probe")
    if probe is not None:
        probe.log_metrics(values)
