"""Takes the probe out of a running process and puts it back, between two steps.

Off means: as if it were not there. The functions that it wrapped are torch's own again, no hook of its is registered,
and its background thread stands still. Its clocks stand still too: back on, nothing has become due meanwhile, so
blocks with the probe hold as many ticks, norms and photographs per second as training that is watched all the time.
"""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import torch
from torch.optim import optimizer as optimizers
from torch.utils.data import dataloader


class Switch:
    """The probe of this process. Raises RuntimeError when there is none, or it has not begun to watch yet."""

    def __init__(self) -> None:
        module: Any = sys.modules.get("_backlit.probe.probe")
        probe = getattr(module, "_probe", None)
        if probe is None or probe._desk is None:
            raise RuntimeError("this process is not being watched")
        self.probe = probe
        modules: Any = torch.nn.modules.module
        scaler: Any = getattr(getattr(torch, "amp", None), "GradScaler", None)
        loader: Any = dataloader._BaseDataLoaderIter
        wrapped = [
            (torch.autograd, "backward"),
            (optimizers.Optimizer, "zero_grad"),
            (loader, "__next__"),
            (scaler, "scale"),
            (scaler, "step"),
        ]
        self._wrapped = [
            (owner, name, getattr(owner, name), getattr(owner, name).__wrapped__)
            for owner, name in wrapped
            if hasattr(getattr(owner, name, None), "__wrapped__")
        ]
        self._registries: list[Any] = [
            optimizers._global_optimizer_pre_hooks,
            optimizers._global_optimizer_post_hooks,
            modules._global_forward_hooks,
        ]
        self._paces = _paces(probe)
        self._kept: list[dict[Any, Any]] = []
        self._off_since = 0.0
        self._off_s = 0.0
        self._running = threading.Event()
        self._running.set()
        desk: Any = sys.modules["_backlit.probe.desk"]
        desk.time = SimpleNamespace(sleep=self._sleep, monotonic=self._monotonic)
        probe._desk._bell = SimpleNamespace(acquire=self._wait_for_bell, release=lambda: None)

    def _wait_for_bell(self, blocking: bool = True, timeout: float = 0.0) -> None:
        self._sleep(timeout)

    def off(self) -> None:
        """Training goes on as if nobody had ever watched."""
        self._off_since = time.perf_counter()
        self._running.clear()
        for owner, name, _, original in self._wrapped:
            setattr(owner, name, original)
        self._kept = [dict(registry) for registry in self._registries]
        for registry in self._registries:
            registry.clear()

    def on(self) -> None:
        """The probe is back, and knows nothing of the time that it was away."""
        for owner, name, watched, _ in self._wrapped:
            setattr(owner, name, watched)
        for registry, kept in zip(self._registries, self._kept):
            registry.update(kept)
        away = time.perf_counter() - self._off_since
        self._off_s += away
        for pace in self._paces:
            pace.at += away
        self.probe._cost._since += away
        self.probe.recorder._t0 += away
        self.probe.quiet.until += away if self.probe.quiet.until else 0.0
        self._running.set()

    # The background thread's clock

    def _monotonic(self) -> float:
        return time.monotonic() - self._off_s

    def _sleep(self, seconds: float) -> None:
        end = self._monotonic() + seconds
        while True:
            self._running.wait()
            left = end - self._monotonic()
            if left <= 0:
                return
            time.sleep(left)


def _paces(probe: Any) -> list[Any]:
    """Everything that says when a measurement is due: parts of the probe, and of its parts."""
    parts = [part for part in vars(probe.recorder).values() if hasattr(part, "__dict__")]
    inner = [part for owner in parts for part in vars(owner).values()]
    found = {id(part): part for part in [*parts, *inner] if type(part).__name__ == "Pace"}
    assert len(found) >= 4, "the probe's paces are kept elsewhere now"
    return list(found.values())
