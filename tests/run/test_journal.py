"""Appending and following lines: a disk that is full, a line that is cut, a file that is replaced."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tui.run import journal as journal_module
from tui.run.journal import Follower, Journal, SparserWithAge, append_line, create
from tui.run.live import Latest, replace_bytes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "events.0.jsonl"
    assert create(path)
    return path


class Disk:
    """Stands between the journal and the disk: takes `room` more bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 1 << 40
        self.calls = 0
        self._write = os.write
        monkeypatch.setattr(journal_module.os, "write", self.write)

    def write(self, descriptor: int, content: bytes) -> int:
        self.calls += 1
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = content[: self.room]
        self.room -= len(part)
        return self._write(descriptor, part)


def test_what_is_added_stands_in_the_file_after_a_flush(path: Path) -> None:
    journal = Journal(path)
    journal.add(b"one\n")
    journal.add(b"two\n")
    assert path.read_bytes() == b""
    assert journal.flush()
    assert path.read_bytes() == b"one\ntwo\n"
    assert (journal.bytes, journal.lost, journal.failing) == (8, 0, None)


def test_no_descriptor_is_kept(path: Path) -> None:
    journal = Journal(path)
    before = len(os.listdir("/proc/self/fd"))
    journal.add(b"one\n")
    journal.flush()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("room", range(14))
def test_a_full_disk_leaves_whole_lines_and_nothing_is_lost_when_there_is_room_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    # Given a disk that fills up at any byte
    disk = Disk(monkeypatch)
    journal = Journal(path)
    journal.add(b"zero\n")
    journal.flush()
    disk.room = room
    for line in (b"one\n", b"two\n", b"three\n"):
        journal.add(line)
    # When it is flushed, nothing is raised, and no half line stays
    assert not journal.flush()
    assert isinstance(journal.failing, OSError)
    assert path.read_bytes() == b"zero\n"
    # Then all of it is written once there is room
    disk.room = 1 << 40
    assert journal.flush()
    assert path.read_bytes() == b"zero\none\ntwo\nthree\n"
    assert (journal.lost, journal.failing) == (0, None)


def test_what_waits_for_a_full_disk_is_bounded_and_the_gap_is_counted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    disk.room = 0
    journal = Journal(path)
    line = b"x" * 999 + b"\n"
    for _ in range(20_000):
        journal.add(line)
    assert not journal.flush()
    disk.room = 1 << 40
    assert journal.flush()
    kept = path.read_bytes().count(b"\n")
    assert kept * len(line) <= journal_module.MOST_WAITING_BYTES
    assert journal.lost == 20_000 - kept > 0


def test_a_real_disk_that_is_full(tmp_path: Path) -> None:
    # Given a file system of 64 kB, where one can be mounted
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=64k tmpfs '{small}' 2>/dev/null") != 0:
        pytest.skip("no file system can be mounted here")
    try:
        path = small / "events.0.jsonl"
        create(path)
        filler = small / "filler"
        filler.write_bytes(b"x" * 40_000)
        journal = Journal(path)
        lines = [b"%06d" % number + b"y" * 993 + b"\n" for number in range(60)]
        for line in lines:
            journal.add(line)
        # When the disk is full, then whole lines only
        assert not journal.flush()
        assert path.read_bytes().endswith(b"\n") or path.read_bytes() == b""
        # When there is room again, then every line, once, in order
        os.truncate(path, 0)
        filler.unlink()
        assert journal.flush()
        assert path.read_bytes() == b"".join(lines)
    finally:
        os.system(f"umount '{small}'")


def test_a_journal_whose_file_vanished_never_raises(path: Path) -> None:
    journal = Journal(path)
    path.unlink()
    journal.add(b"one\n")
    assert not journal.flush()
    assert not path.exists()


def test_a_symbolic_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious\n")
    path = tmp_path / "events.0.jsonl"
    path.symlink_to(victim)
    journal = Journal(path)
    journal.add(b"one\n")
    assert not journal.flush()
    with pytest.raises(OSError):
        append_line(path, b"one\n")
    assert not create(path)
    assert victim.read_bytes() == b"precious\n"


def test_an_appended_line_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    path = tmp_path / "me.jsonl"
    append_line(path, b"one\n")
    disk.room = 2
    with pytest.raises(OSError):
        append_line(path, b"two\n")
    disk.room = 100
    append_line(path, b"three\n")
    assert path.read_bytes() == b"one\nthree\n"


# ── following ──


def test_a_last_line_without_its_end_is_waited_for(path: Path) -> None:
    follower = Follower(path)
    seen: list[bytes] = []
    content = b'{"a":1}\n\n{"b":22}\n{"c":"\xc3\xa9"}\n'
    for end in range(1, len(content) + 1):
        path.write_bytes(content[:end])
        seen += follower.lines()
    assert seen == [b'{"a":1}', b'{"b":22}', b'{"c":"\xc3\xa9"}']


def test_half_a_line_that_the_writer_takes_back_is_no_loss_and_no_second_reading(path: Path) -> None:
    # Given a reader that has seen half a line of a writer whose disk was full
    follower = Follower(path)
    path.write_bytes(b"one\ntwo\nthr")
    assert follower.lines() == [b"one", b"two"]
    # When the half is taken back, and another line written
    os.truncate(path, 8)
    assert follower.lines() == []
    with open(path, "ab") as file:
        file.write(b"four and more\n")
    # Then that line is read, whole, and none again
    assert follower.lines() == [b"four and more"]


def test_half_a_line_taken_back_and_replaced_between_two_looks(path: Path) -> None:
    follower = Follower(path)
    path.write_bytes(b"one\nthr")
    assert follower.lines() == [b"one"]
    path.write_bytes(b"one\nanother line\n")
    assert follower.lines() == [b"another line"]


def test_a_long_file_comes_in_pieces_and_whole(path: Path) -> None:
    lines = [b"%d" % number * 5 for number in range(5_000)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    follower = Follower(path)
    follower.MOST = 1000
    seen: list[bytes] = []
    while piece := follower.lines():
        assert sum(map(len, piece)) <= 1000
        seen += piece
    assert seen == lines


def test_a_line_longer_than_one_reading_is_still_read(path: Path) -> None:
    path.write_bytes(b"a" * 10_000 + b"\nb\n")
    follower = Follower(path)
    follower.MOST = 1000
    assert follower.lines() + follower.lines() == [b"a" * 10_000, b"b"]


def test_a_line_without_end_is_passed_over_at_last(path: Path) -> None:
    follower = Follower(path)
    follower.MOST, follower.LONGEST = 1000, 5_000
    path.write_bytes(b"x" * 9_000)
    for _ in range(20):
        assert follower.lines() == []
    with open(path, "ab") as file:
        file.write(b"\nsane\n")
    assert (follower.lines() + follower.lines())[-1] == b"sane"


def test_a_file_replaced_by_a_shorter_one_is_read_from_its_beginning(path: Path) -> None:
    follower = Follower(path)
    path.write_bytes(b"one\ntwo\n")
    follower.lines()
    path.write_bytes(b"new\n")
    assert follower.lines() == [b"new"]


def test_a_file_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert Follower(tmp_path / "none").lines() == []


def test_the_latest_is_read_when_it_changed_and_only_then(tmp_path: Path) -> None:
    path = tmp_path / "live.0.json"
    latest = Latest(path)
    assert latest.read() is None
    replace_bytes(path, b"{}\n")
    assert latest.read() == b"{}\n"
    assert latest.read() is None
    replace_bytes(path, b"{1}\n")
    assert latest.read() == b"{1}\n"
    path.unlink()
    assert latest.read() is None


def test_replacing_leaves_the_old_file_and_no_debris_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "live.0.json"
    replace_bytes(path, b"old\n")

    def full(*ignored: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError):
            replace_bytes(path, b"new\n")
    assert path.read_bytes() == b"old\n"
    assert os.listdir(tmp_path) == ["live.0.json"]


# ── a week ──


@pytest.mark.parametrize("tick_bytes", [300, 12_000])
@pytest.mark.parametrize("small_bytes", [0, 90])
def test_a_week_of_training_stays_small_and_keeps_being_recorded(tick_bytes: int, small_bytes: int) -> None:
    # Given ten ticks a second for a week, and something logged each time as well
    ticks, small = SparserWithAge(), SparserWithAge(500_000)
    week_s, age = 7 * 86_400.0, 0.0
    written = written_small = 0
    longest_gap = last = 0.0
    while age < week_s:
        if ticks.allows(age, written):
            written += tick_bytes
            longest_gap, last = max(longest_gap, age - last), age
        if small_bytes and small.allows(age, written_small):
            written_small += small_bytes
        age += 0.1 if age < 7_200 else 1.0  # later, hardly one in ten is recorded: the rest need not be simulated
    # Then all of it is small, and the last day is recorded like the others, only sparser
    assert 30e6 < written + written_small <= 60e6
    assert week_s - last <= 2 * tick_bytes * (week_s + 600) / 6_500_000 + 1
    assert longest_gap <= 2 * tick_bytes * (week_s + 600) / 6_500_000 + 1
