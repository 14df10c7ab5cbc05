"""Processes that have imported torch already and fork for every lesson: a run costs what the lesson costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue

PROJECT = Path(__file__).resolve().parents[2]

# Reads [module, arguments] a line, answers [status, why, what was logged last]; every run is a child of its own.
SERVER = """
import json, os, runpy, sys, traceback
import torch, torch.optim, torch.utils.data, tui
torch.set_num_threads(1)
for line in sys.stdin:
    module, arguments = json.loads(line)
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        logged, status, why = {}, 1, ""
        tui.log = lambda **values: logged.update({name: float(value) for name, value in values.items()})
        sys.argv = [module, *arguments]
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            status = 0
        except SystemExit as end:
            status, why = (0, "") if end.code in (None, 0) else (1, str(end.code))
        except BaseException:
            why = traceback.format_exc()
        os.write(writing, json.dumps([status, why[-2000:], logged]).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    os.wait()
    sys.stdout.write((answer.decode() or '[1, "it died", {}]') + "\\n")
    sys.stdout.flush()
"""


class Failed(RuntimeError):
    """The lesson ended with a status other than 0; the text is its last words."""


class Nursery:
    """So many processes, each of which runs one lesson at a time. Use from as many threads."""

    def __init__(self, count: int = 2) -> None:
        self._free: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self._all = [
            subprocess.Popen(
                [sys.executable, "-c", SERVER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=PROJECT,
                preexec_fn=lambda: os.nice(10),  # whoever waits for a screen goes first
                env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )
            for _ in range(count)
        ]
        for process in self._all:
            self._free.put(process)

    def run(self, lesson: str, arguments: tuple[str, ...]) -> dict[str, float]:
        """The last value of everything that the lesson logged. Raises Failed."""
        process = self._free.get()
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps([f"tui.lessons.{lesson}", list(arguments)]) + "\n")
            process.stdin.flush()
            status, why, logged = json.loads(process.stdout.readline())
        finally:
            self._free.put(process)
        if status:
            raise Failed(f"{lesson} {' '.join(arguments)}: {why}")
        return dict(logged)

    def close(self) -> None:
        for process in self._all:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
