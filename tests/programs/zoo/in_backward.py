"""An optimizer for each parameter, which updates it inside backward, as soon as its gradient is there."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
body = nn.Sequential(*[layer for _ in range(10) for layer in (nn.Linear(8, 8), nn.ReLU())])
model = nn.Sequential(body, nn.Linear(8, 4))
optimizers = {parameter: torch.optim.Adam([parameter], lr=0.003) for parameter in model.parameters()}


def arrived(parameter):
    optimizers[parameter].step()
    optimizers[parameter].zero_grad()


for parameter in model.parameters():
    parameter.register_post_accumulate_grad_hook(arrived)
for _ in range(60):
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
print("trained 0 18 1")
print("shows 22 optimizers")
print("rate 0.003")
print("steps 60")
tell(loss, model)
