"""A run directory: closed to others from its first moment, hostile ones refused, found by a piece of its name."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tui.run import directory
from tui.run.directory import Missing, RunDirectory, Unsafe, check_safe, hold_lock, locked
from tui.run.journal import append_line, create
from tui.run.live import replace_bytes

ABOUT: dict[str, Any] = {"command": ["true"], "cwd": "/"}


@pytest.fixture
def no_umask() -> Any:
    before = os.umask(0)
    yield
    os.umask(before)


def test_everything_is_closed_to_others_even_without_an_umask(tmp_path: Path, no_umask: None) -> None:
    # Given no umask, and folders above the run that do not exist yet
    root = tmp_path / "state" / "backlit" / "runs"
    # When a run is made and every kind of file written
    run = RunDirectory.create(root, "test", ABOUT)
    create(run.events_file(0))
    replace_bytes(run.live_file(0), b"{}")
    append_line(run.control / "me.jsonl", b"{}\n")
    os.close(hold_lock(run.lock_file))
    # Then nobody else may even look
    for folder, _, files in os.walk(tmp_path / "state"):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name
    assert {"run.json", "output.log", "events.0.jsonl", "live.0.json", "run.lock"} <= set(os.listdir(run.path))


def test_no_file_is_ever_open_to_others_not_even_for_a_moment(
    tmp_path: Path, no_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real_open = os.open

    def watched(path: Any, flags: int, mode: int = 0o777, **rest: Any) -> int:
        if flags & os.O_CREAT:
            asked.append(mode)
        return real_open(path, flags, mode, **rest)

    monkeypatch.setattr(directory.os, "open", watched)
    RunDirectory.create(tmp_path / "runs", "test", ABOUT)
    assert asked and set(asked) == {0o600}


def refused(path: Path) -> str:
    with pytest.raises(Unsafe) as caught:
        check_safe(path, "the run directory")
    sentence = str(caught.value)
    assert str(path) in sentence
    return sentence


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    for mode in (0o770, 0o707, 0o777, 0o722):
        tmp_path.chmod(mode)
        assert "written to by others" in refused(tmp_path)
    tmp_path.chmod(0o755)
    check_safe(tmp_path, "the run directory")


def test_a_symbolic_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert "symbolic link" in refused(tmp_path / "link")


def test_somebody_elses_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    assert "another user" in refused(tmp_path)


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o600)
    assert "not a directory" in refused(tmp_path / "file")


def test_no_run_is_made_in_or_opened_from_an_unsafe_place(run: RunDirectory) -> None:
    root = run.path.parent
    root.chmod(0o777)
    with pytest.raises(Unsafe):
        RunDirectory.create(root, "test", ABOUT)
    root.chmod(0o700)
    run.path.chmod(0o770)
    with pytest.raises(Unsafe):
        RunDirectory.open(run.path)
    with pytest.raises(Unsafe):
        RunDirectory.find(root, "")


# ── finding ──


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RunDirectory]:
    made = []
    clock = time.time()
    for number, name in enumerate(("mnist big", "digits", "mnist small")):
        monkeypatch.setattr(directory.time, "time", lambda number=number: clock + number)
        made.append(RunDirectory.create(tmp_path / "runs", name, ABOUT))
    monkeypatch.undo()
    return made


def test_a_run_is_found_by_name_by_piece_by_path_and_the_newest_by_nothing(three: list[RunDirectory]) -> None:
    big, digits, small = three
    root = big.path.parent
    assert RunDirectory.find(root, "").path == small.path
    assert RunDirectory.find(root, "digits").path == digits.path
    assert RunDirectory.find(root, "big").path == big.path
    assert RunDirectory.find(root, big.path.name).path == big.path
    assert RunDirectory.find(root / "elsewhere", str(big.path)).path == big.path
    assert [run.path for run in RunDirectory.all(root)] == [small.path, digits.path, big.path]


def test_an_ambiguous_piece_names_the_runs_it_fits(three: list[RunDirectory]) -> None:
    with pytest.raises(Missing) as caught:
        RunDirectory.find(three[0].path.parent, "mnist")
    assert three[0].path.name in str(caught.value) and three[2].path.name in str(caught.value)
    assert three[1].path.name not in str(caught.value)


def test_a_name_that_is_part_of_another_is_no_ambiguity(three: list[RunDirectory]) -> None:
    longer = three[1].path.with_name(three[1].path.name + "-2")
    os.rename(three[0].path, longer)
    assert RunDirectory.find(longer.parent, three[1].path.name).path == three[1].path


def test_what_is_missing_is_said(three: list[RunDirectory], tmp_path: Path) -> None:
    root = three[0].path.parent
    for word in ("resnet", str(tmp_path / "nowhere"), str(root)):
        with pytest.raises(Missing) as caught:
            RunDirectory.find(root, word)
        assert word in str(caught.value)
    with pytest.raises(Missing):
        RunDirectory.find(tmp_path / "nowhere", "")


def test_a_folder_here_that_has_the_runs_name_does_not_hide_it(
    three: list[RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert RunDirectory.find(three[0].path.parent, "digits").path == three[1].path


def test_a_newer_schema_is_refused_in_one_sentence(run: RunDirectory) -> None:
    directory.replace(run.run_file, {**run.about(), "schema": 2})
    with pytest.raises(Missing, match="newer"):
        RunDirectory.open(run.path)


def test_runs_of_one_second_get_names_of_their_own(tmp_path: Path) -> None:
    made = {RunDirectory.create(tmp_path / "runs", "same", ABOUT).path for _ in range(5)}
    assert len(made) == 5


def test_a_strange_name_makes_a_plain_folder(tmp_path: Path) -> None:
    for name in ("../../etc", "a b\nc", "…", "x" * 300, ".hidden", ""):
        run = RunDirectory.create(tmp_path / "runs", name, ABOUT)
        assert run.path.parent == tmp_path / "runs"
        assert run.about()["name"] == name


def test_a_relative_place_means_the_same_after_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunDirectory.create(Path("runs"), "test", ABOUT)
    monkeypatch.chdir("/")
    assert run.about()["name"] == "test"


def test_the_streams_are_those_of_our_name(run: RunDirectory) -> None:
    for name in ("events.0.jsonl", "events.12.jsonl", "events.3.jsonl.new", "events.-1.jsonl", "events.x.jsonl"):
        (run.path / name).touch()
    assert run.streams() == [0, 12]


# ── alive ──


def describe(run: RunDirectory, **changes: Any) -> None:
    directory.replace(run.run_file, {**run.about(), **changes})


def test_from_another_host_nobody_can_say(run: RunDirectory) -> None:
    describe(run, host="elsewhere")
    assert run.alive() is None


def test_after_another_boot_it_is_over(run: RunDirectory) -> None:
    describe(run, boot="another", pid=os.getpid(), pid_start=directory.process_start(os.getpid()))
    assert run.alive() is False


def test_a_process_id_that_another_process_has_by_now_is_not_alive(run: RunDirectory) -> None:
    describe(run, pid=os.getpid(), pid_start="1")
    assert run.alive() is False
    describe(run, pid=os.getpid(), pid_start=directory.process_start(os.getpid()))
    assert run.alive() is True
    describe(run, pid=2**22 + 1, pid_start=None)
    assert run.alive() is False


def test_asking_for_the_lock_costs_nobody_the_lock(run: RunDirectory) -> None:
    assert not locked(run.lock_file)
    here, there = os.pipe()
    again, gone = os.pipe()
    child = os.fork()
    if child == 0:
        hold_lock(run.lock_file)
        os.write(there, b"x")
        os.read(again, 1)
        os._exit(0)
    os.read(here, 1)
    assert locked(run.lock_file) and locked(run.lock_file)
    os.write(gone, b"x")
    os.waitpid(child, 0)
    assert not locked(run.lock_file)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"status":', b'{"stat5s":0}', b'{"status":"0"}'])
def test_a_damaged_ending_is_no_ending(run: RunDirectory, content: bytes) -> None:
    run.exit_file.write_bytes(content)
    assert run.exit() is None


def test_readers_of_a_file_being_replaced_see_the_old_or_the_new(run: RunDirectory) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            directory.replace(run.run_file, {"number": number, "filler": "x" * 5_000})

    writer = threading.Thread(target=write)
    directory.replace(run.run_file, {"number": 0, "filler": "x" * 5_000})
    writer.start()
    try:
        for _ in range(500):
            assert len(json.loads(run.run_file.read_bytes())["filler"]) == 5_000
    finally:
        stop.set()
        writer.join()
