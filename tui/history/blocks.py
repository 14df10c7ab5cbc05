"""Which layers belong to one block of a model: read off their names alone, for lists that have no room for each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

_NUMBERED = re.compile(r"(.*?)\d+[a-z]?")
"""A part of a path with a number at its end: 0, layer1, Mixed_5b. The first group is what its siblings share."""

Way = list[tuple[str, tuple[int, ...]]]
"""(path, places of the layers) of each row."""


def partitions(names: Sequence[str]) -> list[Way]:
    """The ways to put layers together by the blocks that they are in, the finest first.

    A block is a part of a path that is numbered and has siblings: "h.0" beside "h.1". Blocks may hold blocks
    ("stages.0.blocks.2"), and each depth is a way of its own, its rows in the order in which the layers come. A layer
    outside all blocks, or alone in its block, stands for itself. Empty when there is nothing to put together.

    Args:
        names: the paths of the layers in the model.
    """
    parts = [name.split(".") for name in names]
    siblings = _siblings(parts)
    cuts = [[depth for depth in range(len(path)) if _block(path, depth, siblings)] for path in parts]
    ways: dict[int, Way] = {}
    for level in range(max(map(len, cuts), default=0)):
        groups: dict[str, list[int]] = defaultdict(list)
        for place, (path, own) in enumerate(zip(parts, cuts)):
            end = own[level] + 1 if level < len(own) else len(path)
            groups[".".join(path[:end])].append(place)
        if 1 < len(groups) < len(names):  # else it says no more than one row, or no less than all of them
            way = [(path if len(own) > 1 else names[own[0]], tuple(own)) for path, own in groups.items()]
            ways.setdefault(len(way), way)
    return [ways[size] for size in sorted(ways, reverse=True)]


def _siblings(parts: Iterable[list[str]]) -> dict[tuple[str, str], set[str]]:
    """By (the path above, what the numbered parts share): the parts that there are."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in parts:
        for depth, part in enumerate(path):
            match = _NUMBERED.fullmatch(part)
            if match is not None:
                found[".".join(path[:depth]), match[1]].add(part)
    return found


def _block(path: list[str], depth: int, siblings: dict[tuple[str, str], set[str]]) -> bool:
    match = _NUMBERED.fullmatch(path[depth])
    return match is not None and len(siblings[".".join(path[:depth]), match[1]]) > 1
