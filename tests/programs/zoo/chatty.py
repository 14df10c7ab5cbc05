"""Prints everywhere: a progress bar as tqdm draws it, rich's bar and tables, warnings, logging, odd characters."""

import logging
import sys
import warnings

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress
from rich.table import Table
from told import blobs, tell
from torch import nn

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
console = Console()
torch.manual_seed(0)
x, y = blobs()


class Loud(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)
        print("built\ta model", end="")

    def forward(self, x):
        sys.stdout.write("·")
        return self.linear(x)


model = Loud()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10)

bar = Progress(BarColumn(), MofNCompleteColumn(), console=console, auto_refresh=False)
bar.start()
for step in bar.track(range(20)):
    if step == 0:
        schedule.step()
    loss = nn.functional.cross_entropy(model(x), y)
    print("forward done", step, flush=step % 3 == 0)
    optimizer.zero_grad()
    loss.backward()
    sys.stderr.write(f"\rtraining: {5 * step + 5:3}%|{'█' * step:20}| {step + 1}/20")
    optimizer.step()
    if step == 7:
        warnings.warn("the learning rate looks small", stacklevel=1)
        logging.info("\x1b[31mred\x1b[0m 字 [bold]no markup[/bold]")
    if step == 9:
        nn.functional.mse_loss(torch.ones(2), torch.ones(2, 1))
sys.stderr.write("\n")
bar.stop()
table = Table("step", "loss")
table.add_row("20", f"{loss.item():.4f}")
console.print(table)
print("steps 20")
tell(loss, model)
