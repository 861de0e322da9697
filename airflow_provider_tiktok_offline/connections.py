"""Credentials, handed in from outside: Airflow's connections in the glue, environment variables in the CLI."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Connection", "Connections"]


class AirflowConnection(Protocol):
    """The part of Airflow's own connection that is read; its SDK and its server have a class each."""

    @property
    def conn_type(self) -> str | None: ...
    @property
    def host(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    @property
    def login(self) -> str | None: ...
    @property
    def password(self) -> str | None: ...
    @property
    def extra_dejson(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What one connection id stands for. ``repr`` shows no secret.

    Attributes:
        conn_id: its id.
        conn_type: Airflow's connection type, such as ``tiktok``, ``sftp`` or ``aws``.
        host, port, login, password: as in Airflow.
        extra: the extra fields, already parsed.
    """

    conn_id: str
    conn_type: str = ""
    host: str | None = None
    port: int | None = None
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def allows_http(self) -> bool:
        """Whether the extra says that another machine may be reached without TLS."""
        return str(self.extra.get("allow_http", "")).lower() == "true"

    @classmethod
    def of_airflow(cls, conn_id: str, found: AirflowConnection) -> Connection:
        """What Airflow has found under that id."""
        return cls(
            conn_id=conn_id,
            conn_type=found.conn_type or "",
            host=found.host or None,
            port=found.port,
            login=found.login or None,
            password=found.password or None,
            extra=found.extra_dejson,
        )


class Connections(Protocol):
    """Where connections are looked up."""

    def get(self, conn_id: str) -> Connection:
        """The connection of that id.

        :raises ConfigError: if there is none.
        """


def is_loopback(host: str) -> bool:
    """Whether a host, as a URL names it, is this machine itself."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
