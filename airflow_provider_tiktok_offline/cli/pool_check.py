"""Whether the pool that an advertiser names is there: tasks of a pool that is missing wait for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.cli.deployment import airflow_is_configured, deployment_pools
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config import AdvertiserConfig
    from airflow_provider_tiktok_offline.tiktok.check import Finding


def pool_findings(config: AdvertiserConfig) -> list[Finding]:
    """Look up the advertiser's pool in the Airflow of this machine.

    :returns: one finding; none for an advertiser that names no pool.
    """
    if config.pool is None:
        return []
    from airflow_provider_tiktok_offline.tiktok.check import Finding

    if not airflow_is_configured():
        return [
            Finding(
                "pool",
                "warning",
                f"{config.pool} was not looked up: no Airflow is configured on this machine.",
                "Run this where Airflow's scheduler runs.",
            )
        ]
    try:
        pools = deployment_pools()
    except ConfigError as error:
        return [Finding("pool", "failed", error.what, error.todo or "")]
    if config.pool in pools:
        return [Finding("pool", "ok", f"{config.pool}.")]
    return [
        Finding(
            "pool",
            "failed",
            f"{config.pool} does not exist in this Airflow, so upload would wait for ever.",
            "Make it under Admin, Pools, or with `airflow pools set`, or remove pool: from the entry.",
        )
    ]
