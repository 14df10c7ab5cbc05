"""Hugging Face's Trainer on a tiny classifier: accumulation, clipping, a linear schedule, evaluation every epoch."""

from told import points, tell
from torch import nn
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

set_seed(0)
losses = []


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, x=None, labels=None):
        scores = self.net(x)
        loss = nn.functional.cross_entropy(scores, labels)
        if self.training:
            losses.append(loss.item() / 2)
        return {"loss": loss, "logits": scores}


x, y = points()
rows = [{"x": one, "labels": label} for one, label in zip(x, y)]
arguments = TrainingArguments(
    output_dir="out",
    num_train_epochs=3,
    per_device_train_batch_size=16,
    gradient_accumulation_steps=2,
    learning_rate=0.02,
    eval_strategy="epoch",
    save_strategy="no",
    report_to=[],
    disable_tqdm=True,
    use_cpu=True,
)
model = Classifier()
trainer = Trainer(model=model, args=arguments, train_dataset=rows, eval_dataset=rows)
trainer.remove_callback(PrinterCallback)
trainer.train()
tell(losses, trainer.state.global_step, model)
