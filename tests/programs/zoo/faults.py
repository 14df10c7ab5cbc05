"""Mistakes as everybody makes them, each in a call that passes through torch: their tracebacks stand in the output. The
last one is not caught."""

import gc
import sys
import traceback
import warnings
import weakref

import torch
from told import blobs, tell
from torch import nn
from torch.utils.data import DataLoader


class Points(torch.utils.data.Dataset):
    def __init__(self, bad):
        self.bad = bad

    def __len__(self):
        return len(x)

    def __getitem__(self, at):
        if at == self.bad:
            raise LookupError(f"no point {at}")
        return x[at], y[at]


def tried(call):
    """Prints what comes of it, and whether all that the call had is free again when it has failed."""
    mine = nn.Identity()
    left = weakref.ref(mine)
    try:
        call(mine)
    except Exception:
        traceback.print_exc(file=sys.stdout)
    del mine
    print("free:", left() is None)


def step(mine=None):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.detach()


def no_graph(mine):
    with torch.no_grad():
        loss = mine(model(x)).sum()
    loss.backward()


def twice(mine):
    loss = mine(model(x)).pow(2).sum()
    loss.backward()
    loss.backward()


def no_scalar(mine):
    torch.autograd.backward([mine(model(x)), model(x).sum()])


def not_scaled(mine):
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(model(x).sum()).backward()
    scaler.step(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1))


def in_a_loader(mine):
    for _ in DataLoader(Points(bad=20), batch_size=8):
        step()


def no_such_thing(mine):
    next(iter(DataLoader([mine], collate_fn=lambda samples: samples.nothing)))


def nothing_left(mine):
    next(iter(DataLoader([])))


def wrong_call(mine):
    torch.autograd.backward()


def in_a_worker(mine):
    gc.collect()  # torch's loader is no longer free at once, and would be collected anywhere
    for _ in DataLoader(Points(bad=20), batch_size=8, num_workers=1):
        step()


def warned(mine):
    scores = mine(model(x))
    scores.register_hook(lambda gradient: warnings.warn("seen from the call of backward", stacklevel=5))
    scores.sum().backward()


def while_handling(mine):
    try:
        twice(mine)
    except RuntimeError as error:
        raise ValueError("twice") from error


torch.manual_seed(0)
x, y = blobs()
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
mistakes = [no_graph, twice, no_scalar, not_scaled, in_a_loader, no_such_thing, nothing_left, wrong_call]
mistakes += [in_a_worker, warned, while_handling]
for mistake in mistakes:  # the first steps are like no others
    tried(mistake)
for _ in range(300):
    step()
for mistake in mistakes:
    tried(mistake)
    loss = step()
print(f"steps {4 * 2 + 300 + len(mistakes)}")
tell(loss, model)
sys.stdout.flush()
twice(nn.Identity())
