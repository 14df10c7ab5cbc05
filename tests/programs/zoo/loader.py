"""Epochs over a shuffling DataLoader, dropout, and after each a validation loop under no_grad over another loader."""

import torch
from told import blobs, tell
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
train, held_back = random_split(TensorDataset(*blobs(400)), [320, 80])
train_loader = DataLoader(train, batch_size=32, shuffle=True)
val_loader = DataLoader(held_back, batch_size=80)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
steps = 0

for epoch in range(4):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        steps += 1
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in val_loader)
    print(f"epoch {epoch + 1}: {right} of {len(held_back)} right")
print("shows epoch 4 · batch 10/10")
print(f"steps {steps}")
tell(loss, model)
