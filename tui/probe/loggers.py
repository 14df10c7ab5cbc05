"""What the program logs anyway: doors into the libraries that it logs with. Nothing is imported, nothing is sent.

Each door is a method of a class through which a library's numbers pass, wrapped when the program itself has imported
that library: by a finder that lets the import happen and looks at the module right after it, or, for what was imported
before torch, by a look at what there is. Many of these call each other (a trainer writes to its loggers, one logger to
another): the outermost is heard, what it calls inside passes straight through.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from dataclasses import dataclass
from typing import Any, Callable, Protocol

from .seams import around

Numbers = dict[str, Any]

COUNTERS = frozenset(("epoch", "step", "global_step", "hp_metric"))
"""Last parts of names that libraries log besides, and that measure nothing: how far training is, and Lightning's
placeholder of a metric."""
DEEPEST = 3
"""Levels of dictionaries in dictionaries."""


class Listener(Protocol):
    """Who hears of numbers. It returns nothing and raises nothing that is its own fault."""

    def logged(self, numbers: Callable[..., Numbers], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Door:
    """A method that numbers pass through. `numbers` gets its arguments and gives values by name; it may raise."""

    module: str
    owner: str
    method: str
    numbers: Callable[..., Numbers]


# What the arguments say. Each has the parameters of the method it reads, as far as they matter.


def _scalar(self: Any, tag: Any, scalar_value: Any, *args: Any, **kwargs: Any) -> Numbers:
    return _measured({tag: scalar_value})


def _scalars(self: Any, main_tag: Any, tag_scalar_dict: Any, *args: Any, **kwargs: Any) -> Numbers:
    return _measured({f"{main_tag}/{tag}": value for tag, value in dict(tag_scalar_dict).items()})


def _row(self: Any, data: Any = None, *args: Any, **kwargs: Any) -> Numbers:
    """A dictionary, positional or by whatever name the library gives it."""
    named = [kwargs[name] for name in ("metrics", "logs", "values") if name in kwargs]
    data = data if data is not None or not named else named[0]
    return _measured(_flat(data))


def _keyed(self: Any, run_id: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Numbers:
    return _measured({key: value})


def _batch(self: Any, run_id: Any, metrics: Any = (), *args: Any, **kwargs: Any) -> Numbers:
    return _measured({one.key: one.value for one in metrics})


def _flat(data: Any, before: str = "", depth: int = 1) -> Numbers:
    """Dictionaries inside a dictionary by dotted names, as wandb shows them."""
    out: Numbers = {}
    for name, value in dict(data).items():
        if isinstance(value, dict):
            if depth < DEEPEST:
                out.update(_flat(value, f"{before}{name}.", depth + 1))
        else:
            out[f"{before}{name}"] = value
    return out


def _measured(values: Numbers) -> Numbers:
    return {str(name): value for name, value in values.items() if str(name).rpartition("/")[2] not in COUNTERS}


_LIGHTNING = "trainer.connectors.logger_connector.logger_connector"

DOORS: tuple[Door, ...] = (
    Door("torch.utils.tensorboard.writer", "SummaryWriter", "add_scalar", _scalar),
    Door("torch.utils.tensorboard.writer", "SummaryWriter", "add_scalars", _scalars),
    Door("tensorboardX.writer", "SummaryWriter", "add_scalar", _scalar),
    Door("tensorboardX.writer", "SummaryWriter", "add_scalars", _scalars),
    Door("wandb.sdk.wandb_run", "Run", "log", _row),  # wandb.log is the method of the run of the moment
    Door("mlflow.tracking.client", "MlflowClient", "log_metric", _keyed),  # what mlflow.log_metric calls
    Door("mlflow.tracking.client", "MlflowClient", "log_batch", _batch),  # and mlflow.log_metrics
    Door(f"lightning.pytorch.{_LIGHTNING}", "_LoggerConnector", "log_metrics", _row),  # also where there is no logger
    Door(f"pytorch_lightning.{_LIGHTNING}", "_LoggerConnector", "log_metrics", _row),
    Door("lightning.fabric.fabric", "Fabric", "log_dict", _row),
    Door("lightning_fabric.fabric", "Fabric", "log_dict", _row),
    Door("transformers.trainer", "Trainer", "log", _row),
    Door("accelerate.accelerator", "Accelerator", "log", _row),
)


_inside = threading.local()
"""Of each thread: `busy` inside a door, `finding` inside our finder."""


def install(listener: Listener) -> Loggers:
    """From now on every door of `DOORS` that there is, or will be, is wrapped. Call once in the life of a process."""
    loggers = Loggers(listener)
    loggers.look()
    sys.meta_path.insert(0, loggers)
    return loggers


class Loggers:
    """A finder that finds nothing itself: it lets the import of a library happen and wraps its doors right after it.

    It goes when nothing is left to wait for; until then it costs other imports one look into a dictionary.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._pending: dict[str, list[Door]] = {}
        for door in DOORS:
            self._pending.setdefault(door.module, []).append(door)

    def look(self) -> None:
        """Wraps the doors of what was imported already: before torch was, or by a loader that could not be followed."""
        for name in [name for name in self._pending if name in sys.modules]:
            module = sys.modules[name]
            if not getattr(getattr(module, "__spec__", None), "_initializing", False):
                self._wrap(name, module)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """What the finders behind this one find; of a module with doors, its execution is followed."""
        if name not in self._pending or getattr(_inside, "finding", False):
            return None
        _inside.finding = True  # finders of others may ask all finders, too
        try:
            spec = _find(self, name, path, target)
        finally:
            _inside.finding = False
        loader: Any = getattr(spec, "loader", None)
        run = getattr(loader, "exec_module", None)
        if run is None:
            return spec

        def exec_module(module: Any) -> None:
            try:
                del loader.exec_module
            except AttributeError:
                pass
            run(module)
            self._wrap(getattr(module, "__name__", ""), module)

        try:
            loader.exec_module = exec_module
        except (AttributeError, TypeError):
            pass  # `look` will see it
        return spec

    def _wrap(self, name: str, module: Any) -> None:
        for door in self._pending.pop(name, ()):
            owner = getattr(module, door.owner, None)
            method = vars(owner).get(door.method) if isinstance(owner, type) else None
            if callable(method):
                with contextlib.suppress(AttributeError, TypeError):  # a class that cannot be changed is not heard
                    setattr(owner, door.method, _watched(method, door.numbers, self._listener))
        if not self._pending and self in sys.meta_path:
            sys.meta_path.remove(self)


def _find(this: Any, name: str, path: Any, target: Any) -> Any:
    for finder in list(sys.meta_path):
        if finder is not this and hasattr(finder, "find_spec"):
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
    return None


def _watched(method: Any, numbers: Callable[..., Numbers], listener: Listener) -> Any:
    def watched(*args: Any, **kwargs: Any) -> Any:
        if getattr(_inside, "busy", False):
            return method(*args, **kwargs)
        _inside.busy = True
        try:
            listener.logged(numbers, args, kwargs)
            return method(*args, **kwargs)
        finally:
            _inside.busy = False

    return around(method, watched)
