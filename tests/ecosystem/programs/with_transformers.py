"""Hugging Face's Trainer, which writes what it logs to TensorBoard under names of its own."""

import sys

import torch
from common import on_record, parts, say
from transformers import Trainer, TrainingArguments

made, _, loader = parts()


class Regression(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = made

    def forward(self, x=None, labels=None):
        out = self.inner(x)
        loss = torch.nn.functional.mse_loss(out, labels)
        if self.training:
            say(loss)
        return {"loss": loss, "logits": out}


rows = [{"x": x, "labels": y} for x, y in zip(*loader.dataset.tensors)]
arguments = TrainingArguments(
    output_dir=sys.argv[1],
    num_train_epochs=2,
    per_device_train_batch_size=8,
    logging_steps=1,
    eval_strategy="epoch",
    save_strategy="no",
    report_to=["tensorboard"],
    disable_tqdm=True,
    use_cpu=True,
    seed=3,
)
trainer = Trainer(model=Regression(), args=arguments, train_dataset=rows, eval_dataset=rows)
trainer.train()
for name in ("loss", "grad_norm", "learning_rate", "eval_loss"):
    on_record(name, [row[name] for row in trainer.state.log_history if name in row])
