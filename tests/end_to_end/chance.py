"""A program full of chance (dropout, shuffling, momentum, a scheduler) that prints its losses and its weights' hash."""

import hashlib

import torch
from torch import nn

if __name__ == "__main__":
    torch.manual_seed(7)
    inputs = torch.randn(512, 12)
    wanted = (inputs[:, :4].sum(1) > 0).long()
    data = torch.utils.data.TensorDataset(inputs, wanted)
    loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
    model = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm1d(24), nn.Linear(24, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 16)
    for epoch in range(16):
        total = 0.0
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        scheduler.step()
        print(epoch, total.hex(), scheduler.get_last_lr()[0].hex())
    state = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
    print(hashlib.sha256(state).hexdigest(), torch.randn(1).item().hex())
