"""Ranks of one job (DDP over gloo), started by torchrun or by mp.spawn: updates are written down by each rank.

Arguments: a folder for what they write down; how many steps; seconds that rank 1 takes longer for each; a time-out of
the process group in seconds.
"""

import datetime
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

FOLDER, STEPS, SLOWER, TIMEOUT = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])


def train(rank: int, world: int = 2) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"file://{FOLDER}/meeting",
        rank=rank,
        world_size=world,
        timeout=datetime.timedelta(seconds=TIMEOUT),
    )
    torch.manual_seed(0)
    model = DistributedDataParallel(torch.nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    torch.manual_seed(rank)
    with open(FOLDER / f"moves-{rank}", "w", buffering=1) as moves:
        for _ in range(STEPS):
            loss = model(torch.randn(8, 4)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            before = model.module.bias[0].item()
            gradient = model.module.bias.grad[0].item()
            optimizer.step()
            moves.write(f"{(before - model.module.bias[0].item()) / gradient:.3g}\n")
            if rank == 1 and SLOWER:
                time.sleep(SLOWER)
    print(f"rank {rank} loss {loss.item():.6g}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.start_processes(train, nprocs=2, start_method="fork")
