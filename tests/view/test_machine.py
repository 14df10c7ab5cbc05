"""The machine under a run: the program's processes, the GPUs that it uses, and whether training waits for its data."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from tui.run.events import Gate
from tui.view import machine
from tui.view.draw.load import graphics, idle, processor, size
from tui.view.machine import Gpu, Load, Machine, Sampler, Subject, visible_places

from ..support import until
from . import scripted
from .conftest import Opener, Viewer
from .scripted import Tape

GB = 1 << 30
ONE = Gpu(0, "NVIDIA H100", 0.93, 31 * GB, 80 * GB, 412.4, 64)


# ── processes ──


@pytest.fixture
def parent() -> Any:
    """A process with a child: both wait, the child holds 64 MB of its own."""
    child = "x = bytearray(range(256)) * (1 << 18); print(flush=True); import sys; sys.stdin.read()"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate(b"")


def test_children_count_too(parent: Any) -> None:
    load = Sampler(Subject(parent.pid)).sample()
    assert load is not None and load.processes == 2 and load.cores == os.cpu_count()
    assert 1 << 20 < load.memory < 60 << 20 < 64 << 20 < load.others < 1 << 30
    assert load.cpu is None and load.gpus == ()  # one look alone tells no rate


def test_memory_is_that_of_the_process_that_trains(parent: Any) -> None:
    import psutil

    child = psutil.Process(parent.pid).children()[0]
    load = Sampler(Subject(parent.pid, child.pid)).sample()
    assert load is not None and load.memory > 64 << 20 > load.others > 0


def test_cores_in_use_are_those_of_the_time_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    spent = [3.0]
    monkeypatch.setattr(psutil.Process, "cpu_times", lambda process: SimpleNamespace(user=spent[0], system=spent[0]))
    clock = [100.0]
    monkeypatch.setattr(machine.time, "monotonic", lambda: clock[0])
    sampler = Sampler(Subject(os.getpid()))
    sampler._family = {os.getpid(): psutil.Process()}
    sampler._family_due = 1e9
    assert sampler.sample().cpu is None  # type: ignore[union-attr]
    spent[0], clock[0] = 4.5, 102.0
    assert sampler.sample().cpu == pytest.approx(1.5)  # type: ignore[union-attr]


def test_a_process_that_is_gone_has_no_load(parent: Any) -> None:
    sampler = Sampler(Subject(parent.pid))
    assert sampler.sample() is not None
    parent.communicate(b"")
    sampler._family_due = 0.0
    assert sampler.sample() is None
    assert Sampler(Subject(2**22 + 5)).sample() is None


# ── when it is looked at ──


def test_a_look_a_second_in_the_background_and_none_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    here = threading.current_thread().name

    class Counts:
        def __init__(self, subject: Subject) -> None:
            self.subject = subject

        def sample(self) -> Load:
            assert threading.current_thread().name != here
            seen.append(f"{self.subject.pid}")
            return Load(memory=self.subject.pid)

    monkeypatch.setattr(machine, "Sampler", Counts)
    clock = [0.0]
    watched = Machine(lambda: clock[0])
    assert watched.look(None) is None and seen == []
    until(lambda: watched.look(Subject(7)))
    clock[0] = 0.9
    assert watched.look(Subject(7)) == Load(memory=7) and seen == ["7"]
    clock[0] = 1.1
    until(lambda: watched.look(Subject(7)) and len(seen) == 2)
    assert watched.look(None) is None and len(seen) == 2
    until(lambda: watched.look(Subject(8)) == Load(memory=8))


# ── GPUs ──


class Nvml:
    """NVIDIA's library, as far as it is asked: two GPUs, the second at work for process 42."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self, running: dict[int, list[int]], refuses: tuple[str, ...] = (), count: int = 2) -> None:
        self.running, self.refuses, self.count = running, refuses, count

    def __getattr__(self, name: str) -> Any:
        if name in self.refuses:
            raise self.NVMLError(name)
        known = {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetCount": lambda: self.count,
            "nvmlDeviceGetHandleByIndex": lambda place: place,
            "nvmlDeviceGetUUID": lambda place: f"GPU-{place}a-{place}",
            "nvmlDeviceGetComputeRunningProcesses": lambda place: [
                SimpleNamespace(pid=pid) for pid in self.running.get(place, [])
            ],
            "nvmlDeviceGetName": lambda place: b"NVIDIA H100",
            "nvmlDeviceGetUtilizationRates": lambda place: SimpleNamespace(gpu=93, memory=40),
            "nvmlDeviceGetMemoryInfo": lambda place: SimpleNamespace(used=31 * GB, total=80 * GB),
            "nvmlDeviceGetPowerUsage": lambda place: 412_400,
            "nvmlDeviceGetTemperature": lambda place, kind: 64,
        }
        if name not in known:
            raise AttributeError(name)
        return known[name]


def gpus(
    monkeypatch: pytest.MonkeyPatch, nvml: Any, device: str = "cuda:0", visible: Optional[str] = None
) -> tuple[Gpu, ...]:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    monkeypatch.setattr(machine, "environment_of", lambda pid: environment)
    return machine.Gpus(Subject(42, 42, device)).read({42, 43})


def test_the_gpu_on_which_the_program_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpus(monkeypatch, Nvml({1: [42]})) == (Gpu(1, "NVIDIA H100", 0.93, 31 * GB, 80 * GB, 412.4, 64),)
    assert [one.index for one in gpus(monkeypatch, Nvml({0: [43], 1: [42]}))] == [0, 1]


@pytest.mark.parametrize(
    "device, visible, expected",
    [
        ("cuda:0", None, [0]),
        ("cuda:1", None, [1]),
        ("cuda", None, [0]),
        ("cuda:0", "1", [1]),
        ("cuda:1", "1,0", [0]),
        ("cuda:0", "GPU-1a", [1]),
        ("cuda:0", "", []),
        ("cuda:0", "-1", []),
        ("cuda:5", None, []),
        ("cpu", None, []),
        ("mps", None, []),
    ],
)
def test_where_the_driver_knows_other_process_numbers(
    monkeypatch: pytest.MonkeyPatch, device: str, visible: Optional[str], expected: list[int]
) -> None:
    found = gpus(monkeypatch, Nvml({0: [99], 1: [99]}), device, visible)
    assert [one.index for one in found] == expected


def test_cuda_visible_devices_as_cuda_reads_it() -> None:
    uuids = ["GPU-aa11", "GPU-bb22", "GPU-bc33"]
    assert visible_places("2,0", uuids) == [2, 0]
    assert visible_places("GPU-bb,1", uuids) == [1, 1]
    assert visible_places("0,7,1", uuids) == [0]  # what stands behind one that is not there is not seen
    assert visible_places("GPU-b", uuids) == []  # two could be meant


@pytest.mark.parametrize("refused", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex"])
def test_without_a_driver_there_is_nothing(monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    assert gpus(monkeypatch, Nvml({1: [42]}, (refused,))) == ()
    assert gpus(monkeypatch, None) == ()  # the library itself is not there


def test_what_cannot_be_read_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    refuses = ("nvmlDeviceGetUtilizationRates", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetComputeRunningProcesses")
    found = gpus(monkeypatch, Nvml({1: [42]}, refuses))
    assert found == (Gpu(0, "NVIDIA H100", None, 31 * GB, 80 * GB, None, 64),)
    assert graphics(found)[0] == "GPU 31/80 GB 64 °C"


# ── in words ──


def test_words() -> None:
    assert processor(Load(1.87, 1288490189)) == "CPU 187 % 1.2 GB"
    assert processor(Load(None, 640 << 20)) == "CPU 640 MB"
    assert graphics([ONE]) == ["GPU 93 % 31/80 GB 412 W 64 °C", "GPU 93 % 31/80 GB", "GPU 93 %"]
    cool = Gpu(1, "", 0.71, 60 * GB, 80 * GB, 300.0, 50)
    assert graphics([ONE, cool])[0] == "2 GPUs 71–93 % 60/80 GB 712 W 64 °C"
    assert graphics([]) == graphics([Gpu(0)]) == []
    assert [size(one) for one in (0, 1 << 20, 9 * GB, 31 * GB, 3 << 40)] == [
        "0 MB",
        "1 MB",
        "9.0 GB",
        "31 GB",
        "3.0 TB",
    ]


def test_a_gpu_that_is_at_work_is_not_starving() -> None:
    assert idle(None) and idle(Load()) and idle(Load(gpus=(Gpu(0, use=0.6),)))
    assert not idle(Load(gpus=(ONE,)))
    assert idle(Load(gpus=(ONE, Gpu(1, use=0.2))))


# ── in the header ──


def showing(viewer: Viewer, load: Optional[Load]) -> list[Optional[Subject]]:
    """The app's looks find this load; who was looked at."""
    asked: list[Optional[Subject]] = []

    def look(subject: Optional[Subject]) -> Optional[Load]:
        asked.append(subject)
        return load if subject is not None else None

    viewer.app.machine.look = look  # type: ignore[method-assign]
    return asked


def slow(tape: Tape, wait: float = 0.38) -> Tape:
    """Two steps a second, and waiting for most of the time."""
    ticks = [scripted.tick(scripted.reader(), step, 8 + (step - 500) / 2, wait=wait) for step in range(505, 601, 5)]
    return tape.add(*[type(one)(**{**vars(one), "steps_per_s": 2.0}) for one in ticks])


@pytest.mark.parametrize(
    "width, gpu, words",
    [
        (120, (), "CPU 187 % 1.2 GB"),
        (120, (ONE,), "GPU 93 % 31/80 GB 412 W 64 °C"),
        (200, (ONE,), "GPU 93 % 31/80 GB 412 W 64 °C · CPU 187 % 1.2 GB"),
        (110, (ONE,), "GPU 93 % 31/80 GB"),
    ],
)
async def test_the_header_says_as_much_as_fits(show: Opener, tape: Tape, width: int, gpu: Any, words: str) -> None:
    async with show(tape, size=(width, 50)) as viewer:
        showing(viewer, Load(1.87, 1288490189, 0, 1, 16, gpu))
        await viewer.until(lambda: viewer.rows()[0].rstrip().endswith(words))
        assert "step 500" in viewer.rows()[0] and "probe" in viewer.rows()[1]


async def test_the_program_is_looked_at_while_it_runs_and_is_seen(show: Opener, tape: Tape) -> None:
    async with show(tape) as viewer:
        asked = showing(viewer, None)
        about = viewer.scene.source.about
        await viewer.until(lambda: asked and asked[-1] == Subject(about["pid"], 4711, "cpu"))
        tape.add(Gate(9.0, 500, True, "backward", "asked"))
        await viewer.until(lambda: viewer.scene.paused)
        asked.clear()
        viewer.app._poll()
        assert asked == []  # what is held does nothing
        tape.add(Gate(9.0, 500, False, "backward"))
        tape.end(status=0)
        await viewer.until(lambda: viewer.scene.source.over and asked and asked[-1] is None)


async def test_where_only_the_warning_has_room_nobody_is_looked_at(show: Opener, tape: Tape) -> None:
    async with show(tape, size=(80, 24)) as viewer:
        asked = showing(viewer, Load(1.87, 1288490189))
        await viewer.until(lambda: asked)
        assert set(asked) == {None} and "CPU" not in viewer.rows()[0]
        assert "waits for data" not in viewer.screen()
        slow(tape)
        await viewer.until(lambda: "▲ waits for data 38 %" in viewer.rows()[1])


async def test_no_warning_where_the_gpu_is_at_work(show: Opener, tape: Tape) -> None:
    async with show(slow(tape), size=(200, 50)) as viewer:
        assert "▲ waits for data 38 %" in viewer.rows()[1]
        showing(viewer, Load(gpus=(ONE,)))
        await viewer.until(lambda: "waits for data" not in viewer.rows()[1])


async def test_on_another_host_there_is_nothing_to_look_at(show: Opener, state: Any) -> None:
    async with show(state("other host")) as viewer:
        asked = showing(viewer, Load(1.0, GB))
        await viewer.until(lambda: asked)
        assert set(asked) == {None} and "CPU" not in viewer.rows()[0]


def test_looking_is_cheap_for_the_app() -> None:
    """The library and the processes are read in another thread: `look` itself starts it and returns."""

    class Waits:
        def __init__(self, subject: Subject) -> None:
            self.may_end = threading.Event()

        def sample(self) -> None:
            self.may_end.wait(30)

    original, machine.Sampler = machine.Sampler, Waits  # type: ignore[misc,assignment]
    try:
        watched = Machine()
        assert watched.look(Subject(1)) is None and watched.look(Subject(1)) is None
        watched._sampler.may_end.set()  # type: ignore[union-attr]
    finally:
        machine.Sampler = original  # type: ignore[misc]
