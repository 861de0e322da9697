"""A service as a process with a log, and free ports for it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil


class ProgramMissingError(RuntimeError):
    """A program of a system package is not installed; these tests need the real one."""


def program(name: str, package: str, *folders: Path) -> str:
    """The path of a program.

    :param folders: where it may lie beside ``PATH``.
    :raises ProgramMissingError: if it is not installed; the message names Debian's package.
    """
    for place in (None, *map(str, folders)):
        found = shutil.which(name, path=place)
        if found is not None:
            return found
    raise ProgramMissingError(f"{name} is needed: apt-get install {package}")


def clock_off(seconds: int, folder: Path) -> dict[str, str]:
    """The variables under which a process and all that it starts find the wall clock so many seconds ahead.

    :param folder: where the library that does it is built.
    :raises ProgramMissingError: without a C compiler.
    """
    library = folder / "clock_off.so"
    source = Path(__file__).with_name("clock_off.c")
    subprocess.run([program("cc", "gcc libc6-dev"), "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_OFF": str(seconds)}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """One service; start, stop and kill it as often as wanted.

    :param folder: its working directory; its output goes to ``output.log`` there.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.command = list(command)
        self.folder = folder
        self.environment = dict(environment)
        self.log = folder / "output.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False

    def start(self, **environment: str) -> None:
        """Start it; the given variables stay for later starts."""
        assert not self.alive, f"{self.name} runs already"
        self.environment |= environment
        self._wanted = True
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_again(self) -> bool:
        """Start it if it has ended by itself, as ``restart: unless-stopped`` does; whether it had."""
        if not self._wanted or self.alive:
            return False
        self.start()
        return True

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id; None before it was started."""
        return None if self._process is None else self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def pids(self) -> set[int]:
        """It and everything it has started."""
        if self._process is None:
            return set()
        with contextlib.suppress(psutil.NoSuchProcess):
            main = psutil.Process(self._process.pid)
            return {main.pid, *(child.pid for child in main.children(recursive=True))}
        return set()

    def listens_at(self) -> set[str]:
        """The addresses at which it, or something it has started, can be reached."""
        found = set()
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                connections = process.net_connections()
                found |= {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}
        return found

    def stop(self, seconds: float = 30) -> None:
        """Ask it to end, as ``docker compose stop`` does; what is left after that time is killed."""
        self._wanted = False
        if self._process is None:
            return
        family = self._family()
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        _each(family, "kill")
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL for it and everything it has started, as when a machine goes away."""
        self._wanted = False
        if self._process is None:
            return
        # Stopped first: then none starts another one meanwhile, nor notices another's end.
        _each(self._family(), "suspend")
        _each(self._family(), "kill")
        self._process.wait()

    def tail(self, characters: int = 3000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def _family(self) -> list[psutil.Process]:
        found = []
        for pid in self.pids():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found


def _each(family: list[psutil.Process], action: str) -> None:
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            getattr(one, action)()
