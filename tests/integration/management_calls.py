"""A process that makes so many management calls as an advertiser: ``python -m tests.integration.management_calls``."""

from __future__ import annotations

import sys

from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.upload import open_client
from tests.servers.simulator import ACCESS_TOKEN
from tests.servers.sshd import StaticConnections


def main(path: str, name: str, url: str, count: str) -> None:
    """Ask for the advertiser again and again, as fast as the pace lets it."""
    config = load_config(path).advertiser(name)
    grant = Connection(conn_id="tiktok_default", conn_type="tiktok", host=url, password=ACCESS_TOKEN)
    ctx = DeliveryContext(config=config, connections=StaticConnections(grant), holder=f"calls/{name}")
    with open_client(ctx) as client:
        for _ in range(int(count)):
            client.get("/advertiser/info/", {"advertiser_ids": f'["{config.advertiser_id}"]'})


if __name__ == "__main__":
    main(*sys.argv[1:])
