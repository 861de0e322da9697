"""Processes that deliver files and can be killed, as the soak sees them: :mod:`.soak_worker` is their own side."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_JOB_SECONDS = 120.0
_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Worker:
    """A process that delivers files, and that can be killed.

    :param place: where workers are forked.
    """

    def __init__(self, place: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(place))
        self._lines = self._socket.makefile("rw")
        self._pid = int(self._lines.readline())

    def ask(self, job: dict[str, str], kill_after: float | None) -> dict[str, Any] | None:
        """What became of a job; None if the worker was killed meanwhile.

        :raises AssertionError: if the worker has ended by itself, or does not answer.
        """
        self._lines.write(json.dumps(job) + "\n")
        self._lines.flush()
        ready, _, _ = select.select([self._socket], [], [], _JOB_SECONDS if kill_after is None else kill_after)
        if not ready:
            os.kill(self._pid, signal.SIGKILL)
            # It is gone when its connection ends, and may have answered before.
            while self._lines.readline():
                pass
            self.end()
            assert kill_after is not None, f"no answer in {_JOB_SECONDS} s: {job}"
            return None
        line = self._lines.readline()
        assert line, f"the worker has ended: {job}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Let it end."""
        self._lines.close()
        self._socket.close()


@contextmanager
def workers(folder: Path, config: Path, connections: Path, logs: Path) -> Iterator[Path]:
    """The process that forks workers; the socket where it does."""
    place = folder / "workers"
    command = [sys.executable, "-m", "tests.integration.soak_worker", str(config), str(connections), str(logs)]
    process = subprocess.Popen(
        [*command, str(place)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **_ONE_THREAD, "AWS_EC2_METADATA_DISABLED": "true"},
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield place
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
