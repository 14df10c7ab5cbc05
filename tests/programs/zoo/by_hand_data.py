"""No optimizer: the parameters of a module are moved through `.data`, as older tutorials do."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
x, y = blobs()
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
criterion = nn.CrossEntropyLoss()
learning_rate = 0.1

for _ in range(40):
    at = torch.randint(0, len(x), (32,))
    net.zero_grad()
    loss = criterion(net(x[at]), y[at])
    loss.backward()
    for f in net.parameters():
        f.data.sub_(f.grad.data * learning_rate)
tell(loss, net)
