"""A program that trains at full speed until it is ended. With `--say` it prints at which step a request reached it."""

from __future__ import annotations

import argparse
import sys
from collections import deque
from typing import Any

from .models import MODELS, training


def note_requests(probe: Any) -> None:
    """Prints the number of updates made at the moment when the background thread hands a request over."""

    class Noting(deque[Any]):
        def append(self, request: Any) -> None:
            super().append(request)
            print(f"request at {probe.recorder.summary.step}", flush=True)

    probe._desk.requests = Noting(probe._desk.requests)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=sorted(MODELS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--say", action="store_true")
    args = parser.parse_args()
    step = training(args.model, args.threads)
    step()
    module: Any = sys.modules.get("_backlit.probe.probe")
    if args.say and module is not None:
        note_requests(module._probe)
    while True:
        step()


if __name__ == "__main__":
    main()
