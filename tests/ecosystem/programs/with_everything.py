"""The same numbers to three libraries one after the other."""

import sys

import mlflow
import wandb
from common import read_tensorboard, train
from torch.utils.tensorboard import SummaryWriter

folder = sys.argv[1]
mlflow.set_tracking_uri(f"sqlite:///{folder}/runs.db")
wandb.init(mode="offline", dir=folder, project="test", settings=wandb.Settings(console="off", silent=True))
writer = SummaryWriter(f"{folder}/board")


def log(name, value, step):
    writer.add_scalar(name, value, step)
    wandb.log({name: value})
    mlflow.log_metric(name, float(value), step=step)


with mlflow.start_run():
    train(log)
writer.close()
wandb.finish()
read_tensorboard(f"{folder}/board")
