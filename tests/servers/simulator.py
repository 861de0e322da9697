"""The simulator as a process of its own on a free port."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_tiktok_offline.simulator.control_client import Control
from airflow_provider_tiktok_offline.simulator.defaults import (
    ACCESS_TOKEN,
    ADVERTISER_ID,
    APP_ID,
    APP_SECRET,
    EVENT_SET_ID,
)

__all__ = ["ACCESS_TOKEN", "ADVERTISER_ID", "APP_ID", "APP_SECRET", "EVENT_SET_ID", "RunningSimulator", "simulator"]


class RunningSimulator:
    """A simulator that answers at ``url``; ``control`` scripts faults and reads back."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.control = Control(url)
        self.process = process

    def event_ids(self) -> Counter[str]:
        """Event id -> how many events are held under it (more than one: it counted twice)."""
        return Counter(held.item["event_id"] for held in self.control.events())

    def times_received(self) -> dict[str, int]:
        """Event id -> how often it came, before dedupe."""
        return {each.event_id: each.times for each in self.control.received()}

    def items(self) -> dict[str, dict[str, Any]]:
        """Event id -> the item as sent, of every event held."""
        return {held.item["event_id"]: held.item for held in self.control.events()}


@contextmanager
def simulator(*, sink: bool = False, state: Path | None = None, port: int = 0) -> Iterator[RunningSimulator]:
    """Start a simulator, wait until it answers, stop it at the end."""
    command = [sys.executable, "-m", "airflow_provider_tiktok_offline.simulator", "--port", str(port)]
    if sink:
        command.append("--sink")
    if state is not None:
        command += ["--state", str(state)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"the simulator ended with {process.wait()} before it answered")
        yield RunningSimulator(url, process)
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()
