"""A run directory: where its files are, who may read them, and whether the run is alive.

The directory is 0700 and every file in it 0600 from the moment it exists. One that somebody else owns or may write to
is refused: commands in it would steer a program of ours.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import re
import stat
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Optional


class Unsafe(Exception):
    """The directory cannot be trusted; the text says why."""


class Missing(Exception):
    """There is no such run; the text says where it was looked for."""


@dataclass(frozen=True)
class Exit:
    """How the program ended: its exit status, or the signal that ended it, or why it could not start."""

    status: Optional[int] = None
    signal: Optional[int] = None
    error: str = ""
    time: float = 0.0

    @property
    def code(self) -> int:
        """The status that a shell would report: 128 + signal for a signal, 127 if it could not start."""
        if self.error:
            return 127
        if self.signal is not None:
            return 128 + self.signal
        return self.status or 0


class RunDirectory:
    """The paths of one run, and what its small files say."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()  # the program has a working directory of its own

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r})"

    # ── paths ──

    @property
    def run_file(self) -> Path:
        return self.path / "run.json"

    @property
    def exit_file(self) -> Path:
        return self.path / "exit.json"

    @property
    def lock_file(self) -> Path:
        return self.path / "run.lock"

    @property
    def output_file(self) -> Path:
        return self.path / "output.log"

    @property
    def control(self) -> Path:
        return self.path / "control"

    @property
    def viewers(self) -> Path:
        return self.path / "viewers"

    @property
    def terminal(self) -> Path:
        """What passes between viewers and the program's own terminal, if it has one."""
        return self.path / "terminal"

    @property
    def terminal_state(self) -> Path:
        return self.terminal / "state.json"

    @property
    def terminal_size(self) -> Path:
        return self.terminal / "size.json"

    def events_file(self, stream: int) -> Path:
        return self.path / f"events.{stream}.jsonl"

    def live_file(self, stream: int) -> Path:
        return self.path / f"live.{stream}.json"

    def streams(self) -> list[int]:
        """The numbers of the streams that exist, ascending."""
        found = []
        try:
            names = os.listdir(self.path)
        except OSError:
            return []
        for name in names:
            match = re.fullmatch(r"events\.(\d{1,6})\.jsonl", name)
            if match:
                found.append(int(match.group(1)))
        return sorted(found)

    # ── making and finding ──

    @classmethod
    def create(cls, root: Path, name: str, about: dict[str, Any]) -> RunDirectory:
        """A new directory under `root`, with `about` (command, cwd …) in its run.json.

        Raises:
            Unsafe: `root` exists and is not safely ours.
            OSError: it cannot be made (disk full, read-only …).
        """
        _make_private(root.absolute())
        check_safe(root, what="the folder of runs")
        stem = time.strftime("%Y%m%d-%H%M%S") + "-" + _slug(name)
        for attempt in range(1000):
            path = root / (stem if attempt == 0 else f"{stem}-{attempt + 1}")
            try:
                path.mkdir(mode=0o700)
                break
            except FileExistsError:
                continue
        else:
            raise OSError(errno.EEXIST, "a thousand runs of this name in one second")
        run = cls(path)
        for folder in (run.control, run.viewers, *([run.terminal] if "terminal" in about else [])):
            folder.mkdir(mode=0o700)
        replace(
            run.run_file,
            {
                "schema": 1,
                "name": name,
                "created": time.time(),
                "host": platform.node(),
                "boot": boot_id(),
                "python": platform.python_version(),
                **about,
            },
        )
        os.close(os.open(run.output_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run.

        Raises:
            Missing: `path` is no run directory.
            Unsafe: it is not safely ours.
        """
        if not path.exists():
            raise Missing(f"there is no run at {path}")
        check_safe(path, what="the run directory")
        run = cls(path)
        if not run.run_file.exists():
            raise Missing(f"{path} is no run directory (it has no run.json)")
        schema = run.about().get("schema", 1)
        if not isinstance(schema, int) or schema > 1:
            raise Missing(f"{path} was written by a newer backlit (schema {schema}); this one reads schema 1")
        return run

    @classmethod
    def find(cls, root: Path, word: str) -> RunDirectory:
        """The run that `word` means: a path, a name, or an unambiguous piece of a name; "" is the newest.

        Raises:
            Missing: none or several fit.
            Unsafe: the one that fits is not safely ours.
        """
        if word and (os.sep in word or (Path(word) / "run.json").exists()):
            return cls.open(Path(word).absolute())
        runs = list(cls.all(root))
        if not word:
            if not runs:
                raise Missing(f"there is no run yet in {root}")
            return cls.open(runs[0].path)
        exact = [run for run in runs if run.path.name == word]
        fits = exact or [run for run in runs if word in run.path.name]
        if not fits:
            raise Missing(f"no run in {root} has {word!r} in its name; `backlit ls` lists them")
        if len(fits) > 1:
            names = ", ".join(run.path.name for run in fits[:3])
            raise Missing(f"{word!r} fits {len(fits)} runs ({names} …): type more of the name")
        return cls.open(fits[0].path)

    @classmethod
    def all(cls, root: Path) -> Iterator[RunDirectory]:  # noqa: A003
        """Every run under `root`, newest first; what is no run is passed over."""
        try:
            names = os.listdir(root)
        except OSError:
            return
        runs = [cls(root / name) for name in names if (root / name / "run.json").is_file()]
        yield from sorted(runs, key=lambda run: (run.created(), run.path.name), reverse=True)

    # ── content ──

    def about(self) -> dict[str, Any]:
        """What run.json says; empty when it cannot be read."""
        return read_object(self.run_file)

    def created(self) -> float:
        """Unix time of creation, seconds; 0 when unknown."""
        return _seconds(self.about().get("created"))

    def exit(self) -> Optional[Exit]:  # noqa: A003
        """How the program ended, or None while that is not recorded."""
        raw = read_object(self.exit_file)
        if not raw:
            return None
        status, signal, error = raw.get("status"), raw.get("signal"), str(raw.get("error", ""))
        if not (isinstance(status, int) or isinstance(signal, int) or error):
            return None  # damaged: it does not say how
        return Exit(
            status if isinstance(status, int) else None,
            signal if isinstance(signal, int) else None,
            error,
            _seconds(raw.get("time")),
        )

    def alive(self) -> Optional[bool]:
        """Is the program still running? None: it runs on another host, so only its last words can tell.

        The supervisor holds a lock for as long as it lives, which is asked about and never taken. If the supervisor
        was killed, the program may live on: its process id, start time and the machine's boot id tell.
        """
        if self.exit() is not None:
            return False
        about = self.about()
        if about.get("host") != platform.node():
            return None
        if about.get("boot") not in ("", None, boot_id()):
            return False
        if locked(self.lock_file):
            return True
        pid = about.get("pid")
        if not isinstance(pid, int):
            return time.time() - self.created() < 5.0  # the supervisor is just starting
        started = process_start(pid)
        return started is not None and started == about.get("pid_start")


# ── safety ──


def check_safe(path: Path, what: str) -> None:
    """Refuses a directory that is not ours alone.

    Raises:
        Unsafe: a symlink, not a directory, another owner, or writable by group or others.
    """
    info = os.lstat(path)
    if stat.S_ISLNK(info.st_mode):
        raise Unsafe(f"{what}, {path}, is a symbolic link: backlit does not follow it")
    if not stat.S_ISDIR(info.st_mode):
        raise Unsafe(f"{what}, {path}, is not a directory")
    if info.st_uid != os.geteuid():
        raise Unsafe(f"{what}, {path}, belongs to another user (uid {info.st_uid})")
    if info.st_mode & 0o022:
        raise Unsafe(f"{what}, {path}, can be written to by others (mode {stat.S_IMODE(info.st_mode):o}): chmod 700 it")


def _make_private(path: Path) -> None:
    """Makes a directory and those missing above it, each closed to others whatever the umask. Raises OSError."""
    if path.is_dir():
        return
    _make_private(path.parent)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise


# ── small files ──


def replace(path: Path, content: dict[str, Any]) -> None:
    """Writes one JSON object whole or not at all (temporary name, rename). Raises OSError."""
    replace_bytes(path, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace"))


def replace_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all. Raises OSError; leaves no temporary file behind when it does."""
    temporary = f"{path}.{os.getpid()}.new"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            written = 0
            while written < len(content):
                written += os.write(descriptor, content[written:])
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise


def read_object(path: Path) -> dict[str, Any]:
    """One JSON object from a file; empty when there is none, or it is damaged."""
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _seconds(value: Any) -> float:
    """A Unix time as a file of ours has it; 0 for anything else."""
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else 0.0


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:40] or "run"


# ── who is alive ──

# struct flock differs by platform: Linux begins with the two shorts, macOS and the BSDs with the offsets.
_FLOCK = "qqihh" if sys.platform == "darwin" else "hhqqi"


def hold_lock(path: Path) -> int:
    """Takes the record lock of a run for this process. Returns the descriptor: closing any descriptor of the file
    gives the lock back, so nothing else in this process may open it. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def locked(path: Path) -> bool:
    """Does another process hold the lock? Asks with F_GETLK, so the answer costs nobody the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if sys.platform == "darwin":
            request = struct.pack(_FLOCK, 0, 0, 0, fcntl.F_WRLCK, 0)
            return struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, request))[3] != fcntl.F_UNLCK
        request = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, request)
        return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """What tells this boot of the machine from any other; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def process_start(pid: int) -> Optional[str]:
    """The start time of a living process as the system counts it, or None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
        after_name = text[text.rindex(b")") + 2 :].split()
        return None if after_name[0] in (b"Z", b"X") else after_name[19].decode()
    except (OSError, ValueError, IndexError):
        pass
    if os.path.isdir("/proc/self"):
        return None
    try:  # no /proc (macOS): alive is all that can be said
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return "alive"
