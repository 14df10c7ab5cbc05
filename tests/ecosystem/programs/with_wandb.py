import json
import struct
import sys
import time
from pathlib import Path

import wandb
from common import on_record, train
from wandb.proto import wandb_internal_pb2

BLOCK, HEADER = 32768, 7


def records(content: bytes):
    """What wandb wrote down: LevelDB's log format behind a header of 7 bytes, one protocol buffer a record."""
    place, whole = HEADER, b""
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:  # too little is left of this block for another record
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + HEADER])
        whole += content[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # whole, or the last part
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""


wandb.init(mode="offline", dir=sys.argv[1], project="test", settings=wandb.Settings(console="off", silent=True))
train(lambda name, value, step: wandb.log({name: value, "epoch": step // 6}, step=step))
wandb.finish()

path, deadline, written = next(Path(sys.argv[1]).rglob("*.wandb")), time.monotonic() + 60, []
while not any(one.WhichOneof("record_type") == "exit" for one in written) and time.monotonic() < deadline:
    written = list(records(path.read_bytes()))  # a process of wandb's own writes, and may still be at it
found = {}
for record in written:
    for item in record.history.item:
        name = item.key or "/".join(item.nested_key)
        if not name.startswith("_"):
            found.setdefault(name, []).append(json.loads(item.value_json))
for name, values in found.items():
    on_record(name, values)
