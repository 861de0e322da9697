"""What only the Airflow of this machine knows: pools, and connections of its database and secrets backends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError

#: Airflow's own settings, any of which says that an Airflow is configured here.
_SETTINGS = (
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD",
    "AIRFLOW__SECRETS__BACKEND",
)


def airflow_is_configured(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an Airflow can be asked here. A look at files and variables: Airflow itself makes what is missing."""
    home = Path(environ.get("AIRFLOW_HOME") or "~/airflow").expanduser()
    return any(environ.get(name) for name in _SETTINGS) or (home / "airflow.cfg").is_file()


@cache
def deployment_connection(conn_id: str) -> Connection | None:
    """The connection of that id as ``airflow connections get`` finds it; None if Airflow has none.

    :raises ConfigError: if Airflow can't be asked. Its own words are not shown: they may hold a password.
    """
    _as_a_server()
    try:
        from airflow.models.connection import Connection as AirflowConnection
        from airflow.providers.common.compat.sdk import AirflowNotFoundException

        try:
            found = AirflowConnection.get_connection_from_secrets(conn_id)
        except AirflowNotFoundException:
            return None
    except Exception as error:
        raise ConfigError(
            f"Airflow can't be asked for it ({type(error).__name__}).",
            where=f"connection {conn_id}",
            todo="Look whether `airflow connections list` works here, or set AIRFLOW_CONN_" + conn_id.upper() + ".",
        ) from None
    return Connection.of_airflow(conn_id, found)


@cache
def deployment_pools() -> frozenset[str]:
    """The names of the pools, as ``airflow pools list`` finds them.

    :raises ConfigError: if Airflow can't be asked.
    """
    _as_a_server()
    try:
        from airflow.models.pool import Pool

        return frozenset(str(pool.pool) for pool in Pool.get_pools())
    except Exception as error:
        raise ConfigError(
            f"Airflow can't be asked for its pools ({type(error).__name__}).",
            where="key pool",
            todo="Look whether `airflow pools list` works here.",
        ) from None


def _as_a_server() -> None:
    """Let this process read the metadata database, as Airflow's own command line does."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
