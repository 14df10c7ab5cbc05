"""Without a terminal: the program's output passed through unchanged, one line of ours per interval on standard error.

Imports nothing of Textual: this is what runs in scripts and under nohup.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType

from ..history.source import Source
from ..run.directory import RunDirectory
from .draw.cells import clean
from .draw.numbers import brief, count, number, rate, speed
from .turns import Turn, Turns

FIRST_S, EVERY_S = 2.0, 10.0


def follow(run: RunDirectory, owns: bool = True, stream: int | None = None) -> int:
    """Follows the run to its end and returns the program's exit status.

    Args:
        owns: this is the command that started the program: Ctrl-C and SIGTERM go to it. Who only attached leaves.
        stream: the number of the stream that was asked for.
    """
    source = Source(run, stream)
    output = _PassThrough(run)

    def pass_on(signal_number: int, frame: FrameType | None) -> None:
        pid = run.about().get("pid")
        if isinstance(pid, int) and run.alive():
            try:
                os.killpg(pid, signal_number)
            except OSError:
                pass

    if not owns:
        try:
            return _follow(source, output)
        except (BrokenPipeError, KeyboardInterrupt):
            return 0
    before = {number_: signal.signal(number_, pass_on) for number_ in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _follow(source, output)
    except BrokenPipeError:  # whoever read our output is gone; the program goes on
        return 0
    finally:
        for number_, handler in before.items():
            signal.signal(number_, handler)


def _follow(source: Source, output: _PassThrough) -> int:
    due = time.monotonic() + FIRST_S
    told = -1
    turns = Turns(source)
    waited = False
    while True:
        source.poll()
        output.pump()
        if source.waiting.waits and not waited and source.exit is None:
            _say("backlit: the program waits for input; backlit attach shows it in a terminal, and i types into it")
        waited = source.waiting.waits
        for words in _news(source, turns.look()):
            _say(f"backlit: {words}")
        if source.exit is not None:
            output.pump()
            if source.state.step != told and source.state.tick is not None:
                _say(line_of(source))
            for warning in source.state.warnings[-3:]:
                _say(f"backlit: {warning}")
            if source.exit.error:
                _say(f"backlit: {source.exit.error}")
            elif source.state.tick is None:
                _say(f"backlit: {source.unseen}: there was nothing to watch")
            return source.exit.code
        if source.alive is False:
            _say("backlit: the program is gone and left no word of how it ended")
            return 1
        now = time.monotonic()
        if now >= due and source.state.step != told:
            _say(line_of(source))
            told, due = source.state.step, now + EVERY_S
        time.sleep(0.05)


def _news(source: Source, turn: Turn) -> list[str]:
    """What is to be said of the streams: which is shown from now on, and what else has begun."""
    streams = source.streams
    said = [turn.said] if turn.said else []
    titles = [clean(streams.title(one.number)) for one in turn.others or []]
    if len(titles) > 1:
        said.append(f"{len(titles)} more trainings began, {titles[0]} the first of them")
    elif titles:
        said.append(f"another training began: {titles[0]}")
    return [clean(words) for words in said]


def line_of(source: Source) -> str:
    """step 880  epoch 3  loss 0.412  lr 0.01  |g| 0.55  1,204 steps/s; of several streams after the shown one's name"""
    state, tick = source.state, source.state.tick
    if tick is None:
        return "backlit: waiting for the first step"
    several = len(source.streams) > 1 and source.shown is not None
    parts = [clean(source.streams.title(source.shown or 0))] if several else []
    parts.append(f"step {count(tick.step)}")
    if tick.epoch is not None:
        parts.append(f"epoch {tick.epoch}")
    parts.append(f"loss {number(tick.loss)}")
    if len(state.validation):
        parts.append(f"val {number(state.validation.last)}")
    parts += [f"lr {rate(tick.rate)}", f"|g| {brief(tick.norm)}", f"{speed(tick.steps_per_s)} steps/s"]
    return "  ".join(parts)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def no_terminal() -> str:
    """Why the screen cannot be shown here, or "": the reason for falling back to plain lines."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if not all(stream is not None and stream.isatty() for stream in streams):
        return "not a terminal"
    if os.environ.get("TERM", "") in ("", "dumb"):
        return "TERM is dumb"
    return ""


class _PassThrough:
    """Copies output.log to standard output, byte by byte as it was written."""

    def __init__(self, run: RunDirectory) -> None:
        self._path = run.output_file
        self._offset = 0

    def pump(self) -> None:
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                while content := file.read(1 << 20):
                    self._offset += len(content)
                    sys.stdout.buffer.write(content)
        except BrokenPipeError:
            raise
        except OSError:
            return
        sys.stdout.flush()
