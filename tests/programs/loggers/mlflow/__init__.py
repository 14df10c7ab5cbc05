from .tracking.fluent import log_metric as log_metric
from .tracking.fluent import log_metrics as log_metrics
