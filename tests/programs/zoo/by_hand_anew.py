"""No optimizer: every step makes new weights out of the old ones, which stay as they were."""

import torch
from told import blobs, tell

torch.manual_seed(0)
x, y = blobs()
weights = {
    "hidden": (torch.randn(8, 16) / 8**0.5).requires_grad_(),
    "out": (torch.randn(16, 4) / 16**0.5).requires_grad_(),
}


def loss_of(weights, x, y):
    return torch.nn.functional.cross_entropy(torch.relu(x @ weights["hidden"]) @ weights["out"], y)


for _ in range(40):
    at = torch.randint(0, len(x), (32,))
    loss = loss_of(weights, x[at], y[at])
    loss.backward()
    weights = {name: (w - 0.1 * w.grad).detach().requires_grad_() for name, w in weights.items()}
tell(loss, weights.values())
