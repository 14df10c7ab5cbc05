"""Plain SGD on gradients of one, under a library's own optimizer and scheduler: prints what it sees and feels.

Each update starts from a weight of zero, so that it moves by exactly the rate that was used.
"""

import os
import sys
import warnings
from typing import Any

import torch

UPDATES = 24
warnings.filterwarnings("ignore")
torch.set_num_threads(1)
weight = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
optimizer = torch.optim.SGD([weight], lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)


def told(seen: float) -> None:
    """One line for each update: the scheduled rate as the program sees it, and the one that its weights felt."""
    print("rate", float(seen).hex(), (-weight[0].item()).hex(), flush=True)
    weight.data.zero_()


def with_accelerate(accumulation: int) -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulation)
    data = torch.utils.data.DataLoader(torch.ones(accumulation * UPDATES, 4, dtype=torch.float64))
    mine, schedule, batches = accelerator.prepare(optimizer, scheduler, data)
    for batch in batches:
        with accelerator.accumulate():
            accelerator.backward((batch[0] * weight).sum())
            seen = mine.param_groups[0]["lr"]
            mine.step()
            schedule.step()
            mine.zero_grad()
        if accelerator.sync_gradients:
            told(seen)


def with_lightning(by_hand: bool) -> None:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = weight
            self.automatic_optimization = not by_hand

        def configure_optimizers(self) -> Any:
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

        def training_step(self, batch: Any, number: int) -> Any:
            self.seen = optimizer.param_groups[0]["lr"] if by_hand else self.lr_schedulers().get_last_lr()[0]
            loss = (batch[0] * weight).sum()
            if by_hand:
                self.optimizers().zero_grad()
                self.manual_backward(loss)
                self.optimizers().step()
                self.lr_schedulers().step()
            return loss

        def on_train_batch_end(self, *batch: Any) -> None:
            told(self.seen)

    trainer = lightning.Trainer(
        accelerator="cpu", max_steps=UPDATES, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Module(), torch.utils.data.DataLoader(torch.ones(UPDATES, 4, dtype=torch.float64)))


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    library, how = sys.argv[1:]
    {"accelerate": with_accelerate, "lightning": with_lightning}[library](int(how))
