"""Airflow's connections, in the shape the rest of the package asks for."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException, BaseHook

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError


class AirflowConnections:
    """Looks a connection id up in Airflow: environment, secrets backend or metadata database, as deployed.

    Each id is asked for once in the life of this object, so that a step that opens many files costs one lookup.
    """

    def __init__(self) -> None:
        self._seen: dict[str, Connection] = {}

    def get(self, conn_id: str) -> Connection:
        """The connection of that id.

        :raises ConfigError: if Airflow has none.
        """
        if conn_id not in self._seen:
            self._seen[conn_id] = _read(conn_id)
        return self._seen[conn_id]


def _read(conn_id: str) -> Connection:
    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConfigError(
            "Airflow has no such connection.",
            where=f"connection {conn_id!r}",
            todo="Add it under Admin, Connections, or name another id in the configuration.",
        ) from None
    except AirflowException:
        raise
    except Exception as error:
        # A malformed AIRFLOW_CONN_... is repeated by the library that reads it, password and all.
        raise ConfigError(
            f"the connection can't be read ({type(error).__name__}).",
            where=f"connection {conn_id!r}",
            todo="Write it as JSON, or quote what stands in its URI; look at the secrets backend if it comes from one.",
        ) from None
    return Connection.of_airflow(conn_id, found)
