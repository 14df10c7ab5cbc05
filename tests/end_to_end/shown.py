"""What a person is to see of a program that ran inside a run, against what the same program wrote by itself."""

from __future__ import annotations

import difflib
import re

from tui.view.draw.numbers import count, number, rate

from .drawn import Drawn
from .zoo import Ended, Row

LOG = re.compile(rb"^[VIWE]\d{4} [\d:.]+ \d+ (\S+ )\[\d+/\d+\w*\] ", re.MULTILINE)
"""How torch's own log lines begin: time, process, and a count of what was compiled before."""

SAYS = re.compile(
    r"(?:process (\d+) )?(loss \S+|steps \d+|skipped \d+|rate \S+|norm \d+ \S+|(?:trained|frozen|shows) .+)"
)


def check_the_same(row: Row, bare: Ended, watched: Ended) -> None:
    """To the byte, and to the bit: the weights stand in the output as a digest."""
    ours, theirs = (LOG.sub(rb"\1", one.output).decode().splitlines(keepends=True) for one in (watched, bare))
    assert ours == theirs, "".join(difflib.unified_diff(theirs, ours, "by itself", "inside a run"))
    assert watched.status == bare.status == row.status, f"{bare.status} by itself, {watched.status} inside a run"
    assert b"backlit" not in watched.output, watched.output
    has_digest = re.search(rb"^(process 0 )?weights [0-9a-f]{64}$", watched.output, re.MULTILINE)
    assert has_digest or not row.trains, "it has to print a digest of its weights"


def check_what_is_shown(row: Row, watched: Ended) -> None:
    """What each training process printed of itself, on the screen of its stream."""
    assert watched.run is not None
    told = said(watched.output.decode())
    streams = sorted((Drawn(watched.run, stream) for stream in watched.run.streams()), key=lambda one: one.rank)
    if not row.trains:
        drawn = Drawn(watched.run, 0)
        assert not streams and "no training was seen" in drawn.text["header"], drawn
        return
    assert len(streams) == len(told), f"{len(streams)} streams"
    for drawn, (_, lines) in zip(streams, sorted(told.items())):
        assert not drawn.scene.state.warnings, drawn.scene.state.warnings
        check_screen(drawn, lines)


def said(output: str) -> dict[int, list[list[str]]]:
    """What each process said of itself, as words, by its number."""
    found: dict[int, list[list[str]]] = {}
    for line in output.splitlines():
        match = SAYS.fullmatch(line)
        if match:
            found.setdefault(int(match[1] or 0), []).append(match[2].split())
    return found


def check_screen(drawn: Drawn, lines: list[list[str]]) -> None:
    screen, header = str(drawn), drawn.text["header"]
    assert any(words[0] == "loss" for words in lines), "it has to say its loss"
    for words in lines:
        if words[0] == "loss":
            loss = number(float(words[1]))
            assert re.search(rf"\bloss {re.escape(loss)}(?!\S)", header), f"loss {loss}:\n{screen}"
        elif words[0] == "steps":
            assert re.search(rf"\bstep {count(int(words[1]))}(?![\d,])", header), f"{words}:\n{screen}"
        elif words[0] == "skipped":
            assert f"  {count(int(words[1]))} skipped" in header, f"{words}:\n{screen}"
        elif words[0] == "rate":
            assert re.search(rf"\blr {re.escape(rate(float(words[1])))}(?!\S)", header), f"{words}:\n{screen}"
        elif words[0] == "shows":
            assert " ".join(words[1:]) in screen, f"{words}:\n{screen}"
        elif words[0] in ("trained", "frozen"):
            rows = [line.split() for line in drawn.text["gradients"].splitlines()[1:-1]]
            found = {row[0].split(".")[-1] for row in rows if (row[-1] == "frozen") == (words[0] == "frozen")}
            assert set(words[1:]) <= found, f"{words}:\n{screen}"
    norms = {int(words[1]): number(float(words[2])) for words in lines if words[0] == "norm"}
    if norms:
        tick = drawn.scene.tick
        assert tick is not None and tick.norms_step in norms, screen
        assert f"‖g‖ {norms[tick.norms_step]}" in drawn.text["gradients"], f"{norms[tick.norms_step]}:\n{screen}"
