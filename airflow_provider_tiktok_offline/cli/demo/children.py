"""The demo's child processes; what they write is kept in a log, and named in the error if one ends early."""

from __future__ import annotations

import os
import queue
import subprocess
from collections.abc import Mapping
from pathlib import Path
from threading import Thread

from airflow_provider_tiktok_offline.errors import TikTokOfflineError

_LINE_LENGTH = 300


class DemoError(TikTokOfflineError):
    """The demo did not show what it claims."""

    exit_code = 1


class ChildProcess:
    """A process that answers in lines which begin with a mark; every other line goes to its log.

    :param title: what it is, for errors.
    :param command: the command line.
    :param log: the file that its output is appended to.
    :param mark: how an answer begins.
    :param environment: its environment; None for this process's.
    """

    def __init__(
        self, title: str, command: list[str], log: Path, *, mark: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._title = title
        self._log = log
        self._mark = mark
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            command,
            env=_unbuffered(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = Thread(target=self._read, name=f"demo-{title}", daemon=True)
        self._reader.start()

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def ask(self, line: str) -> None:
        """Send a line to its standard input.

        :raises DemoError: if it has ended.
        """
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def answer(self) -> str:
        """The next answer, without waiting limit.

        :raises DemoError: if it ended instead; the message holds the last line of its log.
        """
        answer = self._answers.get()
        if answer is None:
            raise self._ended()
        return answer

    def check(self) -> None:
        """Make sure that it still runs.

        :raises DemoError: if it has ended.
        """
        if self._process.poll() is not None:
            raise self._ended()

    def _ended(self) -> DemoError:
        code = self._process.wait()
        self._reader.join()
        return child_error(self._title, code, self._log)

    def _read(self) -> None:
        with self._log.open("a") as log:
            for line in self._process.stdout or ():
                if line.startswith(self._mark):
                    self._answers.put(line.strip())
                else:
                    log.write(line)
                    log.flush()
        self._answers.put(None)


def run_to_end(title: str, command: list[str], log: Path, *, environment: Mapping[str, str]) -> None:
    """Run a command; what it writes goes to the log.

    :raises DemoError: if it fails; the message holds the last line of the log.
    """
    with log.open("a") as stream:
        ended = subprocess.run(command, env=_unbuffered(environment), stdout=stream, stderr=stream, check=False)
    if ended.returncode:
        raise child_error(title, ended.returncode, log)


def _unbuffered(environment: Mapping[str, str] | None) -> dict[str, str]:
    """The environment of a child whose output is in the order in which it was written: its error is the last line."""
    return {**(os.environ if environment is None else environment), "PYTHONUNBUFFERED": "1"}


def child_error(title: str, code: int, log: Path) -> DemoError:
    """That a child process has ended, with the last line of its log, which names the error of a traceback."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1][:_LINE_LENGTH] if lines else "it wrote nothing"
    return DemoError(f"{title} ended with exit code {code}: {last}.")
