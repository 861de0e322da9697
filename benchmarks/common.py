"""What several benchmarks need: one advertiser's settings, a server that stands for TikTok, and a process's peak."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EVENT_SET = "7000000000000000201"


def live_entry(file: Path | str, state_uri: Path | str) -> dict[str, object]:
    """The settings of an advertiser whose file is sent.

    :param file: its conversion file.
    """
    return {
        "name": "benchmark",
        "advertiser_id": "7000000000000000101",
        "event_set_id": EVENT_SET,
        "mode": "live",
        "currency": "USD",
        "phone_region": "US",
        "state_uri": str(state_uri),
        "source": {"path": str(file), "settle_seconds": 0},
    }


@contextmanager
def running_sink() -> Iterator[int]:
    """The port of a server on loopback that answers at once (:mod:`benchmarks.sink`)."""
    sink = subprocess.Popen([sys.executable, "-m", "benchmarks.sink"], stdout=subprocess.PIPE, text=True)
    assert sink.stdout is not None
    try:
        yield int(sink.stdout.readline())
    finally:
        sink.kill()
        sink.wait()


def own_peak_mb() -> float:
    """The most memory that this process had, in MB; what ``getrusage`` says is never below the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
