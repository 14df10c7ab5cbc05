"""Asks its way through a short training: whatever a program can want of a terminal. The arguments say in which order.

name     input()
secret   getpass
pdb      breakpoint()
line     sys.stdin.readline()
size     waits for a window of another size, and prints it
bars     two tqdm-like bars, one over the other
colours  a line in the sixteen colours
train    some steps, each with its loss
sleep    does nothing for long
"""

from __future__ import annotations

import getpass
import os
import signal
import sys
import time


def size() -> None:
    before = os.get_terminal_size()
    print(f"terminal {before.columns}x{before.lines} {sys.stdout.isatty()} {os.environ.get('TERM')}", flush=True)
    signal.signal(signal.SIGWINCH, lambda *rest: None)
    while os.get_terminal_size() == before:
        signal.sigtimedwait([], 0.02)
    print("resized to {}x{}".format(*os.get_terminal_size()), flush=True)


def bars() -> None:
    """What tqdm writes for an epoch and its batches: the lower bar is drawn from the upper one and left again."""
    for batch in range(5):
        sys.stderr.write(f"\repoch:  50%|█████     | 1/2\n\rbatch: {20 * batch:3}%|{'█' * batch:5}| {batch}/5\x1b[A")
        sys.stderr.flush()
    sys.stderr.write("\n\r" + " " * 30 + "\r\x1b[A\repoch: 100%|██████████| 2/2\n")


def train() -> None:
    import torch

    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for step in range(1, 6):
        optimizer.zero_grad()
        loss = model(torch.ones(8, 4)).square().mean()
        loss.backward()
        optimizer.step()
        print(f"\x1b[32mstep {step}\x1b[0m loss {loss.item():.6f}", flush=True)


def main(wishes: list[str]) -> None:
    secret_number = 6
    for wish in wishes:
        if wish == "name":
            print(f"hello {input('name? ')}", flush=True)
        elif wish == "secret":
            print(f"{len(getpass.getpass())} letters", flush=True)
        elif wish == "pdb":
            breakpoint()
            print(f"on, with {secret_number}", flush=True)
        elif wish == "line":
            print(f"read {sys.stdin.readline()!r}", flush=True)
        elif wish == "colours":
            print("".join(f"\x1b[{number}m{number}" for number in (*range(30, 38), *range(90, 98))) + "\x1b[0m")
        elif wish == "sleep":
            time.sleep(600)
        else:
            {"size": size, "bars": bars, "train": train}[wish]()


if __name__ == "__main__":
    main(sys.argv[1:])
