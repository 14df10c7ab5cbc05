"""Two processes of torchrun, DistributedDataParallel over gloo; one has more data than the other, and `join` waits."""

import torch
import torch.distributed as dist
from told import blobs, digest
from torch import nn
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
x, y = blobs()
x, y = x[rank::2], y[rank::2]
model = DistributedDataParallel(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
steps = 16 - 4 * rank

with model.join():
    for step in range(steps):
        at = torch.arange(step * 8, step * 8 + 8) % len(x)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[at]), y[at])
        loss.backward()
        optimizer.step()
dist.barrier()
for turn in range(2):
    if turn == rank:
        print(f"process {rank} steps {steps}", flush=True)
        print(f"process {rank} loss {loss.item():.6g}", flush=True)
    dist.barrier()
if rank == 0:
    print(f"process 0 weights {digest(model)}", flush=True)
dist.destroy_process_group()
