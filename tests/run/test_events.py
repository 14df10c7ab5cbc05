"""Records: what is written is what is read; what is no record is refused; nothing else happens."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.run import events
from tui.run.events import BadRecord

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
whole = st.integers(-(2**62), 2**62)
SINGLE = {"str": text, "int": whole, "bool": st.booleans(), "float": st.floats()}


def of_annotation(annotation: str) -> st.SearchStrategy[Any]:
    if annotation.startswith("Optional["):
        return st.none() | of_annotation(annotation[9:-1])
    if annotation.startswith("list["):
        return st.lists(of_annotation(annotation[5:-1]), max_size=3)
    return SINGLE[annotation] if annotation in SINGLE else records(getattr(events, annotation))


def records(cls: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, **{item.name: of_annotation(str(item.type)) for item in dataclasses.fields(cls)})


def same(a: Any, b: Any) -> bool:
    """Equal, with NaN equal to NaN, and of the same types throughout."""
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return type(a) is type(b) and a == b


@settings(max_examples=40, deadline=None)
@given(st.data())
@pytest.mark.parametrize("kind", events.EVENTS)
def test_an_event_is_read_as_it_was_written(kind: str, data: st.DataObject) -> None:
    event = data.draw(records(events.EVENTS[kind]))
    line = events.encode(event)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert same(event, events.decode_event(line))


@settings(max_examples=40, deadline=None)
@given(st.data())
@pytest.mark.parametrize("kind", events.COMMANDS)
def test_a_command_is_read_as_it_was_written(kind: str, data: st.DataObject) -> None:
    command = data.draw(records(events.COMMANDS[kind]))
    assert same(command, events.decode_command(events.encode(command)))


@settings(max_examples=60, deadline=None)
@given(records(events.Live), records(events.Presence))
def test_snapshot_and_presence_are_read_as_they_were_written(live: Any, presence: Any) -> None:
    assert same(live, events.decode_live(events.encode_bare(live)))
    assert same(presence, events.decode_presence(events.encode_bare(presence)))


def test_no_line_holds_a_number_that_other_readers_of_json_refuse() -> None:
    tick = events.Tick(loss=math.nan, low=-math.inf, high=math.inf, norms=[1.0, None, math.nan])
    line = events.encode(tick)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    raw = json.loads(line, parse_constant=refuse)
    assert (raw["loss"], raw["low"], raw["high"], raw["norms"]) == ("NaN", "-Infinity", "Infinity", [1.0, None, "NaN"])


def wrong_values(annotation: str) -> list[Any]:
    if annotation.startswith("Optional["):
        return [value for value in wrong_values(annotation[9:-1]) if value is not None]
    if annotation.startswith("list["):
        return [None, 3, "x", {}, *([wrong] for wrong in wrong_values(annotation[5:-1]))]
    return {
        "float": [None, True, "1.0", "nan", [1.0], {}],
        "int": [None, True, 1.0, "1", [1], 2**63, 10**400],
        "bool": [None, 0, 1, "true"],
        "str": [None, 3, ["x"], {}],
    }.get(annotation, [None, 3, "x", []])


FIELDS = [
    (key, kind, item.name, str(item.type))
    for key, kinds in (("k", events.EVENTS), ("do", events.COMMANDS))
    for kind, cls in kinds.items()
    for item in dataclasses.fields(cls)
]


@pytest.mark.parametrize("key, kind, name, annotation", FIELDS)
def test_a_field_of_the_wrong_type_is_refused(key: str, kind: str, name: str, annotation: str) -> None:
    decode = events.decode_event if key == "k" else events.decode_command
    for wrong in wrong_values(annotation):
        with pytest.raises(BadRecord):
            decode(json.dumps({key: kind, name: wrong}).encode())


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"null", b"3", b"[]", b'"pause"', b"{}", b'{"do":null}', b'{"do":["pause"]}', b'{"do":"eval"}', b'{"do":"Pause"}',
        b'{"do":"__class__"}', b"\xff\xfe\x00", b'{"do":"pause"', b'{"do":"pause"}{', b"[" * 100_000, b'{"do":' * 50_000,
        b'{"do":"step","n":' + b"9" * 10_000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused_and_nothing_else_happens(line: bytes) -> None:
    for decode in (events.decode_command, events.decode_event, events.decode_live, events.decode_presence):
        if line == b"{}" and decode in (events.decode_live, events.decode_presence):
            continue  # there, every field may be absent
        if line.startswith(b'{"do"') and line.endswith(b"}") and decode in (events.decode_live, events.decode_presence):
            continue  # there, the field is an unknown one
        with pytest.raises(BadRecord):
            decode(line)


def test_unknown_fields_are_ignored_so_that_they_can_be_added() -> None:
    assert events.decode_event(b'{"k":"tick","step":3,"new":{"a":[1]}}') == events.Tick(step=3)
    assert events.decode_command(b'{"do":"step","n":2,"why":"fun"}') == events.Step(n=2)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_refused(line: bytes) -> None:
    for decode in (events.decode_event, events.decode_command, events.decode_live, events.decode_presence):
        try:
            decode(line)
        except BadRecord:
            pass


def test_a_command_typed_by_hand_is_enough() -> None:
    assert events.decode_command(b'{"do": "pause"}') == events.Pause()
    assert events.decode_command(b' {"do": "lr", "factor": 2} ') == events.SetRate(factor=2.0)


def test_the_tables_name_every_record() -> None:
    assert set(events.EVENTS.values()) == set(typing.get_args(events.Event))
    assert set(events.COMMANDS.values()) == set(typing.get_args(events.Command))
