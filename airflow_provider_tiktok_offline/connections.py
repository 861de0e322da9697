"""Credentials, handed in from outside: Airflow's connections in the glue, environment variables in the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Connection", "Connections"]


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


class Connections(Protocol):
    """Where connections are looked up."""

    def get(self, conn_id: str) -> Connection:
        """The connection of that id.

        :raises ConfigError: if there is none.
        """
