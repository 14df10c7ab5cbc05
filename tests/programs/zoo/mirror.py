"""A program that looks at itself: its threads, also when it forks, the calls that a mode of its own sees, what becomes
of a dropped model, and at its end of all that it has. Meanwhile everything is made on another device unless said
otherwise."""

import collections
import gc
import os
import sys
import threading
import weakref

import torch
from told import blobs, tell
from torch import nn
from torch.overrides import TorchFunctionMode


class Calls(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.made = collections.Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.made[getattr(function, "__name__", str(function))] += 1
        return function(*args, **(kwargs or {}))


class Descent(torch.optim.SGD):
    def step(self, closure=None):
        return super().step(closure)


class Last:
    """Goes with the program's names: open files are flushed then, too."""

    def __del__(self):
        print("gone at the end", flush=True)


def train(width, steps, x, y):
    model = nn.Sequential(nn.Linear(8, width, device="cpu"), nn.ReLU(), nn.Linear(width, 4, device="cpu"))
    optimizer = Descent(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        gradients = [parameter.grad.flatten() for parameter in model.parameters()]
        print(f"norm {len(norms) + 1} {torch.cat(gradients).norm().item():.6g}")
        norms.append(loss)
    return loss.detach(), model, optimizer


torch.manual_seed(0)
last = Last()
x, y = blobs()
norms = []
with torch.device("meta"), Calls() as calls:
    large = weakref.ref(train(400_000, 3, x[:4], y[:4])[1])  # 20 MB
    gc.collect()
    print("the large one is gone:", large() is None)
    loss, model, optimizer = train(16, 300, x, y)
print(sorted(calls.made.items()))
sys.stdout.flush()
for _ in range(2):
    child = os.fork()  # from Python 3.12 on it warns where a process has several threads
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
print("tasks:", len(os.listdir("/proc/self/task")))
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
print("threads:", threading.active_count())
print("hooks:", len(optimizer._optimizer_step_pre_hooks), len(model._forward_hooks))
print(f"steps {len(norms)}")
tell(loss, model)
