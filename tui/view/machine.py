"""The machine under a run: processor and memory of the program with its children, and the GPUs that it uses.

Read by the viewer, in a thread of its own, at most once a second, and only while somebody sees it. Whatever cannot be
read is left out: no driver, no right to look, a process that has just gone. Nothing here ever raises.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

PERIOD_S = 1.0
FAMILY_S = 5.0
"""How often children are looked for where that takes long: it goes through all processes of the machine."""
LONG_S = 0.01
"""One per cent of a core, at a look a second."""


@dataclass(frozen=True)
class Gpu:
    """One GPU, all its users together. What could not be read is None."""

    index: int
    name: str = ""
    use: Optional[float] = None
    """Share of the last moments during which any kernel ran, 0 to 1: NVML's "utilization", no measure of how well."""
    memory: Optional[int] = None
    """Bytes in use."""
    of_memory: Optional[int] = None
    watts: Optional[float] = None
    celsius: Optional[int] = None


@dataclass(frozen=True)
class Load:
    """One look at the machine."""

    cpu: Optional[float] = None
    """Cores in use by all processes together, over the last period; None before there are two looks."""
    memory: int = 0
    """Bytes: resident memory of the process that trains."""
    others: int = 0
    """Bytes: of its children and whatever started it, without files and shared memory. At most so much is theirs alone:
    what a fork has in common with its parent can only be told by walking its pages, which holds it up."""
    processes: int = 0
    cores: int = 1
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True)
class Subject:
    """Whom to look at.

    pid: the program as it was started. trainer: the process that trains, perhaps the same. device: as torch calls it.
    """

    pid: int
    trainer: int = 0
    device: str = ""


class Machine:
    """Looks in the background. `look` is for the app's thread and returns at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._thread: Optional[threading.Thread] = None
        self._due = 0.0
        self._subject: Optional[Subject] = None
        self._sampler: Optional[Sampler] = None
        self._newest: Optional[Load] = None

    def look(self, subject: Optional[Subject]) -> Optional[Load]:
        """The newest look at a subject; None while there is none. Starts another when it is time."""
        if subject is None:
            self._newest = None
            return None
        if subject != self._subject:
            self._subject, self._newest, self._due = subject, None, 0.0
            self._sampler = Sampler(subject)
        now = self._clock()
        if now >= self._due and (self._thread is None or not self._thread.is_alive()):
            self._due = now + PERIOD_S
            self._thread = threading.Thread(target=self._sample, args=(self._sampler,), daemon=True)
            self._thread.start()
        return self._newest

    def _sample(self, sampler: Sampler) -> None:
        try:
            load = sampler.sample()
        except Exception:  # a system that tells otherwise than it should: its load is not known
            load = None
        if sampler is self._sampler:
            self._newest = load


class Sampler:
    """Looks at one subject. For one thread at a time."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._family: dict[int, Any] = {}
        self._family_due = 0.0
        self._used: dict[int, float] = {}
        """Processor seconds of each process at the last look."""
        self._at: Optional[float] = None
        self._gpus = Gpus(subject)

    def sample(self) -> Optional[Load]:
        """One look; None when there is no such process."""
        try:
            import psutil
        except ImportError:
            return None
        now = time.monotonic()
        if now >= self._family_due or not self._family:
            began = time.thread_time()
            try:
                parent = psutil.Process(self._subject.pid)
                self._family = {one.pid: one for one in [parent, *parent.children(recursive=True)]}
            except (psutil.Error, OSError):
                return None
            self._family_due = now + (FAMILY_S if time.thread_time() - began > LONG_S else 0.0)
        used: dict[int, float] = {}
        trainer = self._subject.trainer if self._subject.trainer in self._family else self._subject.pid
        own = others = 0
        for pid, process in self._family.items():
            try:
                times, memory = process.cpu_times(), process.memory_info()
            except (psutil.Error, OSError):
                continue  # it has just gone
            used[pid] = times.user + times.system
            if pid == trainer:
                own = memory.rss
            else:
                others += max(0, memory.rss - getattr(memory, "shared", 0))
        if not used:
            return None
        cpu = None
        if self._at is not None and now > self._at:
            spent = sum(max(0.0, seconds - self._used.get(pid, seconds)) for pid, seconds in used.items())
            cpu = spent / (now - self._at)
        self._used, self._at = used, now
        return Load(cpu, own, others, len(used), os.cpu_count() or 1, self._gpus.read(set(self._family)))


class Gpus:
    """The GPUs that a program uses, through NVIDIA's management library. Without a driver there are none."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._nvml: Any = None
        self._found: tuple[int, ...] = ()
        self._due = 0.0

    def read(self, pids: set[int]) -> tuple[Gpu, ...]:
        """One look at each of them; () for a program that trains on no GPU of this kind."""
        if not self._subject.device.startswith("cuda"):
            return ()
        try:
            if self._nvml is None:
                import pynvml

                pynvml.nvmlInit()
                self._nvml = pynvml
            now = time.monotonic()
            if now >= self._due:
                self._due = now + FAMILY_S
                self._found = self._places(pids)
            return tuple(self._one(place) for place in self._found)
        except Exception:  # no library, no driver, no right: each says so in its own way
            return ()

    def _places(self, pids: set[int]) -> tuple[int, ...]:
        """Indices of the GPUs on which one of the processes computes; where the driver does not say so (in a container
        it knows other numbers), those that the program may see, of these the one it says it trains on."""
        nvml = self._nvml
        count = int(nvml.nvmlDeviceGetCount())
        using = []
        for place in range(count):
            with contextlib.suppress(nvml.NVMLError):
                running = nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByIndex(place))
                if any(one.pid in pids for one in running):
                    using.append(place)
        if using:
            return tuple(using)
        number = self._subject.device.partition(":")[2]
        wanted = int(number) if number.isdigit() else 0
        visible = self._visible(count)
        return (visible[wanted],) if wanted < len(visible) else ()

    def _visible(self, count: int) -> list[int]:
        """What CUDA_VISIBLE_DEVICES of the program says, as indices."""
        told = environment_of(self._subject.trainer or self._subject.pid).get("CUDA_VISIBLE_DEVICES")
        if told is None:
            return list(range(count))
        return visible_places(told, [self._uuid(place) for place in range(count)])

    def _uuid(self, place: int) -> str:
        said = self._nvml.nvmlDeviceGetUUID(self._nvml.nvmlDeviceGetHandleByIndex(place))
        return said.decode() if isinstance(said, bytes) else str(said)

    def _one(self, place: int) -> Gpu:
        nvml = self._nvml
        handle = nvml.nvmlDeviceGetHandleByIndex(place)

        def told(what: Callable[[], Any]) -> Any:
            try:
                return what()
            except nvml.NVMLError:
                return None

        name = told(lambda: nvml.nvmlDeviceGetName(handle)) or ""
        use = told(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        memory = told(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        milliwatts = told(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        return Gpu(
            index=place,
            name=name.decode() if isinstance(name, bytes) else str(name),
            use=None if use is None else use.gpu / 100,
            memory=None if memory is None else int(memory.used),
            of_memory=None if memory is None else int(memory.total),
            watts=None if milliwatts is None else milliwatts / 1000,
            celsius=told(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        )


def visible_places(told: str, uuids: list[str]) -> list[int]:
    """What a value of CUDA_VISIBLE_DEVICES makes visible, as CUDA reads it: indices or beginnings of UUIDs, up to the
    first that means nothing."""
    found: list[int] = []
    for word in told.split(","):
        word = word.strip()
        if word.isdigit() and int(word) < len(uuids):
            place = int(word)
        else:
            fits = [place for place, uuid in enumerate(uuids) if word and uuid.startswith(word)]
            if len(fits) != 1:
                break
            place = fits[0]
        found.append(place)
    return found


def environment_of(pid: int) -> dict[str, str]:
    """The environment that a process was started with; {} where that cannot be read."""
    try:
        import psutil

        return dict(psutil.Process(pid).environ())
    except Exception:
        return {}
