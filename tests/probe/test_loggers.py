"""What the program logs with its own libraries is heard once, and the libraries never notice."""

from __future__ import annotations

import importlib
import inspect
import math
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tui.probe.loggers import DOORS, Loggers
from tui.run import events

from ..support import PROGRAMS
from .conftest import Relay, Watch

LIBRARIES = (
    "google",
    "tensorboard",
    "tensorboardX",
    "wandb",
    "mlflow",
    "lightning",
    "transformers",
    "torch.utils.tensorboard",
)


def forget_them() -> None:
    for name in list(sys.modules):
        if any(name == library or name.startswith(library + ".") for library in LIBRARIES):
            del sys.modules[name]


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stand-ins can be imported, and have not been."""
    forget_them()
    finders = list(sys.meta_path)
    monkeypatch.syspath_prepend(str(PROGRAMS / "loggers"))
    yield
    forget_them()
    sys.meta_path[:] = finders


@pytest.fixture
def loggers(libraries: None, relay: Relay) -> Loggers:
    """Every door is wrapped when its library is imported."""
    found = Loggers(relay)
    sys.meta_path.insert(0, found)
    return found


def step() -> None:
    """One update: training has begun."""
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(3, 2)).mean().backward()
    optimizer.step()


def heard(watch: Watch) -> list[tuple[str, float]]:
    """(name, value) of every metric; a probe that switched something off fails the test."""
    found = watch.end()
    assert [one.text for one in found if isinstance(one, events.Warning)] == []
    return [(one.name, one.value) for one in found if isinstance(one, events.Metric)]


def test_tensorboard_of_torch(watch: Watch, loggers: Loggers, tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    step()
    writer = SummaryWriter(str(tmp_path / "logs"))
    assert writer.add_scalar("loss/train", torch.tensor(0.25), 1) is None
    writer.add_scalar(scalar_value=2, tag="reward")
    writer.add_scalars("loss", {"val": 0.5, "test": 0.75}, 3)
    assert heard(watch) == [("loss/train", 0.25), ("reward", 2.0), ("loss/val", 0.5), ("loss/test", 0.75)]
    assert (tmp_path / "logs" / "events.txt").read_text() == "loss/train 0.25 1\nreward 2.0 None\n"


def test_tensorboard_x_where_one_method_calls_the_other(watch: Watch, loggers: Loggers) -> None:
    from tensorboardX import SummaryWriter

    step()
    writer = SummaryWriter()
    writer.add_scalars("loss", {"a": 1.0, "b": 2.0}, 3)
    assert heard(watch) == [("loss/a", 1.0), ("loss/b", 2.0)]
    assert writer.written == [("loss/a", 1.0, 3), ("loss/b", 2.0, 3)]


def test_wandb_by_both_of_its_ways(watch: Watch, loggers: Loggers) -> None:
    import wandb

    step()
    run = wandb.init()
    row = {"acc": 0.5, "deep": {"er": 1, "est": {"one": 2, "too": {"deep": 3}}}, "image": object(), "text": "0.7"}
    wandb.log(row, step=4)
    run.log({"epoch": 1, "done": True})
    assert heard(watch) == [("acc", 0.5), ("deep.er", 1.0), ("deep.est.one", 2.0), ("done", 1.0)]
    assert run.rows == [row, {"epoch": 1, "done": True}]


def test_mlflow_also_where_its_functions_were_imported_by_name(watch: Watch, loggers: Loggers) -> None:
    from mlflow import log_metric, log_metrics
    from mlflow.tracking.client import MlflowClient

    step()
    log_metric("f1", 0.5, step=1)
    log_metrics({"precision": 0.25, "recall": 0.75}, step=2)
    assert heard(watch) == [("f1", 0.5), ("precision", 0.25), ("recall", 0.75)]
    assert MlflowClient.sent == [("f1", 0.5), ("precision", 0.25), ("recall", 0.75)]


def test_a_trainer_that_writes_to_loggers_is_heard_once(watch: Watch, loggers: Loggers) -> None:
    from lightning.pytorch.trainer.connectors.logger_connector.logger_connector import _LoggerConnector
    from tensorboardX import SummaryWriter
    from transformers.trainer import Trainer

    step()
    writer, trainer = SummaryWriter(), Trainer()
    _LoggerConnector([writer]).log_metrics({"train_loss": torch.tensor(0.5)}, step=7)
    trainer.log({"loss": 0.25, "eval_loss": 0.75})
    assert heard(watch) == [("train_loss", 0.5), ("loss", 0.25), ("eval_loss", 0.75)]
    assert writer.written == [("train_loss", 0.5, 7), ("epoch", 3.0, 7)]
    assert set(trainer.run.rows[0]) == {"train/loss", "train/epoch", "eval/loss", "train/global_step"}


def test_the_same_number_given_to_two_loggers_counts_once(watch: Watch, loggers: Loggers) -> None:
    import wandb
    from tensorboardX import SummaryWriter

    writer = SummaryWriter()
    wandb.init()
    for value in (0.5, 0.5, math.nan):
        step()
        writer.add_scalar("loss", value)
        wandb.log({"loss": value})
        wandb.log({"other": value})
    found = heard(watch)
    assert [name for name, _ in found] == ["loss", "other"] * 3
    assert [value for name, value in found if name == "loss"][:2] == [0.5, 0.5]


def test_what_is_logged_before_training_is_kept(watch: Watch, loggers: Loggers) -> None:
    import wandb

    wandb.init()
    wandb.log({"before": 1.0})
    step()
    assert heard(watch) == [("before", 1.0)]


def test_what_another_thread_logs_comes_with_the_next_tick(watch: Watch, loggers: Loggers) -> None:
    import wandb

    step()
    run = wandb.init()
    thread = threading.Thread(target=lambda: run.log({"queue": 3.0}))
    thread.start()
    thread.join()
    assert heard(watch) == [("queue", 3.0)]


def test_a_value_on_a_device_is_not_waited_for(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.probe import logbook

    class Copy:
        """A copy that arrives when it is asked for the second time."""

        def __init__(self, vector: torch.Tensor, then: Any) -> None:
            self.asked, self.then = 0, then

        def collect(self) -> bool:
            self.asked += 1
            if self.asked == 2:
                self.then([0.5])
            return self.asked == 2

    monkeypatch.setattr(logbook, "Readout", Copy)
    step()
    on_device = torch.empty(1, device="meta")
    before = len(watch.probe.recorder.logbook.newest)
    watch.probe.log({"slow": on_device})
    assert len(watch.probe.recorder.logbook.newest) == before
    assert heard(watch) == [("slow", 0.5)]


# ── transparent ──


def test_wrapped_methods_are_the_methods(watch: Watch, loggers: Loggers) -> None:
    from tensorboardX import SummaryWriter
    from wandb.sdk.wandb_run import Run

    assert Run.log.__name__ == "log" and Run.log.__doc__ == "Upload run data."
    assert list(inspect.signature(SummaryWriter.add_scalar).parameters)[:4] == [
        "self", "tag", "scalar_value", "global_step",
    ]  # fmt: skip


def test_exceptions_of_the_library_reach_the_program_and_nothing_is_switched_off(
    watch: Watch, loggers: Loggers
) -> None:
    import wandb

    step()
    with pytest.raises(RuntimeError, match="You must call"):
        wandb.log({"a": 1.0})
    run = wandb.init()
    for wrong in ((), ([1, 2],), (None,)):
        with pytest.raises(TypeError):
            run.log(*wrong)
    run.log({"after": 1.0})
    assert heard(watch) == [("after", 1.0)]


def test_a_fault_of_ours_is_said_once_and_the_library_goes_on(
    watch: Watch, loggers: Loggers, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    step()
    monkeypatch.setattr(type(watch.probe.recorder), "hear", lambda *_: 1 / 0)
    run = wandb.init()
    for value in range(3):
        run.log({"a": value})
    assert len(run.rows) == 3
    warnings = [one.text for one in watch.end() if isinstance(one, events.Warning)]
    assert len(warnings) == 1 and "what the program logs" in warnings[0]


# ── importing ──


def test_what_was_imported_before_is_found_too(watch: Watch, libraries: None, relay: Relay) -> None:
    import wandb

    early = Loggers(relay)
    early.look()
    step()
    wandb.init().log({"early": 1.0})
    assert heard(watch) == [("early", 1.0)]


def test_a_module_that_is_being_imported_is_left_until_it_is_there(libraries: None, relay: Relay) -> None:
    import wandb.sdk.wandb_run as module

    original = module.Run.log
    module.__spec__._initializing = True  # type: ignore[union-attr]
    found = Loggers(relay)
    found.look()
    assert module.Run.log is original
    module.__spec__._initializing = False  # type: ignore[union-attr]
    found.look()
    assert module.Run.log is not original


def test_importing_is_as_it_was(loggers: Loggers) -> None:
    module = importlib.import_module("wandb.sdk.wandb_run")
    assert "exec_module" not in vars(module.__spec__.loader)  # type: ignore[union-attr]
    assert module.__file__ == str(PROGRAMS / "loggers" / "wandb" / "sdk" / "wandb_run.py")
    assert importlib.util.find_spec("wandb.sdk.nothing") is None
    with pytest.raises(
        ModuleNotFoundError, match="No module named 'accelerate.accelerator'|No module named 'accelerate'"
    ):
        importlib.import_module("accelerate.accelerator")
    assert loggers.find_spec("json") is None


def test_a_finder_that_asks_all_finders_does_not_go_round_for_ever(loggers: Loggers) -> None:
    class Asks:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            if name == "wandb.sdk.wandb_run" and not getattr(self, "busy", False):
                self.busy = True
                try:
                    return importlib.util.find_spec(name)
                finally:
                    self.busy = False
            return None

    sys.meta_path.insert(1, Asks())
    from wandb.sdk.wandb_run import Run

    assert hasattr(Run.log, "__wrapped__")


def test_it_goes_when_nothing_is_left_to_wait_for(loggers: Loggers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "_pending", {"wandb.sdk.wandb_run": loggers._pending["wandb.sdk.wandb_run"]})
    importlib.import_module("wandb")
    assert loggers not in sys.meta_path


def test_nothing_is_imported_by_listening(watch: Watch, libraries: None, relay: Relay) -> None:
    before = set(sys.modules)
    found = Loggers(relay)
    found.look()
    sys.meta_path.insert(0, found)
    step()
    heard(watch)
    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & set(LIBRARIES)
    assert {door.module.partition(".")[0] for door in DOORS} >= {"torch", "tensorboardX", "wandb", "mlflow"}
