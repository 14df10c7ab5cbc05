"""No optimizer: every parameter is moved in place under no_grad, and its gradient set to zero."""

import torch
from told import blobs, tell

torch.manual_seed(0)
x, y = blobs()
w1 = (torch.randn(8, 16) / 8**0.5).requires_grad_()
b1 = torch.zeros(16, requires_grad=True)
w2 = (torch.randn(16, 4) / 16**0.5).requires_grad_()
b2 = torch.zeros(4, requires_grad=True)
parameters = [w1, b1, w2, b2]

for _ in range(40):
    at = torch.randint(0, len(x), (32,))
    hidden = torch.tanh(x[at] @ w1 + b1)
    loss = torch.nn.functional.cross_entropy(hidden @ w2 + b2, y[at])
    loss.backward()
    with torch.no_grad():
        for p in parameters:
            p -= 0.1 * p.grad
            p.grad.zero_()
tell(loss, parameters)
