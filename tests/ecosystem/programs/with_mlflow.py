import sys

import mlflow
from common import on_record, train

mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/runs.db")
with mlflow.start_run() as run:

    def log(name, value, step):
        if name.startswith("val"):
            mlflow.log_metrics({name: float(value)}, step=step)
        else:
            mlflow.log_metric(name, float(value), step=step)

    train(log)
client = mlflow.MlflowClient()
for name in ("train/loss", "val/loss"):
    on_record(name, [one.value for one in client.get_metric_history(run.info.run_id, name)])
