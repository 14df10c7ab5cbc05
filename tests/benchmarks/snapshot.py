"""A snapshot of a tensor of 400,000 weights: milliseconds in the training thread. Group: snapshot.

`photograph` is called as the probe calls it, on the first layer of a network that reads 28x28 images (784x512: drawn as
pictures of the first units) and on a matrix of 640x625 (drawn as a whole, pooled), in every mode, for the room that
the weights panel has on 120x36. The time is that of the call and of taking its result in, one thread, after warming up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import nn

from tui.probe.camera import Starts, photograph
from tui.probe.meter import Readout
from tui.probe.tree import Tree
from tui.run.events import Picture, Presence

from .report import Row

ROWS, COLUMNS = 24, 40


def snapshot(quick: bool) -> Iterator[Row]:
    """Both shapes in three modes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            yield from _snapshots(20 if quick else 300)
    finally:
        torch.set_num_threads(threads)


def _snapshots(times: int) -> Iterator[Row]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(784, 512), nn.Linear(512, 640), nn.Linear(640, 625))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    tree = Tree(model, [optimizer], 0.0)
    starts = Starts(tree)
    model(torch.randn(64, 784)).square().mean().backward()
    optimizer.step()
    for place, shape in ((0, "784×512 as pictures"), (4, "640×625 as a matrix")):
        for mode in ("weight", "change", "gradient"):
            wish = Presence(tensor=place, mode=mode, rows=ROWS, columns=COLUMNS)
            values = [_once(tree, starts, wish) for _ in range(times + 10)][10:]
            yield Row(f"snapshot, {mode}", f"{shape}, ms", "≤ 0.5 ms", values)


def _once(tree: Tree, starts: Starts, wish: Presence) -> float:
    readouts: list[Readout] = []
    pictures: list[Picture] = []
    began = time.perf_counter()
    photograph(tree, starts, wish, readouts, pictures.append)
    for readout in readouts:
        readout.collect()
    took = time.perf_counter() - began
    assert pictures and pictures[0].cells, "no picture was taken"
    return took * 1000
