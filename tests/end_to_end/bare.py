"""A process that has imported torch already and forks for every program: it then runs as `__main__`, with arguments,
folder and output of its own, and a bare run costs what the program costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

# Reads one program a line, answers with the way in which its process ended. The program is run by the child after the
# loop, where its end is that of any Python: exit status, atexit, everything flushed. A traceback begins at the program.
SERVER = """
import json, os, runpy, sys
import torch, torch.utils.data
import torch._dynamo  # the first optimizer of a program does that
answers = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    program = json.loads(line)
    child = os.fork()
    if child == 0:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)
else:
    os._exit(0)
answers.close()
output = os.open(program["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for number in (1, 2):
    os.dup2(output, number)
os.close(output)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
sys.stdout.reconfigure(line_buffering=True)
os.chdir(program["cwd"])
sys.argv = program["words"]
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
def tell(kind, error, trace):
    while trace is not None and trace.tb_frame.f_code.co_filename in ("<string>", "<frozen runpy>"):
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)
sys.excepthook = tell
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Nest:
    """Runs one bare program at a time, for whichever thread asks."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.nice(10),  # whoever waits for a screen goes first
            env={**os.environ, **environment},
        )

    def run(self, words: list[str], cwd: Path, output: Path) -> int:
        """Runs a script with its arguments to its end.

        Returns:
            its exit status, or a signal's number below zero.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps({"words": words, "cwd": str(cwd), "output": str(output)}) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
