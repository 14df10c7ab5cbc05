"""Watching changes nothing: the same bits bare, watched, looked at, and held and stepped and fuzzed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tui.probe.desk import MOST_FAULTS
from tui.run import events
from tui.run.directory import RunDirectory
from tui.run.journal import append_line

from ..conftest import TWO_MODELS
from ..support import Bare, Hand, Onlooker, Program, events_of, until


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Any]:
    started: list[Program] = []

    def begin(**options: Any) -> Program:
        started.append(Program(tmp_path, TWO_MODELS, **options))
        return started[-1]

    yield begin
    for program in started:
        program.end()


def check(program: Program, reference: Bare) -> list[Any]:
    program.wait()
    assert program.output == reference.output and reference.status == 0
    assert program.run.exit().status == 0
    found = events_of(program.run)
    assert isinstance(found[0], events.Start) and isinstance(found[-1], events.End)
    assert [one.text for one in found if isinstance(one, events.Warning)] == []
    return found


def test_nobody_looks(begin: Any, reference: Bare) -> None:
    found = check(begin(), reference)
    # And it was watched indeed: the last loss of each model, as the program printed it
    losses = [float.fromhex(line.split()[1]) for line in reference.output.splitlines() if line.startswith("loss")]
    last = [one for one in found if isinstance(one, events.Tick)][-1]
    assert last.step == len(losses)
    assert last.loss == pytest.approx(losses[-1], rel=1e-5)
    logged = [one.value for one in found if isinstance(one, events.Metric) and one.name == "val_loss"]
    assert len(logged) == 48 and logged[-1] == losses[-1]
    assert [one.name for one in found if isinstance(one, events.Model)] == ["Sequential", "Sequential"]


def test_a_restless_viewer_looks(looked_at: tuple[Program, list[events.Live]], reference: Bare) -> None:
    program, seen = looked_at
    check(program, reference)
    # And there was something to see: pictures of several tensors in several modes, outputs of the layers
    shown = [live.picture for live in seen if live.picture is not None]
    assert len({picture.tensor for picture in shown}) > 1
    assert len({picture.mode for picture in shown}) > 1
    assert any(activation.on is not None for live in seen for activation in live.activations)


def pause(run: RunDirectory) -> None:
    append_line(run.control / "first.jsonl", b'{"do":"pause"}\n')


def test_held_stepped_walked_slowed_and_fuzzed(begin: Any, reference: Bare) -> None:
    # Given a program that is held before its first update, and somebody who looks
    program = begin(before=pause)
    hand = Hand(program.run)
    with Onlooker(program.run):
        until(hand.held)
        assert hand.held().step == 0
        # When it is stepped, fuzzed, walked through, slowed, held again
        hand.ask(events.Step(n=3))
        until(lambda: hand.held(3))
        before = len(events_of(program.run))
        (program.run.control / "fuzz.jsonl").write_bytes(fuzz(20_000))
        for _ in range(12):
            seen = len(hand.gates())
            hand.ask(events.Phase())
            until(lambda: len(hand.gates()) >= seen + 2 and hand.held())  # noqa: B023
        cycle = ["update", "zero_grad", "forward", "loss", "backward"]
        assert [gate.phase for gate in hand.gates() if gate.held][-12:] == cycle + cycle + cycle[:2]
        assert hand.held().step == 6
        refused = [
            one for one in events_of(program.run)[before:] if isinstance(one, events.Applied) and one.writer == "fuzz"
        ]
        assert len(refused) <= MOST_FAULTS
        hand.answer(events.Speed(steps_per_s=40.0))
        hand.ask(events.Step(n=5))
        until(lambda: hand.held(11))
        hand.answer(events.Speed())
        hand.answer(events.Resume())
        hand.answer(events.Pause())
        until(hand.held)
        hand.answer(events.Resume())
    # Then it was, bit by bit, the same
    check(program, reference)


def fuzz(lines: int) -> bytes:
    """Lines that are no command: random bytes, wrong types, deep nesting, numbers that are none."""
    chance = random.Random(1)
    out = []
    for number in range(lines):
        kind = number % 8
        if kind == 0:
            line = bytes(byte for byte in chance.randbytes(chance.randrange(1, 60)) if byte != 10)
        elif kind == 1:
            line = json.dumps({"do": chance.choice(["pause", "step", "lr", "stop"]), "id": chance.random()}).encode()
        elif kind == 2:
            line = json.dumps({"do": chance.choice([None, 3, [], {}, "quit", "__import__('os')"])}).encode()
        elif kind == 3:
            line = b'{"do":' * chance.randrange(1, 200)
        elif kind == 4:
            line = b'{"do":"step","n":%s}' % chance.choice(
                [b"1.5", b"NaN", b"1e3", b'"1"', b"9" * 50, b"null", b"true"]
            )
        elif kind == 5:
            line = b'{"do":"lr","factor":%s}' % chance.choice([b'"two"', b"[2]", b"{}", b"true", b"9" * 400])
        elif kind == 6:
            line = b'{"do":"stop"' + chance.choice([b"", b"]", b"}}", b'"'])
        else:
            line = bytearray(b'{"do":"stop"}')
            line[chance.randrange(7)] ^= 1 << chance.randrange(3, 7)
            line = bytes(line).replace(b"\n", b" ")
        try:
            events.decode_command(line)
        except events.BadRecord:
            out.append(line)
    assert len(out) > lines * 0.95
    return b"\n".join(out) + b"\n"
