"""200 advertisers waiting on one SFTP server in one triggerer process: logins and processor time a look.

``python -m benchmarks.triggers [--small]``: every advertiser has a folder of its own on OpenSSH's server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

INTERVAL = 5.0


def main() -> None:
    """Measure and print."""
    small = "--small" in sys.argv
    count, looks = (20, 2) if small else (200, 6)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("AIRFLOW_HOME", folder)
        from tests.servers.sshd import sshd

        with sshd() as server:
            connection = server.connection("sftp_shops")
            os.environ["AIRFLOW_CONN_SFTP_SHOPS"] = json.dumps(
                {
                    "conn_type": "sftp",
                    "host": connection.host,
                    "port": connection.port,
                    "login": connection.login,
                    "extra": dict(connection.extra),
                }
            )
            before, used = server.logins(), time.process_time()
            asyncio.run(_watch(Path(folder), count, looks))
            logins, seconds = server.logins() - before, time.process_time() - used
    print(f"{count} advertisers, {looks} looks: {logins} logins, {1000 * seconds / looks:.0f} ms of processor a look")


async def _watch(folder: Path, count: int, looks: int) -> None:
    from airflow_provider_tiktok_offline.triggers.conversion_file import ConversionFileTrigger

    triggers = []
    for number in range(count):
        inbox = folder / f"shop_{number}"
        inbox.mkdir()
        settings: dict[str, Any] = {
            "name": f"shop_{number}",
            "advertiser_id": "7000000000000000101",
            "event_set_id": "7000000000000000201",
            "state_uri": str(folder / "state"),
            "source": {"conn_id": "sftp_shops", "path": f"{inbox}/sales_{{{{ ds_nodash }}}}.csv"},
        }
        triggers.append(ConversionFileTrigger(settings=settings, day="2026-11-21", poke_interval=INTERVAL))

    async def wait_for_nothing(trigger: ConversionFileTrigger) -> None:
        async for event in trigger.run():
            raise SystemExit(f"unexpected event: {event}")

    tasks = [asyncio.create_task(wait_for_nothing(trigger)) for trigger in triggers]
    loop = asyncio.get_running_loop()
    # The first look comes after an interval, at the next moment that all share; stop between two looks.
    first = (loop.time() + INTERVAL) // INTERVAL * INTERVAL + INTERVAL
    await asyncio.sleep(first + (looks - 0.5) * INTERVAL - loop.time())
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(outcome, asyncio.CancelledError):
            raise outcome or SystemExit("a trigger ended")


if __name__ == "__main__":
    main()
