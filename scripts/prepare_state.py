"""Make what a deployment's state needs before its first run: the bucket, and a ledger for each live advertiser.

``python scripts/prepare_state.py dags/advertisers.yaml``; whatever is there already stays as it is. Connections come
from ``AIRFLOW_CONN_*``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.connections import Connections
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.storage.uris import parse


def prepare(path: Path, connections: Connections) -> list[str]:
    """Make bucket and ledger of each advertiser in a configuration that is live; returns their names."""
    live = [config for config in load_config(path).advertisers.values() if config.mode == "live"]
    for config in live:
        for uri in (config.state_uri, config.staging):
            make_bucket(uri, connections)
        ctx = DeliveryContext(config=config, connections=connections, holder="set-up")
        Ledger.init(
            ctx.objects,
            config.event_set_id,
            identity=config.identity_settings(),
            clock=ctx.clock,
            secret=ctx.ledger_secret,
        )
    return [config.name for config in live]


def make_bucket(uri: str, connections: Connections) -> None:
    """Make the bucket of an ``s3://conn_id@bucket/prefix`` if the server has none of that name."""
    place = parse(uri)
    if place.scheme != "s3":
        return
    from airflow_provider_tiktok_offline.storage.backends.s3_files import s3_client

    client = s3_client(None if place.conn_id is None else connections.get(place.conn_id))
    if place.bucket not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=place.bucket)


if __name__ == "__main__":
    names = prepare(Path(sys.argv[1]), EnvironmentConnections())
    sys.stdout.write(f"ready: {', '.join(names) or 'no live advertiser'}\n")
