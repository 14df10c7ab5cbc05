"""Fine-tuning: groups with rates of their own, a frozen backbone that joins later, a layer put in while it trains."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(8, 16)
        self.never = nn.Linear(16, 16)
        self.extra = nn.Identity()
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.extra(self.never(torch.relu(self.backbone(x)))))


model = Net()
model.backbone.requires_grad_(False)
model.never.requires_grad_(False)
groups = [{"params": [model.head.weight], "weight_decay": 0.1}, {"params": [model.head.bias], "lr": 0.1}]
optimizer = torch.optim.SGD(groups, lr=0.2)

for step in range(45):
    if step == 15:
        model.backbone.requires_grad_(True)
        optimizer.add_param_group({"params": model.backbone.parameters(), "lr": 0.02})
    if step == 30:
        model.extra = nn.Linear(16, 16)
        optimizer.add_param_group({"params": model.extra.parameters(), "lr": 0.1})
    at = torch.randint(0, len(x), (32,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x[at]), y[at])
    loss.backward()
    optimizer.step()
    grads = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    print(f"norm {step + 1} {torch.cat(grads).norm().item():.6g}")
print("trained backbone extra head")
print("frozen never")
print("steps 45")
tell(loss, model)
