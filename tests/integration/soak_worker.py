"""``python -m tests.integration.soak_worker CONFIG CONNECTIONS LOG``: delivers one advertiser's day after the other.

Each line of standard input is a job, each line of standard output what became of it. The process may be killed at any
moment; another one goes on.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import date, datetime
from pathlib import Path
from typing import Any

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.config.loading import LoadedConfig, load_config
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.sequences import deliver_to_liveramp, deliver_to_tiktok
from airflow_provider_tiktok_offline.delivery.source.find_file import find
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.errors import StorageUnavailableError, TikTokOfflineError
from tests.servers.sshd import StaticConnections


def main() -> None:
    """Work until standard input ends."""
    config, connections, log = sys.argv[1:]
    logging.basicConfig(filename=log, level=logging.DEBUG)
    loaded = load_config(config)
    known = StaticConnections(*(Connection(**each) for each in json.loads(Path(connections).read_text())))
    for line in sys.stdin:
        print(json.dumps(_done(json.loads(line), loaded, known)), flush=True)  # noqa: T201 - the answer


def _done(job: dict[str, Any], loaded: LoadedConfig, connections: StaticConnections) -> dict[str, object]:
    """``closed``: everything of the file is settled. ``error``: why not. ``traceback``: what nobody foresaw."""
    try:
        return {"closed": _deliver(job, loaded, connections)}
    except TikTokOfflineError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    except Exception:
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
