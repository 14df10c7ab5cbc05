import wandb


class Trainer:
    """Writes what it logs to wandb, under names of its own."""

    def __init__(self):
        self.run = wandb.init()

    def log(self, logs, start_time=None):
        logs["epoch"] = 1.5
        train = {f"train/{name}": value for name, value in logs.items() if not name.startswith("eval_")}
        evaluated = {f"eval/{name[5:]}": value for name, value in logs.items() if name.startswith("eval_")}
        wandb.log({**train, **evaluated, "train/global_step": 10})
