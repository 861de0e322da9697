"""Connections from environment variables, written as Airflow writes them; Airflow is imported for no other."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TypedDict
from urllib.parse import parse_qsl, unquote, urlsplit

from airflow_provider_tiktok_offline.cli.deployment import (
    airflow_is_configured,
    deployment_connection,
)
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError

TOKEN_VARIABLE = "TIKTOK_ACCESS_TOKEN"  # noqa: S105 - its name
PREFIX = "AIRFLOW_CONN_"


class _Fields(TypedDict, total=False):
    conn_type: str
    host: str | None
    port: int | None
    login: str | None
    password: str | None
    extra: dict[str, object]


class EnvironmentConnections:
    """Looks up ``AIRFLOW_CONN_<ID>`` (JSON or URI), and ``TIKTOK_ACCESS_TOKEN`` for TikTok's connection.

    What the environment does not hold is asked of the Airflow of this machine, where one is configured.

    :param tiktok_conn_id: the connection whose password is the access token.
    :param environ: the environment.
    """

    def __init__(self, tiktok_conn_id: str | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self._tiktok_conn_id = tiktok_conn_id
        self._environ = environ

    def get(self, conn_id: str) -> Connection:
        """The connection of that id.

        :raises ConfigError: if there is none, or one that can't be read.
        """
        variable = PREFIX + conn_id.upper()
        text = self._environ.get(variable, "")
        token = self._environ.get(TOKEN_VARIABLE) if conn_id == self._tiktok_conn_id else None
        if not text and not token:
            found = deployment_connection(conn_id) if airflow_is_configured(self._environ) else None
            if found is not None:
                return found
            if conn_id == self._tiktok_conn_id:
                raise ConfigError(
                    "there is no access token.",
                    where=f"connection {conn_id}",
                    todo=f"Set {TOKEN_VARIABLE}, or {variable}, or add the connection to Airflow.",
                )
            raise ConfigError(
                "there is no such connection, neither in the environment nor in an Airflow of this machine.",
                where=f"connection {conn_id}",
                todo=f"Set {variable} to the connection as JSON or URI, as `airflow connections get` shows it.",
            )
        fields = _parsed(variable, text) if text else {"conn_type": "tiktok"}
        if token:
            fields["password"] = token
        return Connection(conn_id=conn_id, **fields)


def _parsed(variable: str, text: str) -> _Fields:
    try:
        return _from_json(text) if text.lstrip().startswith("{") else _from_uri(text)
    except (ValueError, TypeError, AttributeError):
        # The cause may hold the secret: it is not shown.
        raise ConfigError(
            "can't be read as a connection.", where=variable, todo='Write {"conn_type": "sftp", "host": ...} or a URI.'
        ) from None


def _from_json(text: str) -> _Fields:
    fields = json.loads(text)
    extra = fields.get("extra") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    port = fields.get("port")
    return {
        "conn_type": _conn_type(fields.get("conn_type") or ""),
        "host": fields.get("host") or None,
        "port": None if port in (None, "") else int(port),
        "login": fields.get("login") or None,
        "password": fields.get("password") or None,
        "extra": dict(extra),
    }


def _from_uri(text: str) -> _Fields:
    """Airflow's reading of a URI: ``type://login:password@host:port/?key=value``, or ``type://https://host``."""
    kind, separator, rest = text.partition("://")
    if not separator:
        raise ValueError("no scheme")
    protocol, separator, behind = rest.partition("://")
    if separator and "@" not in protocol and "/" not in protocol:
        parts = urlsplit(f"//{behind}")
    else:
        protocol, parts = "", urlsplit(f"//{rest}")
    host = unquote(parts.hostname or "")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    extra = json.loads(query["__extra__"]) if "__extra__" in query else query
    return {
        "conn_type": _conn_type(kind),
        "host": f"{protocol}://{host}" if protocol and host else host or None,
        "port": parts.port,
        "login": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "extra": dict(extra),
    }


def _conn_type(text: str) -> str:
    return text.replace("-", "_").lower()
