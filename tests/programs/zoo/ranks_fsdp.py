"""Two processes that this one starts, parameters sharded by `fully_shard`: each holds half of every tensor."""

import os

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from told import blobs, digest
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def work(rank, meeting):
    os.environ.update(RANK=str(rank), WORLD_SIZE="2", LOCAL_RANK=str(rank))
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    torch.manual_seed(0)
    x, y = blobs()
    x, y = x[rank::2], y[rank::2]
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    for layer in (model[0], model[2]):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    told = []
    for step in range(12):
        at = torch.arange(step * 8, step * 8 + 8) % len(x)
        loss = nn.functional.cross_entropy(model(x[at]), y[at])
        loss.backward()
        local = torch.cat([p.grad.to_local().flatten() for p in model.parameters()])
        told.append(f"process {rank} norm {step + 1} {local.norm().item():.6g}")
        optimizer.step()
        optimizer.zero_grad()
    told += [f"process {rank} steps 12", f"process {rank} loss {loss.item():.6g}"]
    told.append(f"process {rank} weights {digest([p.to_local() for p in model.parameters()])}")
    for turn in range(2):
        if turn == rank:
            print("\n".join(told), flush=True)
        dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.start_processes(work, (os.path.abspath("meeting"),), nprocs=2, start_method="fork")
