"""Lightning's own loop, which logs to TensorBoard and to a file at once. With "none" it has no logger."""

import sys
import warnings

import lightning.pytorch as pl
import torch
from common import on_record, parts, read_tensorboard, say
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

warnings.filterwarnings("ignore")
seen = {}


class Regression(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.model, self.optimizer, _ = parts()

    def training_step(self, batch, number):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.model(x), y)
        self.log("train_loss", loss)
        say(loss)
        return loss

    def validation_step(self, batch, number):
        x, y = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.model(x), y))

    def configure_optimizers(self):
        return self.optimizer


class Notes(pl.Callback):
    def on_train_batch_end(self, trainer, *rest):
        seen.setdefault("train_loss", []).append(trainer.callback_metrics["train_loss"].item())

    def on_validation_end(self, trainer, module):
        seen.setdefault("val_loss", []).append(trainer.callback_metrics["val_loss"].item())


folder, how = sys.argv[1], sys.argv[2]
loggers = [TensorBoardLogger(folder, name="", version="board"), CSVLogger(folder, name="", version="file")]
_, _, loader = parts()
trainer = pl.Trainer(
    max_epochs=2,
    logger=loggers if how == "two" else False,
    log_every_n_steps=1,
    num_sanity_val_steps=0,
    enable_progress_bar=False,
    enable_model_summary=False,
    enable_checkpointing=False,
    accelerator="cpu",
    callbacks=[Notes()],
)
trainer.fit(Regression(), loader, loader)
if how == "two":
    read_tensorboard(f"{folder}/board")
else:
    for name, values in seen.items():
        on_record(name, values)
