"""LiveRamp's own SFTP servers by region.

Hosts and ports come from what other vendors' products hard-code, not from LiveRamp's own page: each entry states its
confidence. A connection's own host and port take precedence; its host key must be pinned in any case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Region:
    """One of LiveRamp's regions.

    Attributes:
        host: the server, None where none is known.
        port: its port.
        login: its authentication method.
        confidence: of the host and of the port.
        source: where the host and the port come from.
        row_characters: the longest row that the region takes.
    """

    host: str | None
    port: int
    login: Literal["password", "key"]
    confidence: str
    source: str
    row_characters: int = 10_000


REGIONS: dict[str, Region] = {
    "na": Region(
        "files.liveramp.com", 22, "password", "host high, port high",
        "Segment's and Adobe's LiveRamp destinations",
    ),
    "au": Region(
        "sftp-au.liverampapac.com", 2222, "password", "host medium, port high (Adobe names no host)",
        "Amperity's and Adobe's LiveRamp destinations",
    ),
    "eu": Region(
        None, 4222, "key", "host unknown, port high; keys only",
        "Adobe's LiveRamp destination: ask LiveRamp for the host", 1_000,
    ),
}  # fmt: skip


def longest_row(connection: Connection) -> int | None:
    """The longest row that the region of the connection's extra ``liveramp_region`` takes; None without a region."""
    region = REGIONS.get(str(connection.extra.get("liveramp_region")).lower())
    return None if region is None else region.row_characters


def with_region(connection: Connection) -> Connection:
    """The connection, with host and port of the region that its extra ``liveramp_region`` names, if it has none.

    :raises ConfigError: if the region or its host is unknown, or the region needs a key and the connection has none.
    """
    name = connection.extra.get("liveramp_region")
    if name is None:
        return connection
    region = REGIONS.get(str(name).lower())
    if region is None:
        raise ConfigError(
            f"liveramp_region must be one of {', '.join(REGIONS)}.", where=f"connection {connection.conn_id}"
        )
    host = connection.host or region.host
    if host is None:
        raise ConfigError(
            f"no host is known for LiveRamp's region {str(name).lower()}.",
            where=f"connection {connection.conn_id}",
            todo="Ask LiveRamp for it and set the connection's host.",
        )
    if region.login == "key" and not (connection.extra.get("private_key") or connection.extra.get("key_file")):
        raise ConfigError(
            f"LiveRamp's region {str(name).lower()} accepts key authentication only.",
            where=f"connection {connection.conn_id}",
            todo="Register a public key with LiveRamp's support and set private_key in the connection's extra.",
        )
    return replace(connection, host=host, port=connection.port or region.port)
