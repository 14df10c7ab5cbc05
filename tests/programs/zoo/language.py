"""A small transformer whose output layer is its embedding (one tensor, two places), and an average of its weights."""

import copy

import torch
from told import tell
from torch import nn

torch.manual_seed(0)
text = "the quick brown fox jumps over the lazy dog and runs away from it " * 8
letters = sorted(set(text))
data = torch.tensor([letters.index(letter) for letter in text])


class Language(nn.Module):
    def __init__(self, width=16, context=12):
        super().__init__()
        self.token = nn.Embedding(len(letters), width)
        self.place = nn.Parameter(torch.zeros(context, width))
        layer = nn.TransformerEncoderLayer(width, 2, 32, dropout=0.1, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(width, len(letters), bias=False)
        self.out.weight = self.token.weight
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(context))

    def forward(self, x):
        return self.out(self.blocks(self.token(x) + self.place, mask=self.mask, is_causal=True))


model = Language()
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

for step in range(25):
    at = torch.randint(0, len(data) - 13, (16,))
    x, y = torch.stack([data[i : i + 12] for i in at]), torch.stack([data[i + 1 : i + 13] for i in at])
    loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), model.parameters()):
            slow.lerp_(fast, 0.05)
    print(f"norm {step + 1} {torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item():.6g}")
print("steps 25")
print("trained token")
tell(loss, [*model.parameters(), *average.parameters()])
