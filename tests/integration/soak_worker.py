"""``python -m tests.integration.soak_worker CONFIG CONNECTIONS LOGS SOCKET``: workers that deliver advertisers' days.

Each connection to the socket is a worker: a process of its own, forked from this one, which has loaded everything and
used nothing. Its first line is its process id. Then each line sent is a job, and each line received what became of it.
A worker may be killed at any moment; another one goes on.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import pkgutil
import signal
import socket
import sys
import traceback
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import airflow_provider_tiktok_offline as package
from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.config.loading import LoadedConfig, load_config
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.sequences import deliver_to_liveramp, deliver_to_tiktok
from airflow_provider_tiktok_offline.delivery.source.find_file import find
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.errors import StorageUnavailableError, TikTokOfflineError
from tests.servers.sshd import StaticConnections

#: What a delivery loads; no task of Airflow's.
_PARTS = ("config", "conversions", "delivery", "ledger", "liveramp", "storage", "tiktok")
#: Threads that Polars, pyarrow and deltalake start when they are loaded. They clean up; no worker waits for them.
_OF_LOADING = {"jemalloc_bg_thd", "polars-ooc-clea"}


def main() -> None:
    """Fork a worker for each connection, until told to end."""
    config, connections, logs, place = sys.argv[1:]
    loaded = load_config(config)
    known = StaticConnections(*(Connection(**each) for each in json.loads(Path(connections).read_text())))
    _load_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        print("ready", flush=True)  # noqa: T201 - the answer
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _work(connection, loaded, known, Path(logs))
            connection.close()


def _load_everything() -> None:
    """Load what a worker needs: what was loaded may be forked, what was used (Polars, deltalake) may not."""
    for part in _PARTS:
        module = import_module(f"{package.__name__}.{part}")
        for found in pkgutil.walk_packages(module.__path__, f"{module.__name__}."):
            if not found.name.endswith("encryption_process"):
                import_module(found.name)
    names = {(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
    used = names - {Path("/proc/self/comm").read_text().strip()} - _OF_LOADING
    if used:
        raise RuntimeError(f"a forked worker could hang: these threads are at work: {used}")


def _work(connection: socket.socket, loaded: LoadedConfig, known: StaticConnections, logs: Path) -> None:
    """Answer jobs until the connection ends, then end the process."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        logging.basicConfig(filename=logs / f"{os.getpid()}.log", level=logging.DEBUG)
        with (logs / f"{os.getpid()}.crash").open("w") as crash:
            faulthandler.enable(crash)
            _answer(connection, loaded, known)
        status = 0
    finally:
        os._exit(status)


def _answer(connection: socket.socket, loaded: LoadedConfig, known: StaticConnections) -> None:
    with connection.makefile("rw") as lines:
        _say(lines, os.getpid())
        for line in lines:
            _say(lines, _done(json.loads(line), loaded, known))


def _say(lines: Any, answer: object) -> None:
    lines.write(json.dumps(answer) + "\n")
    lines.flush()


def _done(job: dict[str, Any], loaded: LoadedConfig, connections: StaticConnections) -> dict[str, object]:
    """``closed``: everything of the file is settled. ``error``: why not. ``traceback``: what nobody foresaw."""
    try:
        return {"closed": _deliver(job, loaded, connections)}
    except TikTokOfflineError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    except BaseException:
        # A panic in a library is no Exception.
        return {"traceback": traceback.format_exc()}


def _deliver(job: dict[str, Any], loaded: LoadedConfig, connections: StaticConnections) -> bool:
    day = date.fromisoformat(job["day"])
    ctx = DeliveryContext(
        config=loaded.advertiser(job["name"]),
        connections=connections,
        holder=f"{job['name']}/{day}",
        clock=ManualClock(datetime.fromisoformat(job["now"])),
    )
    found = find(ctx, day)
    if not found.ready:
        raise StorageUnavailableError("the file is not there yet.", where=job["name"])
    for stamp in found.files:
        if ctx.config.route == "liveramp":
            deliver_to_liveramp(ctx, stamp)
        else:
            deliver_to_tiktok(ctx, stamp)
    return all(ctx.deliveries.get(one).status == "closed" for one in deliveries_of_run(ctx))


if __name__ == "__main__":
    main()
