"""Modules that put out a tuple, a dictionary, a dataclass, and None."""

from dataclasses import dataclass

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()


@dataclass
class Answer:
    scores: torch.Tensor
    hidden: torch.Tensor
    loss: torch.Tensor = None


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 16)

    def forward(self, x):
        hidden = self.linear(x)
        return hidden, torch.relu(hidden)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 4)

    def forward(self, hidden):
        return {"scores": self.linear(hidden), "hidden": hidden}


class Nothing(nn.Module):
    def forward(self, x):
        return None


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair, self.named, self.nothing = Pair(), Named(), Nothing()

    def forward(self, x, y=None):
        _, hidden = self.pair(x)
        self.nothing(hidden)
        answer = Answer(**self.named(hidden))
        if y is not None:
            answer.loss = nn.functional.cross_entropy(answer.scores, y)
        return answer


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for step in range(40):
    at = torch.randint(0, len(x), (32,))
    answer = model(x[at], y=y[at])
    optimizer.zero_grad()
    answer.loss.backward()
    optimizer.step()
    print(f"norm {step + 1} {torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item():.6g}")
print("steps 40")
tell(answer.loss, model)
