"""The terminal is given back whole: same attributes, no mode left on, the right exit status, whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import psutil  # type: ignore[import-untyped]
import pytest

from tests.terminal import JOB_SHELL, NOHUP_SHELL, PLAIN_SHELL, Terminal

ROOT = Path(__file__).parents[2]

# An app that repaints ten times a second, and writes down that its event loop is alive.
PROGRAM = """
import os, sys
from pathlib import Path
from tui.view.terminal import guarded

folder = Path(sys.argv[1])
patient = "patient" in sys.argv

def run():
    from textual.app import App
    from textual.widgets import Static
    from tui.view.driver import Driver, PatientApp, slow

    class Tiny(PatientApp[int] if patient else App[int]):
        ENABLE_COMMAND_PALETTE = False
        BINDINGS = [("q", "quit"), ("ctrl+z", "suspend_process"), ("e", "error"), ("w", "work_badly"), ("h", "hang")]
        ticks = 0
        painted = 0

        def compose(self):
            yield Static("starting")

        def on_mount(self):
            (folder / "pid").write_text(str(os.getpid()))
            self.set_interval(0.1, self.tick)

        def on_key(self, event):
            self.query_one(Static).update(f"key {event.key}")
            (folder / "key").write_text(event.key)

        def tick(self):
            self.ticks += 1
            if patient or not slow(self):
                self.painted += 1
                colours = "".join(f"[rgb({i * 9 % 256},{self.ticks % 256},99)]#[/]" for i in range(self.size.width * 20))
                self.query_one(Static).update(f"tick {self.ticks} of {self.size.width}\\n{colours}")
            with open(folder / "ticks", "a") as file:
                driver = self._driver
                print(self.ticks, self.painted, driver.backlog, driver.bytes_written, file=file)

        def action_error(self):
            raise ValueError("a bad widget")

        def action_work_badly(self):
            def work():
                raise ValueError("a bad worker")
            self.run_worker(work, thread=True)

        def action_hang(self):
            (folder / "hangs").touch()
            while True:
                pass

    if "lost" in sys.argv:  # what is written at the end does not get through in time
        from tui.view import driver

        def lose(self):
            self._lost = True
            self._texts.clear()

        driver._Output.drop_frames = lose
    app = Tiny(driver_class=Driver)
    app.run()
    return app.return_code or 0

if "early" in sys.argv:
    def run():
        raise ValueError("before the app")

sys.exit(guarded(run))
"""


class Tiny:
    """The program above, in a terminal."""

    def __init__(
        self, folder: Path, *options: str, under: tuple[str, ...] = PLAIN_SHELL, answers: bool = False
    ) -> None:
        self.folder = folder
        program = folder / "program.py"
        program.write_text(PROGRAM)
        self.line = [sys.executable, str(program), str(folder), *options]
        command = list(under) if under == JOB_SHELL else [*under, *self.line]
        self.terminal = Terminal(command, env={"PYTHONPATH": str(ROOT), "PS1": "ready> "}, answers=answers)
        self._child: Optional[psutil.Process] = None

    def shows(self, text: str = "tick", most_s: float = 10.0) -> str:
        return self.terminal.until(lambda screen: text in screen, most_s, f"shows {text!r}")

    def moves_on(self) -> None:
        """Waits until the app paints something new."""
        now = self.terminal.until(lambda screen: screen.startswith("tick"), 10, "ticks").splitlines()[0]
        self.terminal.until(lambda screen: screen.startswith("tick") and not screen.startswith(now), 10, "moves on")

    @property
    def child(self) -> psutil.Process:
        """The viewer; its parent is the guard."""
        if self._child is None:
            self._child = psutil.Process(int((self.folder / "pid").read_text()))
        return self._child

    @property
    def guard(self) -> psutil.Process:
        parent = self.child.parent()
        assert parent is not None
        return parent

    def ticks(self) -> tuple[int, ...]:
        """How often the event loop ticked, the app painted, what waited, and the bytes written."""
        lines = (self.folder / "ticks").read_text().splitlines()
        return tuple(int(part) for part in lines[-1].split())

    def whole(self) -> None:
        assert self.terminal.modes_left_on() == []
        assert self.terminal.attributes() == self.terminal.before

    def ends_whole(self, status: int, most_s: float = 10.0) -> None:
        assert self.terminal.wait_exit(most_s) == status
        self.whole()


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    app = Tiny(tmp_path)
    with app.terminal:
        app.shows()
        assert "1049" in app.terminal.modes_left_on()
        assert app.terminal.attributes() != app.terminal.before
        yield app


def gone_soon(processes: list[psutil.Process], most_s: float = 5.0, most_cpu_s: float = 0.3) -> None:
    """All end (the promise is 2 s), and do not work meanwhile."""
    start = time.monotonic()
    before = {process: _cpu_s(process) or 0.0 for process in processes}
    spent = dict.fromkeys(processes, 0.0)
    left = set(processes)
    while left:
        assert time.monotonic() - start < most_s, f"still there: {left}"
        for process in list(left):
            cpu_s = _cpu_s(process)
            if cpu_s is None:
                left.remove(process)
            else:
                spent[process] = cpu_s - before[process]
        time.sleep(0.01)
    assert all(cpu_s < most_cpu_s for cpu_s in spent.values()), spent


def _cpu_s(process: psutil.Process) -> Optional[float]:
    try:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return None
        times = process.cpu_times()
        return float(times.user + times.system)
    except psutil.NoSuchProcess:
        return None


def wait_for(condition, most_s: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def test_quit(tiny: Tiny) -> None:
    tiny.terminal.keys("q")
    tiny.ends_whole(0)


def test_error_in_a_widget(tiny: Tiny) -> None:
    tiny.terminal.keys("e")
    tiny.ends_whole(1)
    assert "a bad widget" in tiny.shows("a bad widget")


def test_an_error_is_read_although_the_end_did_not_get_through(tmp_path: Path) -> None:
    app = Tiny(tmp_path, "lost")
    with app.terminal:
        app.shows()
        app.terminal.keys("e")
        app.ends_whole(1)
        app.shows("a bad widget")


def test_error_in_a_thread(tiny: Tiny) -> None:
    tiny.terminal.keys("w")
    tiny.ends_whole(1)
    tiny.shows("a bad worker")


def test_error_before_the_app(tmp_path: Path) -> None:
    app = Tiny(tmp_path, "early")
    with app.terminal:
        app.ends_whole(1)
        app.shows("before the app")


@pytest.mark.parametrize(
    "name, status",
    [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130), ("SIGABRT", 134), ("SIGSEGV", 139), ("SIGKILL", 137)],
)
def test_signal_to_the_viewer(tiny: Tiny, name: str, status: int) -> None:
    tiny.child.send_signal(getattr(signal, name))
    tiny.ends_whole(status)


@pytest.mark.parametrize("name, status", [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_signal_to_the_guard(tiny: Tiny, name: str, status: int) -> None:
    tiny.guard.send_signal(getattr(signal, name))
    tiny.ends_whole(status)


def test_signal_to_both(tmp_path: Path) -> None:
    app = Tiny(tmp_path, under=())  # the guard leads the session: the group is its own
    with app.terminal:
        app.shows()
        os.killpg(app.terminal.process.pid, signal.SIGTERM)
        app.ends_whole(143)


def test_hanging_app_ends_all_the_same(tiny: Tiny) -> None:
    tiny.terminal.keys("h")
    wait_for((tiny.folder / "hangs").exists)
    tiny.guard.send_signal(signal.SIGHUP)
    tiny.ends_whole(129, most_s=8)


def test_killed_while_nobody_reads(tiny: Tiny) -> None:
    tiny.terminal.stop_reading()
    wait_for(lambda: tiny.ticks()[2] > 0)
    processes = [tiny.child, tiny.guard]
    tiny.child.kill()
    gone_soon(processes)
    tiny.terminal.resume_reading()
    tiny.ends_whole(137)


def test_stopped_and_continued_then_quit(tiny: Tiny) -> None:
    for _ in range(3):
        tiny.child.send_signal(signal.SIGSTOP)
        wait_for(lambda: tiny.terminal.attributes() == tiny.terminal.before)
        wait_for(lambda: not tiny.terminal.modes_left_on())
        tiny.child.send_signal(signal.SIGCONT)
        wait_for(lambda: "1049" in tiny.terminal.modes_left_on())
        tiny.shows()
        tiny.moves_on()
    tiny.terminal.keys("q")
    tiny.ends_whole(0)


def test_group_stopped_and_continued_then_quit(tmp_path: Path) -> None:
    app = Tiny(tmp_path)  # the shell, which stays, is one of the group
    with app.terminal:
        app.shows()
        for _ in range(3):
            os.killpg(app.terminal.process.pid, signal.SIGSTOP)
            wait_for(lambda: app.guard.status() == app.child.status() == psutil.STATUS_STOPPED)
            os.killpg(app.terminal.process.pid, signal.SIGCONT)
            app.moves_on()
        app.terminal.keys("q")
        app.ends_whole(0)


@pytest.mark.parametrize("group", [False, True])
def test_quit_with_a_key_that_was_typed_while_it_stood_still(tmp_path: Path, group: bool) -> None:
    app = Tiny(tmp_path)
    with app.terminal:
        app.shows()
        stopped = app.terminal.process.pid if group else app.child.pid
        send = os.killpg if group else os.kill
        send(stopped, signal.SIGSTOP)
        wait_for(lambda: app.child.status() == psutil.STATUS_STOPPED)
        if not group:
            wait_for(lambda: not app.terminal.modes_left_on())  # the guard has mended the terminal
        app.terminal.type("q\n")  # by now it may take whole lines
        send(stopped, signal.SIGCONT)
        app.ends_whole(0)


def test_no_shell_no_suspending(tmp_path: Path) -> None:
    app = Tiny(tmp_path)
    with app.terminal:
        app.shows()
        app.terminal.keys("ctrl+z")
        app.moves_on()
        app.child.send_signal(signal.SIGTSTP)
        app.moves_on()
        app.terminal.keys("q")
        app.ends_whole(0)


@pytest.fixture
def in_shell(tmp_path: Path) -> Iterator[Tiny]:
    """The program as a job of an interactive shell."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    app = Tiny(tmp_path, under=JOB_SHELL)
    with app.terminal:
        app.shows("ready>")
        app.terminal.type(" ".join(app.line) + "\r")
        app.shows("tick")
        yield app


def back_in_shell(app: Tiny) -> None:
    """Waits until the app has left the screen to the shell, and the shell has shown its prompt."""
    left = app.terminal.modes_left_on
    app.terminal.until(lambda screen: "1049" not in left() and screen.rstrip().endswith("ready>"), 10, "prompt")


def usable(app: Tiny, number: int) -> None:
    """The shell has the terminal: it echoes what is typed, and runs it."""
    app.terminal.type(f"echo sum-$((1000+{number}))\r")
    app.shows(f"sum-{1000 + number}")
    app.shows(f"echo sum-$((1000+{number}))")
    assert set(app.terminal.modes_left_on()) <= {"2004"}  # bash's own at its prompt


def test_suspended_and_continued_by_a_shell(in_shell: Tiny) -> None:
    app = in_shell
    threads = app.child.num_threads()
    for number in range(5):
        app.terminal.keys("ctrl+z")
        back_in_shell(app)
        usable(app, number)
        if number % 2:
            app.terminal.type("bg\r")
            usable(app, 100 + number)
            wait_for(lambda: app.guard.status() == app.child.status() == psutil.STATUS_STOPPED)
        app.terminal.type("fg\r")
        app.shows("tick")
        app.moves_on()
        assert app.child.num_threads() == threads
    app.terminal.keys("q")
    back_in_shell(app)
    usable(app, 50)
    app.terminal.type("echo status-$?; exit\r")
    app.terminal.wait_exit()
    app.whole()


@pytest.mark.parametrize("whom", ["viewer", "guard", "all"])
@pytest.mark.parametrize("name", ["SIGSTOP", "SIGTSTP"])
def test_stopped_from_outside_under_a_shell(in_shell: Tiny, name: str, whom: str) -> None:
    app, number = in_shell, getattr(signal, name)
    guard = app.guard
    if whom == "all":
        os.killpg(guard.pid, number)
    else:
        (app.child if whom == "viewer" else guard).send_signal(number)
    if name == "SIGSTOP" and whom != "viewer":
        # Nobody can tidy up, or knows that he should; but the shell is there, and all comes back.
        wait_for(lambda: "Stopped" in "\n".join(app.terminal.text()) or guard.status() == psutil.STATUS_STOPPED)
    else:
        back_in_shell(app)
        usable(app, 1)
    app.terminal.type("fg\r")
    wait_for(lambda: guard.status() != psutil.STATUS_STOPPED)
    app.shows("tick")
    app.moves_on()
    app.terminal.keys("q")
    back_in_shell(app)
    usable(app, 2)


def test_killed_as_a_stopped_job(in_shell: Tiny) -> None:
    app = in_shell
    processes = [app.child, app.guard]
    app.terminal.keys("ctrl+z")
    back_in_shell(app)
    app.terminal.type("kill %1\r")
    gone_soon(processes)
    usable(app, 1)


def test_killed_guard(in_shell: Tiny) -> None:
    app = in_shell
    child = app.child
    app.guard.kill()
    gone_soon([child])
    usable(app, 1)


@pytest.mark.parametrize("under", [(), PLAIN_SHELL, NOHUP_SHELL], ids=["alone", "shell", "nohup"])
def test_terminal_vanishes(tmp_path: Path, under: tuple[str, ...]) -> None:
    app = Tiny(tmp_path, under=under)
    with app.terminal:
        app.shows()
        processes = [app.child, app.guard]
        app.terminal.close_master()
        gone_soon(processes)


def test_end_of_input(tmp_path: Path) -> None:
    app = Tiny(tmp_path, under=(*PLAIN_SHELL, "sh", "-c", '"$@" < /dev/null', "sh"))
    with app.terminal:
        app.ends_whole(129)


@pytest.mark.parametrize("kind", ["polite", "patient"])
def test_terminal_that_nobody_reads(tmp_path: Path, kind: str) -> None:
    app = Tiny(tmp_path, kind, answers=kind == "patient")
    with app.terminal:
        app.shows()
        app.terminal.stop_reading()
        wait_for(lambda: app.ticks()[2] > 1)
        ticks, painted, _, written = app.ticks()
        start = time.monotonic()
        wait_for(lambda: app.ticks()[0] >= ticks + 30, most_s=8)  # three seconds' worth, on a machine that is busy
        assert time.monotonic() - start > 1
        assert app.ticks()[2] < 6  # and nothing piles up
        if kind == "polite":
            assert app.ticks()[1] == painted
        app.terminal.keys("x")  # keys stay immediate
        wait_for((app.folder / "key").exists, most_s=2)
        app.terminal.resume_reading()
        app.terminal.until(
            lambda screen: int((screen.split() + ["", "0"])[1]) > ticks + 30 if screen.startswith("tick") else False
        )
        app.moves_on()
        assert app.ticks()[3] > written
        assert app.ticks()[3] <= app.terminal.bytes + 200_000
        app.terminal.keys("q")
        app.ends_whole(0)


def test_quit_while_nobody_reads(tmp_path: Path) -> None:
    app = Tiny(tmp_path, "polite")
    with app.terminal:
        app.shows()
        app.terminal.stop_reading()
        wait_for(lambda: app.ticks()[2] > 1)
        processes = [app.child, app.guard]
        app.terminal.keys("q")
        gone_soon(processes)
        app.terminal.resume_reading()
        app.ends_whole(0)


def test_resized(tiny: Tiny) -> None:
    tiny.terminal.resize(60, 20)
    tiny.shows("of 60")
    tiny.terminal.resize(100, 30)
    tiny.shows("of 100")
    tiny.terminal.keys("q")
    tiny.ends_whole(0)
