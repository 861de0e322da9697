"""Which connections an advertiser's settings name."""

from __future__ import annotations

import re

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig


def connection_ids(config: AdvertiserConfig) -> dict[str, str]:
    """Connection id -> the key that names it, each once."""
    keys: dict[str, str] = {}
    if config.route == "tiktok" or config.reports is not None:
        keys[config.tiktok_conn_id] = "tiktok_conn_id"
    named = {
        "source.conn_id": config.source.conn_id,
        "ledger.secret_conn_id": config.ledger.secret_conn_id,
        "liveramp.conn_id": config.liveramp.conn_id if config.liveramp else None,
        **_notified(config),
    }
    uris = {
        "state_uri": config.state_uri,
        "staging_uri": config.staging_uri,
        "ledger.witness_uri": config.ledger.witness_uri,
        "source.path": config.source.path,
        "source.closed_dates": config.source.closed_dates if isinstance(config.source.closed_dates, str) else None,
        "suppression.uri": config.suppression.uri if config.suppression else None,
        "liveramp.destination": config.liveramp.destination if config.liveramp else None,
    }
    for key, conn_id in named.items():
        if conn_id is not None:
            keys.setdefault(conn_id, key)
    for key, uri in uris.items():
        in_uri = re.match(r"[a-z0-9]+://([^@/]+)@", uri or "")
        if in_uri:
            keys.setdefault(in_uri[1], key)
    return keys


def _notified(config: AdvertiserConfig) -> dict[str, str | None]:
    wanted = config.notifications
    if wanted is None:
        return {}
    return {
        # Without a connection of that id, Airflow takes the [smtp] section of its own configuration.
        "notifications.smtp_conn_id": wanted.smtp_conn_id if wanted.smtp_conn_id != "smtp_default" else None,
        "notifications.slack_conn_id": wanted.slack_conn_id,
        "notifications.webhook_conn_id": wanted.webhook_conn_id,
    }
