"""What the programs that are trained by somebody else's loop print last."""

import hashlib

import torch


def tell(losses, steps, model):
    """Of the last update, which was made of the two last losses."""
    found = hashlib.sha256()
    for tensor in model.state_dict().values():
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    print(f"steps {steps}")
    print(f"loss {sum(losses[-2:]):.6g}")
    print(f"weights {found.hexdigest()}")


def points(count=192):
    """Points, and which of them lie above a plane."""
    drawn = torch.Generator().manual_seed(7)
    x = torch.randn(count, 8, generator=drawn)
    return x, (x[:, 0] + x[:, 1] > 0).long()
