"""What the deployment's processes are started with: system packages, and a clock of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.deployment.processes import Process, ProgramMissingError, clock_off, program
from tests.servers.waiting import wait_until

#: Prints what time it is, to Python and to a child process, and how long it waited for a lock that nobody gives back.
_CLOCKS = """
import multiprocessing, subprocess, time
child = int(subprocess.run(["date", "+%s"], capture_output=True, check=True).stdout)
lock = multiprocessing.Lock()
lock.acquire()
begun = time.monotonic()
time.sleep(0.2)
lock.acquire(timeout=0.2)
print(time.time(), child, time.monotonic() - begun)
"""


def test_a_missing_program_names_its_package() -> None:
    """Nothing is skipped."""
    with pytest.raises(ProgramMissingError, match=r"^no-such-server is needed: apt-get install postgresql$"):
        program("no-such-server", "postgresql")


def test_what_ended_by_itself_is_started_again_and_what_was_stopped_is_not(tmp_path: Path) -> None:
    """As ``restart: unless-stopped`` of the compose file has it."""
    service = Process("service", ["sleep", "0.1"], tmp_path, {"PATH": os.environ["PATH"]})
    assert not service.start_again(), "it was never started"
    service.start()
    assert not service.start_again(), "it runs"
    wait_until(lambda: not service.alive, "it ends", seconds=10)
    assert service.start_again()
    service.kill()
    assert not service.start_again(), "it was killed"


@pytest.mark.deployment
@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_clock_that_is_off_moves_the_time_of_day_alone(seconds: int, tmp_path: Path) -> None:
    """A process and what it starts find another time of day; waiting takes as long as ever."""
    environment = {**os.environ, **clock_off(seconds, tmp_path)}
    started = time.time()
    ended = subprocess.run([sys.executable, "-c", _CLOCKS], env=environment, capture_output=True, text=True, check=True)
    within = time.time() - started + 1
    own, child, waited = map(float, ended.stdout.split())
    assert seconds <= own - started <= seconds + within
    assert seconds - 1 <= child - started <= seconds + within
    assert 0.4 <= waited <= within
