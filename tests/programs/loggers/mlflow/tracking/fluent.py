from dataclasses import dataclass

from .client import MlflowClient


@dataclass
class Metric:
    key: str
    value: float
    timestamp: int
    step: int


def log_metric(key, value, step=None, synchronous=None):
    return MlflowClient().log_metric("a run", key, value, 0, step or 0, synchronous)


def log_metrics(metrics, step=None, synchronous=None):
    batch = [Metric(key, value, 0, step or 0) for key, value in metrics.items()]
    return MlflowClient().log_batch(run_id="a run", metrics=batch, params=[], tags=[], synchronous=synchronous)
