"""An LSTM with packed sequences of different lengths, its state carried over by hand and cut."""

import torch
from told import tell
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

torch.manual_seed(0)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 12, num_layers=2, batch_first=True, bidirectional=False)
        self.out = nn.Linear(12, 1)

    def forward(self, x, lengths, state=None):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, cell) = self.lstm(packed, state)
        return self.out(hidden[-1]), (hidden, cell)


model = Counter()
optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3)
state = None

for step in range(25):
    lengths = torch.randint(2, 7, (16,))
    x = torch.randn(16, 6, 3)
    y = torch.stack([row[:length, 0].sum() for row, length in zip(x, lengths)])[:, None]
    predicted, state = model(x, lengths, state)
    state = tuple(part.detach() for part in state)
    loss = nn.functional.mse_loss(predicted, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"norm {step + 1} {torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item():.6g}")
print("trained lstm out")
print("steps 25")
tell(loss, model)
