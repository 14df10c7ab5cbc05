"""Accelerate: a loop of one's own, with what `prepare` made of model, optimizer, loader and schedule."""

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from told import points, tell
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

set_seed(0)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
loader = DataLoader(TensorDataset(*points()), 16, shuffle=True)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.95**step)
model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
losses, steps = [], 0
for _ in range(3):
    for x, y in loader:
        with accelerator.accumulate(model):
            loss = nn.functional.cross_entropy(model(x), y)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                steps += 1
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        losses.append(loss.item() / 2)
tell(losses, steps, model)
